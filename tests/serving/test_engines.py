"""Engines give the agent's answers, in every scope, alone and in company; exports are kept."""

from __future__ import annotations

import concurrent.futures
import threading
import types

import numpy as np
import pytest
import tensorflow as tf

from serving import engines
from tests import small_model

# Some residuals, because only they drop; 40% of branches, attention weights and feed-forward.
STRUCTURE = (
    "FilmEfficientNet.width = 0.1",
    "FilmEfficientNet.depth = 0.3",
    "DropoutSettings.backbone_drop_connect = 0.4",
    "DropoutSettings.transformer_attention = 0.4",
    "DropoutSettings.transformer_feed_forward = 0.4",
    small_model.CROSS_ENTROPY,
)


@pytest.fixture(scope="module")
def made():
    """An agent, its functions, its stages, and the files of their export."""
    agent = small_model.build(*STRUCTURE)
    functions = agent.prediction_functions()
    stages = engines.freeze_stages(functions)
    files = engines.export(stages)
    return types.SimpleNamespace(agent=agent, functions=functions, stages=stages, files=files)


@pytest.fixture(scope="module")
def inputs():
    return small_model.images(0, 3), small_model.embeddings(1, 3)


@pytest.fixture(scope="module", params=["tensorflow", "onnxruntime"])
def engine(request, made):
    if request.param == "tensorflow":
        return engines.in_tensorflow(made.stages, made.functions)
    return engines.in_onnx_runtime(made.files, made.functions)


@pytest.mark.slow
def test_every_scope_and_seed_is_the_agents(engine, made, inputs):
    engines.check(engine, made.functions)
    agent = made.agent
    assert engine.has_distributions and engine.action_coding == "endpoints"
    for sampling in (
        {},
        {"dropout": "head", "num_samples": 3, "seed": 1},
        {"dropout": "full", "num_samples": 3, "seed": 1},
        {"dropout": "full", "seed": 2},
    ):
        expected = np.asarray(agent.forward(*inputs, **sampling))
        found, probabilities = engine.forward_with_distributions(*inputs, **sampling)
        # Rounding may move an answer to the token beside it.
        np.testing.assert_allclose(found, expected, atol=1.01 / 255)
        wanted = np.asarray(agent.forward_with_distributions(*inputs, **sampling)[1])
        np.testing.assert_allclose(probabilities, wanted, atol=1e-4)
        np.testing.assert_array_equal(engine.forward(*inputs, **sampling), found)
    drawn = [engine.forward(*inputs, dropout="full") for _ in range(2)]
    assert not np.array_equal(*drawn)


