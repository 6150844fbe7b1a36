"""The HTTP application: routes around an injected predictor.

| route                       | answer                           |
|-----------------------------|----------------------------------|
| GET /health, /ready         | whether a model is loaded, which |
| GET /available_combinations | what can be asked                |
| POST /predict               | the motion for one picture       |
| POST /predict_batch         | Monte Carlo samples of it        |
| POST /load_model            | another checkpoint takes over    |
| POST /corrections           | a person's correction is kept    |
| GET /metrics                | counters for Prometheus          |
| GET /openapi.json, /docs    | all of this for programs, people |
| GET /, /static/...          | the page to try it               |

A photo's way: `front` (bytes, and the line before the model), `security` (who asks), here,
`schemas` (what is asked), `predictor` (decode, ask, convert), `engines` (the
network), and back.
"""

from __future__ import annotations

import functools
import mimetypes
import pathlib
import time
import uuid
from collections.abc import Callable
from typing import Any

import flask
import flask_smorest
from absl import logging
from werkzeug import exceptions

from serving import schemas, security
from serving.predictor import Predictor
from serving.schemas import RequestError
from serving.service import NAME, Service
from serving.settings import ServerSettings

_POST_REFUSALS = (400, 401, 403, 408, 413, 415, 429)
_PREDICTION_REFUSALS = (*_POST_REFUSALS, 422, 503, 504)
_FORM = "multipart/form-data"
# Of the operating system, which may know them under older names.
mimetypes.add_type("text/javascript", ".js")


class _Api(flask_smorest.Api):
    """flask-smorest with our errors: `{"error": reason and way out, "request_id": ...}`."""

    ERROR_SCHEMA = schemas.Error

    def handle_http_exception(self, error: exceptions.HTTPException) -> flask.Response:
        """What Flask itself refuses: 404, 405, 413, 415."""
        response = flask.make_response(_error(_describe(error), error.code))
        if isinstance(error, exceptions.MethodNotAllowed) and error.valid_methods:
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
        return response


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
    app = flask.Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    # A form's fields beside its files; Flask's own default of 500 kB is less than an image.
    app.config["MAX_FORM_MEMORY_SIZE"] = settings.max_body_bytes
    app.json.sort_keys = False

    service = app.extensions[NAME] = Service(predictor, settings, load)
    # What runs after a request runs in reverse: the metrics see the final status.
    app.after_request(service.metrics.count)
    security.install(app, settings)
    app.config.update(
        API_TITLE="Food acquisition with RT-1",
        # Of the contract, not of the program: it changes when a field is added.
        API_VERSION="1.1.0",
        OPENAPI_VERSION="3.0.3",
        OPENAPI_URL_PREFIX="/",
    )
    options = {
        "info": {"description": _description(settings), "license": {"name": "Apache-2.0"}},
        "servers": [{"url": "/"}],
        "security": [{"ApiKey": []}, {"Bearer": []}] if settings.api_keys else [],
    }
    api = _Api(app, spec_kwargs=options)
    scheme = api.spec.components.security_scheme
    scheme("ApiKey", {"type": "apiKey", "in": "header", "name": security.KEY_HEADER})
    scheme("Bearer", {"type": "http", "scheme": "bearer"})
    for blueprint in (_routes, _batch_routes) if batch else (_routes,):
        api.register_blueprint(blueprint)
    app.register_error_handler(RequestError, _answer_refusal)
    app.register_error_handler(Exception, _answer_fault)
    app.add_url_rule("/", "page", functools.partial(app.send_static_file, "index.html"))
    docs = functools.partial(flask.render_template, "docs.html", document=api.spec.to_dict())
    app.add_url_rule("/docs", "docs", docs)
    return app


_routes = schemas.Blueprint("routes", __name__)
_batch_routes = schemas.Blueprint("batch", __name__)


def _service() -> Service:
    return flask.current_app.extensions[NAME]


def _refuses(*statuses: int) -> Callable[[Callable], Callable]:
    """Documents refusals."""

    def decorate(view: Callable) -> Callable:
        for status in statuses:
            text = schemas.REFUSALS[status]
            view = _routes.alt_response(status, schema=schemas.Error, description=text)(view)
        return view

    return decorate


def _needs_model(view: Callable) -> Callable:
    """Refuses before the body is read; `flask.g.predictor` is the version that answers."""

    @functools.wraps(view)
    def wrapped(*arguments: Any) -> Any:
        service, visitor = _service(), security.visitor_of_this()
        flask.g.predictor = service.require_predictor()
        if visitor.waited_ms is None:  # No front has put it into the line.
            service.line.enter()
            service.line.leave()
        flask.g.waited_ms, flask.g.asked_s = visitor.waited_ms or 0.0, time.perf_counter()
        return view(*arguments)

    return wrapped


