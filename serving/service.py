"""A server's state: the model that answers, the line before it, what is counted and what is kept.

A request that finds the line full is refused at once, and one that has waited too long is taken
out: a robot is better served by a quick no than by a late answer. Each request runs in a thread of
its own, as many at a time as the engine has use for; the engine gives one that is alone all cores.

Another version of the model is loaded and warmed up beside the old one, which goes on answering;
then one reference changes. Requests that began with the old version end with it.
"""

from __future__ import annotations

import concurrent.futures
import functools
import gc
import pathlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from absl import logging

from serving import metrics, recorder
from serving.predictor import Predictor
from serving.schemas import RequestError
from serving.settings import ServerSettings, num_cores


class RequestQueue:
    """A bounded line of calls of the model, first come, first served."""

    def __init__(self, max_waiting: int, num_workers: int, deadline_s: float) -> None:
        """Args:
        max_waiting: calls in the line, those not counted that run.
        num_workers: calls that run at a time.
        deadline_s: longest time for all calls of a request.
        """
        self._max_waiting, self._deadline_s = max_waiting, deadline_s
        self._waiting, self._lock = 0, threading.Lock()
        self._executor = concurrent.futures.ThreadPoolExecutor(num_workers, "model")

    def __len__(self) -> int:
        """Calls that wait."""
        return self._waiting

    def run(self, function: Callable[[], Any], began_s: float) -> tuple[Any, float, float]:
        """Runs a function in its turn.

        Args:
            function: runs the model.
            began_s: when its request entered, of `time.perf_counter`.

        Returns:
            The result, and milliseconds of waiting and of running.

        Raises:
            RequestError: 503 if too many wait already, 504 if the result was not there in time.
        """
        entered = time.perf_counter()
        with self._lock:
            if self._waiting >= self._max_waiting:
                raise RequestError(
                    503,
                    f"The server is busy: Expected at most {self._max_waiting} waiting requests. "
                    "Try again.",
                    1,  # A line that is full now has moved on by then.
                )
            self._waiting += 1

        def work() -> tuple[Any, float, float]:
            self._leave()
            started = time.perf_counter()
            value = function()
            ended = time.perf_counter()
            return value, 1000 * (started - entered), 1000 * (ended - started)

        future = self._executor.submit(work)
        try:
            return future.result(timeout=max(0.0, began_s + self._deadline_s - entered))
        except concurrent.futures.TimeoutError:
            if future.done():  # Just now, or with a timeout of the model's own.
                return future.result()
            if future.cancel():
                self._leave()
            raise RequestError(
                504, f"The server is too busy: No answer within {self._deadline_s:g} s."
            ) from None

    def close(self) -> None:
        """Finishes the calls that wait."""
        self._executor.shutdown()

    def _leave(self) -> None:
        with self._lock:
            self._waiting -= 1


class Service:
    """Shared by all threads of a server.

    Attributes:
        current: the version that answers now; None if there is none.
        settings: limits.
        queue: the line before the model.
        metrics: what is counted.
        recorder: keeps requests and answers; None if nothing is kept.
        started_s: of `time.monotonic`.
    """

    def __init__(
        self,
        predictor: Predictor | None,
        settings: ServerSettings,
        load: Callable[[pathlib.Path], Predictor],
    ) -> None:
        """Args:
        predictor: answers until another one is loaded; None: nothing is answered.
        settings: of the server.
        load: makes a predictor from a checkpoint directory; OSError or ValueError if it cannot.
        """
        self.current, self.settings = predictor, settings
        self.started_s = time.monotonic()
        self._load, self._loading = load, threading.Lock()
        # The model that a server without one may load later is run by an engine too.
        num_workers = predictor.num_workers if predictor else num_cores()
        self.queue = RequestQueue(settings.max_waiting, num_workers, settings.deadline_s)
        self.metrics = metrics.ServerMetrics(self.queue.__len__)
        self.recorder = settings.record_dir and recorder.Recorder(settings.record_dir)
        if predictor is not None:
            self.metrics.set_model_version(predictor.version)

    def require_predictor(self) -> Predictor:
        """The version that answers now. Raises RequestError 503 if there is none."""
        if self.current is None:
            raise RequestError(
                503,
                "No checkpoint is loaded, so nothing can be predicted. Start the server with "
                "--checkpoint_dir, or set CHECKPOINT_PATH.",
            )
        return self.current

    def answer(
        self, predictor: Predictor, image: bytes, request: Mapping[str, Any], sampled: bool
    ) -> dict[str, Any]:
        """`Predictor.answer` in the line of all requests, all its calls within one deadline."""
        run = functools.partial(self.queue.run, began_s=time.perf_counter())
        max_pixels = self.settings.max_pixels
        return predictor.answer(image, request, sampled=sampled, run=run, max_pixels=max_pixels)

    def switch_to(self, name: str) -> tuple[Predictor, Predictor | None]:
        """Loads another version and makes it the current one.

        Args:
            name: of a directory inside the checkpoint root, such as "monday" or "lab/monday".

        Returns:
            The new and the old predictor.

        Raises:
            RequestError: 403 if there is no checkpoint root or the name leads out of it, 404 if
                there is no such directory, 409 if another one is being loaded, 422 if it cannot be
                loaded; the old one goes on answering.
        """
        directory = self._directory(name)
        if not self._loading.acquire(blocking=False):
            text = "Another checkpoint is being loaded. Try again when it is done."
            raise RequestError(409, text, 10)
        try:
            new = self._load(directory)
            new.warm_up()
            old, self.current = self.current, new
            self.metrics.set_model_version(new.version)
            logging.info("%s answers now, in the place of %s", new.version, old and old.version)
        except (OSError, ValueError) as error:
            logging.error("%s cannot be loaded", directory, exc_info=error)
            # Messages of the loader name files of this machine, which are none of the client's.
            reason = str(error).replace(str(directory), name)
            reason = reason.replace(str(self.settings.checkpoint_root), "")
            text = f"{name!r} cannot be loaded, the model before it goes on: {reason}"
            raise RequestError(422, text) from error
        finally:
            self._loading.release()
            gc.collect()  # A network is full of cycles.
        return new, old

    def _directory(self, name: str) -> pathlib.Path:
        root = self.settings.checkpoint_root
        if root is None:
            raise RequestError(
                403,
                "This server loads no other checkpoints: it was started without --checkpoint_root.",
            )
        root = root.resolve()
        try:
            directory = (root / name).resolve()
            exists = directory.is_dir()
        except (OSError, ValueError) as error:  # A name that is too long, or has a zero byte.
            raise RequestError(404, "There is no checkpoint of that name.") from error
        if root not in directory.parents:
            raise RequestError(
                403, "'checkpoint_path': expected the name of a directory inside --checkpoint_root."
            )
        if not exists:
            known = sorted(entry.name for entry in root.iterdir() if entry.is_dir())
            raise RequestError(
                404, f"There is no checkpoint {name!r}. Known: {', '.join(known) or 'none'}."
            )
        return directory
