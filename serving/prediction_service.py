"""What happens to a request between its schema and its JSON: decode, wait, ask the model, convert.

One hop each: `place` decodes, `RequestQueue` waits and runs, `prediction.in_picture` converts.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from food_data import image_placement
from serving import (
    errors,
    instructions,
    prediction,
    request_queue,
    request_schemas,
    uncertainty,
)
from serving.engines import workers
from serving.model_manager import ModelManager
from serving.predictor import Predictor
from serving.server_metrics import ServerMetrics
from serving.settings import ServerSettings

_NO_MODEL = (
    "No checkpoint is loaded, so nothing can be predicted. Start the server with --checkpoint_dir, "
    "or set CHECKPOINT_PATH."
)
# A queue that is full now has moved on by then.
_RETRY_AFTER_S = 1


@dataclasses.dataclass(frozen=True)
class Answers:
    """What the model says about one picture.

    Attributes:
        instruction: as the model understood it.
        placement: where the picture lies in the model's square.
        coordinates: float32 [S, 4] in 0..1 of the square; one row without dropout.
        decode_ms, queue_ms, model_ms: where the time went.
        uncertainty: what the calibration says of the model's answer, ready for JSON; None without.
        ask_human: whether it says to ask; None without.
    """

    instruction: instructions.ResolvedInstruction
    placement: image_placement.Placement
    coordinates: np.ndarray
    decode_ms: float
    queue_ms: float
    model_ms: float
    uncertainty: dict[str, Any] | None = None
    ask_human: bool | None = None

    def in_picture(
        self,
    ) -> list[tuple[prediction.ExecutionParameters, prediction.ExecutionParameters]]:
        """Each row in 0..1 of the picture's width and height, and in its pixels."""
        return [prediction.in_picture(row, self.placement) for row in self.coordinates]

    def with_verdict(
        self,
        judge: uncertainty.UncertaintyJudge,
        verdict: uncertainty.Verdict,
        queue_ms: float,
        model_ms: float,
    ) -> Answers:
        """The same with what the judge says of it, and the time that this took."""
        return dataclasses.replace(
            self,
            queue_ms=self.queue_ms + queue_ms,
            model_ms=self.model_ms + model_ms,
            uncertainty=judge.fields(verdict, self.placement),
            ask_human=verdict.calibrated.ask_human,
        )