@_routes.get("/health")
@_routes.doc(security=[])
@_routes.response(200, schemas.Health)
def health() -> dict[str, Any]:
    """Whether the server lives, and what it has: always 200."""
    service = _service()
    predictor = service.current
    loaded = predictor is not None
    return {
        "status": "healthy" if loaded else "no_model",
        "model_loaded": loaded,
        # A checkpoint directory carries its own configuration, so both come together.
        "config_loaded": loaded,
        "model_version": predictor and predictor.version,
        "engine": predictor and predictor.engine,
        "recorder": service.recorder is not None,
        "uptime_s": time.monotonic() - service.started_s,
    }


@_routes.get("/ready")
@_routes.doc(security=[])
@_routes.response(200, schemas.Ready)
@_routes.alt_response(503, schema=schemas.NotReady, description="No checkpoint is loaded.")
def ready() -> Any:
    """Whether predictions are answered; for load balancers."""
    predictor = _service().current
    if predictor is None:
        content, status = _error("No checkpoint is loaded.", 503)
        return flask.make_response({**content, "ready": False}, status)
    return {"ready": True, "model_version": predictor.version}


@_routes.get("/available_combinations")
@_refuses(401, 429, 503)
@_routes.response(200, schemas.Combinations)
def available_combinations() -> dict[str, Any]:
    """What can be asked."""
    pairs = _service().require_predictor().combinations()
    return {
        "combinations": [{"action": action, "food_type": food} for action, food in pairs],
        "available_actions": sorted({action for action, _ in pairs}),
        "available_food_types": sorted({food for _, food in pairs}),
        "total_combinations": len(pairs),
    }


@_routes.post("/predict")
@_routes.doc(requestBody={"content": {_FORM: {"schema": schemas.PredictForm}}})
@_refuses(*_PREDICTION_REFUSALS)
@_needs_model
@_routes.arguments(schemas.PredictRequest, location="body", example=schemas.EXAMPLE)
@_routes.response(200, schemas.PredictAnswer)
def predict(request: dict[str, Any]) -> dict[str, Any]:
    """The motion for one picture."""
    content = _service().answer(flask.g.predictor, request["image"], request, sampled=False)
    timing = content.pop("timing_ms")
    return _finished(content, timing, request, request["image"])


@_batch_routes.post("/predict_batch")
@_routes.doc(requestBody={"content": {_FORM: {"schema": schemas.PredictBatchForm}}})
@_refuses(*_PREDICTION_REFUSALS)
@_needs_model
@_routes.arguments(schemas.PredictBatchRequest, location="body", example=schemas.EXAMPLE)
@_routes.response(200, schemas.PredictBatchAnswer)
def predict_batch(request: dict[str, Any]) -> Any:
    """Monte Carlo samples of one picture, `image`, or of several, `images`, with their spread.

    With `images` the answer has, in the place of the samples, `results`: those of each picture in
    the order in which they were sent.
    """
    request = schemas.with_defaults(request)
    service, predictor = _service(), flask.g.predictor
    pictures = request["images"] or [request["image"]]
    results = []
    for one in pictures:
        results.append(service.answer(predictor, one, request, sampled=True))
        _check_in_time()
    timings = [one.pop("timing_ms") for one in results]
    timing = {name: sum(one[name] for one in timings) for name in timings[0]}
    if request["images"] is None:
        return _finished(results[0], timing, request, pictures[0])
    content = _finished({"results": results}, timing, request, None)
    if service.recorder is not None:
        for one, picture in zip(results, pictures):
            one["request_id"] = service.recorder.claim(uuid.uuid4().hex)
            alone = {name: value for name, value in content.items() if name != "results"}
            _record(one["request_id"], picture, request, {**alone, **one})
    return flask.jsonify(schemas.PredictImagesAnswer().dump(content))


@_routes.post("/load_model")
@_refuses(*_POST_REFUSALS, 404, 409, 422)
@_routes.arguments(schemas.LoadModelRequest, location="body")
@_routes.response(200, schemas.LoadModelAnswer)
def load_model(request: dict[str, Any]) -> dict[str, Any]:
    """Another checkpoint takes over, or none does and the old one goes on."""
    new, old = _service().switch_to(request["checkpoint_path"])
    return {
        "success": True,
        "message": f"{new.version} answers from now on.",
        "model_version": new.version,
        "previous_version": old.version if old else None,
    }


@_routes.post("/corrections")
@_refuses(*_POST_REFUSALS, 404, 409)
@_routes.arguments(schemas.CorrectionRequest, location="body")
@_routes.response(200, schemas.Done)
def correct(request: dict[str, Any]) -> dict[str, Any]:
    """Keeps what an answer should have been."""
    recorder, request_id = _service().recorder, request.pop("request_id")
    if recorder is None:
        raise RequestError(409, "Corrections are not kept: start the server with --record_dir.")
    try:
        recorder.correct(request_id, request)
    except LookupError as error:
        raise RequestError(404, f"'request_id': {error.args[0]}") from error
    except OSError as error:
        raise RequestError(503, f"The correction cannot be kept: {error.strerror}.", 60) from error
    return {"success": True, "message": f"The correction of {request_id} is kept."}


