"""From an HTTP body to named fields: a JSON object, or a multipart form with files."""

from __future__ import annotations

import flask
from werkzeug import exceptions

from serving import json_limits


def read_fields(request: flask.Request, max_json_depth: int) -> object:
    """The fields of a request, not checked yet.

    Args:
        request: with a JSON body, or a multipart form whose files `image` are pictures.
        max_json_depth: of arrays and objects inside each other.

    Returns:
        What the JSON says; or of a form a dictionary, strings and, for `image`, bytes. Several
        files `images` become a list.

    Raises:
        UnsupportedMediaType: for any other body.
        RequestError: 400 if it is no JSON or too deep.
    """
    if request.mimetype == "multipart/form-data":
        return _form(request)
    if not request.is_json:
        raise exceptions.UnsupportedMediaType()
    return json_limits.parse(request.get_data(), max_json_depth)


def _form(request: flask.Request) -> dict[str, object]:
    fields: dict[str, object] = dict(request.form.items())
    if "image" in request.files:
        fields["image"] = request.files["image"].read()
    if "images" in request.files:
        fields["images"] = [file.read() for file in request.files.getlist("images")]
    return fields
