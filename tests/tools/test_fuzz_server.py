"""The fuzz tool: a good server passes, each kind of fault is found."""

from __future__ import annotations

import collections
import json
import os

import flask
import pytest

from serving import app, errors
from tests import serving_stubs
from tools import fuzz_server
from tools.fuzzing import schemathesis_run


def run(url, *flags, number=30):
    return fuzz_server.main(
        [
            *("--api_url", url + "/", "--num_requests", str(number), "--seed", "3"),
            *("--no_schemathesis", *flags),
        ]
    )


def application(view):
    faulty = flask.Flask("faulty", static_folder=None)
    errors.install(faulty)
    for path in ("/predict", "/predict_batch"):
        faulty.add_url_rule(path, path, view, methods=["POST"])
    return faulty


def test_our_server_passes(tmp_path, capsys):
    store = serving_stubs.embedding_store_of(tmp_path)
    stub = serving_stubs.predictor_of(serving_stubs.ConstantModel([0.2, 0.3, 0.4, 0.5]), store)
    with serving_stubs.serve(app.create_app(stub)) as url:
        code = run(url, "--pid", str(os.getpid()), number=80)
    output = capsys.readouterr().out
    assert code == 0, output
    assert "80 requests, 0 findings" in output
    assert "| broken | all |" in output and "| s | MB |" in output


def test_fault_is_found_kept_and_can_be_sent_again(tmp_path, capsys):
    with serving_stubs.serve(application(lambda: 1 / 0)) as url:
        code = run(url, "--save_dir", str(tmp_path / "found"))
    output = capsys.readouterr().out
    assert code == 1
    assert "status 500" in output
    kept = sorted((tmp_path / "found").iterdir())
    assert kept and kept[0].name.startswith("request_3_")
    assert kept[0].read_bytes().startswith(b"POST /predict")


def test_error_that_is_no_json_is_found(capsys):
    with serving_stubs.serve(application(lambda: ("no", 400))) as url:
        assert run(url) == 1
    assert "no JSON" in capsys.readouterr().out


def test_busy_is_no_fault(capsys):
    def busy():
        raise errors.RequestError(503, "busy", 1)

    with serving_stubs.serve(application(busy)) as url:
        assert run(url) == 0, capsys.readouterr().out


def test_server_that_is_gone_is_found(capsys):
    with serving_stubs.serve(application(lambda: {})) as url:
        pass
    assert run(url) == 1
    output = capsys.readouterr().out
    assert "stopped here" in output and "0 requests, 1 findings" in output


def fake_environment(folder, statuses, exit_code):
    """Takes the place of schemathesis' environment: writes a report of the given statuses."""
    entries = [
        {
            "request": {"method": "POST", "url": "http://x/predict"},
            "response": {"status": status},
        }
        for status in statuses
    ]
    report = folder / "report.har"
    (folder / "bin").mkdir(parents=True)
    report.write_text(json.dumps({"log": {"entries": entries}}))
    programs = {
        "python": "#!/bin/sh\nexit 0\n",
        "schemathesis": f'#!/bin/sh\necho "it said: $*"\ncp {report} report.har\n'
        f"exit {exit_code}\n",
    }
    for name, text in programs.items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    (folder / ".installed").write_text("\n".join(schemathesis_run.PACKAGES))
    return folder


@pytest.mark.parametrize(
    ("statuses", "exit_code", "found"),
    [
        ([200, 422, 503, 504], 0, None),
        ([200, 500, 500], 0, "POST /predict was answered with 500 2 times"),
        ([200, 507], 0, "answered with 507 1 times"),
        ([200], 1, "schemathesis ended with 1:\nit said: run"),
    ],
)
def test_what_schemathesis_says_counts(statuses, exit_code, found, tmp_path, capsys):
    environment = fake_environment(tmp_path / "env", statuses, exit_code)
    server = application(lambda: {})
    server.add_url_rule("/openapi.json", "openapi", lambda: {})
    with serving_stubs.serve(server) as url:
        # All that are wanted come from schemathesis, none is left for our own.
        arguments = ["--api_url", url, "--num_requests", str(len(statuses))]
        code = fuzz_server.main([*arguments, "--environment", str(environment)])
    output = capsys.readouterr().out
    assert code == (0 if found is None else 1), output
    assert f"{len(statuses)} requests" in output
    assert found is None or found in output


def test_table():
    counts = {
        "b": collections.Counter({200: 2, 0: 1}),
        "a": collections.Counter({422: 1}),
    }
    assert fuzz_server.table("kind", counts).splitlines() == [
        "| kind | all | none | 200 | 422 |",
        "|---|---|---|---|---|",
        "| a | 1 |  |  | 1 |",
        "| b | 3 | 1 | 2 |  |",
    ]
