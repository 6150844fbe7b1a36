"""The table, and one real measurement of a small network; how long anything takes is not tested."""

from __future__ import annotations

import pytest

from benchmarks import engines as benchmark
from tests import small_model

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")
# Three steps of robot actions would not fit RT-1's own configuration.
SMALL = [*small_model.BINDINGS, *small_model.TINY]


def test_table_by_hand():
    rows = {"floor": 20.0, "eager predict": 1000.0, "eager 16": 3000.0, "tensorflow predict": 50.0}

    lines = benchmark.table({**rows, "tensorflow full 16": 600.0}).splitlines()

    assert lines[2:] == [
        "| floor | 20.0 | 1.00 |  |",
        "| eager predict | 1000.0 | 50.00 | 1.0 |",
        "| eager 16 | 3000.0 | 150.00 |  |",
        "| tensorflow predict | 50.0 | 2.50 | 20.0 |",
        "| tensorflow full 16 | 600.0 | 30.00 | 5.0 |",
    ]


def test_median_leaves_the_first_calls_out():
    calls = []

    assert benchmark.median_ms(lambda: calls.append(1), 3) >= 0
    assert len(calls) == 5


def test_unknown_part(capsys):
    with pytest.raises(SystemExit):
        benchmark.parse(["--parts", "gpu"])
    assert "invalid choice: 'gpu'" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.long
def test_every_part_is_measured():
    pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")

    rows = benchmark.measure(list(benchmark.PARTS), 1, SMALL)

    scopes = ("predict", "batch 16", "head 16", "full 16")
    engines = [f"{name} {scope}" for name in ("tensorflow", "onnxruntime") for scope in scopes]
    threads = ("1 thread", "2 threads", "2 x 1 thread, each")
    assert list(rows) == [
        "floor",
        "eager predict",
        "eager 16",
        *engines,
        *(f"onnxruntime features, {kind}" for kind in threads),
        "eager policy step",
        "policy step",
        "engine policy step",
    ]
    assert min(rows.values()) > 0
