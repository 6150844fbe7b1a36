"""Loading as a whole: partial loads, all or nothing, resuming, and the command line."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys

import gin
import numpy as np
import pytest
import tensorflow as tf
from tf_agents.trajectories import trajectory

import checkpoint_loading
import policy_specs
import test_checkpoint_loading as documented_import_path
from checkpoints import errors, optimizer_state, variable_names
from tests import checkpoint_files as files

ROOT = pathlib.Path(__file__).parents[1]
TWO_STEPS = "TransformerNetwork.time_sequence_length = 2"
CROSS_ENTROPY = 'TransformerNetwork.loss_type = "cross_entropy"'
RT1_ACTIONS = ('Agent.action_space = "rt1"', CROSS_ENTROPY)
POSITION_KERNEL = f"{files.NETWORK}/_transformer/_position_emb/kernel"
SOME_KEY = files.key("_transformer/_output_tokens/kernel")


@pytest.fixture(autouse=True)
def _clean_gin():
    """`main` sets gin up for its process; the tests share one."""
    yield
    gin.clear_config()


@pytest.fixture(scope="module")
def agent():
    """The agent that tests load into; each gives it values of its own first."""
    return files.build_small()


@pytest.fixture(scope="module")
def source():
    """The agent whose weights are in the files."""
    agent = files.build_small()
    files.randomize(agent, seed=1)
    return agent


@pytest.fixture(scope="module")
def prefix(source, tmp_path_factory) -> str:
    """A checkpoint of `source`, as training writes it, before the first step."""
    return source.checkpoint().save(str(tmp_path_factory.mktemp("ours") / "ckpt"))


@pytest.fixture(scope="module")
def values(prefix) -> dict[str, np.ndarray]:
    return files.read_values(prefix)


def test_documented_import_path_gives_the_same_functions():
    for name in documented_import_path.__all__:
        assert getattr(documented_import_path, name) is getattr(checkpoint_loading, name)
    assert "custom_load_checkpoint" in documented_import_path.__all__
    assert "map_model_name_to_checkpoint_name" in documented_import_path.__all__


def test_own_checkpoint_loads_every_value(agent, source, prefix):
    files.randomize(agent, seed=2)
    report = checkpoint_loading.custom_load_checkpoint(agent, prefix)
    for loaded, expected in zip(agent.network.variables, source.network.variables):
        np.testing.assert_array_equal(loaded.numpy(), expected.numpy(), err_msg=expected.name)
    assert len(report.loaded) == len(source.network.variables)
    assert (report.missing, report.unexpected, report.mismatched) == ((), (), ())
    assert report.num_loaded_parameters == sum(v.numpy().size for v in source.network.variables)


def test_report_is_logged(agent, prefix, caplog):
    with caplog.at_level("INFO", logger="absl"):
        report = checkpoint_loading.custom_load_checkpoint(agent, prefix)
    assert str(report) in caplog.text


def test_image_normalization_takes_effect_at_once(agent, values, tmp_path):
    """Keras' own layer caches its constants; ours must not."""
    root = "_image_tokenizer/_tokenizer/net/layer_with_weights-0"
    changed = {
        **values,
        files.key(f"{root}/mean"): np.float32([0.5, 0.5, 0.5]),
        files.key(f"{root}/variance"): np.float32([4.0, 16.0, 0.25]),
    }
    checkpoint_loading.custom_load_checkpoint(
        agent, files.write_values(tmp_path / "normalization", changed)
    )
    layer = getattr(agent.network._image_tokenizer._tokenizer.net, "layer_with_weights-0")
    # (1 - 0.5) / sqrt(4), / sqrt(16), / sqrt(0.25)
    np.testing.assert_array_equal(layer(tf.ones((1, 1, 1, 3)))[0, 0, 0], [0.25, 0.125, 1.0])


PARTIAL = {
    "other time_sequence_length": ((TWO_STEPS,), ("allow_mismatch",), (0, 0, 1)),
    "other number of action tokens": (
        RT1_ACTIONS,
        ("allow_missing", "allow_unexpected", "allow_mismatch"),
        (2, 2, 1),
    ),
    "other head": ((CROSS_ENTROPY,), ("allow_missing", "allow_unexpected"), (2, 2, 0)),
}


