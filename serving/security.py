"""What stands between a stranger and the routes, in this order, and what every answer carries.

| step           | what                                                                          |
|----------------|-------------------------------------------------------------------------------|
| request id     | the client's own X-Request-ID if it is harmless, else a fresh one             |
| host           | on a loopback address without keys, only loopback names are answered (403): a |
|                | page's own name could be made to point here (DNS rebinding)                   |
| other origins  | posts that a browser marks as another page's are refused (403), since a form  |
|                | on any page could send one; origins listed for CORS may ask (flask-cors)      |
| name           | of the key that was sent in X-API-Key or as `Authorization: Bearer`, or else  |
|                | the peer's address; log and limit use it                                      |
| rate limit     | 429; wrong keys are counted too, so that nobody tries many                    |
| key            | 401, with keys set; without any, `/load_model` is refused (403), or with      |
|                | `load_without_key` answers this computer only: a loopback peer that asked for |
|                | a loopback host through no proxy that says so                                 |

`Guard.admit` looks at the header alone: `serving/front.py` asks it before it reads the body.

Every answer carries its id and `HEADERS`, and is one line of JSON in the log, without a picture, a
header, a key or what stands behind a `?` in the address: keys end up there by mistake.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hmac
import ipaddress
import json
import math
import re
import time
import urllib.parse
import uuid

import flask
import flask_cors
import limits
import werkzeug
from absl import logging

from serving.schemas import RequestError
from serving.settings import ServerSettings, is_loopback

# Where the application keeps its guard, and a request what the guard found.
NAME, VISITOR = "guard", "rt1.visitor"
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


@dataclasses.dataclass
class Visitor:
    """A request, as far as its header tells.

    Attributes:
        request_id: of the answer.
        started_s: when the header was there, of `time.perf_counter`.
        client: names who asks.
        refusal: why it is not answered; None if it is.
        waited_ms: how long it was in the line before the model; None if it was in none.
        expired: whether an answer comes too late, because the client has been told so.
    """

    request_id: str
    started_s: float
    client: str
    refusal: RequestError | None = None
    waited_ms: float | None = None
    expired: bool = False


class Guard:
    """Decides by the header of a request."""

    def __init__(self, settings: ServerSettings) -> None:
        """Raises ValueError if something listed for CORS is no origin."""
        for origin in settings.cors_origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    "cors_origins: expected scheme, host and port such as https://lab.example or "
                    f"http://10.0.0.5:3000, without a path, or *; got {origin!r}."
                )
        self._settings = settings
        self.origins = {origin.lower() for origin in settings.cors_origins}
        self._window = limits.strategies.MovingWindowRateLimiter(limits.storage.MemoryStorage())

    def admit(self, request: werkzeug.Request) -> Visitor:
        """Who asks, and whether the request goes on."""
        keys, headers = self._settings.api_keys, request.headers
        brought = headers.get(REQUEST_ID_HEADER, "")
        harmless = _REQUEST_ID.fullmatch(brought) and not any(
            key in brought for key in keys.values()
        )
        request_id = brought if harmless else uuid.uuid4().hex
        visitor = Visitor(request_id, time.perf_counter(), request.remote_addr or "unknown")
        try:
            self._refuse_other_pages(request)
            asks_first = "Access-Control-Request-Method" in headers
            if self.origins and asks_first and request.method == "OPTIONS":
                return visitor  # A browser asks without a key whether it may send one.
            bearer = request.authorization
            bearer = bearer.token if bearer is not None and bearer.type == "bearer" else None
            sent = (headers.get(KEY_HEADER) or bearer or "").strip()
            # All are compared: a wrong key takes as long as a right one.
            encoded = sent.encode("utf-8", "surrogatepass")
            matches = [hmac.compare_digest(one.encode(), encoded) for one in keys.values()]
            name = next((name for name, is_it in zip(keys, matches) if is_it), None)
            visitor.client = name or visitor.client
            self.limit(request.path, visitor.client)
            self._require(request, sent, name)
        except RequestError as error:
            visitor.refusal = error
        return visitor

    def _refuse_other_pages(self, request: werkzeug.Request) -> None:
        """By the name under which this server was asked, and by the page that asked."""
        host, origin = request.headers.get("Host"), request.headers.get("Origin")
        if self._settings.loopback_only and host is not None and not _is_loopback_host(host):
            raise RequestError(
                403,
                "Expected a request to http://127.0.0.1 or http://localhost, got one to "
                f"{host[:100]!r}: this server has no API keys and answers this computer only. "
                "Start it with API keys to use another name.",
            )
        if request.method != "POST" or origin is None or {"*", origin.lower()} & self.origins:
            return
        # Without the scheme: a proxy in front may speak https to the browser and http to us.
        if origin.partition("://")[2].lower() != request.host.lower():
            raise RequestError(
                403,
                f"Expected a request of a program or of a page of {request.host}, got one of a "
                f"page of {origin[:100]}. Start the server with that origin listed for CORS to "
                "allow it.",
            )

    def limit(self, path: str, client: str) -> None:
        """Raises RequestError 429 if the client has asked too often."""
        per_minute = self._settings.requests_per_minute
        if per_minute is None or path in _UNLIMITED_PATHS or path.startswith(_STATIC):
            return
        limit, counted = limits.RateLimitItemPerMinute(per_minute), client
        with contextlib.suppress(ValueError):
            # Of an IPv6 address, one computer may use the whole /64.
            network = int(ipaddress.IPv6Address(client)) >> 64 << 64
            counted = str(ipaddress.IPv6Network((network, 64)))
        if not self._window.hit(limit, counted):
            until_s = self._window.get_window_stats(limit, counted)[0]
            wait_s = max(1, math.ceil(until_s - time.time()))
            raise RequestError(
                429,
                f"Expected at most {per_minute} requests a minute, got more from {client}. Ask "
                f"again in {wait_s} s.",
                wait_s,
            )

    def _require(self, request: werkzeug.Request, key: str, name: str | None) -> None:
        """A key where keys are set; else nobody loads models, unless the operator says so."""
        path = request.path
        if not self._settings.api_keys:
            if path == "/load_model" and not (
                self._settings.load_without_key and _is_local(request)
            ):
                raise RequestError(
                    403,
                    "/load_model expects an API key, got none. Start the server with API keys; or "
                    "with --load_without_key, and ask from its own computer, at http://127.0.0.1 "
                    "or http://localhost, without a proxy.",
                )
        elif name is None and path not in OPEN_PATHS and not path.startswith(_STATIC):
            got = "one that it does not know" if key else "none"
            raise RequestError(
                401,
                f"Expected an API key of this server, got {got}. Send it in the header "
                f"{KEY_HEADER}, or as 'Authorization: Bearer <key>'.",
            )

    def log(
        self, visitor: Visitor, request: werkzeug.Request, status: int, size: int, **known: str
    ) -> None:
        """{"time": "2026-11-22T16:55:42.123Z", "request_id": "5f0c...", "client": "robot", ...}

        `size` is the answer's, in bytes; `known` is what was understood of a prediction.
        """
        path = request.path
        for key in self._settings.api_keys.values():
            path = path.replace(key, "<key>")
        now = datetime.datetime.now(datetime.timezone.utc)
        line = {
            "time": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "request_id": visitor.request_id,
            "client": visitor.client,
            "method": request.method[:20],
            "path": path[:200],
            "status": status,
            "ms": round(1000 * (time.perf_counter() - visitor.started_s), 1),
            "bytes_in": request.content_length or 0,
            "bytes_out": size,
            **known,
        }
        # json.dumps escapes line breaks and all that is not ASCII: nobody writes a second line.
        logging.info("%s", json.dumps(line))


def visitor_of_this() -> Visitor:
    """Who has sent the request that Flask works on."""
    return flask.request.environ[VISITOR]


def install(app: flask.Flask, settings: ServerSettings) -> None:
    """Installs all of it; before anything else that wants to see a request."""
    guard = app.extensions[NAME] = Guard(settings)

    @app.before_request
    def admit() -> None:
        environ = flask.request.environ
        visitor = environ.get(VISITOR)
        if visitor is None:  # No front has asked.
            visitor = environ[VISITOR] = guard.admit(flask.request)
        if visitor.refusal is not None:
            raise visitor.refusal

    @app.after_request
    def finish(response: flask.Response) -> flask.Response:
        response.headers[REQUEST_ID_HEADER] = visitor_of_this().request_id
        for header, value in HEADERS.items():
            response.headers.setdefault(header, value)
        if not visitor_of_this().expired:
            names = ("action", "food_type", "model_version")
            known = {name: flask.g.get(name) for name in names if name in flask.g}
            size = response.calculate_content_length() or 0
            guard.log(visitor_of_this(), flask.request, response.status_code, size, **known)
        return response

    if guard.origins:
        flask_cors.CORS(
            app,
            # As patterns, so that an IPv6 address is not taken for one.
            origins=[
                re.compile(".*" if origin == "*" else re.escape(origin) + r"\Z", re.IGNORECASE)
                for origin in guard.origins
            ],
            methods=["GET", "POST"],
            allow_headers=["Content-Type", "Authorization", KEY_HEADER, REQUEST_ID_HEADER],
            expose_headers=[REQUEST_ID_HEADER, "Retry-After"],
            max_age=600,
        )


def _is_local(request: werkzeug.Request) -> bool:
    if any(header in request.headers for header in _PROXY_HEADERS):
        return False
    return is_loopback(request.remote_addr or "") and _is_loopback_host(request.host)


def _is_loopback_host(host: str) -> bool:
    try:
        name = urllib.parse.urlsplit(f"//{host}").hostname or ""
    except ValueError:  # Brackets that enclose no address.
        return False
    return name == "localhost" or is_loopback(name)
