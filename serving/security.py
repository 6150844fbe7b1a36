"""What stands between a stranger and the routes, in this order, and what every answer carries.

| step           | what                                                                          |
|----------------|-------------------------------------------------------------------------------|
| request id     | the client's own X-Request-ID if it is harmless, else a fresh one             |
| other origins  | posts that a browser marks as another page's are refused (403), since a form  |
|                | on any page could send one; origins listed for CORS may ask (flask-cors)      |
| name           | of the key that was sent in X-API-Key or as `Authorization: Bearer`, or else  |
|                | the peer's address; log and limit use it                                      |
| rate limit     | 429; wrong keys are counted too, so that nobody tries many                    |
| key            | 401, with keys set; without any, `/load_model` answers this computer only: a  |
|                | loopback peer that asked for a loopback host (a name could be made to point   |
|                | here) and through no proxy (which would pass on anybody)                      |

Every answer carries its id and `HEADERS`, and is one line of JSON in the log, without a picture, a
header or what stands behind a `?` in the address: keys end up there by mistake.
"""

from __future__ import annotations

import contextlib
import datetime
import hmac
import ipaddress
import json
import math
import re
import time
import urllib.parse
import uuid
from collections.abc import Callable

import flask
import flask_cors
import flask_httpauth
import limits
from absl import logging

from serving.schemas import RequestError
from serving.settings import ServerSettings

KEY_HEADER = "X-API-Key"
REQUEST_ID_HEADER = "X-Request-ID"
OPEN_PATHS = ("/", "/health", "/ready", "/openapi.json", "/docs")
# Asked every few seconds by whoever watches over the server; the page is some twenty files.
_UNLIMITED_PATHS = ("/", "/health", "/ready", "/metrics")
_STATIC = "/static/"
_PROXY_HEADERS = ("X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "Via")
# Nothing that could break a log line or leave a folder that is named after it.
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ORIGIN = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_KEY_HEADER_AUTH = flask_httpauth.HTTPTokenAuth(header=KEY_HEADER)
_BEARER_AUTH = flask_httpauth.HTTPTokenAuth("Bearer")
# The page may load what this server has, show pictures that the user chose, and use the camera;
# nothing else, and nobody may put it into a frame.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # For browsers that do not know frame-ancestors.
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    # Pages of other origins may only read answers that CORS gives them.
    "Cross-Origin-Resource-Policy": "same-origin",
    # Answers about somebody's kitchen do not belong in a shared cache.
    "Cache-Control": "no-store",
}


def install(app: flask.Flask, settings: ServerSettings) -> None:
    """Installs all of it; before anything else that wants to see a request.

    Raises:
        ValueError: if something listed is no origin.
    """
    for origin in settings.cors_origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise ValueError(
                "cors_origins: expected scheme, host and port such as https://lab.example or "
                f"http://10.0.0.5:3000, without a path, or *; got {origin!r}."
            )
    origins = {origin.lower() for origin in settings.cors_origins}
    limiter = _limiter(settings.requests_per_minute)

    @app.before_request
    def guard() -> None:
        brought = flask.request.headers.get(REQUEST_ID_HEADER, "")
        flask.g.started_s = time.perf_counter()
        flask.g.request_id = brought if _REQUEST_ID.fullmatch(brought) else uuid.uuid4().hex
        _refuse_other_pages(origins)
        asks_first = "Access-Control-Request-Method" in flask.request.headers
        if origins and asks_first and flask.request.method == "OPTIONS":
            return  # A browser asks without a key whether it may send one.
        name = _name_of_key(settings)
        flask.g.client = name or flask.request.remote_addr or "unknown"
        limiter()
        _require(settings, name)

    @app.after_request
    def finish(response: flask.Response) -> flask.Response:
        response.headers[REQUEST_ID_HEADER] = flask.g.request_id
        for header, value in HEADERS.items():
            response.headers.setdefault(header, value)
        _log(response)
        return response

    if origins:
        flask_cors.CORS(
            app,
            # As patterns, so that an IPv6 address is not taken for one.
            origins=[
                re.compile(".*" if origin == "*" else re.escape(origin) + r"\Z", re.IGNORECASE)
                for origin in origins
            ],
            methods=["GET", "POST"],
            allow_headers=["Content-Type", "Authorization", KEY_HEADER, REQUEST_ID_HEADER],
            expose_headers=[REQUEST_ID_HEADER, "Retry-After"],
            max_age=600,
        )


