"""Which engine is taken, and what is said when the better one cannot be had."""

from __future__ import annotations

import pytest
from absl import logging

import checkpoint_directory
from serving.engines import choose, engine, equality_check, tensorflow_engine


class StubAgent:
    def prediction_functions(self):
        return "functions"


LOADED = checkpoint_directory.LoadedCheckpoint(StubAgent(), None, {}, "best-1")


@pytest.fixture
def onnx(monkeypatch):
    """What making the ONNX engine gives; an exception is raised. Nothing is checked or frozen."""
    given = {"result": "onnx engine"}

    def make(loaded, directory):
        assert (loaded, directory) == (LOADED, "folder")
        if isinstance(given["result"], Exception):
            raise given["result"]
        return given["result"]

    monkeypatch.setattr(choose, "_onnx_engine", make)
    monkeypatch.setattr(tensorflow_engine, "create", lambda functions: f"TensorFlow, {functions}")
    monkeypatch.setattr(equality_check, "check", lambda made, functions: 0.0)
    return given


@pytest.mark.parametrize("name", ["auto", "onnxruntime"])
def test_the_fastest_is_taken(onnx, name):
    assert choose.create_engine(LOADED, "folder", name) == "onnx engine"


def test_tensorflow_by_name(onnx):
    assert choose.create_engine(LOADED, "folder", "tensorflow") == "TensorFlow, functions"


def test_auto_falls_back_and_says_why(onnx, monkeypatch):
    onnx["result"] = engine.EngineError("features 0.1 off")
    warnings = []
    monkeypatch.setattr(logging, "warning", lambda text, *args: warnings.append(text % args))

    assert choose.create_engine(LOADED, "folder") == "TensorFlow, functions"

    assert warnings == ["TensorFlow runs the network: features 0.1 off"]


def test_named_engine_that_fails_is_an_error(onnx):
    onnx["result"] = engine.EngineError("not installed")

    with pytest.raises(engine.EngineError, match="not installed"):
        choose.create_engine(LOADED, "folder", "onnxruntime")


def test_unknown_name(onnx):
    with pytest.raises(ValueError, match=r"one of \('auto', 'onnxruntime', .*got 'torch'"):
        choose.create_engine(LOADED, "folder", "torch")


def test_tensorflow_is_checked_too(onnx, monkeypatch):
    def refuse(made, functions):
        raise engine.EngineError("outputs off")

    monkeypatch.setattr(equality_check, "check", refuse)
    with pytest.raises(engine.EngineError, match="outputs off"):
        choose.create_engine(LOADED, "folder", "tensorflow")
