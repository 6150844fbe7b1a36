"""The HTTP application: routes around an injected predictor.

| route                       | answer                                                          |
|-----------------------------|-----------------------------------------------------------------|
| GET /health                 | whether a model is loaded, which one, since when                |
| GET /available_combinations | the actions and foods that can be asked about                   |
| POST /predict               | the motion for one picture; `request_schemas` says what to send |
"""

from __future__ import annotations

import json
import time
from typing import Any

import flask
from werkzeug import exceptions

from food_data import embedding_store, image_placement
from serving import errors, request_schemas
from serving.predictor import Predictor

# Base64 of a photograph of 20 megapixels takes about 10 MB.
MAX_BODY_BYTES = 32 * 1024 * 1024
_NO_MODEL = (
    "No checkpoint is loaded, so nothing can be predicted. Start the server with --checkpoint_dir, "
    "or set CHECKPOINT_PATH."
)


def create_app(predictor: Predictor | None) -> flask.Flask:
    """Makes the application.

    Args:
        predictor: answers the predictions; None makes an application that says so on /health and
            answers 503 to predictions.
    """
    app = flask.Flask("rt1_food_acquisition", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.json.sort_keys = False
    errors.install(app)
    routes = _Routes(predictor)
    app.add_url_rule("/health", view_func=routes.health)
    app.add_url_rule("/available_combinations", view_func=routes.available_combinations)
    app.add_url_rule("/predict", view_func=routes.predict, methods=["POST"])
    return app


class _Routes:
    """The view functions, which share a predictor and the time of the start."""

    def __init__(self, predictor: Predictor | None) -> None:
        self._predictor = predictor
        self._started = time.monotonic()

    def health(self) -> dict[str, Any]:
        loaded = self._predictor is not None
        return {
            "status": "healthy" if loaded else "no_model",
            "model_loaded": loaded,
            # A checkpoint directory carries its own configuration, so both come together.
            "config_loaded": loaded,
            "model_version": self._predictor.version if loaded else None,
            "uptime_s": time.monotonic() - self._started,
        }

    def available_combinations(self) -> dict[str, Any]:
        combinations = self._require_predictor().combinations()
        return {
            "combinations": [
                {"action": action, "food_type": food} for action, food in combinations
            ],
            "available_actions": sorted({action for action, _ in combinations}),
            "available_food_types": sorted({food for _, food in combinations}),
            "total_combinations": len(combinations),
        }

    def predict(self) -> dict[str, Any]:
        started = time.perf_counter()
        predictor = self._require_predictor()
        request = request_schemas.parse_predict(_json_body())
        try:
            answer = predictor.predict(request.image, request.action, request.food_type)
        except (embedding_store.UnknownInstructionError, image_placement.ImageDecodeError) as error:
            raise errors.RequestError(422, str(error)) from error
        return {
            "success": True,
            "prediction": answer.normalised.to_dict(),
            "prediction_pixels": answer.pixels.to_dict(),
            "image_width": answer.width,
            "image_height": answer.height,
            "action": answer.action,
            "food_type": answer.food,
            "input_action": request.action,
            "input_food_type": request.food_type,
            "input_text": request.text,
            "model_version": predictor.version,
            "timing_ms": {
                "decode": answer.decode_ms,
                "model": answer.model_ms,
                "total": 1000 * (time.perf_counter() - started),
            },
        }

    def _require_predictor(self) -> Predictor:
        if self._predictor is None:
            raise errors.RequestError(503, _NO_MODEL)
        return self._predictor


def _json_body() -> object:
    if not flask.request.is_json:
        raise exceptions.UnsupportedMediaType()
    try:
        return json.loads(flask.request.get_data())
    except ValueError as error:  # Bytes that are no UTF-8 are a ValueError too.
        raise errors.RequestError(400, f"Expected a JSON body, got no JSON: {error}.") from error
    except RecursionError as error:
        raise errors.RequestError(
            400, "Expected a JSON object of strings, got JSON that is nested too deeply."
        ) from error
