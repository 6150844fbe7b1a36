"""How schemathesis is called and read. A real run installs packages, which no test does."""

from __future__ import annotations

import json
import pathlib

import flask

from tests import serving_stubs
from tools.fuzzing import schemathesis_run


def test_command_line():
    command = schemathesis_run.command(
        pathlib.Path("env"), "http://x:1", pathlib.Path("r.har"), 40, 7
    )
    assert command[:3] == ["env/bin/schemathesis", "run", "http://x:1/openapi.json"]
    for flag, value in {
        "--max-examples": "40",
        "--seed": "7",
        "--report": "har",
        "--report-har-path": "r.har",
    }.items():
        assert command[command.index(flag) + 1] == value
    # It would take the documented 503 for a fault; the statuses are counted from the report.
    assert "not_a_server_error" not in " ".join(command)


def test_statuses_are_counted_by_route(tmp_path):
    def entry(method, path, status):
        url = f"http://127.0.0.1:8080{path}"
        return {"request": {"method": method, "url": url}, "response": {"status": status}}

    entries = [
        entry("POST", "/predict", 200),
        entry("POST", "/predict?x=1", 200),
        entry("POST", "/predict", 422),
        entry("GET", "/static/a%2Fb", 404),
        entry("GET", "/static/c", 404),
        entry("TRACE", "/predict", 405),
        entry("DELETE", "/", 405),
        entry("GET", "/", 200),
    ]
    path = tmp_path / "report.har"
    path.write_text(json.dumps({"log": {"entries": entries}}))
    counts = schemathesis_run.read_statuses(path)
    assert {name: dict(one) for name, one in counts.items()} == {
        "POST /predict": {200: 2, 422: 1},
        "GET /static/...": {404: 2},
        "other methods": {405: 2},
        "GET /": {200: 1},
    }


def test_environment_that_is_there_is_not_made_again(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(schemathesis_run.subprocess, "run", lambda *args, **_: calls.append(args))
    folder = tmp_path / "env"
    folder.mkdir()
    schemathesis_run.install(folder)
    assert len(calls) == 2  # Makes it, and installs.
    schemathesis_run.install(folder)
    assert len(calls) == 2
    (folder / ".installed").write_text("schemathesis==1")
    schemathesis_run.install(folder)
    assert len(calls) == 4


def test_document_that_the_validator_refuses_is_reported(tmp_path):
    app = flask.Flask("test", static_folder=None)
    app.add_url_rule("/openapi.json", "openapi", lambda: {"openapi": "4"})
    program = tmp_path / "env" / "bin" / "python"
    program.parent.mkdir(parents=True)
    # Stands for the validator: refuses whatever holds a 4.
    program.write_text('#!/bin/sh\nif grep 4 "$3"; then exit 1; fi\n')
    program.chmod(0o755)
    with serving_stubs.serve(app) as url:
        wrong = schemathesis_run.check_document(tmp_path / "env", url, tmp_path)
        app.view_functions["openapi"] = lambda: {"openapi": "3.0.3"}
        right = schemathesis_run.check_document(tmp_path / "env", url, tmp_path)
    assert '"4"' in wrong
    assert right is None
