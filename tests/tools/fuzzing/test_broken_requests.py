"""The broken requests: of every kind, the same again for a seed, and sendable."""

from __future__ import annotations

import collections

import numpy as np
from werkzeug import formparser, test

from tools.fuzzing import broken_requests, sending


def draw(seed, number):
    rng = np.random.default_rng(seed)
    return [broken_requests.request(rng) for _ in range(number)]


def test_the_seed_decides():
    assert draw(1, 50) == draw(1, 50)
    assert draw(1, 50) != draw(2, 50)


def test_half_are_pictures_and_every_kind_comes():
    requests = draw(5, 300)
    kinds = collections.Counter(
        "picture" if one.kind.startswith("picture") else one.kind for one in requests
    )
    assert 110 < kinds.pop("picture") < 190
    assert set(kinds) == {
        *("fields", "body", "form", "content type", "path", "header", "raw"),
        *("correction", "checkpoint"),
    }


def test_all_of_them_can_be_sent():
    for request in draw(6, 200):
        data = sending.to_bytes(request, "127.0.0.1:1", "key")
        assert isinstance(data, bytes)
        assert (request.raw is None) is (b"Connection: close" in data)


def test_fields_are_json_but_for_their_values():
    bodies = [one.body for one in draw(7, 300) if one.kind == "fields"]
    assert len(bodies) > 20
    assert all(body.startswith(b'{"') or body == b"{}" for body in bodies)
    assert any(b"NaN" in body for body in bodies)
    assert any(b"1e999" in body for body in bodies)


def test_form_is_one_that_a_server_reads():
    body = broken_requests.form(
        "b",
        ('form-data; name="image"; filename="a.jpg"', b"\xff\xd8"),
        ('form-data; name="action"', b"skewering"),
    )
    environment = test.EnvironBuilder(
        data=body, method="POST", content_type="multipart/form-data; boundary=b"
    ).get_environ()
    _, fields, files = formparser.parse_form_data(environment)
    assert fields["action"] == "skewering"
    assert files["image"].read() == b"\xff\xd8"
