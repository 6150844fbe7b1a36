"""The program asks a server of the test's own, whose answers are known."""

from __future__ import annotations

import base64
import json
import pathlib
import subprocess
import sys

import pytest

from serving import recorder
from tests import folder_stubs
from tools import replay_recordings

PICTURE = b"\x89PNG\r\n\x1a\n..."
MOTION = {**folder_stubs.MOTION, "start_x": 0.1, "end_x": 0.3, "direction_degrees": 45.0}
ANSWER = {**folder_stubs.ANSWER, "prediction": MOTION, "resize": "crop", "model_version": "v1"}


@pytest.fixture
def replay(tmp_path, capsys):
    """Records a request and its answer, asks a server again that answers `now`: the exit code, what
    was printed and what was asked."""

    def run(now, request=None, answer=ANSWER, *flags):
        recorder.Recorder(tmp_path).record("r1", PICTURE, request or {}, answer)
        body = now[1] if isinstance(now[1], bytes) else json.dumps(now[1]).encode()
        with folder_stubs.scripted_server((now[0], body)) as (url, seen):
            arguments = ["--record_dir", str(tmp_path), "--api_url", url, *flags]
            code = replay_recordings.main(arguments)
        return code, capsys.readouterr().out, seen

    return run


def test_the_same_answer_is_equal(replay):
    request = {"route": "/predict", "action": "Skewer", "food_type": "bananas", "text": "go"}
    code, out, seen = replay((200, ANSWER), request, ANSWER, "--api_key", "secret")
    body = {"action": "Skewer", "food_type": "bananas", "text": "go", "resize": "crop"}
    body["image"] = base64.b64encode(PICTURE).decode()
    assert (code, seen) == (0, [("/predict", "secret", body)])
    assert out == (
        "1 recordings: 1 equal within 0.0001, 0 different, 0 failed; largest difference 0.000000.\n"
    )


def test_a_batch_is_asked_with_the_seed_that_was_answered(replay):
    samples = folder_stubs.StubPolicy().predict_batch(
        folder_stubs.png(), "skewering", "rice", batch_size=8, seed=7
    )
    batch = dict(samples.mean_prediction.content)
    request = {"batch_size": 8, "dropout_scope": "full", "seed": None}
    code, _, ((route, _, body),) = replay((200, batch), request, batch)
    assert (code, route) == (0, "/predict_batch")
    assert (body["batch_size"], body["dropout_scope"], body["seed"]) == (8, "full", 7)
    # What the request left out is what was understood.
    assert (body["action"], body["food_type"]) == ("skewering", "rice")


def test_another_answer_is_reported_with_both_versions(replay):
    moved = {**ANSWER, "prediction": {**MOTION, "end_x": 0.325}, "model_version": "v2"}
    code, out, _ = replay((200, moved))
    assert code == 1
    assert "r1  0.025000  model v1 -> v2\n" in out
    assert "0 equal within 0.0001, 1 different" in out
    assert replay((200, moved), {}, ANSWER, "--tolerance", "0.03")[0] == 0


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        ((422, {"error": "unknown food"}), "422: unknown food"),
        ((200, {**ANSWER, "prediction": {**MOTION, "start_x": 2}}), "start_x: expected a number"),
        ((502, b"<html>"), "502: expected JSON"),
    ],
)
def test_a_failure_goes_before_a_difference(replay, now, reason):
    code, out, _ = replay(now)
    assert code == 2
    assert f"r1  failed    {reason}" in out
    assert "1 failed; largest difference unknown." in out


def test_it_runs_as_a_program_from_anywhere_also_when_nobody_listens(tmp_path):
    recorder.Recorder(tmp_path).record("r1", PICTURE, {}, ANSWER)
    program = pathlib.Path(replay_recordings.__file__).resolve()
    command = [sys.executable, str(program), "--record_dir", ".", "--api_url", "http://127.0.0.1:1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "no answer" in done.stdout, done.stderr
