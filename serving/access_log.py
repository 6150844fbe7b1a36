"""One line of JSON in the log for each request:

    {"time": "2026-11-22T16:55:42.123Z", "request_id": "5f0c...", "client": "robot",
     "method": "POST", "path": "/predict", "status": 200, "ms": 41.3, "bytes_in": 84120,
     "bytes_out": 612, "action": "skewering", "food_type": "grape", "model_version": "ckpt-12"}

The logger's own prefix ends with `] `. Neither a picture, nor a header, nor what stands behind a
`?` in the address is ever written: keys end up there by mistake.
"""

from __future__ import annotations

import datetime
import json
import time

import flask
from absl import logging

from serving.settings import ServerSettings

# What a route puts into `flask.g` for the log, where it knows it.
ROUTE_FIELDS = ("action", "food_type", "model_version")
_MAX_PATH_LENGTH = 200


def install(app: flask.Flask, settings: ServerSettings) -> None:
    """Logs every request of `app`; installed right after `errors`, so that it sees them all."""
    del settings  # Nothing about it can be chosen; all guards are installed alike.
    app.before_request(_start)
    app.after_request(_write)


def _start() -> None:
    flask.g.access_started_s = time.perf_counter()


def _write(response: flask.Response) -> flask.Response:
    request, known = flask.request, flask.g
    now = datetime.datetime.now(datetime.timezone.utc)
    line = {
        "time": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "request_id": known.get("request_id"),
        "client": known.get("client", request.remote_addr),
        "method": request.method[:20],
        "path": request.path[:_MAX_PATH_LENGTH],
        "status": response.status_code,
        "ms": round(1000 * (time.perf_counter() - known.access_started_s), 1),
        "bytes_in": request.content_length or 0,
        "bytes_out": response.calculate_content_length() or 0,
    }
    line.update({name: known.get(name) for name in ROUTE_FIELDS if name in known})
    # json.dumps escapes line breaks and all that is not ASCII: nobody writes a second line.
    logging.info("%s", json.dumps(line))
    return response