@pytest.mark.parametrize("case", PARTIAL)
def test_partial_load_needs_exactly_its_patterns(case, prefix, values):
    bindings, needed, counts = PARTIAL[case]
    agent = files.build_small(*bindings)
    before = files.snapshot(agent)
    all_patterns = checkpoint_loading.OTHER_HEAD_OR_LENGTH
    for left_out in needed:
        patterns = {key: value for key, value in all_patterns.items() if key != left_out}
        with pytest.raises(errors.CheckpointMismatchError, match=f"{left_out}="):
            checkpoint_loading.custom_load_checkpoint(agent, prefix, **patterns)
        files.assert_equal(before, files.snapshot(agent))
    report = checkpoint_loading.custom_load_checkpoint(agent, prefix, **all_patterns)
    assert (len(report.missing), len(report.unexpected), len(report.mismatched)) == counts
    variables = variable_names.variables_by_checkpoint_name(agent.network)
    for info in report.loaded:
        loaded = values[info.name + "/.ATTRIBUTES/VARIABLE_VALUE"]
        np.testing.assert_array_equal(variables[info.name].numpy(), loaded, err_msg=info.name)
    left = {info.name for info in report.left_at_init}
    assert left == variables.keys() - {info.name for info in report.loaded}
    if report.mismatched:
        assert [pair.name for pair in report.mismatched] == [POSITION_KERNEL]


def test_mismatch_names_both_shapes(prefix):
    agent = files.build_small(TWO_STEPS)
    message = r"_position_emb/kernel: expected float32 \[24, 32\], got float32 \[12, 32\]"
    with pytest.raises(errors.CheckpointMismatchError, match=message) as caught:
        checkpoint_loading.custom_load_checkpoint(agent, prefix)
    assert [pair.model.shape for pair in caught.value.report.mismatched] == [(24, 32)]
    assert [pair.file.shape for pair in caught.value.report.mismatched] == [(12, 32)]


def _changed(values: dict, kind: str) -> dict:
    """The values of a good checkpoint with one fault."""
    values = dict(values)
    if kind == "missing":
        del values[SOME_KEY]
    elif kind == "unexpected":
        values[files.key("_transformer/_layers/2/ff/bias")] = np.zeros(32, np.float32)
    elif kind == "shape":
        values[SOME_KEY] = values[SOME_KEY].T
    elif kind == "dtype":
        values[SOME_KEY] = values[SOME_KEY].astype(np.float64)
    elif kind == "nan":
        values[SOME_KEY] = np.where(np.arange(256) == 7, np.nan, values[SOME_KEY])
    elif kind == "infinite":
        values[files.key("_regression_output/bias")] = np.float32([-np.inf])
    elif kind == "other names":
        values = {k.replace(files.NETWORK, "model/_net"): v for k, v in values.items()}
    return values


FAULTS = {
    "missing": r"1 missing, 0 unexpected, 0 mismatched.*\n.*_output_tokens/kernel: expected float",
    "unexpected": r"0 missing, 1 unexpected, 0 mismatched.*\n.*_layers/2/ff/bias: got float32 \[32",
    "shape": r"expected float32 \[32, 256\], got float32 \[256, 32\]",
    "dtype": r"expected float32 \[32, 256\], got float64 \[32, 256\]",
    "nan": r"finite values, got NaN or infinite .* .*_output_tokens/kernel \(32 of 8192",
    "infinite": r"finite values, got NaN or infinite .* .*_regression_output/bias \(1 of 1\)",
    "other names": r"start with agent/_actor_network/, got .*model/_net \(\d+\)",
}


@pytest.mark.parametrize("kind", FAULTS)
def test_fault_is_named_and_every_weight_stays(kind, agent, values, tmp_path):
    files.randomize(agent, seed=3)
    before = files.snapshot(agent)
    bad = files.write_values(tmp_path / "bad", _changed(values, kind))
    with pytest.raises(errors.CheckpointLoadError, match=FAULTS[kind]):
        checkpoint_loading.custom_load_checkpoint(agent, bad)
    files.assert_equal(before, files.snapshot(agent))


