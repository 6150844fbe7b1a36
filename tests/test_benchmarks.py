"""Benchmarks: figures by hand, and one small run of each; how long anything takes is not tested."""

from __future__ import annotations

import concurrent.futures
import json
import pathlib
import subprocess
import sys

import pytest

from benchmarks import serve_load

ROOT = pathlib.Path(__file__).parents[1]
TIMES = {"decode": 1.0, "queue": 2.0, "model": 5.0, "total": 9.0}


def test_figures_of_serve_load_by_hand():
    models = (5.0, 6.0, 29.0)
    samples = [(200, 10.0 * n, {**TIMES, "model": ms}) for n, ms in enumerate(models, 1)]
    samples += [(503, 1.0, {}), (0, 1.0, {})]
    row = serve_load.summarise(2, samples, seconds=2.0)
    assert row == {
        **{"clients": 2, "answered": 3, "requests/s": 1.5, "p50": 20.0},
        **{"p95": pytest.approx(29.0), "p99": pytest.approx(29.8)},
        **{"decode": 1.0, "queue": 2.0, "model": 6.0, "total": 9.0, "overhead": 5.0},
        **{"503 p99": 1.0, "errors": {"0": 1, "503": 1}},
    }
    silent = serve_load.summarise(8, [(0, 1.0, {})], 1.0)
    more = {"x of first": 1.0, "health p99": 3.0, "clients' cpu": 0.1}
    lines = serve_load.table([{**row, **more}, {**silent, **more}])
    assert lines.splitlines()[2].startswith("| 2 | 1.5 | 1.0 | 20.0 | 29.0 | 29.8 | 1.0 |")
    assert lines.splitlines()[2].endswith("| 1.0 | 3.0 | 0.1 |")
    assert lines.splitlines()[3].startswith("| 8 | 0.0 | 1.0 | - | - |")
    assert lines.splitlines()[-1] == "8 clients: 1 requests without an answer"


def serve_load_main(arguments) -> int:
    """In a thread of its own: a browser's tests leave an event loop running in this one."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(serve_load.main, arguments).result()


def test_serve_load_against_a_server(stub_server_url, empty_server_url, tmp_path, capsys):
    output = tmp_path / "rows.json"
    flags = ["--clients", "1", "2", "--seconds", "0.2", "--overload", "0.5"]
    samples = ["--route", "/predict_batch", "--num_samples", "3", "--output_file", str(output)]
    assert serve_load_main(["--api_url", stub_server_url, *flags, *samples]) == 0
    assert "first request" in capsys.readouterr().out
    rows = json.loads(output.read_text())["rows"]
    assert [row["clients"] for row in rows[:2]] == [1, 2] and rows[2]["clients"].endswith("/s")
    assert all(row["answered"] >= 1 and not row["errors"] for row in rows)
    named = ["--action", "skewering", "--food_type", "grape"]
    assert serve_load_main(["--api_url", empty_server_url, *flags, *named]) == 1
    assert "requests with status 503" in capsys.readouterr().out
    assert serve_load_main(["--api_url", "http://127.0.0.1:9", *flags]) == 1
    assert "cannot reach http://127.0.0.1:9" in capsys.readouterr().err
    for wrong in ([], ["--api_url", "u", "--clients", "0"], ["--api_url", "u", "--action", "a"]):
        with pytest.raises(SystemExit):
            serve_load.parse_arguments(wrong)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(
    ("flags", "shown"),
    [
        ("engines --repeats 1 --gin_bindings", "| onnxruntime predict |"),
        (
            "train_step --variants graph --rounds 1 --steps 2 --batch_size 2 --gin_bindings",
            "| graph |",
        ),
        ("all_reduce --repeats 1 --config_file configs/small.gin", "BatchNorm statistics"),
    ],
)
def test_each_measures_a_small_network(flags, shown):
    program, *flags = flags.split()
    flags += ["include 'configs/small.gin'"] * (flags[-1] == "--gin_bindings")
    command = [sys.executable, "-m", f"benchmarks.{program}", *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout
