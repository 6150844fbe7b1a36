"""Requests that are broken in every way that somebody thought of, from a seed.

`request(rng)` gives a `Request`; the same generator gives the same requests. Half of them carry a
broken picture in a proper request, the others are broken themselves: JSON, form, fields, headers,
paths, or the HTTP around it.
"""

from __future__ import annotations

import base64
import dataclasses
import json

import numpy as np

from tools.fuzzing import broken_pictures, broken_values


@dataclasses.dataclass(frozen=True)
class Request:
    """What is sent.

    Attributes:
        kind: what is wrong with it.
        method: of HTTP.
        path: as it stands in the first line.
        headers: besides Content-Length.
        body: the bytes behind the headers.
        raw: if given, sent in the place of all that, and the connection is closed after it.
    """

    kind: str
    method: str = "POST"
    path: str = "/predict"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    raw: bytes | None = None


def request(rng: np.random.Generator) -> Request:
    """One broken request."""
    if rng.random() < 0.5:
        return _with_picture(rng)
    makers = (_fields, _fields, _body, _form, _content_type, _path, _header, _correction, _raw)
    return makers[rng.integers(len(makers))](rng)


def _choice(rng: np.random.Generator, options: tuple) -> object:
    return options[rng.integers(len(options))]


def _json(kind: str, path: str, body: bytes, *headers: tuple[str, str]) -> Request:
    return Request(kind, "POST", path, (("Content-Type", "application/json"), *headers), body)


def form(boundary: str, *parts: tuple[str, bytes]) -> bytes:
    """A multipart form.

    Args:
        boundary: between the parts.
        parts: (what stands behind `Content-Disposition:`, content).
    """
    lines = [
        b"--%s\r\nContent-Disposition: %s\r\n\r\n%s\r\n"
        % (boundary.encode(), disposition.encode("latin-1"), content)
        for disposition, content in parts
    ]
    return b"".join(lines) + b"--%s--\r\n" % boundary.encode()


def _pair() -> tuple[tuple[str, bytes], ...]:
    return (
        ('form-data; name="action"', b"skewering"),
        ('form-data; name="food_type"', b"strawberry"),
    )


def _with_picture(rng: np.random.Generator) -> Request:
    kind, data = broken_pictures.picture(rng)
    path = str(_choice(rng, broken_values.ROUTES))
    if rng.random() < 0.3:
        part = ('form-data; name="image"; filename="plate.jpg"', data)
        headers = (("Content-Type", "multipart/form-data; boundary=b"),)
        return Request(f"picture {kind}", "POST", path, headers, form("b", part, *_pair()))
    prefix = str(
        _choice(rng, ("", "", "", "", "data:image/jpeg;base64,", "data:;base64,", "data:,"))
    )
    body = {
        "image": prefix + base64.b64encode(data).decode(),
        "action": "skewering",
        "food_type": "strawberry",
    }
    return _json(f"picture {kind}", path, json.dumps(body).encode())


def _fields(rng: np.random.Generator) -> Request:
    """A proper body in which a few fields have another value, or none."""
    path = str(_choice(rng, broken_values.ROUTES))
    picture = base64.b64encode(broken_pictures.whole("PNG")).decode()
    fields = {"image": f'"{picture}"', "action": '"skewering"', "food_type": '"strawberry"'}
    for name in rng.choice(broken_values.BATCH_FIELDS, rng.integers(1, 4)):
        if rng.random() < 0.2:
            fields.pop(str(name), None)
        else:
            fields[str(name)] = str(_choice(rng, broken_values.VALUES))
    if rng.random() < 0.1:
        fields["images"] = "[" + ", ".join([f'"{picture}"'] * int(rng.integers(0, 19))) + "]"
        fields.pop("image", None)
    text = ", ".join(f'"{name}": {value}' for name, value in fields.items())
    return _json("fields", path, f"{{{text}}}".encode())


def _body(rng: np.random.Generator) -> Request:
    path = str(_choice(rng, (*broken_values.ROUTES, "/load_model", "/corrections")))
    body = _choice(rng, broken_values.BODIES)
    return _json("body", path, rng.bytes(50) if rng.random() < 0.1 else body)


def _form(rng: np.random.Generator) -> Request:
    picture = broken_pictures.whole("JPEG")
    good = form("b", ('form-data; name="image"; filename="a"', picture), *_pair())
    bodies = (
        good[: rng.integers(len(good))],
        good.replace(b"\r\n", b"\n"),
        good.replace(b"--b", b"--c"),
        form("b", *_pair()),
        form("b", ('form-data; name="image"', base64.b64encode(picture)), *_pair()),
        form("b", ('form-data; name="image"; filename="../../x"', picture), *_pair(), *_pair()),
        form("b", ('form-data; name="image"; filename=""', b""), *_pair()),
        form("b", ('form-data; name="action"; filename="x"', picture), *_pair()),
        form("b", *((f'form-data; name="f{n}"', b"x") for n in range(1500))),
        form("b", ("form-data", picture), ("\xff\xfe", b""), *_pair()),
        form("b", *[('form-data; name="images"; filename="a"', picture)] * 18, *_pair()),
        b"",
    )
    headers = (("Content-Type", "multipart/form-data; boundary=b"),)
    return Request(
        "form", "POST", str(_choice(rng, broken_values.ROUTES)), headers, _choice(rng, bodies)
    )


def _content_type(rng: np.random.Generator) -> Request:
    headers = (("Content-Type", str(_choice(rng, broken_values.TYPES))),)
    return Request(
        "content type", "POST", "/predict", headers, _choice(rng, broken_values.BODIES[:12])
    )


def _path(rng: np.random.Generator) -> Request:
    return Request(
        "path", str(_choice(rng, broken_values.METHODS)), str(_choice(rng, broken_values.PATHS))
    )


def _header(rng: np.random.Generator) -> Request:
    headers = tuple(_choice(rng, broken_values.HEADERS) for _ in range(rng.integers(1, 4)))
    method, path = _choice(
        rng, (("GET", "/health"), ("POST", "/predict"), ("GET", "/"), ("POST", "/load_model"))
    )
    return Request("header", method, path, headers, b"{}" if method == "POST" else b"")


def _correction(rng: np.random.Generator) -> Request:
    fields = ("request_id", "start_x", "start_y", "end_x", "end_y", "corrected_by")
    text = ", ".join(
        f'"{name}": {_choice(rng, broken_values.VALUES)}' for name in fields if rng.random() < 0.9
    )
    if rng.random() < 0.5:
        return _json(
            "checkpoint",
            "/load_model",
            f'{{"checkpoint_path": {_choice(rng, broken_values.VALUES)}}}'.encode(),
        )
    return _json("correction", "/corrections", f"{{{text}}}".encode())


def _raw(rng: np.random.Generator) -> Request:
    """Bytes that are hardly HTTP."""
    return Request(
        "raw", raw=rng.bytes(200) if rng.random() < 0.1 else _choice(rng, broken_values.RAW)
    )
