"""Exported policies answer public clients as the checkpoint does, and are imported by name.

`tests/golden/savedmodel` holds the released indexes (names, shapes and checksums, no values) and
the released specs. `public_clients.py` says how to run two public clients as they are.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess

import gin
import numpy as np
import pytest
import tensorflow as tf
from tf_agents.policies import policy_saver, py_tf_eager_policy
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import time_step

import checkpoint_loading
import export_policy
import rt1_policy
import saved_models
from tests import checkpoint_files as files
from tests import index_files, public_clients, small_model
from training import run_setup

GOLDEN = pathlib.Path(__file__).with_name("golden") / "savedmodel"
SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
RT1 = (*small_model.TINY, *small_model.RT1_ACTIONS, "TransformerNetwork.time_sequence_length = 2")
COUNTS = {"rt1main": 732, "rt1multirobot": 760, "rt1simreal": 732}


@pytest.fixture(autouse=True)
def _clean_gin():
    yield
    gin.clear_config()


def export(folder, checkpoint, *flags):
    arguments = ["--checkpoint_path", str(checkpoint), "--output_dir", str(folder), *flags]
    return export_policy.main(arguments)


@pytest.fixture(scope="module")
def rt1(tmp_path_factory):
    """A tiny agent with robot actions, its checkpoint, and the SavedModel of it."""
    folder = tmp_path_factory.mktemp("rt1")
    agent = small_model.build(*RT1)
    agent.global_step.assign(7)
    prefix = agent.weights_checkpoint().write(str(folder / "ckpt-7"))
    (folder / "config.gin").write_text("\n".join((*small_model.BINDINGS, *RT1)))
    assert export(folder / "exported", prefix) == 0
    gin.clear_config()
    return agent, prefix, folder / "exported"


def answers_of(agent, images, embedding):
    """What the agent's own policy answers to one image after the other, uint8 [T, 1, H, W, 3]."""
    policy = agent.sequence_agent.policy
    state, answers = policy.get_initial_state(1), []
    for image in images:
        seen = {"image": image, "natural_language_embedding": embedding}
        seen = tf.nest.map_structure(tf.constant, seen)
        answer = policy.action(time_step.transition(seen, tf.zeros(1)), state)
        state = answer.state
        answers.append({key: value.numpy()[0] for key, value in answer.action.items()})
    return answers


def episode(agent):
    """Observations of four steps, and what the agent's own policy answers to them."""
    random = np.random.default_rng(3)
    images = random.integers(0, 256, (4, 1, small_model.SIDE, small_model.SIDE, 3), np.uint8)
    embedding = random.standard_normal((1, 512)).astype(np.float32)
    return images, embedding, answers_of(agent, images, embedding)


def test_a_public_client_gets_the_answers_of_our_own_policy(rt1):
    """With what all of them use: the specs from the file, and every observation filled in."""
    agent, _, folder = rt1
    client = py_tf_eager_policy.SavedModelPyTFEagerPolicy(
        str(folder), load_specs_from_pbtxt=True, use_tf_function=True
    )
    images, embedding, expected = episode(agent)
    state = client.get_initial_state(batch_size=1)
    given = tf.nest.map_structure(
        lambda spec: np.full(spec.shape, b"" if spec.dtype == object else 0, spec.dtype),
        client.time_step_spec.observation,
    )
    assert len(given) == 14
    for image, answers in zip(images, expected):
        observation = given | {"image": image[0], "natural_language_embedding": embedding[0]}
        answer = client.action(time_step.transition(observation, np.float32(0)), state)
        state = answer.state
        for key, value in answers.items():
            np.testing.assert_allclose(answer.action[key], value, atol=1e-5, err_msg=key)
    assert not all(np.array_equal(expected[0][key], expected[1][key]) for key in expected[0])
    assert client.get_train_step() == 7
    metadata = json.loads(client.get_metadata()["metadata"].numpy())
    assert (metadata["checkpoint"], metadata["time_sequence_length"]) == ("ckpt-7", 2)
    # Our own programs find the configuration in it.
    assert rt1_policy.RT1Policy.load(folder).image_shape == (small_model.SIDE, small_model.SIDE, 3)


def test_the_specs_are_those_of_the_released_policies(rt1):
    released, ours = (
        policy_saver.specs_from_collect_data_spec(tensor_spec.from_pbtxt_file(str(path)))
        for path in (GOLDEN / "rt1main.policy_specs.pbtxt", rt1[2] / "policy_specs.pbtxt")
    )
    assert ours["action_spec"] == released["action_spec"]
    observations = [specs["time_step_spec"].observation for specs in (ours, released)]
    sizes = [tuple(observation.pop("image").shape) for observation in observations]
    assert sizes == [(small_model.SIDE, small_model.SIDE, 3), (256, 320, 3)]
    assert observations[0] == observations[1]