@_routes.get("/metrics")
@_refuses(401)
@_routes.response(200, {"type": "string"}, content_type="text/plain")
def metrics() -> flask.Response:
    """Counters and times for Prometheus."""
    # The names are old enough for every Prometheus, so its oldest format says it all.
    content_type = "text/plain; version=0.0.4; charset=utf-8"
    return flask.Response(_service().metrics.to_text(), content_type=content_type)


def _finished(
    content: dict[str, Any],
    timing: dict[str, float],
    request: dict[str, Any],
    image: bytes | None,
) -> dict[str, Any]:
    """Adds who answered and how long it took; counts, and keeps what is about one picture."""
    _check_in_time()
    service, version, visitor = _service(), flask.g.predictor.version, security.visitor_of_this()
    timing["queue"] = flask.g.waited_ms
    timing["total"] = timing["queue"] + 1000 * (time.perf_counter() - flask.g.asked_s)
    service.metrics.observe(timing)
    if service.recorder is not None:
        visitor.request_id = service.recorder.claim(visitor.request_id)
    identity = {"model_version": version, "request_id": visitor.request_id, "timing_ms": timing}
    content = {"success": True, **content, **identity}
    if image is None:
        return content
    flask.g.action, flask.g.food_type = content["action"], content["food_type"]
    flask.g.model_version = version
    if service.recorder is not None:
        _record(visitor.request_id, image, request, content)
    return content


def _check_in_time() -> None:
    """Ends what goes on after its client was told that it is too late."""
    if security.visitor_of_this().expired:
        raise RequestError(504, "The answer came too late.")


def _record(request_id: str, image: bytes, request: dict[str, Any], answer: dict[str, Any]) -> None:
    options = ("resize", "passes", "batch_size", "enable_dropout", "dropout_scope", "seed")
    asked = {"route": flask.request.path}
    asked |= {name: request[name] for name in ("action", "food_type", "text")}
    asked |= {name: answer[name] for name in options if name in answer}
    _service().recorder.record(request_id, image, asked, answer)


def _error(message: str, status: int) -> tuple[dict[str, str], int]:
    return {"error": message, "request_id": security.visitor_of_this().request_id}, status


def _answer_refusal(error: RequestError) -> flask.Response:
    response = flask.make_response(_error(error.message, error.status))
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _answer_fault(error: Exception) -> tuple[dict[str, str], int]:
    """The one catch-all: a fault of ours must not take the server down or show its insides."""
    request, request_id = flask.request, security.visitor_of_this().request_id
    logging.error("%s %s [%s] failed", request.method, request.url_rule, request_id, exc_info=error)
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return _error("The server is out of memory. Send a smaller picture, or try later.", 503)
    text = f"The server failed. Its log says why, under the request id {request_id}."
    return _error(text, 500)


def _describe(error: exceptions.HTTPException) -> str:
    request = flask.request
    if isinstance(error, exceptions.NotFound):
        rules = sorted(rule.rule for rule in flask.current_app.url_map.iter_rules())
        return f"There is no {request.path[:200]}. Known: {', '.join(rules)}."
    if isinstance(error, exceptions.MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        return f"{request.path} expects one of {allowed}, got {request.method}."
    if isinstance(error, exceptions.RequestEntityTooLarge):
        limit = flask.current_app.config["MAX_CONTENT_LENGTH"]
        return (
            f"Expected a body of at most {limit} bytes, got {request.content_length}. "
            "Scale the picture down or send it as JPEG."
        )
    if isinstance(error, exceptions.UnsupportedMediaType):
        return (
            "Expected a JSON body with the header 'Content-Type: application/json', got "
            f"Content-Type {request.content_type!r}."
        )
    return str(error.description)


def _description(settings: ServerSettings) -> str:
    per_minute = settings.requests_per_minute
    limit = "any number of" if per_minute is None else f"at most {per_minute}"
    keys = "is needed where a lock is shown" if settings.api_keys else "is not needed"
    return (
        "A picture of a plate and an instruction (an action and a food) go in; the motion of the "
        "fork or spoon comes out: start and end, in 0..1 of the picture's width and height, origin "
        "top left, x to the right, y down, and in pixels.\n\n"
        f"Limits of this server: bodies of {settings.max_body_bytes} bytes, pictures of "
        f"{settings.max_pixels} pixels, JSON of {schemas.MAX_JSON_DEPTH} levels, {limit} "
        "requests a minute for each key or address, an answer within "
        f"{settings.deadline_s:g} s of waiting. An API key {keys}.\n\n"
        "Every answer has the header X-Request-ID, the client's own if it brought one that fits "
        "and of which the recorder has no answer. An error is a JSON object with `error` and "
        "`request_id`, also those that are not listed at each route: 404 for an unknown path, 405 "
        "for another method, 500 for a fault of the server. On 429 and 503, and where there is a "
        "header Retry-After, the same request may succeed later."
    )
