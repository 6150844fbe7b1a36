"""The benchmark runs, on a small file; how much memory it takes is not tested here."""

from __future__ import annotations

import os
import sys

import pytest

from benchmarks import reading_memory as benchmark
from food_data import npz_dataset
from tests import training_fixtures

SCRIPT = """
import sys
print("ready", flush=True)
sys.stdin.readline()
data = bytearray(b"1") * 60_000_000
print("used", len(data), flush=True)
import time; time.sleep(0.5)
"""


def test_the_file_is_a_data_set(tmp_path):
    benchmark.write_random_dataset(tmp_path / "a.npz", 70)
    assert len(npz_dataset.read_npz(tmp_path / "a.npz")) == 70


def test_a_process_is_watched_after_it_is_ready():
    seen = benchmark.measure([sys.executable, "-c", SCRIPT])
    assert seen.output == "used 60000000"
    assert 55 < seen.own - seen.before < 90
    assert seen.resident >= seen.own


def test_a_process_that_fails_says_why():
    with pytest.raises(RuntimeError, match="Expected exit code 0, got 3: .*no luck"):
        script = "import sys; sys.stderr.write('no luck'); sys.exit(3)"
        benchmark.measure([sys.executable, "-c", script])


def test_memory_of_this_process_and_of_none():
    assert set(benchmark.memory_mb(os.getpid())) == {"RssAnon", "RssFile", "VmHWM"}
    assert benchmark.memory_mb(2**22 + 1) == {}


@pytest.mark.slow
@pytest.mark.long
def test_a_small_model_trains(tmp_path, capsys):
    config, folder = tmp_path / "tiny.gin", tmp_path / "data"
    config.write_text(training_fixtures.TINY_CONFIG)
    folder.mkdir()
    sizes = ["--num_samples", "12", "--steps", "1", "--batch_size", "4", "--modes", "loaded"]
    benchmark.main(["--folder", str(folder), "--config_file", str(config), *sizes])
    out = capsys.readouterr().out
    assert "12 samples, 2 MB uncompressed" in out
    assert "loaded: own memory " in out
    assert "an epoch of the pipeline alone: " in out
    assert not list(folder.iterdir())