@pytest.mark.slow
def test_a_picture_has_the_same_bits_alone_in_a_batch_and_under_load(engine, inputs):
    def ask(*asked):
        return engine.forward_with_distributions(*asked)[1]

    together = ask(*inputs)
    alone = [ask(*(part[i : i + 1] for part in inputs)) for i in range(3)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for call in [pool.submit(ask, *inputs) for _ in range(8)]:
            np.testing.assert_array_equal(call.result(), together)
    np.testing.assert_array_equal(np.concatenate(alone), together)


@pytest.mark.slow
def test_an_export_is_kept_and_made_anew_if_it_is_damaged(made, tmp_path, monkeypatch, caplog):
    agent, files, exported = made.agent, made.files, []
    monkeypatch.setattr(engines, "freeze_stages", lambda functions: made.stages)
    monkeypatch.setattr(engines, "export", lambda graphs: exported.append(1) or files)
    monkeypatch.setenv("ENGINE_CACHE_DIR", str(tmp_path / "onnx"))
    for _ in range(2):
        assert engines.create(agent).name == "onnxruntime" and len(exported) == 1
    (folder,) = (tmp_path / "onnx").iterdir()
    assert engines.kept(folder) == files
    # What somebody put there is not loaded, whatever it is.
    (folder / "answer.onnx").write_bytes(b"planted")
    assert engines.kept(folder) == {} and "answer.onnx has another SHA-256" in caplog.text
    engines.keep(folder, files)
    folder.chmod(0o777)
    assert engines.kept(folder) == {} and "others may write to it" in caplog.text
    # Another network under the right name is found out on random pictures.
    engines.keep(folder, {**files, "answer.onnx": files["features.onnx"]})
    assert engines.create(agent, "onnxruntime") and len(exported) == 2
    assert engines.kept(folder) == files
    for number in range(engines._KEPT + 1):
        engines.keep(folder.with_name(str(number)), {"a.onnx": b"1"})
    assert len(list(folder.parent.iterdir())) == engines._KEPT
    before = engines.digest(agent)
    bias = next(one for one in agent.network.variables if "bias" in one.name)
    bias.assign(bias + 1e-6)
    assert engines.digest(agent) != before
    bias.assign(bias - 1e-6)


def test_only_a_picture_that_is_alone_gets_every_core():
    inside, go_on = threading.Event(), threading.Event()

    def features(row, alone):
        """The first pixel, negative if the picture was not alone; 1 waits."""
        value = row[0][:, :1, :1, 0].astype(np.float32)
        if value == 1:
            inside.set()
            assert go_on.wait(30)
        return (value if alone else -value,)

    stages = {"features": features, "answer": lambda row, alone: (row[0][:, 0],) * 2}
    known = {"action_coding": "endpoints", "has_distributions": False}
    functions = types.SimpleNamespace(image_shape=(4, 4, 3), **known)
    engine = engines.Engine("stub", stages, functions)

    def ask(*values):
        image = np.zeros((len(values), 4, 4, 3), np.uint8) + np.reshape(values, (-1, 1, 1, 1))
        return engine.forward(image.astype(np.uint8), np.zeros((len(values), 512)))[:, 0].tolist()

    assert ask(3, 7) == [-3, -7]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, 1)
        assert inside.wait(30) and ask(5) == [-5]
        go_on.set()
        assert first.result() == [1]
    assert ask(5) == [5]
    with pytest.raises(ValueError, match="loss_type 'cross_entropy'"):
        engine.forward_with_distributions(None, None)


@pytest.mark.slow
def test_the_check_finds_what_clipping_hides(made):
    """NaN, and outputs that clipping would make equal."""
    right, errors = engines.in_tensorflow(made.stages, made.functions), {"features": np.nan}
    errors["answer"] = 1e-2

    def wrong(name):
        def run(row, alone):
            *parts, last = right.stages[name](row, alone)
            return (*parts, last + errors.get(name, 0))

        return run

    engine = engines.Engine("x", {name: wrong(name) for name in right.stages}, made.functions)
    expected = "got features nan off, features with dropout nan off, outputs [^ ]+ off\\.$"
    with pytest.raises(engines.EngineError, match=expected):
        engines.check(engine, made.functions)


def test_which_engine_is_taken(monkeypatch, caplog):
    agent, fails = types.SimpleNamespace(prediction_functions=lambda: None), []

    def from_cache(agent, functions):
        if fails:
            raise engines.EngineError("features 0.1 off")
        return "onnx"

    def taken(*names):
        return [engines.create(agent, name) for name in names]

    monkeypatch.setattr(engines, "_from_cache", from_cache)
    monkeypatch.setattr(engines, "freeze_stages", lambda functions: None)
    monkeypatch.setattr(engines, "in_tensorflow", lambda stages, functions: "tensorflow")
    monkeypatch.setattr(engines, "check", lambda engine, functions: None)
    assert taken("auto", "onnxruntime", "tensorflow") == ["onnx", "onnx", "tensorflow"]
    with pytest.raises(ValueError, match="got 'torch'"):
        taken("torch")
    with monkeypatch.context() as patch:
        patch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
        assert taken("auto", "onnxruntime") == ["tensorflow", "onnx"]
    fails.append(1)
    assert taken("auto") == ["tensorflow"]
    assert "TensorFlow runs the network: features 0.1 off" in caplog.text
    with pytest.raises(engines.EngineError, match=r"0\.1 off"):
        taken("onnxruntime")
