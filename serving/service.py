"""A server's state: the model that answers, the line before it, what is counted and what is kept.

A request that finds the line full is refused at once, and one that has waited too long is taken
out (`serving/front.py`): a robot is better served by a quick no than by a late answer. As many
requests run as the engine has use for; the engine gives one that is alone all cores.

Another version of the model is loaded and warmed up beside the old one, which goes on answering;
then one reference changes. Requests that began with the old version end with it.

GET /metrics answers, in the text format of Prometheus:

| name                                    | what                                                |
|-----------------------------------------|-----------------------------------------------------|
| rt1_requests_total{route,method,status} | answered requests                                   |
| rt1_errors_total{route,status}          | those answered with 400 or more                     |
| rt1_request_seconds{route}              | histogram: from the first guard to the last         |
| rt1_stage_seconds{stage}                | histogram of predictions: decode, queue, model,     |
|                                         | total                                               |
| rt1_queue_length                        | requests that wait for the model now                |
| rt1_model_info{version}                 | 1, for the version that answers                     |
| process_*                               | memory, processor time, open files                  |
"""

from __future__ import annotations

import contextlib
import difflib
import gc
import pathlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import flask
import prometheus_client as prometheus
from absl import logging

from serving import recorder, security
from serving.predictor import Predictor
from serving.schemas import RequestError
from serving.settings import ServerSettings, num_cores

NAME = "prediction_service"
# What a directory that is no sound checkpoint makes the loaders raise.
_OF_A_CHECKPOINT = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError),
    *(ImportError, SyntaxError, RuntimeError),
)
# A stub answers in a millisecond, a full-size batch with dropout everywhere in seconds.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
MOST_RETRY_AFTER_S = 20


class Line:
    """Counts the requests that wait for the model.

    Who is refused is told when to come back (`Retry-After`): later the more are refused, so that
    about one comes back for each that is answered. 256 clients of a model that answers 64 times a
    second are told to wait 3 s; else refusing them would take the processor from the model.
    """

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting, self._waiting, self._lock = max_waiting, 0, threading.Lock()
        self._since_s, self._num_refused, self._num_left = time.monotonic(), 0, 0
        self._retry_after_s = 1  # A line that is full now has moved on by then.

    def __len__(self) -> int:
        return self._waiting

    def enter(self) -> None:
        """Raises RequestError 503 if too many wait already."""
        with self._lock:
            if self._waiting >= self._max_waiting:
                self._num_refused += 1
                now_s = time.monotonic()
                if now_s > self._since_s + self._retry_after_s:
                    # Whom the last wait was told has come back by now.
                    wait_s = self._retry_after_s * self._num_refused / max(1, self._num_left)
                    self._retry_after_s = min(max(1, round(wait_s)), MOST_RETRY_AFTER_S)
                    self._since_s, self._num_refused, self._num_left = now_s, 0, 0
                raise RequestError(
                    503,
                    f"The server is busy: Expected at most {self._max_waiting} waiting requests. "
                    "Try again.",
                    self._retry_after_s,
                )
            self._waiting += 1

    def leave(self) -> None:
        """Each that entered leaves once: to run, or because it has waited too long."""
        with self._lock:
            self._waiting -= 1
            self._num_left += 1


class PixelBudget:
    """Lets pictures be decoded side by side as long as they are not too many pixels together.

    Decoding takes up to 24 bytes a pixel for a moment, whatever the file's size: 1.2 GB for 50
    million.
    """

    def __init__(self, max_pixels: int, limit_s: float) -> None:
        """`max_pixels` at a time; who has waited for `limit_s` is refused."""
        self._free, self._limit_s = max_pixels, limit_s
        self._max_pixels, self._changed = max_pixels, threading.Condition()

    @contextlib.contextmanager
    def take(self, num_pixels: int) -> Iterator[None]:
        """Waits for its share. Raises RequestError 503 after `limit_s`."""
        share = min(num_pixels, self._max_pixels)
        with self._changed:
            if not self._changed.wait_for(lambda: self._free >= share, self._limit_s):
                raise RequestError(503, "The server is busy with large pictures. Try again.", 1)
            self._free -= share
        try:
            yield
        finally:
            with self._changed:
                self._free += share
                self._changed.notify_all()


