"""JSON and forms become the same fields."""

from __future__ import annotations

import io

import flask
import pytest
from werkzeug import exceptions

from serving import errors, request_bodies


def read(**options):
    app = flask.Flask("test")
    with app.test_request_context("/predict", method="POST", **options):
        return request_bodies.read_fields(flask.request, 8)


def test_json_is_read_as_it_is():
    assert read(json={"action": "a", "batch_size": 3}) == {"action": "a", "batch_size": 3}
    assert read(json=[1]) == [1]


def test_a_form_gives_strings_and_the_bytes_of_its_pictures():
    form = {"action": "a", "batch_size": "3", "image": (io.BytesIO(b"\xff\xd8"), "plate.jpg")}
    assert read(data=form) == {"action": "a", "batch_size": "3", "image": b"\xff\xd8"}
    pair = [(io.BytesIO(b"one"), "a.png"), (io.BytesIO(b"two"), "b.png")]
    assert read(data={"images": pair})["images"] == [b"one", b"two"]


def test_base64_in_a_form_stays_text():
    body = {"image": "aGVsbG8=", "x": (io.BytesIO(b"file"), "x")}
    assert read(data=body) == {"image": "aGVsbG8="}


@pytest.mark.parametrize("mimetype", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_other_bodies_are_415(mimetype):
    with pytest.raises(exceptions.UnsupportedMediaType):
        read(data=b"{}", content_type=mimetype)


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100, b'{"a": NaN}'])
def test_what_is_no_json_is_400(body):
    with pytest.raises(errors.RequestError) as caught:
        read(data=body, content_type="application/json")
    assert caught.value.status == 400