def _refuse_other_pages(origins: set[str]) -> None:
    origin = flask.request.headers.get("Origin")
    if flask.request.method != "POST" or origin is None or {"*", origin.lower()} & origins:
        return
    # Without the scheme: a proxy in front may speak https to the browser and http to us.
    if origin.partition("://")[2].lower() != flask.request.host.lower():
        raise RequestError(
            403,
            f"Expected a request of a program or of a page of {flask.request.host}, got one of a "
            f"page of {origin[:100]}. Start the server with that origin listed for CORS to allow "
            "it.",
        )


def _name_of_key(settings: ServerSettings) -> str | None:
    """The client whose key was sent; takes as long for a wrong one."""
    sent = _sent_key().encode("utf-8", "surrogatepass")
    matches = [hmac.compare_digest(key.encode(), sent) for key in settings.api_keys.values()]
    return next((name for name, is_it in zip(settings.api_keys, matches) if is_it), None)


def _sent_key() -> str:
    sent = _KEY_HEADER_AUTH.get_auth() or _BEARER_AUTH.get_auth()
    return ((sent and sent.token) or "").strip()


def _limiter(per_minute: int | None) -> Callable[[], None]:
    """A function that raises 429 if the client of this request has asked too often."""
    if per_minute is None:
        return lambda: None
    limit = limits.RateLimitItemPerMinute(per_minute)
    window = limits.strategies.MovingWindowRateLimiter(limits.storage.MemoryStorage())

    def check() -> None:
        path, client = flask.request.path, flask.g.client
        if path in _UNLIMITED_PATHS or path.startswith(_STATIC):
            return
        with contextlib.suppress(ValueError):
            # Of an IPv6 address, one computer may use the whole /64.
            network = int(ipaddress.IPv6Address(client)) >> 64 << 64
            client = str(ipaddress.IPv6Network((network, 64)))
        if not window.hit(limit, client):
            wait_s = max(1, math.ceil(window.get_window_stats(limit, client)[0] - time.time()))
            raise RequestError(
                429,
                f"Expected at most {per_minute} requests a minute, got more from "
                f"{flask.g.client}. Ask again in {wait_s} s.",
                wait_s,
            )

    return check


def _require(settings: ServerSettings, name: str | None) -> None:
    """A key where keys are set, or else this computer for `/load_model`."""
    request = flask.request
    if not settings.api_keys:
        if request.path == "/load_model" and not _is_local():
            raise RequestError(
                403,
                "/load_model expects an API key or a request from the server's own computer to "
                "http://127.0.0.1 or http://localhost, without a proxy; got neither. Start the "
                "server with API keys to call it from elsewhere.",
            )
    elif name is None and request.path not in OPEN_PATHS and not request.path.startswith(_STATIC):
        got = "one that it does not know" if _sent_key() else "none"
        raise RequestError(
            401,
            f"Expected an API key of this server, got {got}. Send it in the header {KEY_HEADER}, "
            "or as 'Authorization: Bearer <key>'.",
        )


def _is_local() -> bool:
    request = flask.request
    if any(header in request.headers for header in _PROXY_HEADERS):
        return False
    try:
        host = urllib.parse.urlsplit(f"//{request.host}").hostname or ""
    except ValueError:  # Brackets that enclose no address.
        return False
    return _is_loopback(request.remote_addr or "") and (host == "localhost" or _is_loopback(host))


def _is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    # A socket for both families gives 127.0.0.1 as ::ffff:127.0.0.1.
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback


def _log(response: flask.Response) -> None:
    """{"time": "2026-11-22T16:55:42.123Z", "request_id": "5f0c...", "client": "robot", ...}"""
    request, known = flask.request, flask.g
    now = datetime.datetime.now(datetime.timezone.utc)
    line = {
        "time": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "request_id": known.request_id,
        "client": known.get("client", request.remote_addr),
        "method": request.method[:20],
        "path": request.path[:200],
        "status": response.status_code,
        "ms": round(1000 * (time.perf_counter() - known.started_s), 1),
        "bytes_in": request.content_length or 0,
        "bytes_out": response.calculate_content_length() or 0,
    }
    fields = ("action", "food_type", "model_version")
    line.update({name: known.get(name) for name in fields if name in known})
    # json.dumps escapes line breaks and all that is not ASCII: nobody writes a second line.
    logging.info("%s", json.dumps(line))
