"""Who answers about a photo: a server, or a checkpoint in this process, asked in the same way.

    policy = CheckpointPolicy.load("runs/first")
    policy = api_client.FoodAcquisitionClient("http://127.0.0.1:8080")

    policy.predict("plate.jpg", "skewering", "strawberry").pixels.start_x
    policy.predict_batch("plate.jpg", "skewering", "strawberry", batch_size=32).statistics

What a server does between a request and its answer happens in a `CheckpointPolicy` in the same
order, by the same functions: checks (`schemas`), then `Predictor.answer`. Two things differ: there
is no request id, and no limit to a file's bytes.
"""

from __future__ import annotations

import keras2  # noqa: F401

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from absl import logging

import api_client
from serving import predictor as predictors
from serving import schemas, settings

_MAX_PIXELS = settings.ServerSettings().max_pixels


class Policy(Protocol):
    """Says where to move for an action on a food; `api_client.FoodAcquisitionClient` is one.

    Pictures are the path of a file, the file's bytes, or an array uint8 [H, W, 3], RGB. Answers are
    in 0..1 of the picture and in its pixels; origin top left, x right, y down. What is refused
    raises `api_client.ApiError` with the status of a server that refuses the same.
    """

    def predict(
        self,
        image: api_client.Picture,
        action: str | None = None,
        food_type: str | None = None,
        text: str | None = None,
        *,
        resize: str | None = None,
        passes: str | None = None,
    ) -> api_client.Prediction:
        """The motion; see `FoodAcquisitionClient.predict`."""

    def predict_batch(
        self,
        image: api_client.Picture,
        action: str | None = None,
        food_type: str | None = None,
        text: str | None = None,
        **options: Any,
    ) -> api_client.BatchPrediction:
        """Samples of it; see `FoodAcquisitionClient.predict_batch`."""

    def model_version(self) -> str | None:
        """Names the checkpoint; None if there is no model."""

    def available_combinations(self) -> list[tuple[str, str]]:
        """Every (action, food type) that can be asked about."""

    def close(self) -> None:
        """The thread that asks needs it no more."""


class CheckpointPolicy:
    """A checkpoint directory in this process; all threads may share one."""

    def __init__(self, predictor: predictors.Predictor) -> None:
        """`predictor` is warmed up."""
        self._predictor = predictor
        # More calls at a time than the engine has use for would only take memory.
        self._may_run = threading.BoundedSemaphore(predictor.num_workers)

    @classmethod
    def load(
        cls, directory: str | os.PathLike[str], engine: str = "auto", trust_config: bool = False
    ) -> CheckpointPolicy:
        """Loads a checkpoint directory and warms its model up.

        Args:
            directory: that train.py wrote.
            engine: 'auto' for the fastest that is installed, or its name.
            trust_config: let gin run what the directory's configuration says.

        Raises:
            OSError, ValueError: if it cannot be loaded.
        """
        predictor = predictors.Predictor.from_checkpoint(
            directory, engine, trust_config=trust_config
        )
        predictor.warm_up()
        logging.info("%s answers in this process, run by %s", predictor.version, predictor.engine)
        return cls(predictor)

    def model_version(self) -> str:
        """Names the checkpoint, as its server would."""
        return self._predictor.version

    def available_combinations(self) -> list[tuple[str, str]]:
        """Every (action, food type) that the model was trained with."""
        return self._predictor.combinations()

    def close(self) -> None:
        """Does nothing: other threads go on."""

    def predict(
        self,
        image: api_client.Picture,
        action: str | None = None,
        food_type: str | None = None,
        text: str | None = None,
        *,
        embedding: np.ndarray | None = None,
        **options: Any,
    ) -> api_client.Prediction:
        """See `Policy`; an `embedding`, float32 [512], is what is asked in the place of the words.

        Raises:
            ApiError: also with status 500 if the network's answer is not finite.
        """
        asked = {"action": action, "food_type": food_type, "text": text}
        return api_client.parse_prediction(self._answer(image, asked, embedding, options, False))

    def predict_batch(
        self,
        image: api_client.Picture,
        action: str | None = None,
        food_type: str | None = None,
        text: str | None = None,
        *,
        embedding: np.ndarray | None = None,
        **options: Any,
    ) -> api_client.BatchPrediction:
        """See `Policy` and `predict`."""
        asked = {"action": action, "food_type": food_type, "text": text}
        return api_client.parse_batch(self._answer(image, asked, embedding, options, True))

    def _answer(
        self,
        image: api_client.Picture,
        asked: dict[str, str | None],
        embedding: np.ndarray | None,
        options: dict[str, Any],
        sampled: bool,
    ) -> dict[str, Any]:
        """The JSON object that a server would answer."""
        started = time.perf_counter()
        fields = {**asked, **api_client.check_options(options)}
        fields["image"] = api_client.picture_bytes(image)
        if embedding is not None and asked["action"] is None:
            fields["text"] = "the embedding"
        with _as_a_server_says():
            request = schemas.load(schemas.PredictBatchRequest, fields)
            content = self._predictor.answer(
                request["image"],
                schemas.with_defaults(request),
                sampled=sampled,
                run=self._run,
                max_pixels=_MAX_PIXELS,
                embedding=embedding,
            )
        content["timing_ms"]["total"] = 1000 * (time.perf_counter() - started)
        version = self._predictor.version
        more = {"input_text": asked["text"], "model_version": version, "request_id": None}
        return {"success": True, **content, **more}

    def _run(self, function: Callable[[], Any]) -> tuple[Any, float, float]:
        """Runs the model in this thread, when not too many others are at it."""
        waiting = time.perf_counter()
        with self._may_run:
            started = time.perf_counter()
            value, _, model_ms = predictors.run_here(function)
        return value, 1000 * (started - waiting), model_ms


@contextlib.contextmanager
def _as_a_server_says() -> Iterator[None]:
    """What a server answers with an error becomes the error that its client would raise."""
    try:
        yield
    except schemas.RequestError as error:
        raise api_client.ApiError(error.status, error.message) from error
    except FloatingPointError as error:
        raise api_client.ApiError(500, str(error)) from error
