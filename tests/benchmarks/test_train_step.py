"""The benchmark's table and options, and one real measurement of a small network."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import train_step as benchmark
from tests import small_model

SMALL = (*small_model.BINDINGS, *small_model.TINY)


def test_best_of_rounds():
    rounds = [
        {"wall_s": 2.0, "cpu_s": 3.0, "first_s": 9.0, "peak_gb": 1.0, "loss": 0.5},
        {"wall_s": 1.0, "cpu_s": 4.0, "first_s": 8.0, "peak_gb": 2.0, "loss": 0.5},
    ]

    best = benchmark.best_of(rounds)

    assert best == {"wall_s": 1.0, "cpu_s": 3.0, "first_s": 8.0, "peak_gb": 2.0, "loss": 0.5}


def test_table_by_hand():
    row = {"wall_s": 1.234, "cpu_s": 2.0, "first_s": 40.4, "peak_gb": 3.456, "loss": 0.125}

    assert benchmark.table({"graph": row}).splitlines()[2] == (
        "| graph | 1.23 | 2.00 | 3.46 | 40 | 0.12500 |"
    )


def test_options():
    args = benchmark.parse(["--variants", "eager", "graph", "--steps", "7"])

    assert (args.variants, args.steps, args.batch_size) == (["eager", "graph"], 7, 16)


def test_unknown_variant(capsys):
    with pytest.raises(SystemExit):
        benchmark.parse(["--variants", "fast"])
    assert "invalid choice: 'fast'" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("variant", ["graph", "xla_bfloat16"])
def test_a_variant_is_measured(variant):
    """That variants compute the same is tested where they are made."""
    arguments = ["--batch_size=3", "--steps=2", "--gin_bindings", *SMALL]

    result = benchmark.measure_in_a_process(variant, *arguments)

    assert np.isfinite(result["loss"])
    assert result["first_s"] > 0
    assert result["wall_s"] > 0
    assert result["cpu_s"] > 0
    # Linux counts what the parent held when it forked, which may be much in a test session.
    assert result["peak_gb"] > 0.1
