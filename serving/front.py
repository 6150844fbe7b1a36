"""The HTTP front: from a connection to the application, and the threads that run it.

granian reads requests in Rust. What it leaves open is bounded here; docs/serving.md lists what
happens to slow, hostile and many clients. A header is judged (`serving/security.py`) before its
body is read, and a prediction enters the line before anything of its body is decoded. Bodies that
are on their way take no thread. Predictions run from their JSON to their answer in as many threads
as the engine has use for; everything else has threads of its own, so that /health never waits
behind a prediction.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import io
import json
import math
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import flask
import granian.constants
import granian.http
import granian.server.embed
import werkzeug
from absl import logging
from werkzeug import test

from serving import security, service
from serving.schemas import RequestError

HEADER_S = 5.0
# With so few connections each is worth more.
FEW_CONNECTIONS, HEADER_OF_FEW_S = 100, 2.0
BODY_S = 20.0
BODY_BYTES_PER_S = 50_000
# For bodies that are on their way in when the server is told to end.
LAST_BODIES_S = 1.0
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
        # Until when the next part of a body has to be there.
        self._reading: dict[asyncio.Task, float] = {}
        self._ends_s = math.inf  # Until when bodies are waited for at the end.
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
        """Now and every quarter of a second: a timer of its own would cost each part more."""
        now_s = time.perf_counter()
        for task, until_s in self._reading.items():
            if now_s > min(until_s, self._ends_s):
                task.cancel()
        self._loop.call_later(0.25, self._give_up_late_bodies)

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
        environ, whole = _environ(scope), False
        body = environ["wsgi.input"]
        self.unfinished += 1
        try:
            visitor = environ[security.VISITOR] = self.guard.admit(werkzeug.Request(environ))
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
                    raise RequestError(
                        413,
                        f"Expected a body of at most {limit} bytes, got {size}. Scale the picture "
                        "down or send it as JPEG.",
                    )
                body.write(part)
                self._stored_bytes += len(part)
                if self._stored_bytes > BODIES_AT_A_TIME * most:
                    raise RequestError(503, "The server is busy with other bodies. Try again.", 1)
                if num_parts > 1000 + body.tell() / 500:
                    raise RequestError(
                        400, "Expected a body in chunks of 500 bytes and more, got smaller ones."
                    )
                if not more:
                    break
                until_s = began_s + BODY_S + body.tell() / BODY_BYTES_PER_S
                self._reading[task] = until_s
                message = await receive()
                if message["type"] == "http.disconnect":  # So granian calls broken chunks, too.
                    raise RequestError(
                        400,
                        f"The body broke off, or its chunks are broken, after {body.tell()} bytes. "
                        "Send it again.",
                    )
                part, more = message.get("body", b""), message.get("more_body", False)
                size, num_parts = max(size, body.tell() + len(part)), num_parts + 1
        except asyncio.CancelledError as error:
            if time.perf_counter() > until_s:
                raise RequestError(
                    408,
                    f"Expected the whole body within {BODY_S:g} s and 1 s for each "
                    f"{BODY_BYTES_PER_S} bytes, got {body.tell()} bytes. Send it faster.",
                ) from error
            raise RequestError(503, "The server stops. Try again.", 10) from error
        finally:
            self._reading.pop(task, None)
        environ["CONTENT_LENGTH"] = str(body.tell())
        body.seek(0)

    async def _work(self, environ: dict[str, Any], visitor: security.Visitor) -> _Answer:
        """The application's answer; to a prediction in its turn.

        Raises RequestError 503 if too many wait already, 504 after the deadline.
        """
        if environ["PATH_INFO"] == "/health":  # At once: a thread might wait for its turn.
            return self._call(environ)
        if not _predicts(environ):
            return await self._loop.run_in_executor(self._others, self._call, environ)
        self.service.line.enter()
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
        raise RequestError(504, f"The server is too busy: No answer within {deadline_s:g} s.")

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

    async def _refuse(
        self, environ: dict[str, Any], visitor: security.Visitor, error: RequestError
    ) -> _Answer:
        """The application's answer to a refused request.

        Who may come back at once is refused in a tenth of the time: under a load of many times what
        the model can do, refusing must not take the processor from it.
        """
        told = dataclasses.replace(visitor, refusal=error, expired=False)
        # Flask adds what a browser wants.
        if error.retry_after_s is None or not _predicts(environ) or "HTTP_ORIGIN" in environ:
            again = {**environ, security.VISITOR: told}
            return await self._loop.run_in_executor(self._others, self._call, again)
        body = json.dumps({"error": error.message, "request_id": told.request_id}).encode()
        headers = {
            **security.HEADERS,
            "Retry-After": str(error.retry_after_s),
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            security.REQUEST_ID_HEADER: told.request_id,
        }
        self.service.metrics.count_as(
            *(environ["PATH_INFO"], environ["REQUEST_METHOD"], error.status, told.started_s)
        )
        self.guard.log(told, werkzeug.Request(environ), error.status, len(body))
        return error.status, list(headers.items()), body

    def _call(self, environ: dict[str, Any]) -> _Answer:
        """Runs the WSGI application."""
        parts, status, headers = test.run_wsgi_app(self._app, environ, buffered=True)
        return int(status.partition(" ")[0]), list(headers), b"".join(parts)


def connections() -> int:
    """Connections for which this process may open files; raises its limit as far as it may."""
    try:
        import resource
    except ImportError:  # Windows has no such limit.
        return MOST_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited, wanted = resource.RLIM_INFINITY, MOST_CONNECTIONS + 1000
    if soft == unlimited:
        return MOST_CONNECTIONS
    if soft < wanted:
        most = wanted if hard == unlimited else min(hard, wanted)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
    opened = len(os.listdir("/dev/fd"))
    found = min(MOST_CONNECTIONS, soft - opened - _SPARE_FILES)
    if found < 8:
        raise OSError(
            f"The server may open {soft} files and has {opened} open: too few for connections. "
            f"Raise the limit to 256 or more: ulimit -n 256"
        )
    if found < FEW_CONNECTIONS:
        logging.warning("ulimit -n is %d: only %d connections at a time", soft, found)
    return found


def _predicts(environ: dict[str, Any]) -> bool:
    return environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"] in PREDICTIONS


async def _discard(receive: Callable) -> None:
    """Reads a refused body as far as it is there: who still sends may miss the answer."""
    for _ in range(64):
        try:
            message = await asyncio.wait_for(receive(), 0.05)
        except asyncio.TimeoutError:
            return
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
