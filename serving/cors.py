"""Which web pages may call the server: its own, and those of listed origins.

An origin is `https://lab.example` or `http://10.0.0.5:3000`, as the browser's Origin header says
it; `*` stands for all of them. Keys travel in headers, never in cookies, so no answer allows
credentials. A browser asks first, with OPTIONS and without the key, whether a page may send JSON or
a key: that is answered before anybody looks for a key.

A form needs no such question, so any page that somebody opens on the robot's computer could post
one to this server. Posts that a browser marks as another page's are refused here (403). Programs
send no Origin, and nothing changes for them.
"""

from __future__ import annotations

import functools
import re

import flask

from serving import api_keys, errors
from serving.settings import ServerSettings

ANY_ORIGIN = "*"
_ORIGIN = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_ALLOWED_HEADERS = (
    "Content-Type",
    "Authorization",
    api_keys.KEY_HEADER,
    errors.REQUEST_ID_HEADER,
)
# Everything but the few headers that browsers show a page unasked.
_SHOWN_HEADERS = (errors.REQUEST_ID_HEADER, "Retry-After")
_REMEMBERED_S = 600


def install(app: flask.Flask, settings: ServerSettings) -> None:
    """Answers browsers of pages from `settings.cors_origins`, and refuses posts of all others.

    Raises:
        ValueError: if something listed is no origin.
    """
    for origin in settings.cors_origins:
        if origin != ANY_ORIGIN and not _ORIGIN.fullmatch(origin):
            raise ValueError(
                "cors_origins: expected scheme, host and port such as https://lab.example or "
                f"http://10.0.0.5:3000, without a path, or {ANY_ORIGIN}; got {origin!r}."
            )
    origins = frozenset(origin.lower() for origin in settings.cors_origins)
    app.before_request(functools.partial(_refuse_strange_pages, origins))
    if origins:
        app.before_request(functools.partial(_answer_preflight, origins))
        app.after_request(functools.partial(_allow_origin, origins))


def _refuse_strange_pages(origins: frozenset[str]) -> None:
    request = flask.request
    origin = request.headers.get("Origin")
    if request.method != "POST" or origin is None or _is_allowed(origins):
        return
    # Without the scheme: a proxy in front may speak https to the browser and http to us.
    if origin.partition("://")[2].lower() != request.host.lower():
        raise errors.RequestError(
            403,
            f"Expected a request of a program or of a page of {request.host}, got one of a page "
            f"of {origin[:100]}. Start the server with that origin listed for CORS to allow it.",
        )


def _answer_preflight(origins: frozenset[str]) -> flask.Response | None:
    request = flask.request
    is_preflight = (
        request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
    )
    if not is_preflight or not _is_allowed(origins):
        return None
    response = flask.Response(status=204)
    response.headers["Access-Control-Allow-Methods"] = "GET, POST"
    response.headers["Access-Control-Allow-Headers"] = ", ".join(_ALLOWED_HEADERS)
    response.headers["Access-Control-Max-Age"] = str(_REMEMBERED_S)
    return response


def _allow_origin(origins: frozenset[str], response: flask.Response) -> flask.Response:
    # Said in each answer, or a cache would give one origin's answer to another.
    response.vary.add("Origin")
    if _is_allowed(origins):
        response.headers["Access-Control-Allow-Origin"] = flask.request.headers["Origin"]
        response.headers["Access-Control-Expose-Headers"] = ", ".join(_SHOWN_HEADERS)
    return response


def _is_allowed(origins: frozenset[str]) -> bool:
    origin = flask.request.headers.get("Origin", "").lower()
    return bool(origin) and (ANY_ORIGIN in origins or origin in origins)
