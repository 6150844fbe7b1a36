"""The HTTP front: from a connection to the application, and the threads that run it.

granian reads requests in Rust; here stands what it leaves open.

| a client sends                  | what happens                                                  |
|---------------------------------|---------------------------------------------------------------|
| a header, slowly                | granian closes the connection after `HEADER_S`                |
| odd chunks, two lengths         | granian answers 400 and closes the connection                 |
| a wrong key, too many requests  | refused before the body is read                               |
| a body, slowly                  | 408 below `BODY_BYTES_PER_S`, after `BODY_S` for the start    |
| a body that is too long         | 413, of chunks at the byte that is too many                   |
| many bodies                     | 503 above `BODIES_AT_A_TIME` bodies of the largest size       |
| too many predictions            | 503 once the body is there, before anything of it is decoded  |
| more connections than there may | they wait in the operating system until others are closed     |
| be open files                   |                                                               |

A waiting body takes no thread. Predictions run from their JSON to their answer in as many threads
as the engine has use for, so that as many pictures are decoded at a time; everything else has
threads of its own, and /health never waits behind a prediction.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import io
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import flask
import granian.constants
import granian.http
import granian.server.embed
import werkzeug
from absl import logging

from serving import security, service
from serving.schemas import RequestError

HEADER_S = 5.0
# With so few connections each is worth more.
FEW_CONNECTIONS, HEADER_OF_FEW_S = 100, 2.0
BODY_S = 20.0
BODY_BYTES_PER_S = 50_000
BODIES_AT_A_TIME = 8
# Of routes that take no picture.
SMALL_BODY_BYTES = 64 * 1024
DRAIN_S = 30.0
PREDICTIONS = ("/predict", "/predict_batch")
MOST_CONNECTIONS = 4000
# Files that a request may need beside its connection, and that a model may open.
_SPARE_FILES = 16
_FREE_THREADS = 16
_HEADER_BYTES = 64 * 1024
# Status, headers and body.
_Answer = tuple[int, list[tuple[str, str]], bytes]


class Server:
    """Serves an application from a thread of its own.

    with Server(app, "127.0.0.1", 8080) as server:
        ...
    server.unfinished == 0

    Attributes:
        unfinished: requests whose header has come and that are not answered.
        ended: set when the server has ended, also by itself.
        failed: whether it ended by itself.
        service, guard: of the application.
    """

    def __init__(self, app: flask.Flask, host: str, port: int) -> None:
        """`app` is made by `serving.app.create_app`; `port` is free.

        Raises OSError if too few files may be open for connections.
        """
        self.unfinished, self.failed, self.ended = 0, False, threading.Event()
        self._app, self._host, self._port = app, host, port
        self.service: service.Service = app.extensions[service.NAME]
        self.guard: security.Guard = app.extensions[security.NAME]
        self._stored_bytes, self._stopping = 0, False
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
        """Accepts nothing more, answers what was accepted, and gives up after `DRAIN_S`."""
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
            self._granian = granian.server.embed.Server(
                self._answer,
                self._host,
                self._port,
                interface=granian.constants.Interfaces.ASGINL,
                http=granian.constants.HTTPModes.http1,
                websockets=False,
                backlog=1024,
                backpressure=self._connections,
                http1_settings=granian.http.HTTP1Settings(
                    header_read_timeout=int(1000 * header_s), max_buffer_size=_HEADER_BYTES
                ),
                log_enabled=False,
            )
            self._granian.on_startup(self._listens.set)
            serving = self._loop.create_task(self._granian.serve())
            serving.add_done_callback(self._finish)
            self._loop.run_forever()
        finally:
            self.ended.set()
            self._listens.set()

    def _stop(self) -> None:
        self._stopping = True
        self._granian.stop()

    def _finish(self, serving: asyncio.Task) -> None:
        """Ends the loop once granian and the last answer have ended."""
        if not self._stopping:
            self.failed = True
            error = None if serving.cancelled() else serving.exception()
            logging.error("The HTTP server ended by itself", exc_info=error)
        if self.unfinished and self._stopping:
            self._loop.call_later(0.02, self._finish, serving)
        else:
            self._loop.stop()

    async def _answer(self, scope: dict, receive: Callable, send: Callable) -> None:
        """One request; an ASGI application."""
        environ = _environ(scope)
        request = _Request(receive, time.perf_counter())
        self.unfinished += 1
        try:
            visitor = environ[security.VISITOR] = self.guard.admit(werkzeug.Request(environ))
            predicts = scope["method"] == "POST" and scope["path"] in PREDICTIONS
            try:
                if visitor.refusal is not None:
                    raise visitor.refusal
                environ["wsgi.input"] = io.BytesIO(await self._body(request, environ, predicts))
                environ["CONTENT_LENGTH"] = str(request.num_bytes)
            except RequestError as error:
                visitor.refusal, predicts = error, False
                await _discard(receive)
            if predicts:
                answer = await self._predict(environ, visitor)
            else:
                answer = await self._in(self._others, environ)
            await _send(send, *answer)
        finally:
            self._stored_bytes -= request.num_bytes
            self.unfinished -= 1

    async def _body(self, request: _Request, environ: dict[str, Any], predicts: bool) -> bytes:
        """The whole body. Raises RequestError."""
        most = self.service.settings.max_body_bytes
        limit = most if predicts else min(SMALL_BODY_BYTES, most)
        declared = int(environ.get("CONTENT_LENGTH") or 0)
        if declared > limit:
            raise _too_long(limit, declared)
        reading = asyncio.ensure_future(self._read(request, limit, BODIES_AT_A_TIME * most))
        while not reading.done():
            await asyncio.wait({reading}, timeout=1.0)
            seconds = time.perf_counter() - request.began_s - BODY_S
            slow = seconds > request.num_bytes / BODY_BYTES_PER_S
            if not reading.done() and (slow or self._stopping):
                reading.cancel()
                if self._stopping:
                    raise RequestError(503, "The server stops. Try again.", 10)
                raise RequestError(
                    408,
                    f"Expected the whole body within {BODY_S:g} s and 1 s for each "
                    f"{BODY_BYTES_PER_S} bytes, got {request.num_bytes} bytes. Send it faster.",
                )
        return reading.result()

    async def _read(self, request: _Request, limit: int, limit_of_all: int) -> bytes:
        parts, more = [], True
        while more:
            message = await request.receive()
            if message["type"] == "http.disconnect":  # So granian calls broken chunks, too.
                raise RequestError(
                    400,
                    f"The body broke off, or its chunks are broken, after {request.num_bytes} "
                    "bytes. Send it again.",
                )
            part, more = message.get("body", b""), message.get("more_body", False)
            parts.append(part)
            request.num_bytes += len(part)
            self._stored_bytes += len(part)
            if request.num_bytes > limit:
                raise _too_long(limit, request.num_bytes)
            if self._stored_bytes > limit_of_all:
                raise RequestError(503, "The server is busy with other bodies. Try again.", 1)
            if len(parts) > 1000 + request.num_bytes / 500:
                raise RequestError(
                    400, "Expected a body in chunks of 500 bytes and more, got smaller ones."
                )
        return b"".join(parts)

    async def _predict(self, environ: dict[str, Any], visitor: security.Visitor) -> _Answer:
        """Runs a prediction in its turn, or refuses it: at once, or after the deadline."""
        try:
            self.service.line.enter()
        except RequestError as error:
            visitor.refusal = error
            if "HTTP_ORIGIN" in environ:  # Flask adds what a browser wants.
                return await self._in(self._others, environ)
            return self._refuse(environ, visitor)
        entered_s, deadline_s = time.perf_counter(), self.service.settings.deadline_s

        def run() -> _Answer:
            self.service.line.leave()
            visitor.waited_ms = 1000 * (time.perf_counter() - entered_s)
            return self._call(environ)

        call = self._predictions.submit(run)
        waiting = asyncio.wrap_future(call)
        await asyncio.wait({waiting}, timeout=deadline_s)
        if waiting.done():
            return waiting.result()
        if call.cancel():
            self.service.line.leave()
        visitor.expired = True  # What still runs is neither logged nor kept.
        late = RequestError(504, f"The server is too busy: No answer within {deadline_s:g} s.")
        told = dataclasses.replace(visitor, refusal=late, expired=False)
        return await self._in(self._others, {**environ, security.VISITOR: told})

    def in_turn(self, call: Callable[[], Any]) -> Any:
        """Runs a call of the model for another protocol, in the line of the predictions.

        Raises RequestError 503 if too many wait already, 504 after the deadline.
        """
        line, deadline_s = self.service.line, self.service.settings.deadline_s
        line.enter()

        def run() -> Any:
            line.leave()
            return call()

        future = self._predictions.submit(run)
        try:
            return future.result(deadline_s)
        except concurrent.futures.TimeoutError as error:
            if future.cancel():
                line.leave()
            text = f"The server is too busy: No answer within {deadline_s:g} s."
            raise RequestError(504, text) from error

    def _refuse(self, environ: dict[str, Any], visitor: security.Visitor) -> _Answer:
        """The answer that the application would give, in a tenth of the time: under a load of many
        times what the model can do, refusing must not take the processor from it."""
        error = visitor.refusal
        body = json.dumps({"error": error.message, "request_id": visitor.request_id}).encode()
        headers = {
            "Content-Type": "application/json",
            "Retry-After": str(error.retry_after_s),
            security.REQUEST_ID_HEADER: visitor.request_id,
            **security.HEADERS,
        }
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.service.metrics.count_as(path, method, error.status, visitor.started_s)
        keys = self.service.settings.api_keys.values()
        answer = error.status, len(body)
        security.log(visitor, werkzeug.Request(environ), answer, keys)
        return error.status, [*headers.items(), ("Content-Length", str(len(body)))], body

    def _in(self, pool: concurrent.futures.Executor, environ: dict[str, Any]) -> Awaitable[_Answer]:
        return self._loop.run_in_executor(pool, self._call, environ)

    def _call(self, environ: dict[str, Any]) -> _Answer:
        """Runs the WSGI application."""
        begun: list[Any] = []
        parts = self._app(environ, lambda *arguments: begun.extend(arguments[:2]))
        try:
            body = b"".join(parts)
        finally:
            with contextlib.suppress(AttributeError):
                parts.close()
        return int(begun[0].partition(" ")[0]), begun[1], body


@dataclasses.dataclass
class _Request:
    """Where a request's body comes from, when it began, and how much of it there is."""

    receive: Callable[[], Awaitable[dict]]
    began_s: float
    num_bytes: int = 0


