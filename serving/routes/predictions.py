"""POST /predict and POST /predict_batch."""

from __future__ import annotations

import time
from typing import Any

import flask

from serving import answer_fields, request_bodies, request_schemas
from serving.prediction_service import Answers, PredictionService, fresh_seed
from serving.predictor import Predictor
from serving.recorder import NullRecorder, Recorder
from serving.server_metrics import ServerMetrics
from serving.settings import ServerSettings


class PredictionRoutes:
    """The view functions; they turn answers into the fields that clients read."""

    def __init__(
        self,
        service: PredictionService,
        settings: ServerSettings,
        recorder: Recorder | NullRecorder,
        metrics: ServerMetrics,
    ) -> None:
        self._service = service
        self._settings = settings
        self._recorder = recorder
        self._metrics = metrics

    def install(self, app: flask.Flask, batch: bool) -> None:
        """Adds the routes; /predict_batch only if asked for."""
        app.add_url_rule("/predict", view_func=self.predict, methods=["POST"])
        if batch:
            app.add_url_rule("/predict_batch", view_func=self.predict_batch, methods=["POST"])

    def predict(self) -> dict[str, Any]:
        """POST /predict: one motion."""
        started = time.perf_counter()
        predictor = self._service.require_predictor()
        request = request_schemas.parse_predict(self._fields())
        answers = self._service.predict(predictor, request)
        fields = answer_fields.single(answers)
        flask.g.request_id = self._recorder.claim(flask.g.request_id)
        content = {
            "success": True,
            **fields,
            **answer_fields.about(answers, request.instruction),
            **_identity(predictor),
            "timing_ms": self._timing([answers], started),
        }
        self._record(request.image, request.instruction, answers, content)
        return content

    def predict_batch(self) -> dict[str, Any]:
        """POST /predict_batch: Monte Carlo samples, of one picture or of several."""
        started = time.perf_counter()
        predictor = self._service.require_predictor()
        request = request_schemas.parse_predict_batch(self._fields())
        seed = _seed(request)
        answers = self._service.sample(predictor, request, seed)
        results = [
            {
                **answer_fields.samples(one, request.enable_dropout, request.dropout_scope, seed),
                **answer_fields.about(one, request.instruction),
            }
            for one in answers
        ]
        flask.g.request_id = self._recorder.claim(flask.g.request_id)
        shared = {**_identity(predictor), "timing_ms": self._timing(answers, started)}
        if request.several:
            return {"success": True, "results": results, **shared}
        content = {"success": True, **results[0], **shared}
        self._record(request.images[0], request.instruction, answers[0], content)
        return content

    def _fields(self) -> object:
        return request_bodies.read_fields(flask.request, self._settings.max_json_depth)

    def _timing(self, answers: list[Answers], started: float) -> dict[str, float]:
        total_s = time.perf_counter() - started
        self._metrics.observe("total", total_s)
        return {
            "decode": sum(one.decode_ms for one in answers),
            "queue": sum(one.queue_ms for one in answers),
            "model": sum(one.model_ms for one in answers),
            "total": 1000 * total_s,
        }

    def _record(
        self,
        image: bytes,
        instruction: request_schemas.Instruction,
        answers: Answers,
        content: dict[str, Any],
    ) -> None:
        flask.g.action, flask.g.food_type = answers.instruction.action, answers.instruction.food
        flask.g.model_version = content["model_version"]
        asked = {
            "route": flask.request.path,
            "action": instruction.action,
            "food_type": instruction.food_type,
            "text": instruction.text,
            "resize": answers.view.placement.mode,
            "passes": answers.framing.passes,
        }
        for option in ("batch_size", "enable_dropout", "dropout_scope", "seed"):
            if option in content:
                asked[option] = content[option]
        self._recorder.record(flask.g.request_id, image, asked, content)


def _seed(request: request_schemas.BatchRequest) -> int | None:
    """Of the samples; None where nothing is drawn by lot."""
    if not request.enable_dropout:
        return None
    return fresh_seed() if request.seed is None else request.seed


def _identity(predictor: Predictor) -> dict[str, Any]:
    return {"model_version": predictor.version, "request_id": flask.g.request_id}
