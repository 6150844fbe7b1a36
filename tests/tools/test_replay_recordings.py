"""The program asks a server of the test's own, whose answers are known."""

from __future__ import annotations

import base64
import pathlib
import subprocess
import sys
import threading

import flask
import pytest
from werkzeug import serving as werkzeug_serving

from serving import recorder
from tools import replay_recordings

PROJECT = pathlib.Path(replay_recordings.__file__).resolve().parents[1]
PICTURE = b"\x89PNG\r\n\x1a\n..."
MOTION = {"start_x": 0.1, "start_y": 0.2, "end_x": 0.3, "end_y": 0.4}
ANSWER = {
    "prediction": MOTION,
    "action": "skewering",
    "food_type": "banana",
    "resize": "crop",
    "model_version": "v1",
}


@pytest.fixture
def server():
    """Its address, the requests that came, and the answers that it will give."""
    app = flask.Flask("replayed")
    seen, answers = [], {"/predict": (ANSWER, 200)}

    @app.post("/<route>")
    def answer(route):
        body = flask.request.get_json()
        seen.append((route, body, flask.request.headers.get("X-API-Key")))
        return answers[f"/{route}"]

    made = werkzeug_serving.make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}", seen, answers
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def keeper(tmp_path):
    return recorder.Recorder(tmp_path)


def run(tmp_path, url, *words):
    return replay_recordings.main(["--record_dir", str(tmp_path), "--api_url", url, *words])


def test_the_same_answer_is_equal(server, keeper, tmp_path, capsys):
    url, seen, _ = server
    request = {"route": "/predict", "action": "Skewer", "food_type": "bananas", "text": "go"}
    keeper.record("r1", PICTURE, request, ANSWER)
    assert run(tmp_path, url, "--api_key", "secret") == 0
    body = {"action": "Skewer", "food_type": "bananas", "text": "go", "resize": "crop"}
    body["image"] = base64.b64encode(PICTURE).decode()
    assert seen == [("predict", body, "secret")]
    assert capsys.readouterr().out == (
        "1 recordings: 1 equal within 0.0001, 0 different, 0 failed; largest difference 0.000000.\n"
    )


def test_a_batch_is_asked_with_the_seed_that_was_answered(server, keeper, tmp_path):
    url, seen, answers = server
    batch = {**ANSWER, "mean_prediction": MOTION, "seed": 7}
    batch.pop("prediction")
    answers["/predict_batch"] = (batch, 200)
    keeper.record("r1", PICTURE, {"batch_size": 8, "dropout_scope": "full", "seed": None}, batch)
    assert run(tmp_path, url) == 0
    ((route, body, _),) = seen
    assert route == "predict_batch"
    assert (body["batch_size"], body["dropout_scope"], body["seed"]) == (8, "full", 7)
    # What the request left out is what was understood.
    assert (body["action"], body["food_type"]) == ("skewering", "banana")


def test_another_answer_is_reported_with_both_versions(server, keeper, tmp_path, capsys):
    url, _, answers = server
    moved = {**MOTION, "end_x": 0.325, "end_y": 0.39}
    answers["/predict"] = ({**ANSWER, "prediction": moved, "model_version": "v2"}, 200)
    keeper.record("r1", PICTURE, {}, ANSWER)
    assert run(tmp_path, url) == 1
    out = capsys.readouterr().out
    assert "r1  0.025000  model v1 -> v2\n" in out
    assert "0 equal within 0.0001, 1 different" in out
    assert run(tmp_path, url, "--tolerance", "0.03") == 0


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (({"error": "unknown food"}, 422), "422: unknown food"),
        (({"success": True}, 200), "start_x: expected a number in 0..1"),
        (("<html>", 502), "no answer: "),
    ],
)
def test_a_failure_goes_before_a_difference(server, keeper, tmp_path, capsys, answer, reason):
    url, _, answers = server
    answers["/predict"] = answer
    keeper.record("r1", PICTURE, {}, ANSWER)
    assert run(tmp_path, url) == 2
    out = capsys.readouterr().out
    assert f"r1  failed    {reason}" in out
    assert "1 failed; largest difference unknown." in out


def test_it_runs_as_a_program_from_anywhere_also_when_nobody_listens(keeper, tmp_path):
    keeper.record("r1", PICTURE, {}, ANSWER)
    program = PROJECT / "tools" / "replay_recordings.py"
    command = [sys.executable, str(program), "--record_dir", ".", "--api_url", "http://127.0.0.1:1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "no answer" in done.stdout, done.stderr
