"""What happens to a request between its schema and its JSON: decode, wait, ask the model, convert.

`Predictor.place` decodes, `answer` runs the passes through the `RequestQueue`,
`prediction.in_picture` converts. `folder_inference/local_model.py` calls `answer` without a queue.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from food_data import framing, image_placement
from serving import (
    errors,
    instructions,
    prediction,
    request_queue,
    request_schemas,
)
from serving.engines import engine, workers
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
        framing: how it looked at the picture.
        first: where the picture lies in the square that the first pass sees.
        view: what the last pass looked at.
        coordinates: float32 [S, 4] in 0..1 of the view's square; one row without dropout.
        decode_ms, queue_ms, model_ms: where the time went, in all passes.
        uncertainty: what the calibration says of the model's answer, ready for JSON; None without.
        ask_human: whether it says to ask; None without.
    """

    instruction: instructions.ResolvedInstruction
    framing: framing.Framing
    first: image_placement.Placement
    view: framing.View
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
        return [prediction.in_picture(row, self.view.placement) for row in self.coordinates]


@dataclasses.dataclass(frozen=True)
class Task:
    """What is asked about one picture.

    Attributes:
        instruction: with its embedding.
        photo: uint8 [H, W, 3], upright.
        first: what the first pass sees of it.
        framing: how to look at it.
        decode_ms: that getting so far took.
    """

    instruction: instructions.ResolvedInstruction
    photo: np.ndarray
    first: framing.View
    framing: framing.Framing
    decode_ms: float


class Caller:
    """Runs the model for one picture and adds up where the time went.

    Attributes:
        queue_ms: waiting for the model.
        model_ms: of the model.
    """

    def __init__(self) -> None:
        self.queue_ms = self.model_ms = 0.0

    def call(self, function: Callable[[], Any]) -> Any:
        """What the function returns, which runs the model."""
        raise NotImplementedError

    def forward(
        self, model: engine.Engine | framing.Voted, images: np.ndarray, embeddings: np.ndarray
    ) -> np.ndarray:
        """One answer without dropout: uint8 [1, H, W, 3] and float32 [1, 512] to float32 [1, 4]."""
        return np.asarray(self.call(lambda: model.forward(images, embeddings)))


def answer(
    predictor: Predictor,
    task: Task,
    caller: Caller,
    *,
    judged: bool,
    sampling: Mapping[str, Any] | None = None,
) -> Answers:
    """All that happens between a picture and its answer, in a server and without one.

    Args:
        predictor: the version that answers.
        task: what is asked.
        caller: runs the model.
        judged: whether a calibration, if there is one, is asked for its verdict.
        sampling: dropout, num_samples and seed of `Engine.forward`, for the last pass; None: one
            answer without dropout.

    Returns:
        The answer about what the last pass sees.

    Raises:
        FloatingPointError: if the network's answer is not finite.
    """
    model = predictor.model_for(task.framing)
    embeddings = task.instruction.embedding[np.newaxis]
    forward = functools.partial(caller.forward, model)
    (view,) = framing.look(forward, [task.photo], [task.first], embeddings, task.framing)
    images = view.square[np.newaxis]
    if sampling is None:
        rows = forward(images, embeddings)
    else:
        rows = caller.call(lambda: np.asarray(model.forward(images, embeddings, **sampling))[:, 0])
    first, judge, verdict = task.first.placement, predictor.judge, None
    if judged and judge is not None and judge.knows(task.framing):
        verdict = caller.call(lambda: judge.judge(model, view, first, embeddings[0]))
    return Answers(
        task.instruction,
        task.framing,
        first,
        view,
        rows,
        task.decode_ms,
        caller.queue_ms,
        caller.model_ms,
        None if verdict is None else judge.fields(verdict, first),
        None if verdict is None else verdict.calibrated.ask_human,
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
        task = self._task(predictor, request, request.image, instruction)
        return self._answer(predictor, task, judged=False)

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
        size, sampling = request.batch_size, None
        if request.enable_dropout:
            sampling = {"dropout": request.dropout_scope, "num_samples": size, "seed": seed}
        tasks = [self._task(predictor, request, image, instruction) for image in request.images]
        answers = [self._answer(predictor, task, judged=True, sampling=sampling) for task in tasks]
        if sampling is not None:
            return answers
        return [
            dataclasses.replace(one, coordinates=np.repeat(one.coordinates, size, axis=0))
            for one in answers
        ]

    def _answer(self, predictor: Predictor, task: Task, **how: Any) -> Answers:
        deadline_s = self._settings.deadline_s
        caller = _QueueCaller(self.queue, deadline_s, self._metrics)
        try:
            answers = answer(predictor, task, caller, **how)
        except request_queue.QueueFullError as error:
            text = f"The server is busy: {error} Try again."
            raise errors.RequestError(503, text, _RETRY_AFTER_S) from error
        except request_queue.DeadlineError as error:
            text = f"The server is too busy: No answer within {deadline_s:g} s."
            raise errors.RequestError(504, text) from error
        self._metrics.observe("queue", answers.queue_ms / 1000)
        self._metrics.observe("model", answers.model_ms / 1000)
        return answers

    def _task(
        self,
        predictor: Predictor,
        request: request_schemas.PredictRequest | request_schemas.BatchRequest,
        image: bytes,
        instruction: instructions.ResolvedInstruction,
    ) -> Task:
        started = time.perf_counter()
        try:
            photo, first = predictor.place(image, request.resize, self._settings.max_pixels)
        except image_placement.TooManyPixelsError as error:
            raise errors.RequestError(413, str(error)) from error
        except image_placement.ImageDecodeError as error:
            raise errors.RequestError(422, str(error)) from error
        seconds = time.perf_counter() - started
        self._metrics.observe("decode", seconds)
        framed = predictor.framing.instead(request.passes)
        return Task(instruction, photo, first, framed, 1000 * seconds)


class _QueueCaller(Caller):
    """In the line of all requests; all passes together within one deadline."""

    def __init__(
        self, queue: request_queue.RequestQueue, deadline_s: float, metrics: ServerMetrics
    ) -> None:
        super().__init__()
        self._queue, self._metrics = queue, metrics
        self._deadline_s, self._started = deadline_s, time.perf_counter()

    def call(self, function: Callable[[], Any]) -> Any:
        """Runs alone."""
        return self._add(self._queue.call(function, self._left_s()))

    def forward(
        self, model: engine.Engine | framing.Voted, images: np.ndarray, embeddings: np.ndarray
    ) -> np.ndarray:
        """Runs with other requests that wait."""
        timed = self._queue.predict(model, images[0], embeddings[0], self._left_s())
        return self._add(timed)[np.newaxis]

    def _left_s(self) -> float:
        return max(0.0, self._deadline_s - (time.perf_counter() - self._started))

    def _add(self, timed: request_queue.Timed) -> Any:
        self.queue_ms += timed.queue_ms
        self.model_ms += timed.model_ms
        self._metrics.observe_batch_size(timed.batch_size)
        return timed.value


def fresh_seed() -> int:
    """A seed in 0 .. 2^31 - 1 that nobody has chosen."""
    return int.from_bytes(os.urandom(4), "little") & request_schemas.MAX_SEED
