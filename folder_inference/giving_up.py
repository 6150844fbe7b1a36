"""When going on with a folder is pointless: nobody answers, the key is wrong, all are refused."""

from __future__ import annotations

from folder_inference import outcomes

# These say something about the request, whichever picture is in it.
_OF_THE_RUN = (401, 403, 404, 405)
_LIMIT = 5


class GivingUp:
    """Looks at outcomes as they come.

    Stops at once if the server refuses the program itself; after five questions in a row (or two of
    each thread, if that is more) without an answer; and, while nothing has been answered, after as
    many refusals in the same words, which an instruction that the server does not know gets.
    """

    def __init__(self, answered: int, workers: int) -> None:
        """Args:
        answered: questions that an earlier run had answered.
        workers: threads that ask.
        """
        self._answered = answered
        self._limit = max(_LIMIT, 2 * workers)
        self._unanswered = 0
        self._refusal: str | None = None
        self._same_refusals = 0

    def reason(self, outcome: outcomes.Outcome) -> str | None:
        """Why to stop after this outcome, or None."""
        failure = outcome.failure
        if failure is None:
            self._answered += 1
            self._unanswered = self._same_refusals = 0
            return None
        if failure.status in _OF_THE_RUN:
            hint = " --num_samples 0 asks a server that has no samples." * (failure.status == 404)
            return f"The server refuses the program: {failure.status}: {failure.error}{hint}"
        if failure.kind == outcomes.UNANSWERED:
            self._unanswered += 1
            if self._unanswered >= self._limit:
                return f"{self._unanswered} questions in a row had no answer: {failure.error}"
        elif failure.kind == outcomes.REFUSED:
            self._unanswered = 0
            self._same_refusals = self._same_refusals + 1 if failure.error == self._refusal else 1
            self._refusal = failure.error
            if not self._answered and self._same_refusals >= self._limit:
                return f"The first {self._same_refusals} pictures were refused: {failure.error}"
        return None
