"""What the server counts and times, in the text format of Prometheus at GET /metrics.

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

Each server has a registry of its own. A path that no route has is counted as `unknown`, and so is
an odd method: nobody can fill the memory with new labels. (prometheus-flask-exporter has the HTTP
part under names of its own, which would break the dashboards of existing servers.)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import flask
import prometheus_client as prometheus

from serving import security

STAGES = ("decode", "queue", "model", "total")
# A stub answers in a millisecond, a full-size batch with dropout everywhere in seconds.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class ServerMetrics:
    """The counters of one server; every method may be called from any thread."""

    def __init__(self, queue_length: Callable[[], int]) -> None:
        """`queue_length` is asked whenever somebody asks for the metrics."""
        registry = self._registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=registry)
        self._requests = prometheus.Counter(
            "rt1_requests", "Answered requests.", ("route", "method", "status"), registry=registry
        )
        self._errors = prometheus.Counter(
            "rt1_errors", "Answered with 400 or more.", ("route", "status"), registry=registry
        )
        self._request_seconds = prometheus.Histogram(
            *("rt1_request_seconds", "From the first guard to the last.", ("route",)),
            buckets=_SECONDS,
            registry=registry,
        )
        stages = prometheus.Histogram(
            *("rt1_stage_seconds", "Where a prediction's time went.", ("stage",)),
            buckets=_SECONDS,
            registry=registry,
        )
        # Made here, so that each is there, with 0, before the first prediction.
        self._stages = {stage: stages.labels(stage) for stage in STAGES}
        self._model = prometheus.Info(
            "rt1_model", "The version of the model that answers.", registry=registry
        )
        prometheus.Gauge(
            "rt1_queue_length", "Requests that wait for the model.", registry=registry
        ).set_function(queue_length)

    def observe(self, timing_ms: Mapping[str, float]) -> None:
        """Notes where the time of one prediction went, by `STAGES`."""
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