def test_export_then_import_is_bit_equal_and_notices_exchanged_variables(rt1, tmp_path):
    agent, _, folder = rt1
    loaded = small_model.build(*RT1, weights_seed=2)
    report = run_setup.load_pretrained_checkpoint(loaded, folder)
    assert (len(report.loaded), report.note) == (len(agent.network.variables), "")
    expected = small_model.values(agent.network.variables)
    assert small_model.same(small_model.values(loaded.network.variables), expected)

    copy = shutil.copytree(folder, tmp_path / "copy")
    prefix = str(copy / "variables" / "variables")
    values = files.read_values(prefix)
    names = list(saved_models.exported(prefix)["variables"])
    kernels = (f"_transformer/_layers/{layer}/ff/kernel" for layer in (0, 1))
    one, other = (f"model_variables/{names.index(name) + 1}{SUFFIX}" for name in kernels)
    values[one], values[other] = values[other], values[one]
    files.write_values(prefix, values)
    message = "_layers/0/ff/kernel holds those of _transformer/_layers/1/ff/kernel"
    with pytest.raises(ValueError, match=message):
        checkpoint_loading.custom_load_checkpoint(loaded, copy)
    assert small_model.same(small_model.values(loaded.network.variables), expected)


def test_a_damaged_export_and_one_of_another_coding(rt1, tmp_path):
    copy = shutil.copytree(rt1[2], tmp_path / "copy")
    path = copy / saved_models.EXPORT_FILE
    contents = json.loads(path.read_text())
    for changed, message in (
        (contents | {"action_coding": "midpoint_extent"}, "'midpoint_extent'"),
        (contents | {"variables": {"a": 1}}, "export.json: expected"),
        ([], "export_policy.py writes"),
    ):
        path.write_text(json.dumps(changed))
        with pytest.raises(ValueError, match=message):
            run_setup.load_pretrained_checkpoint(rt1[0], copy)


def test_what_cannot_be_exported(rt1, tmp_path, capsys):
    for folder, prefix, message in (
        (rt1[2], rt1[1], "expected a new folder"),
        (tmp_path / "new", tmp_path / "absent", "there is no "),
    ):
        assert export(folder, prefix) == 1 and message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_an_export_that_answers_something_else_is_refused(rt1):
    """NaN too, which no comparison would call too large."""
    agent = rt1[0]
    policy = agent.sequence_agent.policy

    def run(observation, state, change):
        action, state, _ = policy.action(time_step.transition(observation, tf.zeros(1)), state)
        return action | {"world_vector": action["world_vector"] + change}, state

    assert export_policy.check(agent, lambda *given: run(*given, 0.0)) == 0.0
    for change in (2e-4, np.nan):
        with pytest.raises(ValueError, match="expected world_vector of step 0 within 0.0001"):
            export_policy.check(agent, lambda *given, by=change: run(*given, by))


@pytest.mark.slow
def test_a_food_checkpoint_with_its_instructions(small_checkpoint_dir, tmp_path, monkeypatch):
    """Beside whatever is written; test_readme.py exports one as a SavedModel."""

    def write(agent, folder, metadata):
        policy = agent.sequence_agent.policy
        return lambda seen, state: policy.action(time_step.transition(seen, tf.zeros(1)), state)[:2]

    monkeypatch.setitem(export_policy.WRITERS, "onnx", write)
    assert export(tmp_path / "out", small_checkpoint_dir, "--format", "onnx") == 0
    assert (tmp_path / "out" / "embeddings" / "manifest.json").is_file()
    contents = json.loads((tmp_path / "out" / saved_models.EXPORT_FILE).read_text())
    assert contents["actions"] == ["bbox"] and contents["source"]["trained_pairs"]


@pytest.mark.slow
def test_one_onnx_file_with_the_state_as_inputs(rt1, tmp_path):
    import onnxruntime

    agent, prefix, _ = rt1
    assert export(tmp_path / "out", prefix, "--format", "onnx") == 0
    session = onnxruntime.InferenceSession(str(tmp_path / "out" / "policy.onnx"))
    images, embedding, expected = episode(agent)
    state = {
        one.name: np.zeros([2, *one.shape[1:]], np.float32 if "float" in one.type else np.int32)
        for one in session.get_inputs()[2:]
    }
    names = [one.name for one in session.get_outputs()]
    for image, answers in zip(images, expected):  # Two episodes at once, the same twice.
        given = {"image": np.repeat(image, 2, 0), "natural_language_embedding": embedding[[0, 0]]}
        found = dict(zip(names, session.run(None, given | state)))
        state = {name: found[f"next_{name}"] for name in state}
        for key, value in answers.items():
            np.testing.assert_allclose(found[key][1], value, atol=1e-4, err_msg=key)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif("RT1_CLIENTS_PYTHON" not in os.environ, reason="see tests/public_clients.py")
