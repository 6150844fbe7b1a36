"""An engine that is no longer used leaves no memory behind; measured in a process of its own."""

from __future__ import annotations

import importlib.util
import multiprocessing
import pathlib
from collections.abc import Callable

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.skipif(
        not pathlib.Path("/proc/self/statm").exists(), reason="memory is read from /proc"
    ),
]


def sizes_mb(make: Callable[[], object]) -> list[float]:
    """Resident memory after each of 12 engines: made, used and dropped."""
    from serving import memory
    from tests import small_model

    sizes = []
    for _ in range(12):
        make().forward(small_model.images(0, 3), small_model.embeddings(1, 3))
        memory.give_back()
        pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
        sizes.append(pages * 4096 / 1e6)
    return sizes


def megabytes_grown(with_onnx: bool) -> dict[str, float]:
    """What 6 engines of each kind add after the first six."""
    from serving.engines import stages, tensorflow_engine
    from tests import small_model
    from tests.serving.engines.conftest import STRUCTURE

    functions = small_model.build(*STRUCTURE).prediction_functions()
    graphs, image_shape = stages.freeze_stages(functions), functions.image_shape
    sizes = {"tensorflow": sizes_mb(lambda: tensorflow_engine.from_graphs(graphs, image_shape))}
    if with_onnx:
        from serving.engines import onnx_engine

        files = onnx_engine.export(graphs)
        sizes["onnxruntime"] = sizes_mb(lambda: onnx_engine.from_files(files, image_shape))
    return {name: each[-1] - each[5] for name, each in sizes.items()}


@pytest.fixture(scope="module")
def grown():
    with_onnx = all(map(importlib.util.find_spec, ("onnxruntime", "tf2onnx")))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(megabytes_grown, (with_onnx,))


@pytest.mark.parametrize("name", ["tensorflow", "onnxruntime"])
def test_memory_is_given_back(name, grown):
    """The graphs hold 1 MB of weights and more in kernels; 6 engines that stayed would be seen."""
    if name not in grown:
        pytest.skip("needs onnxruntime and tf2onnx")
    assert grown[name] < 15
