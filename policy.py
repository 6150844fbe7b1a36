"""A checkpoint in this process that answers about photos as its server would.

    policy = CheckpointPolicy.load("runs/first")
    policy.predict("plate.jpg", "skewering", "strawberry").pixels.start_x
    policy.predict_batch("plate.jpg", "skewering", "strawberry", batch_size=32).statistics

The calls are those of `api_client.Policy`; checks (`schemas`) and answers (`Predictor.answer`) are
those of the server. There is no request id, and no limit to a file's bytes.
"""

from __future__ import annotations

import keras2  # noqa: F401

import os
import threading
import time
from typing import Any

from absl import logging

import api_client
from serving import predictor as predictors
from serving import schemas


class CheckpointPolicy(api_client.Policy):
    """A checkpoint directory in this process; all threads may share one."""

    def __init__(self, predictor: predictors.Predictor) -> None:
        """`predictor` is warmed up."""
        self._predictor = predictor
        self._may_run = threading.BoundedSemaphore(predictor.num_workers)

    @classmethod
    def load(
        cls, directory: str | os.PathLike[str], engine: str = "auto", trust_config: bool = False
    ) -> CheckpointPolicy:
        """Loads a checkpoint directory that train.py wrote and warms its model up. `engine` is
        'auto', the fastest that is installed, or its name; `trust_config` lets gin run what the
        directory's configuration says. Raises OSError or ValueError if it cannot be loaded."""
        predictor = predictors.Predictor.from_checkpoint(
            directory, engine=engine, trust_config=trust_config
        )
        predictor.warm_up()
        logging.info("%s answers in this process, run by %s", predictor.version, predictor.engine)
        return cls(predictor)

    def model_version(self) -> str:
        """Names the checkpoint."""
        return self._predictor.version

    def available_combinations(self) -> list[tuple[str, str]]:
        """Every (action, food type) that the model was trained with."""
        return self._predictor.combinations()

    def close(self) -> None:
        """Does nothing: other threads go on."""

    def _answer(self, image: bytes, asked: dict[str, Any], sampled: bool) -> dict[str, Any]:
        """Raises ApiError also with status 500, if the network's answer is not finite."""
        started = time.perf_counter()
        try:
            request = schemas.PredictBatchRequest().load({"image": image, **asked})
            # More pictures at a time than the engine has use for would only take memory.
            with self._may_run:
                began = time.perf_counter()
                content = self._predictor.answer(
                    request["image"],
                    schemas.with_defaults(request),
                    sampled=sampled,
                    max_pixels=schemas.MAX_PIXELS,
                )
        except schemas.RequestError as error:
            raise api_client.ApiError(error.status, error.message) from error
        except FloatingPointError as error:
            raise api_client.ApiError(500, str(error)) from error
        content["timing_ms"]["queue"] = 1000 * (began - started)
        content["timing_ms"]["total"] = 1000 * (time.perf_counter() - started)
        more = {"model_version": self.model_version(), "request_id": None}
        return {"success": True, **content, **more}
