"""A model whose right answer is visible in the picture, and a real HTTP server."""

from __future__ import annotations

import contextlib
import functools
import io
import pathlib
import socket
import tempfile
from collections.abc import Iterator

import flask
import numpy as np
from PIL import Image

from food_data import vocabulary
from serving import front

RED, BLUE, GREY = (255, 0, 0), (0, 0, 255), (90, 90, 90)
INSTRUCTIONS = (
    ("skewering", "strawberry"),
    ("skewering", "green_bean"),
    ("scooping", "mac_and_cheese"),
    ("twirling", "spaghetti"),
)


class MarkerModel:
    """Takes the place of an agent: start is where the picture is red, end is where it is blue.

    Samples lie around that, by the seed: wider in scope "full" than in scope "head".
    """

    name = "stub"

    def answers(self, image: np.ndarray) -> list:
        return [_marker(one, RED) + _marker(one, BLUE) for one in image]

    def forward(self, image, embedding, *, dropout="off", num_samples=None, seed=None):
        assert image.shape[1:] == (236, 236, 3) and image.dtype == np.uint8
        assert embedding.shape == (len(image), 512) and embedding.dtype == np.float32
        answers = np.array(self.answers(image), np.float32)
        if dropout == "off":
            assert num_samples is None and seed is None
            return answers
        spread = {"head": 0.01, "full": 0.03}[dropout]
        noise = np.random.default_rng(seed).normal(0, spread, (num_samples, *answers.shape))
        return np.clip(answers + noise, 0, 1).astype(np.float32)


class ConstantModel(MarkerModel):
    """Always gives the same four numbers."""

    def __init__(self, coordinates) -> None:
        self._coordinates = coordinates

    def answers(self, image: np.ndarray) -> list:
        return [self._coordinates] * len(image)


def predictor_of(
    model, store, mode: str = "letterbox", version: str = "stub-1", calibration=None, **more
):
    """A predictor around a stub of a model."""
    from serving import predictor

    return predictor.Predictor(model, store, mode, version, calibration, **more)


def _marker(image: np.ndarray, colour: tuple[int, int, int]) -> list[float]:
    """Centre (x, y) in 0..1 of the pixels nearer to `colour` than half way; the centre if none."""
    rows, columns = np.nonzero(np.abs(image.astype(int) - colour).sum(axis=-1) < 150)
    if len(rows) == 0:
        return [0.5, 0.5]
    return [(columns.mean() + 0.5) / image.shape[1], (rows.mean() + 0.5) / image.shape[0]]


def marker_picture(
    width: int, height: int, start: tuple[float, float], end: tuple[float, float]
) -> np.ndarray:
    """uint8 [H, W, 3]: grey, a red square around `start` and a blue one around `end`, pixels."""
    picture = np.full((height, width, 3), GREY, np.uint8)
    half = max(width, height) // 20
    for (x, y), colour in ((start, RED), (end, BLUE)):
        picture[round(y) - half : round(y) + half, round(x) - half : round(x) + half] = colour
    return picture


def file_bytes(picture: np.ndarray, file_format: str = "PNG", **options) -> bytes:
    """The picture's file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, file_format, **options)
    return buffer.getvalue()


def embedding_store_of(directory: pathlib.Path) -> vocabulary.EmbeddingStore:
    """A store of `INSTRUCTIONS`, each with another unit vector, written and read back."""
    for (action, food), vector in zip(INSTRUCTIONS, np.eye(4, 512, dtype=np.float32)):
        np.save(directory / f"{action}_{food}.npy", vector)
    return vocabulary.EmbeddingStore.load(directory)


@functools.cache
def store() -> vocabulary.EmbeddingStore:
    with tempfile.TemporaryDirectory() as folder:
        return embedding_store_of(pathlib.Path(folder))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextlib.contextmanager
def serve(application: flask.Flask) -> Iterator[str]:
    """Serves the application from threads of this process; yields its address."""
    port = free_port()
    with front.Server(application, "127.0.0.1", port) as server:
        yield f"http://127.0.0.1:{port}"
    assert server.unfinished == 0


def application(model=MarkerModel(), load=None, batch=True, **options):  # noqa: B008
    """Around a stub of a model, or None, with the settings given, and what `predictor_of` takes."""
    from serving import app

    of_model = {"mode", "calibration", "trained_pairs", "encoder"} & set(options)
    more = {name: options.pop(name) for name in of_model}
    made = model and predictor_of(model, store(), **more)
    return app.create_app(made, front.ServerSettings(**options), load, batch)


@contextlib.contextmanager
def running(*arguments, **options):
    """The address of a server of the `application` of these."""
    with serve(application(*arguments, **options)) as url:
        yield url
