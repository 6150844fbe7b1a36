"""An engine that is no longer used leaves no memory behind; measured in a process of its own."""

from __future__ import annotations

import multiprocessing
import pathlib

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not pathlib.Path("/proc/self/statm").exists(), reason="memory is read from /proc"
    ),
]


def megabytes_grown(name: str) -> float:
    """What 6 engines add, each one made, used and dropped, after the first six."""
    from serving import memory
    from serving.engines import stages, tensorflow_engine
    from tests import small_model
    from tests.serving.engines.conftest import STRUCTURE

    functions = small_model.build(*STRUCTURE).prediction_functions()
    graphs = stages.freeze_stages(functions)
    if name == "onnxruntime":
        from serving.engines import onnx_engine

        files = onnx_engine.export(graphs)
    sizes = []
    for _ in range(12):
        if name == "onnxruntime":
            engine = onnx_engine.from_files(files, functions.image_shape)
        else:
            engine = tensorflow_engine.from_graphs(graphs, functions.image_shape)
        engine.forward(small_model.images(0, 3), small_model.embeddings(1, 3))
        del engine
        memory.give_back()
        pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
        sizes.append(pages * 4096 / 1e6)
    return sizes[-1] - sizes[5]


@pytest.mark.parametrize("name", ["tensorflow", "onnxruntime"])
def test_memory_is_given_back(name):
    """The graphs hold 1 MB of weights and more in kernels; 6 engines that stayed would be seen."""
    if name == "onnxruntime":
        pytest.importorskip("onnxruntime")
        pytest.importorskip("tf2onnx")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(megabytes_grown, (name,)) < 15
