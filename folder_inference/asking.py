"""Asks questions from several threads.

A thread writes an answer into the journal before it takes the next question. A kill therefore loses
at most one answer of each thread, the one that was on its way; only those are asked again.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import api_client
from folder_inference import answerers, journal, outcomes, pictures, questions

_POLL_S = 0.2


class Asker:
    """Asks one question after the other; for one thread."""

    def __init__(
        self,
        answerer: answerers.Answerer,
        source: pictures.Pictures,
        settings: questions.Settings,
        log: journal.Journal,
    ) -> None:
        """Args:
        answerer: is asked, and closed in the end.
        source: has the pictures.
        settings: of the run.
        log: gets what the answerer says.
        """
        self._answerer = answerer
        self._source = source
        self._settings = settings
        self._log = log

    def ask(self, question: questions.Question) -> outcomes.Outcome:
        """Reads the picture, asks, writes the journal. Raises OSError if that cannot be written."""
        try:
            picture, state = self._source.load(question.image)
        except pictures.UnreadableError as error:
            return _unreadable(question, str(error))
        started = time.perf_counter()
        answer = failure = None
        try:
            answer = self._answerer.ask(picture, question, self._settings)
        except api_client.ApiError as error:
            failure = outcomes.Failure.of(error)
        client_ms = 1000 * (time.perf_counter() - started)
        outcome = outcomes.Outcome(question, answer, failure, round(client_ms, 3))
        if outcome.settled:
            self._log.append(outcome.to_entry(state))
        return outcome

    def close(self) -> None:
        """Closes the answerer."""
        self._answerer.close()


def ask_all(
    asked: Sequence[questions.Question],
    make_asker: Callable[[], Asker],
    workers: int,
    stop: threading.Event,
) -> Iterator[outcomes.Outcome]:
    """Asks all questions, or until `stop` is set; questions that are on their way are finished.

    Args:
        asked: the questions.
        make_asker: called once in each thread.
        workers: threads.
        stop: set by anybody.

    Yields:
        Outcomes as they come.

    Raises:
        OSError: if the journal cannot be written; the other threads stop too.
    """
    waiting = iter(asked)
    taking = threading.Lock()
    done: queue.Queue[outcomes.Outcome] = queue.Queue()

    def take() -> questions.Question | None:
        with taking:
            return None if stop.is_set() else next(waiting, None)

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        try:
            running = [pool.submit(_work, make_asker, take, done) for _ in range(workers)]
            while not (all(one.done() for one in running) and done.empty()):
                _raise_failure(running)
                with contextlib.suppress(queue.Empty):
                    yield done.get(timeout=_POLL_S)
        finally:
            # Also when the caller stops listening.
            stop.set()
    _raise_failure(running)


def _work(
    make_asker: Callable[[], Asker],
    take: Callable[[], questions.Question | None],
    done: queue.Queue[outcomes.Outcome],
) -> None:
    """What a thread does."""
    with contextlib.closing(make_asker()) as asker:
        for question in iter(take, None):
            done.put(asker.ask(question))


def _raise_failure(running: Sequence[concurrent.futures.Future]) -> None:
    """A thread that failed would leave the others to ask in vain."""
    for one in running:
        if one.done():
            one.result()


def _unreadable(question: questions.Question, error: str) -> outcomes.Outcome:
    failure = outcomes.Failure(outcomes.UNREADABLE, None, error)
    return outcomes.Outcome(question, None, failure)
