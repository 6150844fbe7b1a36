"""training_state.json."""

from __future__ import annotations

import json

import pytest

from training import training_state

BEST = training_state.Best(0.1, 2, "best_checkpoint-10", {"centroid_mae": 0.1})
STATE = training_state.TrainingState(3, 4, 0.1 + 0.2, 12, 1.5, 0.7, 1 / 3, BEST)
FILE = training_state.StateFile("last_checkpoint-19", {"seed": 1}, {"last_checkpoint-19": STATE})


def test_comes_back_bit_equal(tmp_path):
    FILE.write(tmp_path)
    assert training_state.StateFile.read(tmp_path) == FILE


def test_a_new_state_comes_back(tmp_path):
    new = training_state.TrainingState()
    training_state.StateFile("last_checkpoint-0", {}, {"last_checkpoint-0": new}).write(tmp_path)
    assert training_state.StateFile.read(tmp_path).states["last_checkpoint-0"] == new


def test_epochs_without_improvement():
    assert STATE.epochs_without_improvement == 1
    assert training_state.TrainingState(epoch=5).epochs_without_improvement == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected what train.py writes"),
        ("[]", "expected what train.py writes"),
        ('{"format_version": 2}', "expected format_version 1, got 2"),
        ('{"format_version": 1}', "KeyError"),
        (
            '{"format_version": 1, "checkpoint": "a", "settings": {}, "states": {"a": {"x": 1}}}',
            "TypeError",
        ),
    ],
)
def test_damaged_files(tmp_path, text, message):
    (tmp_path / "training_state.json").write_text(text)
    with pytest.raises(training_state.ResumeError, match=message):
        training_state.StateFile.read(tmp_path)


def test_a_directory_without_a_run(tmp_path):
    with pytest.raises(training_state.ResumeError, match="found none.*--pretrained_checkpoint"):
        training_state.StateFile.read(tmp_path)


def test_equal_settings_pass_even_through_json():
    settings = {"batch_size": 4, "learning_rate": 0.1, "freeze": False, "name": None}
    training_state.check_settings(json.loads(json.dumps(settings)), settings)


def test_every_setting_that_differs_is_named():
    with pytest.raises(training_state.ResumeError) as error:
        training_state.check_settings({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 5, "d": 4})
    text = str(error.value)
    assert "b: was 2, now 5; c: was 3, now None; d: was None, now 4" in text
    assert "a: was" not in text
