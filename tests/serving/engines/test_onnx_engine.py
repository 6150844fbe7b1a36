"""The fast engine, on a small network: the agent's answers, one export for each checkpoint."""

from __future__ import annotations

import concurrent.futures
import pathlib
import shutil

import numpy as np
import pytest
from absl import logging

pytest.importorskip("onnxruntime")
pytest.importorskip("tf2onnx")
pytestmark = pytest.mark.slow

from serving.engines import engine as engine_module  # noqa: E402
from serving.engines import onnx_cache, onnx_engine, onnx_export  # noqa: E402
from tests import small_model  # noqa: E402
from tests.serving.engines.conftest import STRUCTURE  # noqa: E402


@pytest.fixture(scope="module")
def directory(agent, tmp_path_factory) -> pathlib.Path:
    """Of a checkpoint that has been exported."""
    folder = tmp_path_factory.mktemp("checkpoint")
    onnx_engine.create(agent, folder)
    return folder


@pytest.fixture
def exports(monkeypatch, directory) -> list[str]:
    """Grows with each export from now on, which gives what is in `directory` already."""
    calls = []

    def export(graphs):
        calls.append("one")
        (place,) = directory.glob("onnx/*")
        return {path.name: path.read_bytes() for path in place.iterdir() if path.name != "files"}

    monkeypatch.setattr(onnx_engine, "export", export)
    return calls


@pytest.fixture(scope="module")
def engine(agent, directory):
    return onnx_engine.create(agent, directory)


@pytest.fixture
def warnings(monkeypatch):
    messages = []
    monkeypatch.setattr(logging, "warning", lambda text, *args: messages.append(text % args))
    return messages


def test_answers_and_samples_are_the_agents(engine, agent, inputs):
    np.testing.assert_allclose(engine.forward(*inputs), agent.forward(*inputs), atol=1e-5)
    for scope in ("head", "full"):
        arguments = {"dropout": scope, "num_samples": 4, "seed": 9}
        samples = engine.forward(*inputs, **arguments)
        assert samples.std(axis=0).max() > 0.01
        np.testing.assert_allclose(samples, agent.forward(*inputs, **arguments), atol=1e-5)


def test_answers_do_not_depend_on_company(engine, inputs):
    """Alone on every core, in a batch, beside others: the same bits."""
    alone = [engine.forward(*(array[i : i + 1] for array in inputs))[0] for i in range(3)]

    np.testing.assert_array_equal(engine.forward(*inputs), alone)
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        single = [array[:1] for array in inputs]
        answers = [threads.submit(engine.forward, *single) for _ in range(40)]
        for answer in answers:
            np.testing.assert_array_equal(answer.result()[0], alone[0])


def test_second_load_finds_the_export(agent, directory, exports):
    onnx_engine.create(agent, directory)

    assert exports == []


def test_broken_export_is_made_again(agent, directory, exports, warnings, tmp_path):
    shutil.copytree(directory / "onnx", tmp_path / "onnx")
    (model,) = tmp_path.glob("onnx/*/features.onnx")
    model.write_bytes(model.read_bytes()[:1000])

    onnx_engine.create(agent, tmp_path)

    assert exports == ["one"]
    assert len(warnings) == 1
    assert "exported again" in warnings[0]
    assert model.stat().st_size > 1000


def test_export_of_another_network_is_noticed(directory, exports, warnings, tmp_path):
    """As if files had been mixed up by hand; here making them again does not help either."""
    other = small_model.build(*STRUCTURE, weights_seed=5)
    (place,) = directory.glob("onnx/*")
    shutil.copytree(place, tmp_path / "onnx" / onnx_cache.digest(other))

    with pytest.raises(engine_module.EngineError, match="features .* off"):
        onnx_engine.create(other, tmp_path)

    assert exports == ["one"]
    assert "exported again" in warnings[0]


def test_failing_export_is_an_error(agent, tmp_path, monkeypatch):
    def fail(graph):
        raise engine_module.EngineError("cannot convert")

    monkeypatch.setattr(onnx_export, "export", fail)
    with pytest.raises(engine_module.EngineError, match="cannot convert"):
        onnx_engine.create(agent, tmp_path)
    assert not list(tmp_path.iterdir())
