"""Between a connection and the application: who asks, the body, the threads.

granian reads requests in Rust. What it leaves open is bounded here; docs/serving.md lists what
happens to slow, hostile and many clients. `Guard` judges a header before its body is read. Bodies
on their way take no thread. Predictions run in as many threads as the engine has use for, and
everything else in threads of its own, so that /health never waits behind a prediction.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import datetime
import hmac
import io
import ipaddress
import json
import math
import os
import pathlib
import re
import socket
import sys
import threading
import time
import urllib.parse
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import flask
import granian.constants
import granian.http
import granian.server.embed
import limits
import werkzeug
from absl import logging
from werkzeug import test

from serving import schemas
from serving.schemas import RequestError

SERVICE, VISITOR = "prediction_service", "rt1.visitor"
REQUEST_ID_HEADER = "X-Request-ID"
OPEN_PATHS = ("/", "/health", "/ready", "/openapi.json", "/docs")
_UNLIMITED_PATHS = ("/", "/health", "/ready", "/metrics")
_STATIC = "/static/"
_PROXY_HEADERS = ("X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "Via")
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ORIGIN = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
# Of every answer: the page may show what this server has, pictures of the user, and the camera.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
PREDICTIONS = ("/predict", "/predict_batch")
MOST_CONNECTIONS, HEADER_S = 4000, 5.0
# With so few connections each is worth more.
FEW_CONNECTIONS, HEADER_OF_FEW_S = 100, 2.0
BODY_S, BODY_BYTES_PER_S, BODIES_AT_A_TIME = 20.0, 50_000, 8
SMALL_BODY_BYTES = 64 * 1024  # Of routes that take no picture.
# At the end, for bodies that are on their way in, and for all that was accepted.
LAST_BODIES_S, DRAIN_S = 1.0, 30.0
# Files that requests may need beside their connections, and a model.
_SPARE_FILES, _FREE_THREADS = 16, 16
# Status, headers and body.
_Answer = tuple[int, list[tuple[str, str]], bytes]


@dataclasses.dataclass(frozen=True)
class ServerSettings:
    """Limits and permissions of one server; the flags of their names say more."""

    checkpoint_root: pathlib.Path | None = None
    # Of `Predictor.from_checkpoint`, such as its engine.
    model: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    load_without_key: bool = False
    # Name of a client -> its key; without any, no key is asked for.
    api_keys: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    loopback_only: bool = False  # whether only loopback host names are answered
    cors_origins: tuple[str, ...] = ()  # whose pages may call the server; "*": all
    requests_per_minute: int | None = None
    max_body_bytes: int = 32 * 1024 * 1024
    max_pixels: int = schemas.MAX_PIXELS
    max_waiting: int = 64
    deadline_s: float = 30.0
    record_dir: pathlib.Path | None = None
    record_bytes: int = 20 * 1024**3


@dataclasses.dataclass
class Visitor:
    """A request, as far as its header tells."""

    request_id: str
    started_s: float  # when the header was there, of `time.perf_counter`
    client: str  # names who asks
    refusal: RequestError | None = None  # why it is not answered
    waited_ms: float | None = None  # in the line before the model; None: in none
    expired: bool = False  # whether the client has been told that the answer comes too late


def visitor_of_this() -> Visitor:
    """Who has sent the request that Flask works on."""
    return flask.request.environ[VISITOR]


class Guard:
    """Decides by the header of a request; see docs/serving.md, "Who may do what"."""

    def __init__(self, settings: ServerSettings) -> None:
        for origin in settings.cors_origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                text = "cors_origins: expected scheme, host and port such as https://lab.example"
                raise ValueError(f"{text} without a path, or *; got {origin!r}.")
        self._settings = settings
        self.origins = {origin.lower() for origin in settings.cors_origins}
        self._window = limits.strategies.MovingWindowRateLimiter(limits.storage.MemoryStorage())

    def admit(self, request: werkzeug.Request) -> Visitor:
        """Who asks, and whether the request goes on."""
        keys, headers = self._settings.api_keys, request.headers
        brought = headers.get(REQUEST_ID_HEADER, "")
        is_secret = any(key in brought for key in keys.values())
        harmless = _REQUEST_ID.fullmatch(brought) and not is_secret
        request_id = brought if harmless else uuid.uuid4().hex
        visitor = Visitor(request_id, time.perf_counter(), request.remote_addr or "unknown")
        try:
            self._refuse_other_pages(request)
            asks_first = "Access-Control-Request-Method" in headers
            if self.origins and asks_first and request.method == "OPTIONS":
                return visitor  # A browser asks without a key whether it may send one.
            given = request.authorization
            bearer = given.token if given is not None and given.type == "bearer" else None
            sent = (headers.get("X-API-Key") or bearer or "").strip()
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
        host, origin = request.headers.get("Host"), request.headers.get("Origin")
        if self._settings.loopback_only and host is not None and not is_loopback(host):
            text = "Expected a request to http://127.0.0.1 or http://localhost, got one to "
            text += f"{host[:100]!r}: this server has no API keys and answers this computer only. "
            raise RequestError(403, f"{text}Start it with API keys to use another name.")
        if request.method != "POST" or origin is None or {"*", origin.lower()} & self.origins:
            return
        # Without the scheme: a proxy in front may speak https to the browser and http to us.
        if origin.partition("://")[2].lower() != request.host.lower():
            text = f"Expected a request of a program or of a page of {request.host}, got one of a "
            text += f"page of {origin[:100]}. Start the server with that origin listed for CORS to "
            raise RequestError(403, f"{text}allow it.")

    def limit(self, path: str, client: str) -> None:
        """Raises RequestError 429 if the client has asked too often."""
        per_minute = self._settings.requests_per_minute
        if per_minute is None or path in _UNLIMITED_PATHS or path.startswith(_STATIC):
            return
        limit, counted = limits.RateLimitItemPerMinute(per_minute), client
        with contextlib.suppress(ValueError):
            # Of an IPv6 address, one computer may use the whole /64.
            counted = str(ipaddress.IPv6Network((client, 64), strict=False))
        if not self._window.hit(limit, counted):
            until_s = self._window.get_window_stats(limit, counted)[0]
            wait_s = max(1, math.ceil(until_s - time.time()))
            text = f"Expected at most {per_minute} requests a minute, got more from {client}. Ask"
            raise RequestError(429, f"{text} again in {wait_s} s.", wait_s)

    def _require(self, request: werkzeug.Request, key: str, name: str | None) -> None:
        """A key where keys are set; else nobody loads models, unless the operator says so."""
        path = request.path
        if self._settings.api_keys:
            if name is None and path not in OPEN_PATHS and not path.startswith(_STATIC):
                got = "one that it does not know" if key else "none"
                text = f"Expected an API key of this server, got {got}. Send it in the header "
                raise RequestError(401, f"{text}X-API-Key, or as 'Authorization: Bearer <key>'.")
            return
        is_local = is_loopback(request.remote_addr or "") and is_loopback(request.host)
        is_local &= not any(header in request.headers for header in _PROXY_HEADERS)
        if path == "/load_model" and not (self._settings.load_without_key and is_local):
            text = "/load_model expects an API key, got none. Start the server with API keys; or "
            text += "with --load_without_key, and ask from its own computer, at http://127.0.0.1 "
            raise RequestError(403, f"{text}or http://localhost, without a proxy.")

    def log(
        self, visitor: Visitor, request: werkzeug.Request, status: int, size: int, **known: str
    ) -> None:
        """One line of JSON, without a picture, a key, or what stands behind ? in the address."""
        path = request.path
        for key in self._settings.api_keys.values():
            path = path.replace(key, "<key>")
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
        line = {
            **{"time": f"{now[:-6]}Z", "request_id": visitor.request_id, "client": visitor.client},
            **{"method": request.method[:20], "path": path[:200], "status": status},
            "ms": round(1000 * (time.perf_counter() - visitor.started_s), 1),
            **{"bytes_in": request.content_length or 0, "bytes_out": size, **known},
        }
        # json.dumps escapes line breaks and all that is not ASCII: nobody writes a second line.
        logging.info("%s", json.dumps(line))


def is_loopback(host: str) -> bool:
    """Whether an address, or the value of a Host header, is one of this computer alone."""
    try:
        host = urllib.parse.urlsplit(f"//{host}").hostname or host
        parsed = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:  # A name, or brackets that enclose no address.
        return False
    # A socket for both families gives 127.0.0.1 as ::ffff:127.0.0.1.
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback


class Server:
    """Serves an application of `serving.app.create_app` from a thread of its own, as long as its
    context lasts. Raises OSError if too few files may be open for connections."""

    def __init__(self, app: flask.Flask, host: str, port: int) -> None:
        self.unfinished = 0  # requests whose header has come and that are not answered
        self.ended, self.failed = threading.Event(), False  # ended, and by itself
        self._app, self._host, self._port = app, host, port
        self.service: Any = app.extensions[SERVICE]  # an `app.Service`
        self._stored_bytes, self._stopping = 0, False
        # Until when the next part of a body has to be there, and until when at the end.
        self._reading: dict[asyncio.Task, float] = {}
        self._ends_s = math.inf
        self._connections = connections()
        make = concurrent.futures.ThreadPoolExecutor
        self._predictions = make(self.service.num_workers, "prediction")
        self._others = make(_FREE_THREADS, "request")
        self._loop, self._listens = asyncio.new_event_loop(), threading.Event()
        self._granian = None

    def __enter__(self) -> Server:
        threading.Thread(target=self._run, name="http", daemon=True).start()
        self._listens.wait()
        anywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}
        address = anywhere.get(self._host, self._host), self._port
        while not self.ended.is_set():
            with contextlib.suppress(OSError), socket.create_connection(address, 1):
                return self
            time.sleep(0.01)
        raise OSError(f"Cannot listen on {self._host}, port {self._port}.")

    def __exit__(self, *exception: object) -> None:
        self._loop.call_soon_threadsafe(self._stop)
        give_up = time.monotonic() + DRAIN_S
        time.sleep(0.2)  # For headers that are on their way in.
        while self.unfinished and time.monotonic() < give_up:
            time.sleep(0.02)
        if self.unfinished:
            logging.error("%d requests were not finished in %s s", self.unfinished, DRAIN_S)
        self.ended.wait(0.5)  # What granian has not sent yet; half a header is not waited for.
        for pool in (self._predictions, self._others):
            pool.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            header_s = HEADER_S if self._connections > FEW_CONNECTIONS else HEADER_OF_FEW_S
            limits_of_headers = granian.http.HTTP1Settings(
                header_read_timeout=int(1000 * header_s), max_buffer_size=64 * 1024
            )
            self._granian = granian.server.embed.Server(
                *(self._answer, self._host, self._port),
                interface=granian.constants.Interfaces.ASGINL,
                http=granian.constants.HTTPModes.http1,
                http1_settings=limits_of_headers,
                backpressure=self._connections,
                backlog=1024,
                websockets=False,
                log_enabled=False,
            )
            self._granian.on_startup(self._listens.set)
            serving = self._loop.create_task(self._granian.serve())
            serving.add_done_callback(self._finish)
            self._loop.call_soon(self._give_up_late_bodies)
            self._loop.run_forever()
        finally:
            self.ended.set()
            self._listens.set()

    def _stop(self) -> None:
        self._stopping = True
        self._ends_s = time.perf_counter() + LAST_BODIES_S
        self._granian.stop()

    def _give_up_late_bodies(self) -> None:
        # Every quarter of a second: a timer of its own would cost each part more.
        now_s = time.perf_counter()
        for task, until_s in self._reading.items():
            if now_s > min(until_s, self._ends_s):
                task.cancel()
        self._loop.call_later(0.25, self._give_up_late_bodies)

    def _finish(self, serving: asyncio.Task) -> None:
        if not self._stopping:
            self.failed = True
            error = None if serving.cancelled() else serving.exception()
            logging.error("The HTTP server ended by itself", exc_info=error)
        if self.unfinished and self._stopping:
            self._loop.call_later(0.02, self._finish, serving)
        else:
            self._loop.stop()

    async def _answer(self, scope: dict, receive: Callable, send: Callable) -> None:
        environ, whole = _environ(scope), False
        body = environ["wsgi.input"]
        self.unfinished += 1
        try:
            visitor = environ[VISITOR] = self.service.guard.admit(werkzeug.Request(environ))
            try:
                if visitor.refusal is not None:
                    raise visitor.refusal
                await self._read(receive, environ, visitor.started_s)
                whole = True
                answer = await self._work(environ, visitor)
            except RequestError as error:
                if not whole:
                    await _discard(receive)
                answer = await self._refuse(environ, visitor, error)
            status, headers, content = answer
            pairs = [(name.lower().encode("latin1"), one.encode("latin1")) for name, one in headers]
            await send({"type": "http.response.start", "status": status, "headers": pairs})
            await send({"type": "http.response.body", "body": content})
        finally:
            self._stored_bytes -= body.getbuffer().nbytes
            self.unfinished -= 1

    async def _read(self, receive: Callable, environ: dict[str, Any], began_s: float) -> None:
        """Puts the whole body into `environ`. Raises RequestError."""
        most = self.service.settings.max_body_bytes
        limit = most if _predicts(environ) else min(SMALL_BODY_BYTES, most)
        size = int(environ.get("CONTENT_LENGTH") or 0)
        body, part, num_parts, more = environ["wsgi.input"], b"", 0, True
        task = asyncio.current_task()
        try:
            while True:
                if size > limit:
                    text = f"Expected a body of at most {limit} bytes, got {size}."
                    raise RequestError(413, f"{text} Scale the picture down or send it as JPEG.")
                body.write(part)
                self._stored_bytes += len(part)
                if self._stored_bytes > BODIES_AT_A_TIME * most:
                    raise RequestError(503, "The server is busy with other bodies. Try again.", 1)
                if num_parts > 1000 + body.tell() / 500:
                    text = "Expected a body in chunks of 500 bytes and more, got smaller ones."
                    raise RequestError(400, text)
                if not more:
                    break
                until_s = began_s + BODY_S + body.tell() / BODY_BYTES_PER_S
                self._reading[task] = until_s
                message = await receive()
                if message["type"] == "http.disconnect":  # So granian calls broken chunks, too.
                    text = f"The body broke off, or its chunks are broken, after {body.tell()}"
                    raise RequestError(400, f"{text} bytes. Send it again.")
                part, more = message.get("body", b""), message.get("more_body", False)
                size, num_parts = max(size, body.tell() + len(part)), num_parts + 1
        except asyncio.CancelledError as error:
            if time.perf_counter() <= until_s:
                raise RequestError(503, "The server stops. Try again.", 10) from error
            text = f"Expected the whole body within {BODY_S:g} s and 1 s for each "
            text += f"{BODY_BYTES_PER_S} bytes, got {body.tell()} bytes. Send it faster."
            raise RequestError(408, text) from error
        finally:
            self._reading.pop(task, None)
        environ["CONTENT_LENGTH"] = str(body.tell())
        body.seek(0)

    async def _work(self, environ: dict[str, Any], visitor: Visitor) -> _Answer:
        if environ["PATH_INFO"] == "/health":  # At once: a thread might wait for its turn.
            return self._call(environ)
        if not _predicts(environ):
            return await self._loop.run_in_executor(self._others, self._call, environ)
        entered_s = time.perf_counter()

        def run() -> _Answer:
            visitor.waited_ms = 1000 * (time.perf_counter() - entered_s)
            return self._call(environ)

        call = self._enter(run)
        waiting = asyncio.wrap_future(call)
        await asyncio.wait({waiting}, timeout=self.service.settings.deadline_s)
        if waiting.done():
            return waiting.result()
        visitor.expired = True  # What still runs is neither logged nor kept.
        raise self._too_late(call)

    def in_turn(self, call: Callable[[], Any]) -> Any:
        """Runs a call of the model for another protocol, in the line of the predictions. Raises
        RequestError 503 if too many wait already, 504 after the deadline."""
        future = self._enter(call)
        try:
            return future.result(self.service.settings.deadline_s)
        except concurrent.futures.TimeoutError as error:
            raise self._too_late(future) from error

    def _enter(self, call: Callable[[], Any]) -> concurrent.futures.Future:
        self.service.line.enter()

        def run() -> Any:
            self.service.line.leave()
            return call()

        return self._predictions.submit(run)

    def _too_late(self, call: concurrent.futures.Future) -> RequestError:
        """Takes a call out of the line, if it still waits there."""
        if call.cancel():
            self.service.line.leave()
        deadline_s = self.service.settings.deadline_s
        return RequestError(504, f"The server is too busy: No answer within {deadline_s:g} s.")

    async def _refuse(
        self, environ: dict[str, Any], visitor: Visitor, error: RequestError
    ) -> _Answer:
        """The application's answer to a refused request; without Flask, in a tenth of the time, to
        who may come back: refusing many must not take the processor from the model."""
        told = dataclasses.replace(visitor, refusal=error, expired=False)
        # Flask adds what a browser wants.
        if error.retry_after_s is None or not _predicts(environ) or "HTTP_ORIGIN" in environ:
            again = {**environ, VISITOR: told}
            return await self._loop.run_in_executor(self._others, self._call, again)
        body = json.dumps({"error": error.message, "request_id": told.request_id}).encode()
        headers = {**HEADERS, "Content-Type": "application/json", "Content-Length": str(len(body))}
        headers |= {"Retry-After": str(error.retry_after_s), REQUEST_ID_HEADER: told.request_id}
        asked = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        self.service.metrics.count(*asked, error.status, told.started_s)
        self.service.guard.log(told, werkzeug.Request(environ), error.status, len(body))
        return error.status, list(headers.items()), body

    def _call(self, environ: dict[str, Any]) -> _Answer:
        parts, status, headers = test.run_wsgi_app(self._app, environ, buffered=True)
        return int(status.partition(" ")[0]), list(headers), b"".join(parts)


def connections() -> int:
    """Connections for which this process may open files; raises its limit as far as it may."""
    try:
        import resource
    except ImportError:  # Windows has no such limit.
        return MOST_CONNECTIONS
    now = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft, hard = (math.inf if one == resource.RLIM_INFINITY else one for one in now)
    most = min(hard, MOST_CONNECTIONS + 1000)
    if soft < most:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, now[1]))
            soft = most
    found = min(MOST_CONNECTIONS, soft - len(os.listdir("/dev/fd")) - _SPARE_FILES)
    if found < 8:
        text = f"The server may open {soft} files, too few for connections. Raise the limit to 256"
        raise OSError(f"{text} or more: ulimit -n 256")
    if found < FEW_CONNECTIONS:
        logging.warning("ulimit -n is %d: only %d connections at a time", soft, found)
    return found


def _predicts(environ: dict[str, Any]) -> bool:
    return environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"] in PREDICTIONS


async def _discard(receive: Callable) -> None:
    """Reads a refused body as far as it is there: who still sends may miss the answer."""
    with contextlib.suppress(asyncio.TimeoutError):
        for _ in range(64):
            message = await asyncio.wait_for(receive(), 0.05)
            if not message.get("more_body", False):
                return


def _environ(scope: dict) -> dict[str, Any]:
    """WSGI's words for an ASGI scope."""
    client, server = scope.get("client") or ("unknown", 0), scope.get("server") or ("", 0)
    environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode("utf-8", "surrogateescape").decode("latin1"),
        "QUERY_STRING": scope["query_string"].decode("latin1"),
        "SERVER_NAME": str(server[0]),
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0],
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
    }
    for name, value in scope["headers"]:
        # An underscore would make one name of two, of which a proxy checks only the other.
        if b"_" in name:
            continue
        key = name.decode("latin1").upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        text = value.decode("latin1")
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    return environ
