"""Benchmarks: figures by hand, and one small run of each; how long anything takes is not tested."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

from benchmarks import serve_load

ROOT = pathlib.Path(__file__).parents[1]


def test_figures_of_serve_load_by_hand():
    samples = [(200, 10.0 * n, ms) for n, ms in enumerate((5.0, 6.0, 29.0), 1)]
    samples += [(503, 1.0, 0.0), (0, 1.0, 0.0)]
    row = serve_load.summarise(samples, [(200, 4.0, 0.0), (500, 1.0, 0.0)], seconds=2.0)
    # Answers a second, p50, p99, model, 503, /health, and two that failed.
    assert row == pytest.approx([1.5, 20.0, 29.8, 6.0, 1.0, 4.0, 2])


def test_serve_load_against_a_server(stub_server_url, empty_server_url, capsys):
    flags = ["--clients", "1", "2", "--seconds", "0.2", "--overload", "0.5"]
    assert serve_load.main(["--api_url", stub_server_url, *flags]) == 0
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines()]
    assert [row[0].strip() for row in rows[2:4]] == ["1", "2"] and "/s" in rows[4][0]
    assert all(float(row[1]) > 0 for row in rows[2:])
    assert serve_load.main(["--api_url", "http://127.0.0.1:9", *flags]) == 1
    assert "cannot reach http://127.0.0.1:9" in capsys.readouterr().err
    assert serve_load.main(["--api_url", empty_server_url, *flags]) == 1


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(
    ("flags", "shown"),
    [
        ("engines --repeats 1 --gin_bindings", "| onnxruntime predict |"),
        ("train_step --variant graph --steps 2 --batch_size 2 --gin_bindings", '"wall_s"'),
        ("all_reduce --config_file configs/small.gin", "BatchNorm statistics"),
    ],
)
def test_each_measures_a_small_network(flags, shown):
    program, *flags = flags.split()
    flags += ["include 'configs/small.gin'"] * (flags[-1] == "--gin_bindings")
    command = [sys.executable, "-m", f"benchmarks.{program}", *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout
