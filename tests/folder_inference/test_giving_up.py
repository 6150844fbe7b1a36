"""When a run ends because going on is pointless."""

from __future__ import annotations

import pytest

from folder_inference import giving_up, outcomes, questions


def outcome(kind=None, status=None, error="why"):
    question = questions.Question("a.jpg", None, None)
    if kind is None:
        return outcomes.Outcome(question, {}, None)
    return outcomes.Outcome(question, None, outcomes.Failure(kind, status, error))


def reasons(guard, *seen):
    return [guard.reason(one) for one in seen]


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_a_server_that_refuses_the_program_is_left_at_once(status):
    guard = giving_up.GivingUp(answered=10, workers=1)
    reason = guard.reason(outcome("unanswered", status))
    assert f"refuses the program: {status}: why" in reason
    assert ("--num_samples 0" in reason) == (status == 404)


def test_five_in_a_row_without_an_answer():
    guard = giving_up.GivingUp(answered=10, workers=1)
    silent = outcome("unanswered")
    assert reasons(guard, silent, silent, silent, silent, outcome()) == [None] * 5
    assert reasons(guard, silent, silent, silent, silent) == [None] * 4
    assert guard.reason(silent) == "5 questions in a row had no answer: why"


def test_many_workers_are_silent_together_for_longer():
    guard = giving_up.GivingUp(answered=10, workers=8)
    assert reasons(guard, *[outcome("unanswered", 503)] * 15) == [None] * 15
    assert guard.reason(outcome("unanswered", 503)) is not None


def test_the_same_refusal_from_the_beginning():
    guard = giving_up.GivingUp(answered=0, workers=1)
    refused = outcome("refused", 422, "Unknown food")
    assert reasons(guard, *[refused] * 4) == [None] * 4
    assert guard.reason(refused) == "The first 5 pictures were refused: Unknown food"


def test_refusals_of_pictures_do_not_end_a_run():
    same, guard = outcome("refused", 422, "truncated"), giving_up.GivingUp(answered=1, workers=1)
    assert reasons(guard, *[same] * 20) == [None] * 20
    guard = giving_up.GivingUp(answered=0, workers=1)
    different = [outcome("refused", 422, f"picture {number}") for number in range(20)]
    assert reasons(guard, *different, *[outcome("unreadable")] * 20) == [None] * 40
