"""What a browser is told with every answer."""

from __future__ import annotations

import flask
import pytest

from serving import errors, security_headers, settings
from tests import guard_stubs


@pytest.fixture(scope="module")
def client():
    app = guard_stubs.application(settings.ServerSettings(), security_headers.install)

    @app.get("/own")
    def own():
        return flask.Response("x", headers={"Cache-Control": "no-cache"})

    return app.test_client()


@pytest.mark.parametrize("path", ["/", "/health", "/fail", "/nowhere", "/predict"])
def test_every_answer_has_them(path, client):
    answer = client.get(path)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Permissions-Policy"] == "camera=(self), microphone=(), geolocation=()"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers[errors.REQUEST_ID_HEADER]


def test_policy_lets_our_page_work_and_nothing_else(client):
    policy = dict(
        directive.split(" ", 1)
        for directive in client.get("/").headers["Content-Security-Policy"].split("; ")
    )
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' blob: data:",
        "media-src": "'self' blob:",
        "connect-src": "'self'",
        "manifest-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }


def test_a_route_may_say_otherwise(client):
    assert client.get("/own").headers.getlist("Cache-Control") == ["no-cache"]
