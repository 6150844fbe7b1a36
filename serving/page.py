"""The page at / and its files under /static/: a photo goes in, the motion is drawn on it.

The files are read once, when the application is made. A request can therefore name one of them and
nothing else; `/static/../settings.py` is a name like any other that does not exist.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib

import flask
from werkzeug import exceptions

STATIC_DIR = pathlib.Path(__file__).resolve().parent / "static"
CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Kept, but asked about each time: after an update nobody sees half an old page. What the page may
# load is said in `security_headers`, for all routes.
_HEADERS = {"Cache-Control": "no-cache"}


@dataclasses.dataclass(frozen=True)
class _File:
    content: bytes
    content_type: str
    tag: str


def install(app: flask.Flask) -> None:
    """Adds `GET /` and `GET /static/<file>` to the application."""
    files = _read_files(STATIC_DIR)

    def page() -> flask.Response:
        return _answer(files["index.html"])

    def static(name: str) -> flask.Response:
        if name not in files:
            raise exceptions.NotFound()
        return _answer(files[name])

    app.add_url_rule("/", endpoint="page", view_func=page)
    app.add_url_rule("/static/<name>", endpoint="static", view_func=static)


def _read_files(directory: pathlib.Path) -> dict[str, _File]:
    files = {}
    for path in sorted(directory.iterdir()):
        if path.suffix in CONTENT_TYPES:
            content = path.read_bytes()
            tag = hashlib.sha256(content).hexdigest()[:16]
            files[path.name] = _File(content, CONTENT_TYPES[path.suffix], tag)
    return files


def _answer(file: _File) -> flask.Response:
    response = flask.Response(file.content, content_type=file.content_type, headers=_HEADERS)
    response.set_etag(file.tag)
    return response.make_conditional(flask.request)
