"""Entries and summary of the JSON."""

from __future__ import annotations

import pytest

from folder_inference import outcomes, questions, results
from tests.folder_inference import records

QUESTIONS = [questions.Question(name, "Skewer", "bananas") for name in ("a", "b", "c", "d")]


def test_an_answer_gets_the_pictures_name():
    answer = {"success": True, "action": "skewering", "food_type": "banana", "input_text": "eat"}
    entry = results.record(outcomes.Outcome(QUESTIONS[0], answer, None, 5.0))
    assert entry == {
        "image": "a",
        "action": "skewering",
        "food_type": "banana",
        "input_text": "eat",
        "input_action": "Skewer",
        "input_food_type": "bananas",
        "client_ms": 5.0,
    }
    assert next(iter(entry)) == "image"


def test_instruction_in_words():
    assert results.instruction(records.record()) == "skewering banana"
    text = {"action": None, "food_type": None, "input_text": "eat"}
    assert results.instruction(text) == "eat"


def test_order_is_that_of_the_questions():
    failure = outcomes.Failure("refused", 422, "no picture", "id")
    found = {
        QUESTIONS[3].key: outcomes.Outcome(QUESTIONS[3], {"success": True}, None, 1.0),
        QUESTIONS[1].key: outcomes.Outcome(QUESTIONS[1], None, failure, 1.0),
        QUESTIONS[0].key: outcomes.Outcome(QUESTIONS[0], {"success": True}, None, 1.0),
    }
    answered, failed = results.split(QUESTIONS, found, "gave up")
    assert [entry["image"] for entry in answered] == ["a", "d"]
    assert [(entry["image"], entry["kind"], entry["error"]) for entry in failed] == [
        ("b", "refused", "no picture"),
        ("c", "not asked", "gave up"),
    ]
    assert failed[0] == {
        "image": "b",
        "action": "Skewer",
        "food_type": "bananas",
        "kind": "refused",
        "status": 422,
        "error": "no picture",
        "request_id": "id",
    }


def test_summary_by_hand():
    answered = [
        records.sampled(name, variance, client_ms=ms)
        for name, variance, ms in (("a", 0.1, 10.0), ("b", 0.3, 20.0), ("c", 0.2, 60.0))
    ]
    failure = outcomes.Failure("refused", 422, "no picture")
    summary = results.summary(answered, [results.failed_record(QUESTIONS[3], failure)])
    assert (summary["questions"], summary["answered"], summary["failed"]) == (4, 3, 1)
    assert summary["failed_by_kind"] == {"refused": 1}
    assert summary["model_versions"] == {"v1": 3}
    assert summary["instructions"] == {"skewering banana": 3}
    assert summary["client_ms"] == {"mean": 30.0, "median": 20.0, "p95": 56.0, "max": 60.0}
    assert summary["variances"]["total_variance"]["median"] == pytest.approx(0.2)
    assert summary["most_uncertain"] == ["b", "c", "a"]
    assert "ask_human" not in summary


def test_calibrated_doubt_goes_before_the_spread():
    answered = [
        records.judged("a", 0.9, 0.1),
        records.judged("b", 0.1, 0.3, asks=True),
        records.judged("c", 0.2, 0.2),
    ]
    summary = results.summary(answered, [])
    assert summary["ask_human"] == 1
    assert summary["most_uncertain"] == ["b", "c", "a"]
    # Of a server whose checkpoint was swapped for one that nobody has calibrated.
    answered.append(records.sampled("d", 0.5))
    summary = results.summary(answered, [])
    assert summary["ask_human"] == 1
    assert summary["most_uncertain"] == ["a", "d", "c", "b"]


def test_summary_of_nothing():
    summary = results.summary([], [])
    assert summary["client_ms"] is None
    assert "variances" not in summary
