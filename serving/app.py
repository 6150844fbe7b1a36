"""The HTTP application: routes around an injected predictor.

| route                       | module                | answer                           |
|-----------------------------|-----------------------|----------------------------------|
| GET /health, /ready         | routes/information    | whether a model is loaded, which |
| GET /available_combinations | routes/information    | what can be asked                |
| POST /predict               | routes/predictions    | the motion for one picture       |
| POST /predict_batch         | routes/predictions    | Monte Carlo samples of it        |
| POST /load_model            | routes/administration | another checkpoint takes over    |
| POST /corrections           | routes/administration | a person's correction is kept    |
| GET /metrics                | server_metrics        | counters for Prometheus          |
| GET /openapi.json, /docs    | openapi_document      | all of this for programs, people |
| GET /, /static/...          | page                  | the page to try it               |

`request_schemas.py` says what to send; `prediction_service.py` is the way from there to an answer.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import flask

from serving import (
    errors,
    guards,
    openapi_document,
    page,
    prediction_service,
    recorder,
    server_metrics,
)
from serving.model_manager import ModelManager
from serving.predictor import Predictor
from serving.routes import administration, information, predictions
from serving.settings import ServerSettings

SERVICE = "prediction_service"


def create_app(
    predictor: Predictor | None,
    settings: ServerSettings | None = None,
    load: Callable[[pathlib.Path], Predictor] | None = None,
    batch: bool = True,
) -> flask.Flask:
    """Makes the application.

    Args:
        predictor: answers the predictions; None makes an application that says so on /health and
            answers 503 to predictions.
        settings: limits and permissions; None: the defaults.
        load: makes the predictor for /load_model from a checkpoint directory; None: the real one.
        batch: whether there is /predict_batch.
    """
    settings = settings or ServerSettings()
    app = flask.Flask("rt1_food_acquisition", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    # A form's fields beside its files; Flask's own default of 500 kB is less than an image.
    app.config["MAX_FORM_MEMORY_SIZE"] = settings.max_body_bytes
    app.json.sort_keys = False
    metrics = server_metrics.ServerMetrics()
    errors.install(app)
    server_metrics.install(app, metrics)
    guards.install(app, settings)

    def load_real(directory: pathlib.Path) -> Predictor:
        return Predictor.from_checkpoint(directory, settings.engine, passes=settings.passes)

    manager = ModelManager(predictor, settings.checkpoint_root, load or load_real)
    service = prediction_service.PredictionService(manager, settings, metrics)
    metrics.watch_queue(service.queue.__len__)
    if predictor is not None:
        metrics.set_model_version(predictor.version)
    keeper = recorder.create(settings.record_dir)
    information.InformationRoutes(service, keeper.is_on).install(app)
    predictions.PredictionRoutes(service, settings, keeper, metrics).install(app, batch)
    administration.AdministrationRoutes(manager, settings, keeper, metrics).install(app)
    page.install(app)
    openapi_document.install(app, settings)
    app.extensions[SERVICE] = service
    return app
