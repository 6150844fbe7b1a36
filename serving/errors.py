"""Every error leaves the server as JSON: `{"error": reason and way out, "request_id": ...}`.

A fault of our own is answered with status 500 and the request's id; its traceback goes to the log,
where the id finds it, and never to the client.
"""

from __future__ import annotations

import re
import uuid

import flask
from absl import logging
from werkzeug import exceptions

REQUEST_ID_HEADER = "X-Request-ID"
# Nothing that could break a log line or leave a folder that is named after it.
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class RequestError(Exception):
    """A request that cannot be answered, for a reason that the client is told.

    Attributes:
        status: 400 if the request's form is wrong, 422 if its content cannot be processed, 503 if
            the server cannot answer now.
        message: what was expected, what came, and the way out.
        retry_after_s: when the same request may succeed; None if it will not.
    """

    def __init__(self, status: int, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after_s = retry_after_s


def install(app: flask.Flask) -> None:
    """Gives every request of `app` an id, and turns every error into JSON."""
    app.before_request(_name_request)
    app.after_request(_send_request_id)
    app.register_error_handler(RequestError, _answer_request_error)
    app.register_error_handler(exceptions.HTTPException, _answer_http_error)
    app.register_error_handler(Exception, _answer_fault)


def _name_request() -> None:
    """A client may bring an id of its own, so that its log and ours can be laid side by side."""
    brought = flask.request.headers.get(REQUEST_ID_HEADER, "")
    flask.g.request_id = brought if _REQUEST_ID.fullmatch(brought) else uuid.uuid4().hex


def _send_request_id(response: flask.Response) -> flask.Response:
    response.headers[REQUEST_ID_HEADER] = flask.g.request_id
    return response


def body(message: str) -> dict[str, str]:
    """The content of an error's answer."""
    return {"error": message, "request_id": flask.g.request_id}


def _answer_request_error(
    error: RequestError,
) -> tuple[dict[str, str], int, dict[str, str]]:
    wait_s = error.retry_after_s
    headers = {} if wait_s is None else {"Retry-After": str(wait_s)}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return body(error.message), error.status, headers


def _answer_http_error(error: exceptions.HTTPException) -> flask.Response:
    """What Flask itself refuses: 404, 405, 413, 415, malformed JSON."""
    response = flask.jsonify(body(_describe(error)))
    response.status_code = error.code
    if isinstance(error, exceptions.MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _describe(error: exceptions.HTTPException) -> str:
    request = flask.request
    if isinstance(error, exceptions.NotFound):
        rules = sorted(rule.rule for rule in flask.current_app.url_map.iter_rules())
        return f"There is no {request.path}. Known: {', '.join(rules)}."
    if isinstance(error, exceptions.MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        return f"{request.path} expects one of {allowed}, got {request.method}."
    if isinstance(error, exceptions.RequestEntityTooLarge):
        limit = flask.current_app.config["MAX_CONTENT_LENGTH"]
        return (
            f"Expected a body of at most {limit} bytes, got {request.content_length}. "
            "Scale the picture down or send it as JPEG."
        )
    if isinstance(error, exceptions.UnsupportedMediaType):
        return (
            "Expected a JSON body with the header 'Content-Type: application/json', got "
            f"Content-Type {request.content_type!r}."
        )
    return str(error.description)


def _answer_fault(error: Exception) -> tuple[dict[str, str], int]:
    """The one catch-all: a fault of ours must not take the server down or show its insides."""
    request_id = flask.g.request_id
    logging.error(
        "%s %s [%s] failed", flask.request.method, flask.request.path, request_id, exc_info=error
    )
    return body(f"The server failed. Its log says why, under the request id {request_id}."), 500