def connections() -> int:
    """Connections for which this process may open files; raises its limit as far as it may."""
    try:
        import resource
    except ImportError:  # Windows has no such limit.
        return MOST_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + 1000
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    soft = wanted if soft == resource.RLIM_INFINITY else soft
    folder = next((one for one in ("/proc/self/fd", "/dev/fd") if os.path.isdir(one)), None)
    opened = len(os.listdir(folder)) if folder else 40
    found = min(MOST_CONNECTIONS, soft - opened - _SPARE_FILES)
    if found < 8:
        raise OSError(
            f"The server may open {soft} files and has {opened} open: too few for connections. "
            f"Raise the limit to 256 or more: ulimit -n 256"
        )
    if found < FEW_CONNECTIONS:
        logging.warning("ulimit -n is %d: only %d connections at a time", soft, found)
    return found


def _too_long(limit: int, got: int) -> RequestError:
    return RequestError(
        413,
        f"Expected a body of at most {limit} bytes, got {got}. Scale the picture down or send it "
        "as JPEG.",
    )


async def _discard(receive: Callable) -> None:
    """Reads a refused body as far as it is there: who still sends may miss the answer."""
    for _ in range(64):
        try:
            message = await asyncio.wait_for(receive(), 0.05)
        except asyncio.TimeoutError:
            return
        if not message.get("more_body", False):
            return


async def _send(send: Callable, status: int, headers: list, body: bytes) -> None:
    pairs = [(name.lower().encode("latin1"), value.encode("latin1")) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


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
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
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