class PredictionService:
    """Answers checked requests; shared by all threads."""

    def __init__(
        self, manager: ModelManager, settings: ServerSettings, metrics: ServerMetrics
    ) -> None:
        """Args:
        manager: knows which version answers.
        settings: limits.
        metrics: gets the times.
        """
        current = manager.current
        self.manager = manager
        self.queue = request_queue.RequestQueue(
            settings.max_waiting,
            settings.max_batch,
            # The model that a server without one may load later is run by an engine too.
            current.num_workers if current else workers.num_cores(),
        )
        self._settings = settings
        self._metrics = metrics

    def require_predictor(self) -> Predictor:
        """The version that answers now. Raises RequestError 503 if there is none."""
        predictor = self.manager.current
        if predictor is None:
            raise errors.RequestError(503, _NO_MODEL)
        return predictor

    def predict(self, predictor: Predictor, request: request_schemas.PredictRequest) -> Answers:
        """One answer without dropout.

        Raises:
            RequestError: 413 or 422 for what cannot be answered, 503 if too many wait, 504 if it
                takes too long.
            FloatingPointError: if the network's answer is not finite.
        """
        instruction = predictor.instructions.resolve(request.instruction)
        square, placement, decode_ms = self._decode(predictor, request.image, request.resize)
        with _queue_errors():
            timed = self.queue.predict(
                predictor.model, square, instruction.embedding, self._settings.deadline_s
            )
        return self._answers(instruction, placement, decode_ms, timed, timed.value[np.newaxis])

    def sample(
        self, predictor: Predictor, request: request_schemas.BatchRequest, seed: int | None
    ) -> list[Answers]:
        """Samples for each picture of a request; they do not depend on the pictures beside it.

        Args:
            predictor: the version that answers.
            request: checked.
            seed: the same one gives the same samples; not used without dropout.

        Raises:
            RequestError, FloatingPointError: as `predict`.
        """
        instruction = predictor.instructions.resolve(request.instruction)
        decoded = [self._decode(predictor, image, request.resize) for image in request.images]
        answers = []
        for square, placement, decode_ms in decoded:
            with _queue_errors():
                if not request.enable_dropout:
                    timed = self.queue.predict(
                        predictor.model, square, instruction.embedding, self._settings.deadline_s
                    )
                    rows = np.repeat(timed.value[np.newaxis], request.batch_size, axis=0)
                else:
                    timed = self._sample_one(
                        predictor, square, instruction.embedding, request, seed
                    )
                    rows = timed.value
            answer = self._answers(instruction, placement, decode_ms, timed, rows)
            answers.append(self._judged(predictor, square, answer))
        return answers

    def _judged(self, predictor: Predictor, square: np.ndarray, answer: Answers) -> Answers:
        """The answer with what the predictor's calibration says of it, if there is one."""
        judge = predictor.judge
        if judge is None:
            return answer
        with _queue_errors():
            timed = self.queue.call(
                lambda: judge.judge(predictor.model, square, answer.instruction.embedding),
                self._settings.deadline_s,
            )
        return answer.with_verdict(judge, timed.value, timed.queue_ms, timed.model_ms)

    def _sample_one(
        self,
        predictor: Predictor,
        square: np.ndarray,
        embedding: np.ndarray,
        request: request_schemas.BatchRequest,
        seed: int | None,
    ) -> request_queue.Timed:
        """Samples [S, 4] of one picture."""
        return self.queue.call(
            lambda: np.asarray(
                predictor.model.forward(
                    square[np.newaxis],
                    embedding[np.newaxis],
                    dropout=request.dropout_scope,
                    num_samples=request.batch_size,
                    seed=seed,
                )
            )[:, 0],
            self._settings.deadline_s,
        )

    def _decode(
        self, predictor: Predictor, image: bytes, resize: str | None
    ) -> tuple[np.ndarray, image_placement.Placement, float]:
        started = time.perf_counter()
        try:
            square, placement = predictor.place(image, resize, self._settings.max_pixels)
        except image_placement.TooManyPixelsError as error:
            raise errors.RequestError(413, str(error)) from error
        except image_placement.ImageDecodeError as error:
            raise errors.RequestError(422, str(error)) from error
        seconds = time.perf_counter() - started
        self._metrics.observe("decode", seconds)
        return square, placement, 1000 * seconds

    def _answers(
        self,
        instruction: instructions.ResolvedInstruction,
        placement: image_placement.Placement,
        decode_ms: float,
        timed: request_queue.Timed,
        coordinates: np.ndarray,
    ) -> Answers:
        self._metrics.observe("queue", timed.queue_ms / 1000)
        self._metrics.observe("model", timed.model_ms / 1000)
        self._metrics.observe_batch_size(timed.batch_size)
        return Answers(
            instruction, placement, coordinates, decode_ms, timed.queue_ms, timed.model_ms
        )


def fresh_seed() -> int:
    """A seed in 0 .. 2^31 - 1 that nobody has chosen."""
    return int.from_bytes(os.urandom(4), "little") & request_schemas.MAX_SEED


@contextmanager
def _queue_errors() -> Iterator[None]:
    try:
        yield
    except request_queue.QueueFullError as error:
        raise errors.RequestError(
            503, f"The server is busy: {error} Try again.", _RETRY_AFTER_S
        ) from error
    except request_queue.DeadlineError as error:
        raise errors.RequestError(504, f"The server is too busy: {error}") from error
