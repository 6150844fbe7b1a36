"""GET /health, /ready and /available_combinations."""

from __future__ import annotations

import time
from typing import Any

import flask

from serving import errors
from serving.prediction_service import PredictionService


class InformationRoutes:
    """What the server is and what it can be asked."""

    def __init__(self, service: PredictionService, records: bool) -> None:
        """Args:
        service: answers predictions.
        records: whether requests are kept.
        """
        self._service = service
        self._records = records
        self._started = time.monotonic()

    def install(self, app: flask.Flask) -> None:
        """Adds the routes."""
        app.add_url_rule("/health", view_func=self.health)
        app.add_url_rule("/ready", view_func=self.ready)
        app.add_url_rule("/available_combinations", view_func=self.available_combinations)

    def health(self) -> dict[str, Any]:
        """GET /health: always 200; what there is."""
        predictor = self._service.manager.current
        loaded = predictor is not None
        return {
            "status": "healthy" if loaded else "no_model",
            "model_loaded": loaded,
            # A checkpoint directory carries its own configuration, so both come together.
            "config_loaded": loaded,
            "model_version": predictor.version if loaded else None,
            "engine": predictor.engine if loaded else None,
            "recorder": self._records,
            "uptime_s": time.monotonic() - self._started,
        }

    def ready(self) -> dict[str, Any] | tuple[dict[str, Any], int]:
        """GET /ready: 200 if predictions are answered, else 503."""
        predictor = self._service.manager.current
        if predictor is None:
            return {**errors.body("No checkpoint is loaded."), "ready": False}, 503
        return {"ready": True, "model_version": predictor.version}

    def available_combinations(self) -> dict[str, Any]:
        """GET /available_combinations: what can be asked."""
        combinations = self._service.require_predictor().instructions.combinations()
        return {
            "combinations": [
                {"action": action, "food_type": food} for action, food in combinations
            ],
            "available_actions": sorted({action for action, _ in combinations}),
            "available_food_types": sorted({food for _, food in combinations}),
            "total_combinations": len(combinations),
        }
