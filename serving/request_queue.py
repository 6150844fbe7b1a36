"""The queue between the threads that answer HTTP and those that run the model.

Requests for one answer that wait at the same time go through the model together, in one call of at
most `max_batch`; whatever else has to run on the model, such as a set of samples, waits in the same
line and runs alone. A request that finds the line full is refused at once, and one that has waited
too long is taken out: a robot is better served by a quick no than by a late answer.

Each batch has one model only, so that an answer never mixes two versions.
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from serving.engines.engine import Engine


class QueueFullError(Exception):
    """Too many requests wait already."""


class DeadlineError(Exception):
    """The request has waited as long as it may."""


@dataclasses.dataclass(frozen=True)
class Timed:
    """A result and where its time went.

    Attributes:
        value: what the model gave.
        queue_ms: from entering the queue to the start of the model.
        model_ms: of the call that the request was part of.
        batch_size: requests that the call answered.
    """

    value: Any
    queue_ms: float
    model_ms: float
    batch_size: int


@dataclasses.dataclass
class _Job:
    model: Engine | None  # None: `payload` is a function that runs alone.
    payload: Any
    entered: float
    future: concurrent.futures.Future


class RequestQueue:
    """A bounded line of requests with threads of its own at its end."""

    def __init__(self, max_waiting: int = 64, max_batch: int = 8, num_workers: int = 1) -> None:
        """Starts the threads.

        Args:
            max_waiting: jobs in the line, those not counted that a worker has taken.
            max_batch: pictures in one call of the model.
            num_workers: calls of the model at a time.
        """
        self._max_waiting = max_waiting
        self._max_batch = max_batch
        self._jobs: collections.deque[_Job] = collections.deque()
        self._changed = threading.Condition()
        self._closed = False
        # Catches what a call of the model raises, so that it can be handed to those who wait.
        self._calls = concurrent.futures.ThreadPoolExecutor(num_workers, "model")
        self._workers = [
            threading.Thread(target=self._work, name=f"queue-{index}", daemon=True)
            for index in range(num_workers)
        ]
        for worker in self._workers:
            worker.start()

    def __len__(self) -> int:
        """Jobs that wait."""
        with self._changed:
            return len(self._jobs)

    def predict(
        self, model: Engine, image: np.ndarray, embedding: np.ndarray, deadline_s: float
    ) -> Timed:
        """One picture through the model, together with others that wait.

        Args:
            model: the version that answers.
            image: uint8 [H, W, 3].
            embedding: float32 [512].
            deadline_s: longest wait for the answer.

        Returns:
            float32 [4] with its times.

        Raises:
            QueueFullError: if too many wait already.
            DeadlineError: if the answer was not there in time.
        """
        return self._enter(model, (image, embedding), deadline_s)

    def call(self, function: Callable[[], Any], deadline_s: float) -> Timed:
        """Runs a function in its turn, alone. Raises as `predict`, and what the function raises."""
        return self._enter(None, function, deadline_s)

    def close(self) -> None:
        """Finishes the jobs that wait, then ends the threads. New ones are refused."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.join()
        self._calls.shutdown()

    def _enter(self, model: Engine | None, payload: object, deadline_s: float) -> Timed:
        job = _Job(model, payload, time.perf_counter(), concurrent.futures.Future())
        with self._changed:
            if self._closed or len(self._jobs) >= self._max_waiting:
                raise QueueFullError(f"Expected at most {self._max_waiting} waiting requests.")
            self._jobs.append(job)
            self._changed.notify()
        try:
            return job.future.result(timeout=deadline_s)
        except concurrent.futures.TimeoutError as error:
            if job.future.done() and job.future.exception() is error:
                raise  # A timeout of the model's own.
            self._remove(job)
            raise DeadlineError(f"No answer within {deadline_s} s.") from error

    def _remove(self, job: _Job) -> None:
        job.future.cancel()
        with self._changed:
            if job in self._jobs:
                self._jobs.remove(job)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._closed)
                if not self._jobs:
                    return
                jobs = self._take()
            self._run([job for job in jobs if job.future.set_running_or_notify_cancel()])

    def _run(self, jobs: list[_Job]) -> None:
        """Runs jobs of one model in one call, or one function; hands results or the error over."""
        if not jobs:
            return
        started = time.perf_counter()
        call = self._calls.submit(_results, jobs)
        error = call.exception()
        if error is not None:
            for job in jobs:
                job.future.set_exception(error)
            return
        model_ms = 1000 * (time.perf_counter() - started)
        for job, result in zip(jobs, call.result()):
            queue_ms = 1000 * (started - job.entered)
            job.future.set_result(Timed(result, queue_ms, model_ms, len(jobs)))

    def _take(self) -> list[_Job]:
        """The first job, and those behind it that can go through the same call."""
        first = self._jobs.popleft()
        jobs = [first]
        if first.model is None:
            return jobs
        waiting = [job for job in self._jobs if job.model is first.model]
        for job in waiting[: self._max_batch - 1]:
            self._jobs.remove(job)
            jobs.append(job)
        return jobs


def _results(jobs: list[_Job]) -> list[Any]:
    model = jobs[0].model
    if model is None:
        return [jobs[0].payload()]
    images, embeddings = (np.stack(part) for part in zip(*(job.payload for job in jobs)))
    return list(np.asarray(model.forward(images, embeddings)))