def test_eight_steps_of_public_clients_as_they_are(tmp_path):
    """rt1main with seeded weights, exported by the program."""
    prefix, folder = files.write_golden("rt1main", str(tmp_path / "ckpt-424760")), tmp_path / "out"
    assert export(folder, prefix, "--config_file", "configs/rt1main.gin") == 0
    agent, _ = checkpoint_loading.load_agent(folder)
    images, output = public_clients.images()[:, np.newaxis], tmp_path / "answers.npz"
    theirs = {name: one for name, one in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    for client in ("robo_transformers", "simpler"):
        program = [os.environ["RT1_CLIENTS_PYTHON"], public_clients.__file__, client]
        subprocess.run([*program, str(folder), str(output)], env=theirs, check=True, timeout=1200)
        found = np.load(output)
        answered = answers_of(agent, images, found["embedding"][np.newaxis])
        for number, answers in enumerate(answered):
            for key, value in answers.items():
                if client == "simpler" and key == "gripper_closedness_action":
                    value = np.where(np.abs(value) < 1e-2, 0, value)  # It leaves small ones out.
                np.testing.assert_allclose(found[key][number], value, atol=1e-5, err_msg=key)


# The public SavedModels.


def numbered(model):
    """{name: checksum} of a released index, by the names of the shipped table."""
    found = index_files.checksums(GOLDEN / f"{model}.variables.index")
    keys = [f"model_variables/{number}" for number in range(1, COUNTS[model] + 1)]
    renamed = saved_models.names("no/variables/variables", keys)
    return {renamed[key]: found[key + SUFFIX] for key in keys}


@pytest.mark.parametrize("model", COUNTS)
def test_the_table_gives_the_names_of_the_released_checkpoint(model):
    """By the released checksums, of which rt1main's moving statistics alone differ."""
    by_number = numbered(model)
    by_name = index_files.checksums(GOLDEN / f"{model}.ckpt.index")
    differ = [name for name, number in by_number.items() if by_name[name + SUFFIX] != number]
    assert len(by_number) == COUNTS[model]
    assert len(differ) == (156 if model == "rt1main" else 0)
    assert {name.rsplit("/")[-1] for name in differ} <= {"moving_mean", "moving_variance"}


def test_released_weights_are_known_by_their_checksums(monkeypatch):
    """Values are not at hand, so their checksums are given in the place of them."""
    released = numbered("rt1main")
    checkpoint = index_files.checksums(GOLDEN / "rt1main.ckpt.index")
    monkeypatch.setattr(
        saved_models, "checksums", lambda values: {n: sums.item() for n, sums in values.items()}
    )

    def check(sums, count):
        values = {name: np.array(one) for name, one in sums.items()}
        return saved_models.check("no/variables/variables", values, count)

    whole = check(released, 732)
    assert "differ in the 156 moving statistics of the 78 BatchNorms" in whole
    assert whole.endswith("These are the SavedModel's.")
    note = check({name: checkpoint[name + SUFFIX] for name in released}, 0)
    assert note.endswith("These are the checkpoint's.")
    assert check(numbered("rt1simreal"), 732) == check(numbered("rt1multirobot"), 760) == ""
    one, other = (f"agent/_actor_network/_transformer/_layers/{i}/ff/kernel" for i in (2, 5))
    released[one], released[other] = released[other], released[one]
    with pytest.raises(ValueError, match="variables of rt1main .* 2 exchanged"):
        check(released, 732)


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        "rt1main",
        *(pytest.param(m, marks=pytest.mark.long) for m in ("rt1simreal", "rt1multirobot")),
    ],
)
def test_the_released_keys_and_shapes_load_by_name(model, tmp_path):
    """Seeded values under the released keys."""
    released = tf.train.load_checkpoint(str(GOLDEN / f"{model}.variables"))
    random, dtypes = np.random.default_rng(1), released.get_variable_to_dtype_map()
    values = {
        key: np.asarray(random.uniform(0, 9, shape)).astype(dtypes[key].as_numpy_dtype)
        for key, shape in sorted(released.get_variable_to_shape_map().items())
        if key.endswith(SUFFIX)
    }
    (tmp_path / "variables").mkdir()
    (tmp_path / "policy_specs.pbtxt").touch()
    files.write_values(tmp_path / "variables" / "variables", values)
    agent = files.build(f"include 'configs/{model}.gin'")
    report = checkpoint_loading.custom_load_checkpoint(agent, tmp_path)
    assert (len(report.loaded), report.left_at_init) == (COUNTS[model], ())
    variables = checkpoint_loading.variables_by_checkpoint_name(agent.network)
    for number, name in enumerate(numbered(model), start=1):
        value = values[f"model_variables/{number}{SUFFIX}"]
        np.testing.assert_array_equal(variables[name], value, err_msg=name)
