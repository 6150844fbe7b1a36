"""What came of a question."""

from __future__ import annotations

import json

import pytest

import api_client
from folder_inference import outcomes, questions

QUESTION = questions.Question("a.jpg", "skewering", "grape")


@pytest.mark.parametrize(
    ("status", "kind", "settled"),
    [
        (400, "refused", True),
        (413, "refused", True),
        (415, "refused", True),
        (422, "refused", True),
        (None, "unanswered", False),
        (401, "unanswered", False),
        (429, "unanswered", False),
        (500, "unanswered", False),
        (503, "unanswered", False),
        (504, "unanswered", False),
    ],
)
def test_only_what_the_picture_is_to_blame_for_is_settled(status, kind, settled):
    failure = outcomes.Failure.of(api_client.ApiError(status, "why", "id"))
    assert failure == outcomes.Failure(kind, status, "why", "id")
    outcome = outcomes.Outcome(QUESTION, None, failure)
    assert outcome.settled is settled
    assert outcome.finished is settled


def test_an_unreadable_file_is_finished_but_may_be_mended():
    outcome = outcomes.Outcome(QUESTION, None, outcomes.Failure("unreadable", None, "empty"))
    assert (outcome.settled, outcome.finished) == (False, True)


@pytest.mark.parametrize(
    "outcome",
    [
        outcomes.Outcome(QUESTION, {"prediction": [1, 2.5]}, None, 12.5),
        outcomes.Outcome(QUESTION, None, outcomes.Failure("refused", 422, "no picture", "id"), 3.0),
    ],
    ids=["answer", "failure"],
)
def test_through_the_journal_and_back(outcome):
    entry = json.loads(json.dumps(outcome.to_entry({"size": 3})))
    assert entry["key"] == ["a.jpg", "skewering", "grape"]
    assert entry["file"] == {"size": 3}
    assert outcomes.Outcome.from_entry(QUESTION, entry) == outcome
