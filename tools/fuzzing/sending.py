"""Sends bytes to a server and says whether what comes back is an answer that may be given."""

from __future__ import annotations

import dataclasses
import http.client
import json
import socket
import time

from tools.fuzzing.broken_requests import Request

# What the server's document says it may answer when it cannot.
DOCUMENTED_FAILURES = (503, 504)
# What the HTTP library refuses itself, before the application sees it.
_BELOW_THE_APPLICATION = ("raw", "path", "header")
_INSIDES = (b"Traceback", b'File "', b".py", b"site-packages")


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        status: None if the connection was closed without an answer.
        body: of the answer.
        headers: of the answer, in small letters.
        seconds: until it was there.
    """

    status: int | None
    body: bytes = b""
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0


def to_bytes(request: Request, host: str, api_key: str | None) -> bytes:
    """The request as it goes over the wire.

    Args:
        request: what to send.
        host: for the header Host, unless the request has one.
        api_key: for the header X-API-Key, unless the request has one; None: no such header.
    """
    if request.raw is not None:
        return request.raw
    headers = list(request.headers)
    names = {name.lower() for name, _ in headers}
    if "host" not in names:
        headers.insert(0, ("Host", host))
    if api_key is not None and "x-api-key" not in names:
        headers.append(("X-API-Key", api_key))
    if request.body and "transfer-encoding" not in names:
        headers.append(("Content-Length", str(len(request.body))))
    headers.append(("Connection", "close"))
    lines = [f"{request.method} {request.path} HTTP/1.1", *(f"{n}: {v}" for n, v in headers)]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + request.body


def send(data: bytes, address: tuple[str, int], method: str, timeout_s: float) -> Answer:
    """Sends bytes over a connection of their own.

    Args:
        data: the whole request.
        address: host and port.
        method: of the request; the answer to HEAD has no body.
        timeout_s: longest silence of the server.

    Raises:
        ConnectionRefusedError: if nobody listens.
    """
    started = time.perf_counter()
    with socket.create_connection(address, timeout_s) as connection:
        try:
            connection.sendall(data)
            # Whatever length the request promised, nothing more will come.
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # The server may have answered and closed before it had read everything.
        response = http.client.HTTPResponse(connection, method=method)
        try:
            response.begin()
            body = response.read()
        except (http.client.HTTPException, OSError):
            return Answer(None, seconds=time.perf_counter() - started)
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, body, headers, time.perf_counter() - started)


def problem(request: Request, answer: Answer) -> str | None:
    """What is wrong with an answer; None if it may be given."""
    is_below = request.kind in _BELOW_THE_APPLICATION
    if answer.status is None:
        return None if is_below else "the connection was closed without an answer"
    if answer.status >= 500 and answer.status not in DOCUMENTED_FAILURES:
        # Python's own HTTP servers say 501 for methods and encodings that they do not know.
        return None if is_below and answer.status in (501, 505) else f"status {answer.status}"
    if "x-request-id" not in answer.headers:
        return None if is_below else "an answer without X-Request-ID"
    if answer.status >= 400 and request.method != "HEAD":
        return _problem_of_error(answer)
    return None


def _problem_of_error(answer: Answer) -> str | None:
    try:
        content = json.loads(answer.body)
    except ValueError:
        return f"status {answer.status} with a body that is no JSON: {answer.body[:100]!r}"
    if not isinstance(content, dict) or not {"error", "request_id"} <= set(content):
        return f"status {answer.status} without error and request_id: {answer.body[:100]!r}"
    # What the client sent comes back in messages; nothing that it sends looks like this.
    if any(word in answer.body for word in _INSIDES):
        return f"status {answer.status} shows the server's insides: {answer.body[:200]!r}"
    return None
