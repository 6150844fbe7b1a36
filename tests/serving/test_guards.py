"""All guards together, over real HTTP: each must stand where the others do not spoil it."""

from __future__ import annotations

import json
import logging

import pytest
import requests

from serving import guards, settings
from tests import guard_stubs, serving_stubs

KEY = "3x7QmZ-robot-key-0123"
LAB = "https://lab.example"


@pytest.fixture(scope="module")
def url():
    chosen = settings.ServerSettings(
        api_keys={"robot": KEY}, cors_origins=(LAB,), requests_per_minute=3
    )
    with serving_stubs.serve(guard_stubs.application(chosen, guards.install)) as address:
        yield address


def ask(url, method, path, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.request(method, url + path, headers=headers, timeout=30)


def test_guesses_are_limited_and_a_good_key_is_not_in_their_bucket(url, caplog):
    caplog.set_level(logging.INFO, logger="absl")
    statuses = [ask(url, "GET", "/metrics/x", X_API_Key=f"guess-{i}") for i in range(5)]
    assert [answer.status_code for answer in statuses] == [401, 401, 401, 429, 429]
    good = [ask(url, "POST", "/predict", X_API_Key=KEY) for _ in range(4)]
    assert [answer.status_code for answer in good] == [200, 200, 200, 429]
    assert 1 <= int(good[3].headers["Retry-After"]) <= 20

    # Of a limited request too: headers, an id, and a line in the log.
    assert good[3].headers["X-Content-Type-Options"] == "nosniff"
    assert good[3].json()["request_id"] == good[3].headers["X-Request-ID"]
    lines = [json.loads(record.getMessage()) for record in caplog.records]
    assert [(line["client"], line["status"]) for line in lines] == [
        *[("127.0.0.1", 401)] * 3,
        *[("127.0.0.1", 429)] * 2,
        *[("robot", 200)] * 3,
        ("robot", 429),
    ]
    assert KEY not in caplog.text and "guess-" not in caplog.text


def test_preflight_passes_the_key_and_the_limit(url):
    asks = {"Origin": LAB, "Access_Control_Request_Method": "POST"}
    answers = [ask(url, "OPTIONS", "/predict", **asks) for _ in range(5)]
    assert {answer.status_code for answer in answers} == {204}
    assert answers[0].headers["X-Content-Type-Options"] == "nosniff"


def test_page_can_read_why_it_was_refused(url):
    answer = ask(url, "POST", "/predict", Origin=LAB, X_API_Key="wrong")
    assert answer.status_code in (401, 429)
    assert answer.headers["Access-Control-Allow-Origin"] == LAB


def test_impossible_settings_stop_the_start():
    for wrong in ({"requests_per_minute": 0}, {"cors_origins": ("lab",)}):
        with pytest.raises(ValueError, match="expected"):
            guard_stubs.application(settings.ServerSettings(**wrong), guards.install)