def test_no_overlap_is_an_error_whatever_is_allowed(agent, values, tmp_path):
    bad = files.write_values(tmp_path / "bad", _changed(values, "other names"))
    with pytest.raises(errors.NoOverlapError):
        checkpoint_loading.custom_load_checkpoint(
            agent, bad, allow_missing=["*"], allow_unexpected=["*"], allow_mismatch=["*"]
        )


def test_damage_to_the_last_variable_leaves_the_first_alone(agent, prefix, tmp_path):
    """All values are read, and their checksums compared, before the first is assigned."""
    for path in pathlib.Path(prefix).parent.glob("ckpt-1.*"):
        shutil.copy(path, tmp_path)
    data = tmp_path / "ckpt-1.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[-len(content) // 20] ^= 0xFF
    data.write_bytes(content)
    files.randomize(agent, seed=4)
    before = files.snapshot(agent)
    with pytest.raises(errors.CorruptedCheckpointError, match="cannot be read.*[Cc]hecksum"):
        checkpoint_loading.custom_load_checkpoint(agent, tmp_path / "ckpt-1")
    files.assert_equal(before, files.snapshot(agent))


def _damage(prefix: pathlib.Path, kind: str) -> pathlib.Path:
    """Makes a good checkpoint a bad one and returns the path to ask for."""
    index, data = (pathlib.Path(f"{prefix}{end}") for end in (".index", ".data-00000-of-00001"))
    if kind in ("pointer for the index", "pointer for the data"):
        (index if kind.endswith("index") else data).write_text(files.LFS_POINTER)
    elif kind == "cut off":
        data.write_bytes(data.read_bytes()[:-1000])
    elif kind == "cut in half":
        data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    elif kind == "no data":
        data.unlink()
    elif kind == "damaged index":
        index.write_bytes(index.read_bytes()[:-8])
    elif kind == "absent":
        return prefix.with_name("chkpt-1")
    elif kind == "h5":
        path = prefix.with_name("efficientnetb3_notop.h5")
        tf.keras.Sequential([tf.keras.layers.Dense(1, input_shape=(1,))]).save_weights(path)
        return path
    return prefix


