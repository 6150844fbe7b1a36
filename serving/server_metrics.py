"""What the server counts and times, in the text format of Prometheus at GET /metrics.

| name                                    | what                                                |
|-----------------------------------------|-----------------------------------------------------|
| rt1_requests_total{route,method,status} | answered requests                                   |
| rt1_errors_total{route,status}          | those answered with 400 or more                     |
| rt1_request_seconds{route}              | histogram: from the first guard to the last         |
| rt1_stage_seconds{stage}                | histogram of predictions: decode, queue, model,     |
|                                         | total                                               |
| rt1_batch_size                          | histogram: requests that one call of the model      |
|                                         | answered                                            |
| rt1_queue_length                        | requests that wait for the model now                |
| rt1_model_info{version}                 | 1, for the version that answers                     |
| process_*                               | memory, processor time, open files                  |

Each server has a registry of its own. A path that no route has is counted as `unknown`, and so is
an odd method: nobody can fill the memory with new labels.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

import flask
import prometheus_client

STAGES = ("decode", "queue", "model", "total")
UNKNOWN = "unknown"
# The names here are old enough for every Prometheus, so its oldest format says it all.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})
# A stub answers in a millisecond, a full-size batch with dropout everywhere in seconds.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)


class ServerMetrics:
    """The counters of one server; every method may be called from any thread."""

    def __init__(self) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        prometheus_client.ProcessCollector(registry=self.registry)
        self._requests = prometheus_client.Counter(
            "rt1_requests",
            "Answered requests.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self._errors = prometheus_client.Counter(
            "rt1_errors",
            "Requests answered with a status of 400 or more.",
            ("route", "status"),
            registry=self.registry,
        )
        self._request_seconds = self._histogram(
            "rt1_request_seconds", "From the first guard to the last.", _SECONDS, "route"
        )
        stages = self._histogram(
            "rt1_stage_seconds", "Where a prediction's time went.", _SECONDS, "stage"
        )
        # Made here, so that each is there, with 0, before the first prediction.
        self._stages = {stage: stages.labels(stage) for stage in STAGES}
        self._batch_sizes = self._histogram(
            "rt1_batch_size", "Requests that one call of the model answered.", _BATCH_SIZES
        )
        self._queue_length = prometheus_client.Gauge(
            "rt1_queue_length", "Requests that wait for the model.", registry=self.registry
        )
        self._model = prometheus_client.Info(
            "rt1_model", "The version of the model that answers.", registry=self.registry
        )

    def observe(self, stage: str, seconds: float) -> None:
        """Notes how long a stage of one prediction took.

        Raises:
            ValueError: if `stage` is not one of `STAGES`.
        """
        if stage not in self._stages:
            raise ValueError(f"stage: expected one of {', '.join(STAGES)}; got {stage!r}.")
        self._stages[stage].observe(seconds)

    def observe_batch_size(self, num_requests: int) -> None:
        """Notes how many requests one call of the model answered."""
        self._batch_sizes.observe(num_requests)

    def watch_queue(self, length: Callable[[], int]) -> None:
        """Takes the queue's length from a function, whenever somebody asks for it."""
        self._queue_length.set_function(length)

    def set_model_version(self, version: str) -> None:
        """Says which version answers from now on."""
        self._model.info({"version": version})

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """Counts an answered request.

        Args:
            route: the rule of the route, or `UNKNOWN`.
            method: as the client sent it.
            status: of the answer.
            seconds: that it took.
        """
        method = method if method in _METHODS else UNKNOWN
        self._requests.labels(route, method, status).inc()
        self._request_seconds.labels(route).observe(seconds)
        if status >= 400:
            self._errors.labels(route, status).inc()

    def to_text(self) -> bytes:
        """Everything, as GET /metrics answers it."""
        return prometheus_client.generate_latest(self.registry)

    def _histogram(
        self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str
    ) -> prometheus_client.Histogram:
        return prometheus_client.Histogram(
            name, meaning, labels, buckets=buckets, registry=self.registry
        )


def install(app: flask.Flask, metrics: ServerMetrics) -> None:
    """Counts every request of `app`, and adds GET /metrics; before the guards."""
    app.before_request(_start)
    app.after_request(functools.partial(_count, metrics))
    app.add_url_rule("/metrics", "metrics", functools.partial(_answer, metrics))


def _start() -> None:
    flask.g.metrics_started_s = time.perf_counter()


def _count(metrics: ServerMetrics, response: flask.Response) -> flask.Response:
    request = flask.request
    route = request.url_rule.rule if request.url_rule else UNKNOWN
    seconds = time.perf_counter() - flask.g.metrics_started_s
    metrics.count(route, request.method, response.status_code, seconds)
    return response


def _answer(metrics: ServerMetrics) -> flask.Response:
    return flask.Response(metrics.to_text(), content_type=CONTENT_TYPE)
