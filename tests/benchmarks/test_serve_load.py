"""The benchmark's figures by hand, and one run against a real server."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest
from PIL import Image

from benchmarks import load_clients, serve_load
from tests.folder_inference import stub_server


@pytest.fixture
def server():
    with stub_server.running() as contract:
        yield contract


def sample(latency_ms, model_ms, status=200):
    timing = {"decode": 1.0, "queue": 2.0, "model": model_ms, "total": 9.0}
    return load_clients.Sample(status, latency_ms, timing if status == 200 else {})


def test_figures_by_hand():
    samples = [sample(10.0, 5.0), sample(20.0, 6.0), sample(30.0, 29.0), sample(1.0, 0.0, 503)]
    row = serve_load.summarise(2, [*samples, sample(1.0, 0.0, 0)], seconds=2.0)
    assert row == {
        "clients": 2,
        "answered": 3,
        "requests/s": 1.5,
        "p50": 20.0,
        "p95": pytest.approx(29.0),
        "p99": pytest.approx(29.8),
        "decode": 1.0,
        "queue": 2.0,
        "model": 6.0,
        "total": 9.0,
        "overhead": 5.0,
        "errors": {"0": 1, "503": 1},
    }


def test_without_an_answer_or_times_there_are_no_figures():
    row = serve_load.summarise(1, [sample(1.0, 0.0, 500)], seconds=1.0)
    assert (row["p50"], row["model"], row["overhead"], row["requests/s"]) == (None, None, None, 0)
    row = serve_load.summarise(1, [load_clients.Sample(200, 7.0, {})], seconds=1.0)
    assert (row["p50"], row["overhead"]) == (7.0, None)


def test_table_by_hand():
    rows = [
        serve_load.summarise(1, [sample(10.0, 5.0)], 1.0),
        serve_load.summarise(8, [sample(20.0, 5.0)] * 3 + [sample(1.0, 0.0, 503)], 1.0),
    ]
    lines = serve_load.table(rows).splitlines()
    assert lines[2] == "| 1 | 1.0 | 1.0 | 10.0 | 10.0 | 10.0 | 1.0 | 2.0 | 5.0 | 9.0 | 5.0 |"
    assert lines[3].startswith("| 8 | 3.0 | 3.0 | 20.0 |")
    assert lines[4] == "8 clients: 1 requests with status 503"
    silent = serve_load.summarise(1, [sample(1.0, 0.0, 0)], 1.0)
    assert serve_load.table([silent]).splitlines()[2].startswith("| 1 | 0.0 | - | - |")


def test_example_is_a_jpeg_of_the_stated_size():
    with Image.open(io.BytesIO(serve_load.example_jpeg())) as picture:
        assert (picture.format, picture.size) == ("JPEG", (640, 480))
    assert serve_load.example_jpeg() == serve_load.example_jpeg()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "one of the arguments --api_url --checkpoint_dir is required"),
        (["--api_url", "u", "--checkpoint_dir", "d"], "not allowed with"),
        (["--api_url", "u", "--clients", "0"], "expected --clients of 1 or more"),
        (["--api_url", "u", "--seconds", "0"], "expected --clients of 1 or more"),
        (["--api_url", "u", "--action", "skewering"], "expected both --action and --food_type"),
        (["--api_url", "u", "--route", "/x"], "invalid choice: '/x'"),
    ],
)
def test_wrong_flags(more, message, capsys):
    with pytest.raises(SystemExit) as ended:
        serve_load.parse_arguments(more)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_started_as_a_script_from_another_folder(tmp_path):
    command = [sys.executable, serve_load.__file__, "--help"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert shown.returncode == 0, shown.stderr
    assert "--server_flags" in shown.stdout


def test_one_run(server, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("RT1_API_KEY", "secret")
    output = tmp_path / "rows.json"
    arguments = ["--api_url", server.url, "--clients", "1", "2", "--seconds", "0.1"]
    arguments += ["--route", "/predict_batch", "--num_samples", "3", "--output_file", str(output)]
    assert serve_load.main(arguments) == 0
    assert "first request" in capsys.readouterr().out
    found = json.loads(output.read_text())
    assert [row["clients"] for row in found["rows"]] == [1, 2]
    assert all(row["answered"] >= 1 and not row["errors"] for row in found["rows"])
    body = server.bodies[0]
    assert (body["action"], body["food_type"], body["batch_size"]) == ("scooping", "rice", 3)


def test_errors_are_1(server, capsys):
    server.refuse["/predict"] = (503, "No model.")
    arguments = ["--api_url", server.url, "--clients", "1", "--seconds", "0.1"]
    assert serve_load.main(arguments) == 1
    assert "requests with status 503" in capsys.readouterr().out
    assert serve_load.main(["--api_url", "http://127.0.0.1:9", "--seconds", "0.1"]) == 1
    assert "cannot reach http://127.0.0.1:9" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.long
def test_a_server_that_does_not_start(tmp_path):
    absent = str(tmp_path / "absent")
    with pytest.raises(RuntimeError, match=r"The server did not start: (.|\n)*absent"):
        serve_load.started_server(absent, "").__enter__()
