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
MOVED = {**ANSWER, "prediction": {**MOTION, "end_x": 0.325}, "model_version": "v2"}
BATCH = dict(
    folder_stubs.StubPolicy()
    .predict_batch(folder_stubs.png(), "skewering", "rice", batch_size=8, seed=7)
    .mean_prediction.content
)


ASKED = {"action": "Skewer", "food_type": "bananas", "text": "go"}
EQUAL = "1 recordings: 1 equal within 0.0001, 0 different, 0 failed; largest difference 0.000000."
OUTSIDE = {**ANSWER, "prediction": {**MOTION, "start_x": 2}}
SEEDED = {"batch_size": 8, "dropout_scope": "full", "seed": 7}


@pytest.mark.parametrize(
    ("recorded", "request_", "now", "code", "said", "asked"),
    [
        (ANSWER, ASKED, (200, ANSWER), 0, EQUAL, {**ASKED, "resize": "crop"}),
        # A batch is asked with the seed that was answered, and what was left out as understood.
        (
            BATCH,
            {**SEEDED, "seed": None},
            (200, BATCH),
            0,
            "1 equal",
            {**SEEDED, "food_type": "rice"},
        ),
        (ANSWER, {}, (200, MOVED), 1, "r1  0.025000  model v1 -> v2\n", {}),
        (ANSWER, {}, (422, {"error": "unknown food"}), 2, "failed    422: unknown food", {}),
        (ANSWER, {}, (200, OUTSIDE), 2, "failed    start_x: expected a number", {}),
    ],
)
def test_what_is_asked_and_what_differs(
    tmp_path, capsys, monkeypatch, recorded, request_, now, code, said, asked
):
    monkeypatch.setenv("RT1_API_KEY", "secret")
    recorder.Recorder(tmp_path).record("r1", PICTURE, request_, recorded)
    with folder_stubs.scripted_server((now[0], json.dumps(now[1]).encode())) as (url, seen):
        flags = ["--record_dir", str(tmp_path), "--api_url", url]
        assert replay_recordings.main(flags) == code
    assert said in capsys.readouterr().out
    ((route, key, body),) = seen
    assert (route, key) == ("/predict_batch" if recorded is BATCH else "/predict", "secret")
    assert body["image"] == base64.b64encode(PICTURE).decode()
    assert {name: body[name] for name in asked} == asked


def test_it_runs_as_a_program_from_anywhere_also_when_nobody_listens(tmp_path):
    recorder.Recorder(tmp_path).record("r1", PICTURE, {}, ANSWER)
    program = pathlib.Path(replay_recordings.__file__).resolve()
    command = [sys.executable, str(program), "--record_dir", ".", "--api_url", "http://127.0.0.1:1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "no answer" in done.stdout, done.stderr
