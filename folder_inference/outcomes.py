"""What came of a question: the server's answer, or why there is none."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import api_client
from folder_inference import questions

# The picture or its instruction is at fault, so asking again would change nothing.
_REFUSALS = (400, 413, 415, 422)
UNREADABLE, REFUSED, UNANSWERED = "unreadable", "refused", "unanswered"


@dataclasses.dataclass(frozen=True)
class Failure:
    """Why a question has no answer.

    Attributes:
        kind: "unreadable" (the file, here), "refused" (by the server, for good) or "unanswered"
            (no connection, overload, a wrong key, a fault of the server: --resume asks again).
        status: of HTTP, or None.
        error: what was said.
        request_id: finds the request in the server's log, or None.
    """

    kind: str
    status: int | None
    error: str
    request_id: str | None = None

    @classmethod
    def of(cls, error: api_client.ApiError) -> Failure:
        """The failure that an error of the client stands for."""
        kind = REFUSED if error.status in _REFUSALS else UNANSWERED
        return cls(kind, error.status, error.message, error.request_id)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A question with its answer or its failure; exactly one of them is not None.

    Attributes:
        question: what was asked.
        answer: the server's JSON object.
        failure: why there is none.
        client_ms: from sending the request to having the answer; None if nothing was sent.
    """

    question: questions.Question
    answer: Mapping[str, Any] | None
    failure: Failure | None
    client_ms: float | None = None

    @property
    def settled(self) -> bool:
        """Whether the server has said all that it will say about this picture."""
        return self.failure is None or self.failure.kind == REFUSED

    @property
    def finished(self) -> bool:
        """Whether --resume has no reason to ask again; the user may mend an unreadable file."""
        return self.failure is None or self.failure.kind != UNANSWERED

    def to_entry(self, file: Mapping[str, Any]) -> dict[str, Any]:
        """As a line of the journal; `file` is what it remembers of the picture's file."""
        entry = {"key": list(self.question.key), "file": dict(file), "client_ms": self.client_ms}
        if self.failure is not None:
            return {**entry, "failure": dataclasses.asdict(self.failure)}
        return {**entry, "answer": self.answer}

    @classmethod
    def from_entry(cls, question: questions.Question, entry: Mapping[str, Any]) -> Outcome:
        """The way back."""
        failure = Failure(**entry["failure"]) if "failure" in entry else None
        return cls(question, entry.get("answer"), failure, entry["client_ms"])