BAD_FILES = {
    "absent": "no checkpoint .*chkpt-1 .* Checkpoints in it: ckpt-1. Did you mean ckpt",
    "pointer for the index": "ckpt-1.index is a Git LFS pointer: .*run `git lfs .*git lfs pull`",
    "pointer for the data": "00001 is a Git LFS pointer: .*run `git lfs .*git lfs pull`",
    "cut off": "is cut off: it ends before the values of _CHECKPOINTABLE_OBJECT_GRAPH",
    "cut in half": "is cut off: the index lists .* bytes, ckpt-1.data-00000-of-00001 holds",
    "no data": "ckpt-1.index is there, but no data file beside it",
    "damaged index": "expected the index of a TensorFlow checkpoint, got .*ckpt-1.index",
    "h5": "expected the prefix of a TensorFlow checkpoint .* got the HDF5 file .*_notop.h5",
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_file_is_named_and_every_weight_stays(kind, agent, prefix, tmp_path):
    for path in pathlib.Path(prefix).parent.glob("ckpt-1.*"):
        shutil.copy(path, tmp_path)
    before = files.snapshot(agent)
    bad = _damage(tmp_path / "ckpt-1", kind)
    with pytest.raises(errors.CheckpointLoadError, match=BAD_FILES[kind]):
        checkpoint_loading.custom_load_checkpoint(agent, bad)
    files.assert_equal(before, files.snapshot(agent))


def test_a_pattern_that_is_no_list_is_refused(agent, prefix):
    with pytest.raises(TypeError, match="allow_missing: expected a list of patterns, got the str"):
        checkpoint_loading.custom_load_checkpoint(agent, prefix, allow_missing="*/bias")


# Training state.


def _batch(seed: int) -> trajectory.Trajectory:
    """Two recorded steps, [B = 2, T = 1]."""
    generator = np.random.default_rng(seed)
    observation = {
        policy_specs.IMAGE_KEY: generator.integers(0, 256, (2, 1, 64, 64, 3), np.uint8),
        policy_specs.EMBEDDING_KEY: generator.normal(size=(2, 1, 512)).astype(np.float32),
    }
    ones = tf.ones((2, 1), tf.int32)
    return trajectory.Trajectory(
        step_type=ones,
        observation=tf.nest.map_structure(tf.constant, observation),
        action={policy_specs.ACTION_KEY: tf.constant(generator.random((2, 1, 4)), tf.float32)},
        policy_info=(),
        next_step_type=ones,
        reward=tf.zeros((2, 1)),
        discount=tf.ones((2, 1)),
    )


SQUARE = ("observation_spec.image_height = 64", "observation_spec.image_width = 64")


@pytest.fixture(scope="module", params=["smooth_l1", "cross_entropy"])
def trained(request, tmp_path_factory):
    """(bindings, an agent after three steps, its checkpoint after two)."""
    bindings = (*SQUARE, f'TransformerNetwork.loss_type = "{request.param}"')
    agent = files.build_small(*bindings)
    agent.sequence_agent.train(_batch(1))
    agent.sequence_agent.train(_batch(2))
    prefix = agent.checkpoint().save(str(tmp_path_factory.mktemp("trained") / "ckpt"))
    agent.sequence_agent.train(_batch(3))
    return bindings, agent, prefix


@pytest.mark.slow
def test_resumed_run_equals_the_undisturbed_one_bit_for_bit(trained):
    bindings, undisturbed, prefix = trained
    resumed = files.build_small(*bindings)
    report = checkpoint_loading.custom_load_checkpoint(resumed, prefix, restore_optimizer=True)
    assert resumed.global_step.numpy() == 2
    assert resumed.optimizer.iterations.numpy() == 2
    assert [info.name for info in report.ignored] == [
        "_CHECKPOINTABLE_OBJECT_GRAPH",
        "save_counter",
    ]
    resumed.sequence_agent.train(_batch(3))
    assert len(resumed.optimizer.variables) > 400
    files.assert_equal(files.snapshot(undisturbed), files.snapshot(resumed))


def test_built_optimizer_has_the_variables_of_a_train_step(trained):
    bindings, undisturbed, _ = trained
    fresh = files.build_small(*bindings)
    optimizer_state.build_optimizer(fresh)
    assert [v.shape for v in fresh.optimizer.variables] == [
        v.shape for v in undisturbed.optimizer.variables
    ]


def test_without_restore_optimizer_the_training_state_is_ignored(trained):
    bindings, _, prefix = trained
    agent = files.build_small(*bindings)
    report = checkpoint_loading.custom_load_checkpoint(agent, prefix)
    assert agent.global_step.numpy() == 0
    assert all(not info.name.startswith(files.NETWORK) for info in report.ignored)
    assert "global_step" in [info.name for info in report.ignored]


def test_resuming_from_weights_alone_is_an_error(trained, tmp_path):
    bindings, _, prefix = trained
    weights = {k: v for k, v in files.read_values(prefix).items() if "/_actor_network/" in k}
    agent = files.build_small(*bindings)
    before = [v.numpy() for v in agent.network.variables]
    with pytest.raises(errors.CheckpointMismatchError, match=r"entries, got 0\).*To resume, use"):
        checkpoint_loading.custom_load_checkpoint(
            agent, files.write_values(tmp_path / "weights", weights), restore_optimizer=True
        )
    for value, variable in zip(before, agent.network.variables):
        np.testing.assert_array_equal(value, variable.numpy())


def test_a_missing_slot_is_an_error(trained, tmp_path):
    bindings, _, prefix = trained
    values = files.read_values(prefix)
    slot = "agent/_actor_optimizer/_variables/17"
    del values[f"{slot}/.ATTRIBUTES/VARIABLE_VALUE"]
    bad = files.write_values(tmp_path / "slot", values)
    with pytest.raises(errors.CheckpointMismatchError, match=f"1 missing.*\n.*{slot}: expected"):
        checkpoint_loading.custom_load_checkpoint(
            files.build_small(*bindings), bad, restore_optimizer=True
        )


def test_resuming_with_other_frozen_layers_is_an_error(trained):
    bindings, _, prefix = trained
    agent = files.build_small(*bindings)
    agent.network._transformer.trainable = False
    with pytest.raises(errors.CheckpointMismatchError, match="frozen layers of the run"):
        checkpoint_loading.custom_load_checkpoint(agent, prefix, restore_optimizer=True)


# The command line.


def run(*arguments: object) -> subprocess.CompletedProcess:
    """`python checkpoint_loading.py ...` in a process of its own."""
    return subprocess.run(
        [sys.executable, "checkpoint_loading.py", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_main_lists_without_building_a_model(prefix, values, capsys):
    assert checkpoint_loading.main(["--checkpoint_path", prefix, "--list"]) == 0
    out = capsys.readouterr().out
    assert f"{POSITION_KERNEL} " in out
    assert "float32 [12, 32]" in out
    assert f"{len(values) + 1} entries" in out  # and the object graph


def test_list_in_a_process_does_not_import_tf_agents(prefix):
    code = (
        "import sys, checkpoint_loading;"
        f"code = checkpoint_loading.main(['--checkpoint_path', {prefix!r}, '--list']);"
        "assert 'tf_agents' not in sys.modules; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_program_builds_the_model_of_the_config_beside_and_answers(prefix, tmp_path):
    for path in pathlib.Path(prefix).parent.glob("ckpt-1.*"):
        shutil.copy(path, tmp_path)
    config = [*files.SMALL, "create_optimizer.learning_rate = 0.5"]
    (tmp_path / "config.gin").write_text("\n".join(config))
    done = run("--checkpoint_path", tmp_path, "--answer")
    assert done.returncode == 0, done.stderr
    assert f"Model: {tmp_path / 'config.gin'}" in done.stdout
    assert "Built: " in done.stdout
    assert "MiB" in done.stdout
    assert f"loaded  {len(files.build_small().network.variables):>25}" in done.stdout
    assert "{'bbox': [" in done.stdout


@pytest.mark.slow
def test_program_fails_with_the_reason_on_stderr(prefix):
    bindings = [item for binding in files.SMALL for item in ("--gin_bindings", binding)]
    two_steps = [*bindings, "--gin_bindings", TWO_STEPS]
    done = run("--checkpoint_path", prefix, *two_steps)
    assert done.returncode == 1
    assert "CheckpointMismatchError" in done.stderr
    assert "_position_emb/kernel: expected float32 [24, 32], got float32 [12, 32]" in done.stderr
    assert "Traceback" not in done.stderr
    assert "MiB" in done.stdout
    assert "ckpt-1\n" not in done.stdout
    done = run(
        "--checkpoint_path", prefix, *two_steps, "--allow_mismatch", "*/_position_emb/kernel"
    )
    assert done.returncode == 0, done.stderr


def test_main_allows_what_it_is_told_to(prefix, capsys):
    bindings = [f"--gin_bindings={binding}" for binding in (*files.SMALL, TWO_STEPS)]
    allowed = "--allow_mismatch=*/_position_emb/kernel"
    assert checkpoint_loading.main(["--checkpoint_path", prefix, *bindings, allowed]) == 0
    assert "expected float32 [24, 32], got float32 [12, 32]" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--checkpoint_path", "no/such/ckpt"], "no directory no/such"),
        (["--checkpoint_path", "{prefix}", "--config_file", "none.gin"], "none.gin"),
        (
            ["--checkpoint_path", "{prefix}", "--gin_bindings", "Transfrmer.num_layers = 2"],
            "Transfrm",
        ),
    ],
    ids=["no checkpoint", "no config", "unknown binding"],
)
def test_main_reports_bad_arguments(arguments, message, prefix, capsys):
    assert checkpoint_loading.main([part.format(prefix=prefix) for part in arguments]) == 1
    assert message in capsys.readouterr().err
