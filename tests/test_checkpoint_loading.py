"""Loading checkpoints: paths, names, partial loads, all or nothing, resuming, the command line.

That a loaded public model computes what RT-1 does is tested in `tests/golden/`.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import gin
import numpy as np
import pytest
import tensorflow as tf

import checkpoint_loading
import sequence_agent
import test_checkpoint_loading as documented_import_path
from tests import checkpoint_files as files
from tests import small_model

ROOT = pathlib.Path(__file__).parents[1]
LoadError = checkpoint_loading.CheckpointLoadError
TWO_STEPS = "TransformerNetwork.time_sequence_length = 2"
POSITION_KERNEL = f"{files.NETWORK}/_transformer/_position_emb/kernel"
BIAS = "_transformer/_token_emb/bias"
SOME_KEY = files.key("_transformer/_output_tokens/kernel")
SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"


@pytest.fixture(autouse=True)
def _clean_gin():
    """`main` sets gin up for its process; the tests share one."""
    yield
    gin.clear_config()


@pytest.fixture(scope="module")
def agent():
    """The agent that tests load into; each gives it values of its own first."""
    return small_model.build()


@pytest.fixture(scope="module")
def prefix(agent, tmp_path_factory) -> str:
    """A checkpoint as training writes it, before the first step."""
    files.randomize(agent, seed=1)
    return agent.checkpoint().save(str(tmp_path_factory.mktemp("ours") / "ckpt"))


@pytest.fixture(scope="module")
def values(prefix) -> dict[str, np.ndarray]:
    return files.read_values(prefix)


@pytest.fixture
def copied(prefix, tmp_path) -> pathlib.Path:
    """The prefix of a copy that may be damaged."""
    return shutil.copytree(pathlib.Path(prefix).parent, tmp_path / "copy") / "ckpt-1"


def _touch(directory: pathlib.Path, *names: str, state: str | None = None) -> None:
    """Empty checkpoints, each newer than the one before, and what the state file names."""
    directory.mkdir(parents=True, exist_ok=True)
    for age, name in enumerate(names):
        for suffix in (".index", ".data-00000-of-00001"):
            path = directory / f"{name}{suffix}"
            path.touch()
            os.utime(path, (1_000_000 + age, 1_000_000 + age))
    if state:
        (directory / "checkpoint").write_text(f'model_checkpoint_path: "{state}"\n')


@pytest.mark.parametrize(
    ("names", "state", "asked", "found"),
    [
        (["ckpt-10", "ckpt-20"], None, "ckpt-10", "ckpt-10"),
        (["ckpt-10", "ckpt-20"], None, "ckpt-10.index", "ckpt-10"),
        # A copied directory may hold the absolute path of the original.
        (["ckpt-10", "ckpt-20"], "/runs/7/ckpt-10", ".", "ckpt-10"),
        # Without a state file the highest number, however it is spelled; then the newest stem.
        (["ckpt-100", "ckpt-20", "ckpt-9"], None, ".", "ckpt-100"),
        (["ckpt-100", "best_checkpoint", "ckpt-20"], None, ".", "best_checkpoint"),
        (["best-12", "best-7", "best_old-99"], None, "best", "best-12"),
    ],
)
def test_what_a_path_means(tmp_path, names, state, asked, found):
    folder = tmp_path / "run[1]*"
    _touch(folder, *names, state=state)
    assert checkpoint_loading.resolve_prefix(folder / asked) == str(folder / found)


@pytest.mark.parametrize(
    ("names", "state", "asked", "message"),
    [
        (["best-12", "ckpt-50"], None, "bets", "there is no .*bets.index. .* best-12, ckpt-50"),
        ([], None, "8/models/rt1main", "holds nothing.* github.com/google-research/robotics_trans"),
        ([], None, ".", "or a SavedModel with policy_specs.pbtxt, got .* holds nothing"),
        (["ckpt-10"], "ckpt-20", ".", "names 'ckpt-20', but there is no ckpt-20.index"),
        ([f"ckpt-{n:02}" for n in range(30)], None, "model", "ckpt-11 and 18 more"),
        ([], None, "b3.h5", "got the file .*b3.h5"),
        ([], None, "lost", "copy lost.index too"),
    ],
)
def test_what_is_not_there(tmp_path, names, state, asked, message):
    _touch(tmp_path, *names, state=state)
    if asked in ("b3.h5", "lost"):
        (tmp_path / {"lost": "lost.data-00000-of-00001"}.get(asked, asked)).write_bytes(b"HDF")
    with pytest.raises(LoadError, match=message):
        checkpoint_loading.resolve_prefix(tmp_path / asked)


def test_names_are_those_that_tensorflow_writes(agent, tmp_path):
    """Each value is found under its mapped name, whatever else the process has built."""
    for one in (small_model.build(small_model.CROSS_ENTROPY), agent):
        reader = tf.train.load_checkpoint(one.checkpoint().write(str(tmp_path / "ckpt")))
        mapping = documented_import_path.map_model_name_to_checkpoint_name(one.network)
        for name, variable in sequence_agent.variables_by_path(one.network).items():
            np.testing.assert_array_equal(reader.get_tensor(mapping[name]), variable, err_msg=name)
        written = {key for key in reader.get_variable_to_shape_map() if "/_actor_network/" in key}
        assert written == set(mapping.values())
    of_agent = checkpoint_loading.map_model_name_to_checkpoint_name(agent)
    expected = f"agent/_actor_network/{BIAS}{SUFFIX}"
    assert mapping[BIAS] == of_agent[f"_actor_network/{BIAS}"] == expected
    backward = documented_import_path.map_checkpoint_name_to_model_name(agent)
    assert {key: name for name, key in of_agent.items()} == backward


ALLOWED = checkpoint_loading.OTHER_HEAD_OR_LENGTH


@pytest.mark.parametrize(
    ("bindings", "needed", "counts"),
    [
        ((TWO_STEPS,), ("allow_mismatch",), (0, 0, 1)),
        (small_model.RT1_ACTIONS, tuple(ALLOWED), (2, 2, 1)),
        ((small_model.CROSS_ENTROPY,), ("allow_missing", "allow_unexpected"), (2, 2, 0)),
    ],
)
def test_partial_load_needs_exactly_its_patterns(bindings, needed, counts, prefix, values):
    agent = small_model.build(*bindings)
    before = files.snapshot(agent)
    for left_out in needed:
        patterns = {key: value for key, value in ALLOWED.items() if key != left_out}
        with pytest.raises(LoadError, match=f"{left_out}="):
            checkpoint_loading.custom_load_checkpoint(agent, prefix, **patterns)
        assert small_model.same(before, files.snapshot(agent))
    report = checkpoint_loading.custom_load_checkpoint(agent, prefix, **ALLOWED)
    assert (len(report.missing), len(report.unexpected), len(report.mismatched)) == counts
    variables = checkpoint_loading.variables_by_checkpoint_name(agent.network)
    for info in report.loaded:
        np.testing.assert_array_equal(variables[info.name], values[info.name + SUFFIX])
    left = {info.name for info in report.left_at_init}
    assert left == variables.keys() - {info.name for info in report.loaded}
    assert [ours.name for ours, _ in report.mismatched] == [POSITION_KERNEL][: counts[2]]


def _renamed(values):
    for key in list(values):
        values[key.replace(files.NETWORK, "model/_net")] = values.pop(key)


def _flip_a_byte(index, data):
    content = bytearray(data.read_bytes())
    content[-len(content) // 20] ^= 0xFF  # In the last variables; the first ones must stay.
    data.write_bytes(content)


MORE, HEAD = files.key("_transformer/_layers/2/ff/bias"), files.key("_regression_output/bias")
# What is changed among the values of a good checkpoint, and what is said.
VALUES = {
    "missing": (lambda v: v.pop(SOME_KEY), "missing: .*_output_tokens/kernel: expected float32"),
    "unexpected": (lambda v: v.update({MORE: v[HEAD]}), "unexpected: .*_layers/2/ff/bias: got flo"),
    "dtype": (lambda v: v.update({HEAD: v[HEAD].astype(np.float64)}), "got float64"),
    "infinite": (
        lambda v: v[HEAD].fill(-np.inf),
        r"finite values, got NaN or infinite .* .*_regression_output/bias \(1 of 1\)",
    ),
    "other names": (_renamed, r"start with agent/_actor_network/, got .*model/_net \(\d+\)"),
}
# The same of its two files.
FILES = {
    "pointer": (
        lambda index, data: data.write_text(files.LFS_POINTER),
        "00001 is a Git LFS pointer",
    ),
    "cut off": (
        lambda index, data: data.write_bytes(data.read_bytes()[:-1000]),
        "_CHECKPOINTABLE_OBJECT_GRAPH in .* cannot be read: the data is cut off",
    ),
    "a changed byte": (_flip_a_byte, "cannot be read.*[Cc]hecksum"),
    "no data": (lambda index, data: data.unlink(), "cannot be read: .*ckpt-1.data-00000-of-00001"),
    "damaged index": (
        lambda index, data: index.write_bytes(index.read_bytes()[:-8]),
        "expected the index of a TensorFlow checkpoint, got .*ckpt-1.index",
    ),
}


@pytest.mark.parametrize("kind", [*VALUES, *FILES])
def test_fault_is_named_and_every_weight_stays(kind, agent, values, copied):
    files.randomize(agent, seed=3)
    before = files.snapshot(agent)
    change, message = {**VALUES, **FILES}[kind]
    if kind in VALUES:
        changed = {key: value.copy() for key, value in values.items()}
        change(changed)
        files.write_values(copied, changed)
    else:
        change(*(copied.with_suffix(end) for end in (".index", ".data-00000-of-00001")))
    # A file without any variable of the model is refused whatever is allowed.
    allowed = dict.fromkeys(ALLOWED, ["*"] if kind == "other names" else [])
    with pytest.raises(LoadError, match=message):
        checkpoint_loading.custom_load_checkpoint(agent, copied, **allowed)
    assert small_model.same(before, files.snapshot(agent))


@pytest.mark.slow
def test_a_training_state_is_restored_bit_for_bit_or_not_at_all(tmp_path):
    undisturbed = small_model.build(*small_model.TINY)
    for seed in (1, 2):
        undisturbed.sequence_agent.train(small_model.food_experience(seed, 2))
    prefix = undisturbed.checkpoint().save(str(tmp_path / "ckpt"))

    resumed = small_model.build(*small_model.TINY)
    report = checkpoint_loading.custom_load_checkpoint(resumed, prefix)
    assert resumed.global_step.numpy() == 0
    assert "global_step" in [info.name for info in report.ignored]
    values, slot = files.read_values(prefix), "agent/_actor_optimizer/_variables/17"
    bad = {key: value for key, value in values.items() if not key.startswith(f"{slot}/")}
    bad = files.write_values(tmp_path / "bad", bad)
    more = values | {f"agent/_actor_optimizer/_variables/9999{SUFFIX}": np.float32([0.0])}
    more = files.write_values(tmp_path / "more", more)
    frozen = small_model.build(*small_model.TINY)
    frozen.network._transformer.trainable = False
    for agent, path, message in (
        (resumed, bad, f"missing: {slot}: expected"),
        (resumed, more, "unexpected: agent/_actor_optimizer/_variables/9999: got"),
        (frozen, prefix, "its optimizer and frozen layers too"),
    ):
        before = small_model.values(agent.network.variables)
        with pytest.raises(LoadError, match=message):
            checkpoint_loading.custom_load_checkpoint(agent, path, restore_optimizer=True)
        assert small_model.same(before, small_model.values(agent.network.variables))

    report = checkpoint_loading.custom_load_checkpoint(resumed, prefix, restore_optimizer=True)
    assert resumed.global_step.numpy() == resumed.optimizer.iterations.numpy() == 2
    assert [i.name for i in report.ignored] == ["_CHECKPOINTABLE_OBJECT_GRAPH", "save_counter"]
    assert small_model.same(files.snapshot(undisturbed), files.snapshot(resumed))


# The command line.


@pytest.mark.slow
def test_program_builds_the_model_of_the_config_beside(copied):
    """What only training knows does not matter, nor what an earlier version wrote, nor what the
    folder is called, though TensorFlow takes some names for patterns."""
    more = ("create_optimizer.learning_rate = 0.5", "FilmEfficientNet.lean_training = True")
    text = "\n".join([*small_model.BINDINGS, "Framing.passes = 'one'", *more, ""])
    copied.with_name("config.gin").write_text(text)
    moved = copied.parent.rename(copied.parents[1] / "lr=[1e-4] a*b? {x} back\\slash Grüße")
    command = [sys.executable, "checkpoint_loading.py", "--checkpoint_path", moved]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"loaded  {len(small_model.build().network.variables):>25}" in done.stdout


def test_main_lists_and_allows_what_it_is_told_to(prefix, values, tmp_path, capsys):
    assert checkpoint_loading.main(["--checkpoint_path", prefix, "--list"]) == 0
    out = capsys.readouterr().out
    assert f"{POSITION_KERNEL} " in out and "float32 [12, 32]" in out
    assert f"{len(values) + 1} entries" in out  # and the object graph
    config = tmp_path / "small.gin"
    config.write_text("\n".join((*small_model.BINDINGS, TWO_STEPS)))
    arguments = ["--checkpoint_path", prefix, "--config_file", str(config)]
    difference = "_position_emb/kernel: expected float32 [24, 32], got float32 [12, 32]"
    for flags, code in (([], 1), (["--allow_mismatch=*/_position_emb/kernel"], 0)):
        assert checkpoint_loading.main([*arguments, *flags]) == code
        assert difference in capsys.readouterr()[code]
    for flags, message in (
        (["--checkpoint_path", "no/such/ckpt"], "there is no no/such/ckpt.index"),
        (["--config_file", ""], "Give --config_file, such as configs/rt1main.gin"),
    ):
        assert checkpoint_loading.main([*arguments, *flags]) == 1
        assert message in capsys.readouterr().err
