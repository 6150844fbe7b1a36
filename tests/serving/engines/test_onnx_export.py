"""Graphs to ONNX models; what cannot be had is said."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import tensorflow as tf

from serving.engines import engine, frozen_graph, onnx_export

VECTOR = tf.TensorSpec((1, 2), tf.float32)


def test_missing_package_is_named(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else found(name)
    )

    with pytest.raises(engine.EngineError, match="not installed: onnxruntime.*requirements.txt"):
        onnx_export.check_installed()


def test_exported_graph_computes_the_same():
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    graph = frozen_graph.freeze(lambda x, y: (x * 2.0, x - y), (VECTOR, VECTOR))

    session = runtime.InferenceSession(onnx_export.export(graph))

    x, y = np.array([[1, 2]], np.float32), np.array([[10, 20]], np.float32)
    doubled, difference = session.run(graph.outputs, dict(zip(graph.inputs, (x, y))))
    assert (doubled.tolist(), difference.tolist()) == ([[2, 4]], [[-9, -18]])


def test_graph_that_cannot_be_converted():
    pytest.importorskip("tf2onnx")
    no_graph = frozen_graph.FrozenGraph(tf.compat.v1.GraphDef())
    no_graph.graph_def.node.add(name="output_0", op="Identity", input=["nobody"])

    with pytest.raises(
        engine.EngineError, match="expected a network that tf2onnx can convert, got"
    ):
        onnx_export.export(no_graph)
