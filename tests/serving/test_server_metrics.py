"""Counters, histograms and gauges, read as Prometheus reads them."""

from __future__ import annotations

import flask
import pytest
import requests
from prometheus_client import parser

from serving import errors, server_metrics
from tests import serving_stubs


def samples(metrics):
    """(name, labels) -> value."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parser.text_string_to_metric_families(metrics.to_text().decode())
        for sample in family.samples
    }


def value(metrics, name, **labels):
    return samples(metrics).get((name, tuple(sorted(labels.items()))))


@pytest.fixture
def metrics():
    return server_metrics.ServerMetrics()


@pytest.fixture
def client(metrics):
    app = flask.Flask("test", static_folder=None)
    errors.install(app)
    server_metrics.install(app, metrics)
    app.add_url_rule("/static/<name>", "static", lambda name: name)
    app.add_url_rule("/predict", "predict", lambda: {}, methods=["POST"])
    app.add_url_rule("/fail", "fail", lambda: 1 / 0)
    return app.test_client()


def test_stages_are_there_with_zero_before_the_first_prediction(metrics):
    for stage in ("decode", "queue", "model", "total"):
        assert value(metrics, "rt1_stage_seconds_count", stage=stage) == 0


def test_stage_falls_into_its_buckets(metrics):
    for seconds in (0.004, 0.03, 0.03):
        metrics.observe("model", seconds)
    expected = {"0.0025": 0, "0.005": 1, "0.025": 1, "0.05": 3, "30.0": 3, "+Inf": 3}
    for limit, count in expected.items():
        assert value(metrics, "rt1_stage_seconds_bucket", stage="model", le=limit) == count
    assert value(metrics, "rt1_stage_seconds_sum", stage="model") == pytest.approx(0.064)
    assert value(metrics, "rt1_stage_seconds_count", stage="queue") == 0


def test_unknown_stage_is_refused(metrics):
    with pytest.raises(ValueError, match="one of decode, queue, model, total; got 'modell'"):
        metrics.observe("modell", 1.0)


def test_batch_sizes(metrics):
    for size in (1, 1, 8):
        metrics.observe_batch_size(size)
    assert value(metrics, "rt1_batch_size_bucket", le="1.0") == 2
    assert value(metrics, "rt1_batch_size_bucket", le="4.0") == 2
    assert value(metrics, "rt1_batch_size_bucket", le="8.0") == 3
    assert value(metrics, "rt1_batch_size_sum") == 10


def test_queue_is_asked_whenever_somebody_looks(metrics):
    assert value(metrics, "rt1_queue_length") == 0
    queue = []
    metrics.watch_queue(lambda: len(queue))
    queue += [1, 2, 3]
    assert value(metrics, "rt1_queue_length") == 3
    queue.clear()
    assert value(metrics, "rt1_queue_length") == 0
    metrics.watch_queue(lambda: 7)
    assert value(metrics, "rt1_queue_length") == 7


def test_only_the_version_that_answers_is_named(metrics):
    metrics.set_model_version("one")
    metrics.set_model_version('tw"o\n')
    assert value(metrics, "rt1_model_info", version="one") is None
    assert value(metrics, "rt1_model_info", version='tw"o\n') == 1


def test_memory_of_the_process_is_there(metrics):
    assert value(metrics, "process_resident_memory_bytes") > 1e6


def test_requests_and_errors_are_counted_by_route(client, metrics):
    for method, path in [
        ("POST", "/predict"),
        ("POST", "/predict"),
        ("GET", "/static/a.js"),
        ("GET", "/static/b.js"),
        ("GET", "/fail"),
        ("GET", "/nowhere/1"),
        ("GET", "/nowhere/2"),
        ("GET", "/predict"),
        ("BREW", "/predict"),
        ("SPILL", "/predict"),
    ]:
        client.open(path, method=method)

    def count(route, method, status):
        labels = {"route": route, "method": method, "status": status}
        return value(metrics, "rt1_requests_total", **labels)

    assert count("/predict", "POST", "200") == 2
    assert count("/static/<name>", "GET", "200") == 2
    assert count("/fail", "GET", "500") == 1
    assert count("unknown", "GET", "404") == 2
    assert count("unknown", "GET", "405") == 1
    assert count("unknown", "unknown", "405") == 2
    assert value(metrics, "rt1_errors_total", route="unknown", status="405") == 3
    assert value(metrics, "rt1_errors_total", route="/predict", status="200") is None
    assert value(metrics, "rt1_request_seconds_count", route="/predict") == 2


def test_strangers_cannot_make_new_labels(client, metrics):
    client.get("/nowhere")
    client.open("/nowhere", method="M0")
    before = set(samples(metrics))
    for number in range(50):
        client.open(f"/nowhere/{number}?{number}", method=f"M{number}")
        client.get(f"/static/{number}")
    new = {key for key in set(samples(metrics)) - before if key[0] == "rt1_requests_total"}
    assert len(new) == 1  # That of /static/<name>.


def test_servers_do_not_share_counters(metrics):
    other = server_metrics.ServerMetrics()
    metrics.observe("total", 1.0)
    metrics.count("/predict", "POST", 200, 0.1)
    assert value(other, "rt1_stage_seconds_count", stage="total") == 0
    labels = {"route": "/predict", "method": "POST", "status": "200"}
    assert value(other, "rt1_requests_total", **labels) is None


def test_prometheus_can_read_it_over_http(client, metrics):
    with serving_stubs.serve(client.application) as url:
        requests.post(f"{url}/predict", timeout=30)
        answer = requests.get(f"{url}/metrics", timeout=30)
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'rt1_requests_total{method="POST",route="/predict",status="200"} 1.0' in answer.text
