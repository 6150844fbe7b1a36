"""Token buckets with a clock that the test moves."""

from __future__ import annotations

import concurrent.futures

import flask
import pytest

from serving import api_keys, rate_limits, settings
from tests import guard_stubs


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def test_bucket_is_emptied_and_filled_again():
    clock = Clock()
    buckets = rate_limits.TokenBuckets(60, clock)
    assert [buckets.take("robot") for _ in range(60)] == [0.0] * 60
    assert buckets.take("robot") == pytest.approx(1.0)  # 60 a minute: one each second.
    clock.now += 0.5
    assert buckets.take("robot") == pytest.approx(0.5)
    clock.now += 0.5
    assert buckets.take("robot") == 0.0
    assert buckets.take("robot") == pytest.approx(1.0)
    clock.now += 3600
    assert [buckets.take("robot") for _ in range(60)] == [0.0] * 60
    assert buckets.take("robot") > 0


def test_one_a_minute():
    clock = Clock()
    buckets = rate_limits.TokenBuckets(1, clock)
    assert buckets.take("robot") == 0.0
    clock.now += 59
    assert buckets.take("robot") == pytest.approx(1.0)
    clock.now += 1
    assert buckets.take("robot") == 0.0


def test_refused_requests_do_not_put_off_the_next_token():
    clock = Clock()
    buckets = rate_limits.TokenBuckets(6, clock)
    granted = [buckets.take("robot") == 0.0 for _ in range(6)]
    for _ in range(100):  # Every 0.1 s for 10 s, which is what one token takes.
        clock.now += 0.1
        granted.append(buckets.take("robot") == 0.0)
    assert sum(granted) == 7


def test_clients_have_buckets_of_their_own():
    buckets = rate_limits.TokenBuckets(1, Clock())
    assert [buckets.take(name) for name in ("robot", "page")] == [0.0, 0.0]
    assert buckets.take("robot") > 0 and buckets.take("page") > 0


def test_table_is_bounded_and_forgets_the_client_unused_for_longest():
    buckets = rate_limits.TokenBuckets(1, Clock(), max_clients=3)
    for name in ("a", "b", "c", "a", "d"):
        buckets.take(name)
    assert len(buckets) == 3
    assert buckets.take("a") > 0  # Asked again after b, so b had to go.
    assert buckets.take("b") == 0.0


def test_threads_get_exactly_as_many_tokens_as_there_are():
    buckets = rate_limits.TokenBuckets(100, Clock())
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(lambda _: buckets.take("robot"), range(500)))
    assert waits.count(0.0) == 100


@pytest.mark.parametrize("per_minute", [0, -1])
def test_limit_below_one_is_refused(per_minute):
    with pytest.raises(ValueError, match=f"1 or more, or None for no limit; got {per_minute}"):
        rate_limits.install(
            flask.Flask("x"), settings.ServerSettings(requests_per_minute=per_minute)
        )


def client(clock, per_minute=2, keys=None):
    def limit(app, chosen):
        rate_limits.install(app, chosen, clock)

    chosen = settings.ServerSettings(requests_per_minute=per_minute, api_keys=keys or {})
    return guard_stubs.application(chosen, api_keys.install_names, limit).test_client()


def test_too_many_requests_are_told_when_to_come_again():
    clock = Clock()
    asker = client(clock)
    assert [asker.post("/predict").status_code for _ in range(3)] == [200, 200, 429]
    answer = asker.post("/predict")
    assert answer.headers["Retry-After"] == "30"
    assert answer.json["error"] == (
        "Expected at most 2 requests a minute, got more from 127.0.0.1. Ask again in 30 s."
    )
    clock.now += 30
    assert [asker.post("/predict").status_code for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics"])
def test_watchers_are_not_limited(path):
    asker = client(Clock())
    assert {asker.get(path).status_code for _ in range(10)} == {200}


def test_address_and_key_are_told_apart_and_each_key_from_the_others():
    keys = {"robot": "3x7QmZ-robot-key-0123", "page": "Zk1v-page-key-987654"}
    asker = client(Clock(), 1, keys)

    def ask(key, address="10.0.0.1"):
        return asker.get(
            "/docs", headers={"X-API-Key": key}, environ_overrides={"REMOTE_ADDR": address}
        ).status_code

    assert [ask(keys["robot"]), ask(keys["page"]), ask("wrong")] == [200, 200, 200]
    assert [ask(keys["robot"], "10.0.0.2"), ask("another wrong one")] == [429, 429]
    assert ask("wrong", "10.0.0.3") == 200


def test_one_ipv6_network_is_one_client():
    asker = client(Clock(), 1)

    def ask(address):
        return asker.get("/docs", environ_overrides={"REMOTE_ADDR": address}).status_code

    assert [ask("2001:db8:0:1::1"), ask("2001:db8:0:1:ffff::2")] == [200, 429]
    assert [ask("2001:db8:0:2::1"), ask("fe80::1%eth0")] == [200, 200]


def test_without_a_limit_nothing_is_counted():
    asker = client(Clock(), None)
    assert {asker.get("/docs").status_code for _ in range(100)} == {200}
