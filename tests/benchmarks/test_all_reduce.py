"""The benchmark joins two workers; how long messages take is not tested."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

from benchmarks import all_reduce
from tests import small_model

ROOT = pathlib.Path(__file__).parents[2]


def test_figures_by_hand():
    found = {
        "gradient_bytes": 40e6,
        "gradient_tensors": 3,
        "gradient_s": 0.5,
        "statistics_bytes": 2e6,
        "statistics_messages": 10,
        "statistics_s": 0.02,
    }
    text = all_reduce.figures(found, 4)
    # Of 40 MB each of 4 workers sends 60.
    assert "40.0 MB in 3 tensors, 500.0 ms, 120 MB/s each way" in text
    assert "2.00 MB in 10 messages, 20.0 ms, 2.00 ms each" in text


@pytest.mark.slow
@pytest.mark.long
def test_two_workers(tmp_path):
    config = tmp_path / "tiny.gin"
    config.write_text("\n".join([*small_model.BINDINGS, *small_model.TINY]))
    program = [sys.executable, "-m", "benchmarks.all_reduce", "--repeats", "1"]
    done = subprocess.run(
        [*program, "--config_file", str(config)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    agent = small_model.build(*small_model.TINY)
    size = 4 * sum(v.shape.num_elements() for v in agent.network.used_trainable_variables)
    assert f"{size / 1e6:.1f} MB in" in done.stdout
