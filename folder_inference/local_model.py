"""The model in this process: answers as a server of the same checkpoint does, without one.

What a server does between a request and its answer happens here in the same order, by the same
functions: checks (`request_schemas`), instruction, decoding and fitting (`Predictor`), the network,
and the way back to the picture. Two things differ: there is no request id, and no limit to a file's
bytes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from absl import logging

import api_client
from folder_inference import questions, sample_records
from food_data import image_placement
from serving import answer_fields, errors, instructions, prediction_service, request_schemas
from serving import predictor as predictors
from serving import settings as server_settings

_MAX_PIXELS = server_settings.ServerSettings().max_pixels
_SQUARE_PX = image_placement.policy_specs.IMAGE_SIZE
# A sample's picture is the model's square already: it is fitted by leaving it as it is.
_WHOLE_SQUARE = image_placement.Placement("stretch", _SQUARE_PX, _SQUARE_PX, 1.0, 1.0, 0.0, 0.0)


@dataclasses.dataclass(frozen=True)
class _Task:
    """What the network is asked.

    Attributes:
        instruction: with its embedding.
        square: uint8 [236, 236, 3].
        placement: where the picture lies in it.
        decode_ms: that getting so far took.
    """

    instruction: instructions.ResolvedInstruction
    square: np.ndarray
    placement: image_placement.Placement
    decode_ms: float


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
                task, more = _task_of_sample(picture, question), picture.about()
            else:
                task, more = self._task_of_file(picture, question, settings), {}
            answers = self._run(task, settings, seed)
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
    ) -> _Task:
        fields = {
            "image": content,
            "action": question.action,
            "food_type": question.food_type,
            "text": settings.text,
            "resize": settings.resize,
        }
        request = request_schemas.parse_predict(fields)
        instruction = self._predictor.instructions.resolve(request.instruction)
        started = time.perf_counter()
        square, placement = self._predictor.place(content, request.resize, _MAX_PIXELS)
        return _Task(instruction, square, placement, 1000 * (time.perf_counter() - started))

    def _run(
        self, task: _Task, settings: questions.Settings, seed: int
    ) -> prediction_service.Answers:
        """One call of the network; S rows and a verdict, or one row without dropout."""
        options = {}
        if settings.num_samples:
            options = {"num_samples": settings.num_samples, "seed": seed}
            options["dropout"] = settings.dropout_scope
        waiting = time.perf_counter()
        with self._may_run:
            started = time.perf_counter()
            rows = self._predictor.model.forward(
                task.square[np.newaxis], task.instruction.embedding[np.newaxis], **options
            )
            ended = time.perf_counter()
        answers = prediction_service.Answers(
            task.instruction,
            task.placement,
            # From [S, 1, 4], or from [1, 4].
            np.asarray(rows).reshape(-1, 4),
            task.decode_ms,
            1000 * (started - waiting),
            1000 * (ended - started),
        )
        judge = self._predictor.judge
        # As over HTTP, where /predict_batch has a verdict and /predict none.
        if judge is None or not settings.num_samples:
            return answers
        waiting = time.perf_counter()
        with self._may_run:
            started = time.perf_counter()
            embedding = task.instruction.embedding
            verdict = judge.judge(self._predictor.model, task.square, embedding)
            ended = time.perf_counter()
        queue_ms, model_ms = 1000 * (started - waiting), 1000 * (ended - started)
        return answers.with_verdict(judge, verdict, queue_ms, model_ms)


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


def _task_of_sample(sample: sample_records.Sample, question: questions.Question) -> _Task:
    instruction = instructions.ResolvedInstruction(
        question.action, question.food_type, sample.embedding
    )
    return _Task(instruction, sample.image, _WHOLE_SQUARE, 0.0)


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
