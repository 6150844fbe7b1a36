"""GET /openapi.json and GET /docs: the server described, for programs and for people.

The document is made of `openapi/route_table.py`, the schemas and this server's own limits. It holds
the routes that the application has: `api_server.py` has no /predict_batch, and so has its document.
A client can be written from it alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import flask

from serving import api_keys, errors
from serving.openapi import docs_page, operations, route_table, schemas
from serving.settings import ServerSettings

# Of the contract, not of the program: it changes when a field is added.
VERSION = "1.0.0"


def install(app: flask.Flask, settings: ServerSettings) -> None:
    """Adds GET /openapi.json and GET /docs."""

    def current() -> dict[str, Any]:
        return build(settings, (rule.rule for rule in app.url_map.iter_rules()))

    def openapi() -> dict[str, Any]:
        return current()

    def docs() -> flask.Response:
        headers = {"Content-Security-Policy": docs_page.CONTENT_SECURITY_POLICY}
        return flask.Response(docs_page.render(current()), mimetype="text/html", headers=headers)

    app.add_url_rule("/openapi.json", "openapi", openapi)
    app.add_url_rule("/docs", "docs", docs)


def build(settings: ServerSettings, rules: Iterable[str]) -> dict[str, Any]:
    """The document.

    Args:
        settings: of the server; its limits are stated, and whether it wants API keys.
        rules: of the application, as Flask writes them; other routes are left out.

    Returns:
        An OpenAPI 3.0.3 document.
    """
    known = {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule) for rule in rules}
    paths: dict[str, dict[str, Any]] = {}
    for route in route_table.ROUTES:
        if route.path in known:
            operation = operations.operation(route, bool(settings.api_keys))
            paths.setdefault(route.path, {})[route.method] = operation
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "Food acquisition with RT-1",
            "version": VERSION,
            "description": _description(settings),
            "license": {"name": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": _components(),
    }


def _components() -> dict[str, Any]:
    return {
        "schemas": schemas.components(),
        "headers": _headers(),
        "parameters": {"RequestId": _request_id_parameter()},
        "securitySchemes": {
            "ApiKey": {"type": "apiKey", "in": "header", "name": api_keys.KEY_HEADER},
            "Bearer": {"type": "http", "scheme": "bearer"},
        },
    }


def _description(settings: ServerSettings) -> str:
    per_minute = settings.requests_per_minute
    limit = "any number of" if per_minute is None else f"at most {per_minute}"
    keys = "is needed where a lock is shown" if settings.api_keys else "is not needed"
    return (
        "A picture of a plate and an instruction (an action and a food) go in; the motion of the "
        "fork or spoon comes out: start and end, in 0..1 of the picture's width and height, origin "
        "top left, x to the right, y down, and in pixels.\n\n"
        f"Limits of this server: bodies of {settings.max_body_bytes} bytes, pictures of "
        f"{settings.max_pixels} pixels, JSON of {settings.max_json_depth} levels, {limit} requests "
        f"a minute for each key or address, an answer within {settings.deadline_s:g} s of waiting. "
        f"An API key {keys}.\n\n"
        "Every answer has the header X-Request-ID. An error is a JSON object with `error` and "
        "`request_id`, also those that are not listed at each route: 404 for an unknown path, 405 "
        "for another method, 500 for a fault of the server. On 429 and 503, and where there is a "
        "header Retry-After, the same request may succeed later."
    )


def _headers() -> dict[str, Any]:
    return {
        errors.REQUEST_ID_HEADER: {
            "description": "Names this request in the server's log.",
            "schema": {"type": "string"},
        },
        "Retry-After": {
            "description": "Seconds until the same request may succeed, where that is known.",
            "schema": {"type": "integer", "minimum": 0},
        },
    }


def _request_id_parameter() -> dict[str, Any]:
    return {
        "name": errors.REQUEST_ID_HEADER,
        "in": "header",
        "required": False,
        "description": "The client's own name for this request. One that does not fit, or of which "
        "the recorder has an answer already, is replaced: the id in the answer counts.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"},
    }
