"""The model in this process: answers as a server of the same checkpoint does, without one.

What a server does between a request and its answer happens here in the same order, by the same
functions: checks (`request_schemas`), instruction, decoding and fitting (`Predictor`), the network,
and the way back to the picture. Two things differ: there is no request id, and no limit to a file's
bytes.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from absl import logging

import api_client
from folder_inference import questions, sample_records
from food_data import framing, image_placement
from serving import answer_fields, errors, instructions, prediction_service, request_schemas
from serving import predictor as predictors
from serving import settings as server_settings

_MAX_PIXELS = server_settings.ServerSettings().max_pixels
_SQUARE_PX = image_placement.policy_specs.IMAGE_SIZE
# A sample's picture is the model's square already: it is fitted by leaving it as it is.
_WHOLE_SQUARE = image_placement.Placement("stretch", _SQUARE_PX, _SQUARE_PX, 1.0, 1.0, 0.0, 0.0)


class _Here(prediction_service.Caller):
    """In this thread, when not too many others are at it."""

    def __init__(self, may_run: threading.BoundedSemaphore) -> None:
        super().__init__()
        self._may_run = may_run

    def call(self, function: Callable[[], Any]) -> Any:
        """Waits and runs."""
        waiting = time.perf_counter()
        with self._may_run:
            started = time.perf_counter()
            value = function()
            self.model_ms += 1000 * (time.perf_counter() - started)
        self.queue_ms += 1000 * (started - waiting)
        return value


class LocalModel:
    """Answers about files of pictures and about samples of TFRecords; all threads share one."""

    def __init__(self, predictor: predictors.Predictor) -> None:
        """`predictor` is warmed up."""
        self._predictor = predictor
        # More calls at a time than the engine has use for would only take memory.
        self._may_run = threading.BoundedSemaphore(predictor.num_workers)

    def model_version(self) -> str:
        """Names the checkpoint, as its server would."""
        return self._predictor.version

    def combinations(self) -> list[tuple[str, str]]:
        """Every (action, food) that the model was trained with."""
        return self._predictor.instructions.combinations()

    def close(self) -> None:
        """Does nothing: other threads go on."""

    def ask(
        self,
        picture: bytes | sample_records.Sample,
        question: questions.Question,
        settings: questions.Settings,
    ) -> dict[str, Any]:
        """See `answerers.Answerer`.

        Args:
            picture: the content of a picture's file, or a sample, which brings its own embedding.
            question: what is asked.
            settings: of the run.

        Raises:
            ApiError: with the status and the words of a server that refuses the same; 500 if the
                network's answer is not finite.
        """
        started = time.perf_counter()
        seed = question.seed(settings.seed)
        seed = prediction_service.fresh_seed() if seed is None else seed
        with _as_a_server_says():
            if isinstance(picture, sample_records.Sample):
                task, more = self._task_of_sample(picture, question, settings), picture.about()
            else:
                task, more = self._task_of_file(picture, question, settings), {}
            sampling = {
                "dropout": settings.dropout_scope,
                "num_samples": settings.num_samples,
                "seed": seed,
            }
            answers = prediction_service.answer(
                self._predictor,
                task,
                _Here(self._may_run),
                # As over HTTP, where /predict_batch has a verdict and /predict none.
                judged=settings.num_samples > 0,
                sampling=sampling if settings.num_samples else None,
            )
            if settings.num_samples:
                fields = answer_fields.samples(answers, True, settings.dropout_scope, seed)
            else:
                fields = answer_fields.single(answers)
        asked = request_schemas.Instruction(question.action, question.food_type, settings.text)
        return {
            "success": True,
            **fields,
            **answer_fields.about(answers, asked),
            "model_version": self._predictor.version,
            "request_id": None,
            "timing_ms": {
                "decode": answers.decode_ms,
                "queue": answers.queue_ms,
                "model": answers.model_ms,
                "total": 1000 * (time.perf_counter() - started),
            },
            **more,
        }

    def _task_of_file(
        self, content: bytes, question: questions.Question, settings: questions.Settings
    ) -> prediction_service.Task:
        fields = {
            "image": content,
            "action": question.action,
            "food_type": question.food_type,
            "text": settings.text,
            "resize": settings.resize,
            "passes": settings.passes,
        }
        request = request_schemas.parse_predict(fields)
        instruction = self._predictor.instructions.resolve(request.instruction)
        started = time.perf_counter()
        photo, first = self._predictor.place(content, request.resize, _MAX_PIXELS)
        decode_ms = 1000 * (time.perf_counter() - started)
        framed = self._predictor.framing.instead(request.passes)
        return prediction_service.Task(instruction, photo, first, framed, decode_ms)

    def _task_of_sample(
        self,
        sample: sample_records.Sample,
        question: questions.Question,
        settings: questions.Settings,
    ) -> prediction_service.Task:
        instruction = instructions.ResolvedInstruction(
            question.action, question.food_type, sample.embedding
        )
        # There is no photo to cut crops from: only whoever asks for them gets those of the square.
        framed = self._predictor.framing.instead(settings.passes or "one")
        first = framing.View(sample.image, _WHOLE_SQUARE)
        return prediction_service.Task(instruction, sample.image, first, framed, 0.0)


def load(directory: str | os.PathLike[str], engine: str = "auto") -> LocalModel:
    """Loads a checkpoint directory and warms its model up.

    Args:
        directory: that train.py wrote.
        engine: 'auto' for the fastest that is installed, or its name.

    Raises:
        OSError, ValueError: if it cannot be loaded.
    """
    predictor = predictors.Predictor.from_checkpoint(directory, engine)
    predictor.warm_up()
    logging.info("%s answers in this process, run by %s", predictor.version, predictor.engine)
    return LocalModel(predictor)


@contextlib.contextmanager
def _as_a_server_says() -> Iterator[None]:
    """What a server answers with an error becomes the error that its client would raise."""
    try:
        yield
    except errors.RequestError as error:
        raise api_client.ApiError(error.status, error.message) from error
    except image_placement.TooManyPixelsError as error:
        raise api_client.ApiError(413, str(error)) from error
    except image_placement.ImageDecodeError as error:
        raise api_client.ApiError(422, str(error)) from error
    except FloatingPointError as error:
        raise api_client.ApiError(500, str(error)) from error