class ServerMetrics:
    """The counters of one server, in a registry of its own; any thread may call its methods.

    A path that no route has is counted as `unknown`, and so is an odd method: nobody can fill the
    memory with new labels.
    """

    def __init__(self, queue_length: Callable[[], int]) -> None:
        """`queue_length` is asked whenever somebody asks for the metrics."""
        registry = self._registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=registry)

        def make(kind: type, name: str, text: str, *labels: str, **options: Any) -> Any:
            return kind(f"rt1_{name}", text, labels, registry=registry, **options)

        histogram, seconds = prometheus.Histogram, {"buckets": _SECONDS}
        self._requests = make(
            *(prometheus.Counter, "requests", "Answered requests.", "route", "method", "status")
        )
        self._errors = make(
            prometheus.Counter, "errors", "Answered with 400 or more.", "route", "status"
        )
        self._request_seconds = make(
            histogram, "request_seconds", "From the first guard to the last.", "route", **seconds
        )
        stages = make(
            histogram, "stage_seconds", "Where a prediction's time went.", "stage", **seconds
        )
        # Made here, so that each is there, with 0, before the first prediction.
        self._stages = {name: stages.labels(name) for name in ("decode", "queue", "model", "total")}
        self._model = make(prometheus.Info, "model", "The version of the model that answers.")
        waiting = make(prometheus.Gauge, "queue_length", "Requests that wait for the model.")
        waiting.set_function(queue_length)

    def observe(self, timing_ms: Mapping[str, float]) -> None:
        """Notes where the time of one prediction went."""
        for stage, milliseconds in timing_ms.items():
            self._stages[stage].observe(milliseconds / 1000)

    def set_model_version(self, version: str) -> None:
        """Says which version answers from now on."""
        self._model.info({"version": version})

    def count(self, response: flask.Response) -> flask.Response:
        """Counts an answered request; an `after_request` function."""
        request, visitor = flask.request, security.visitor_of_this()
        if not visitor.expired:
            route = request.url_rule.rule if request.url_rule else "unknown"
            self.count_as(route, request.method, response.status_code, visitor.started_s)
        return response

    def count_as(self, route: str, method: str, status: int, started_s: float) -> None:
        """Counts a request that began at `started_s` of `time.perf_counter`."""
        known = method in ("GET", "HEAD", "POST", "OPTIONS")
        self._requests.labels(route, method if known else "unknown", status).inc()
        self._request_seconds.labels(route).observe(time.perf_counter() - started_s)
        if status >= 400:
            self._errors.labels(route, status).inc()

    def to_text(self) -> bytes:
        """Everything, as GET /metrics answers it."""
        return prometheus.generate_latest(self._registry)


class Service:
    """Shared by all threads of a server.

    Attributes:
        current: the version that answers now; None if there is none.
        settings: limits.
        line: who waits for the model.
        num_workers: predictions that run at a time.
        metrics: what is counted.
        recorder: keeps requests and answers; None if nothing is kept.
        started_s: of `time.monotonic`.
    """

    def __init__(
        self,
        predictor: Predictor | None,
        settings: ServerSettings,
        load: Callable[[pathlib.Path], Predictor] | None = None,
    ) -> None:
        """`load` makes a predictor from a checkpoint directory; None: the real one."""
        self.current, self.settings = predictor, settings
        self.started_s = time.monotonic()
        self._load = load or (lambda directory: Predictor.from_checkpoint(directory, settings))
        self._loading = threading.Lock()
        # The model that a server without one may load later is run by an engine too.
        self.num_workers = predictor.num_workers if predictor else num_cores()
        self.line = Line(settings.max_waiting)
        self._budget = PixelBudget(settings.max_pixels, settings.deadline_s)
        self.metrics = ServerMetrics(self.line.__len__)
        self.recorder = None
        if settings.record_dir is not None:
            self.recorder = recorder.Recorder(settings.record_dir, settings.record_bytes)
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
        """`Predictor.answer` within the limits of this server."""
        limits = {"max_pixels": self.settings.max_pixels, "budget": self._budget.take}
        return predictor.answer(image, request, sampled=sampled, **limits)

    def switch_to(self, name: str) -> tuple[Predictor, Predictor | None]:
        """Loads another version and makes it the current one."""
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
        except MemoryError as error:
            raise RequestError(503, f"{name!r} needs more memory than there is.", 60) from error
        except _OF_A_CHECKPOINT as error:
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
            near = difflib.get_close_matches(name, known, 3) or known[:3]
            text = f"There is no checkpoint {name!r}. Of {len(known)}, the nearest are: "
            raise RequestError(404, f"{text}{', '.join(near) or 'none'}.")
        return directory
