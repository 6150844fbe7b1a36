"""The HTTP application: routes around an injected predictor, and the state that they share.

A photo's way: `front` (bytes, who asks), here (the line before the model, the route), `schemas`
(what is asked), `predictor` (decode, ask, convert), `engines` (the network), and back.

A request that finds the line full is refused at once, and one that has waited too long is taken
out: a robot is better served by a quick no than by a late answer.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import gc
import mimetypes
import os
import pathlib
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import flask
import flask_cors
import flask_smorest
import prometheus_client as prometheus
from absl import logging
from werkzeug import exceptions

from serving import front, recorder, schemas
from serving.front import ServerSettings, visitor_of_this
from serving.predictor import Predictor
from serving.schemas import RequestError

MOST_RETRY_AFTER_S = 20
# What a directory that is no sound checkpoint makes the loaders raise.
_OF_A_CHECKPOINT = (OSError, ValueError, LookupError, TypeError, AttributeError, ImportError)
_OF_A_CHECKPOINT += (SyntaxError, RuntimeError)
# A stub answers in a millisecond, a full-size batch with dropout everywhere in seconds.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_FORM = "multipart/form-data"
_DESCRIPTION = """A picture of a plate and an instruction (an action and a food) go in; a motion
comes out: start and end in 0..1 of width and height, origin top left, and in pixels."""
mimetypes.add_type("text/javascript", ".js")  # Older systems have an older name.


class Line:
    """Counts the requests that wait for the model. Who is refused is told when to come back: later
    the more are refused, so that about one comes back for each that is answered."""

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting, self._waiting, self._lock = max_waiting, 0, threading.Lock()
        self._since_s, self._num_refused, self._num_left = time.monotonic(), 0, 0
        self._retry_after_s = 1  # A line that is full now has moved on by then.

    def __len__(self) -> int:
        return self._waiting

    def enter(self) -> None:
        """Raises RequestError 503 if too many wait already."""
        with self._lock:
            if self._waiting < self._max_waiting:
                self._waiting += 1
                return
            self._num_refused += 1
            now_s = time.monotonic()
            if now_s > self._since_s + self._retry_after_s:
                # Whom the last wait was told has come back by now.
                wait_s = self._retry_after_s * self._num_refused / max(1, self._num_left)
                self._retry_after_s = min(max(1, round(wait_s)), MOST_RETRY_AFTER_S)
                self._since_s, self._num_refused, self._num_left = now_s, 0, 0
            text = f"The server is busy: Expected at most {self._max_waiting} waiting requests."
            raise RequestError(503, f"{text} Try again.", self._retry_after_s)

    def leave(self) -> None:
        """Each that entered leaves once: to run, or because it has waited too long."""
        with self._lock:
            self._waiting -= 1
            self._num_left += 1


class PixelBudget:
    """Lets pictures be decoded side by side up to a number of pixels, each of which takes up to 24
    bytes for a moment; who has waited for `limit_s` is refused."""

    def __init__(self, max_pixels: int, limit_s: float) -> None:
        self._free, self._limit_s = max_pixels, limit_s
        self._max_pixels, self._changed = max_pixels, threading.Condition()

    @contextlib.contextmanager
    def take(self, num_pixels: int) -> Iterator[None]:
        share = min(num_pixels, self._max_pixels)
        with self._changed:
            if not self._changed.wait_for(lambda: self._free >= share, self._limit_s):
                raise RequestError(503, "The server is busy with large pictures. Try again.", 1)
            self._free -= share
        try:
            yield
        finally:
            with self._changed:
                self._free += share
                self._changed.notify_all()


class ServerMetrics:
    """The counters of GET /metrics. Paths without a route and odd methods are counted as `unknown`:
    nobody can fill the memory with new labels."""

    def __init__(self, line: Line) -> None:
        self.registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=self.registry)

        def make(kind: type, name: str, text: str, *labels: str, **more: Any) -> Any:
            return kind(f"rt1_{name}", text, labels, registry=self.registry, **more)

        labels, counter = ("route", "method", "status"), prometheus.Counter
        self._requests = make(counter, "requests", "Answered requests.", *labels)
        self._errors = make(counter, "errors", "Answered with 400 or more.", "route", "status")
        histogram, more = prometheus.Histogram, {"buckets": _SECONDS}
        self._request_seconds = make(histogram, "request_seconds", "Of all.", "route", **more)
        self.stages = make(histogram, "stage_seconds", "Of predictions.", "stage", **more)
        for stage in ("decode", "queue", "model", "total"):  # Each is there, with 0, at once.
            self.stages.labels(stage)
        self.model = make(prometheus.Info, "model", "The version of the model that answers.")
        waiting = make(prometheus.Gauge, "queue_length", "Requests that wait for the model.")
        waiting.set_function(line.__len__)

    def count(self, route: str, method: str, status: int, started_s: float) -> None:
        known = method in ("GET", "HEAD", "POST", "OPTIONS")
        self._requests.labels(route, method if known else "unknown", status).inc()
        self._request_seconds.labels(route).observe(time.perf_counter() - started_s)
        if status >= 400:
            self._errors.labels(route, status).inc()


class Service:
    """Shared by all threads of a server; `current` is the version that answers now, or None."""

    def __init__(self, predictor: Predictor | None, settings: ServerSettings, load: Any) -> None:
        self.current, self.settings = predictor, settings
        self._load = load or (lambda one: Predictor.from_checkpoint(one, **settings.model))
        self.started_s, self._loading = time.monotonic(), threading.Lock()
        self.guard = front.Guard(settings)
        self.num_workers = predictor.num_workers if predictor else os.cpu_count() or 1
        self.line = Line(settings.max_waiting)
        budget = PixelBudget(settings.max_pixels, settings.deadline_s)
        self.limits = {"max_pixels": settings.max_pixels, "budget": budget.take}
        self.metrics = ServerMetrics(self.line)
        folder = settings.record_dir
        self.recorder = folder and recorder.Recorder(folder, settings.record_bytes)
        if predictor is not None:
            self.metrics.model.info({"version": predictor.version})

    def require_predictor(self) -> Predictor:
        """The version that answers now. Raises RequestError 503 if there is none."""
        if self.current is None:
            text = "No checkpoint is loaded, so nothing can be predicted. Start the server with"
            raise RequestError(503, f"{text} --checkpoint_dir, or set CHECKPOINT_PATH.")
        return self.current

    def switch_to(self, name: str) -> tuple[Predictor, Predictor | None]:
        """Loads another version beside the current one, which goes on answering and ends what began
        with it; then one reference changes."""
        directory = self._directory(name)
        if not self._loading.acquire(blocking=False):
            text = "Another checkpoint is being loaded. Try again when it is done."
            raise RequestError(409, text, 10)
        try:
            new = self._load(directory)
            new.warm_up()
            old, self.current = self.current, new
            self.metrics.model.info({"version": new.version})
            logging.info("%s answers now, in the place of %s", new.version, old and old.version)
        except MemoryError as error:
            raise RequestError(503, f"{name!r} needs more memory than there is.", 60) from error
        except _OF_A_CHECKPOINT as error:
            logging.error("%s cannot be loaded", directory, exc_info=error)
            # Messages of the loader name files of this machine, which are none of the client's.
            reason = str(error).replace(str(directory), name)
            reason = reason.replace(str(self.settings.checkpoint_root), "")
            text = f"{name!r} cannot be loaded, the model before it goes on: {reason}"
            raise RequestError(422, text) from error
        finally:
            self._loading.release()
            gc.collect()  # A network is full of cycles.
        return new, old

    def _directory(self, name: str) -> pathlib.Path:
        if self.settings.checkpoint_root is None:
            text = "This server loads no other checkpoints: it was started without"
            raise RequestError(403, f"{text} --checkpoint_root.")
        root = self.settings.checkpoint_root.resolve()
        try:
            directory = (root / name).resolve()
            exists = directory.is_dir()
        except (OSError, ValueError) as error:  # A name that is too long, or has a zero byte.
            raise RequestError(404, "There is no checkpoint of that name.") from error
        if root not in directory.parents:
            text = "'checkpoint_path': expected the name of a directory inside --checkpoint_root."
            raise RequestError(403, text)
        if not exists:
            known = sorted(entry.name for entry in root.iterdir() if entry.is_dir())
            near = ", ".join(difflib.get_close_matches(name, known, 3) or known[:3]) or "none"
            text = f"There is no checkpoint {name!r}. Of {len(known)}, the nearest are: {near}."
            raise RequestError(404, text)
        return directory


class _Api(flask_smorest.Api):
    """flask-smorest with our errors: `{"error": reason and way out, "request_id": ...}`."""

    ERROR_SCHEMA = schemas.Error

    def handle_http_exception(self, error: exceptions.HTTPException) -> flask.Response:
        """What Flask itself refuses."""
        request, app = flask.request, flask.current_app
        allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        rules = ", ".join(sorted(rule.rule for rule in app.url_map.iter_rules()))
        texts = {
            404: f"There is no {request.path[:200]}. Known: {rules}.",
            405: f"{request.path} expects one of {allowed}, got {request.method}.",
            413: f"Expected a body of at most {app.config['MAX_CONTENT_LENGTH']} bytes, got "
            f"{request.content_length}. Scale the picture down or send it as JPEG.",
            415: "Expected a JSON body with the header 'Content-Type: application/json', got "
            f"Content-Type {request.content_type!r}.",
        }
        text = texts.get(error.code, str(error.description))
        response = flask.make_response(_error(text, error.code))
        if allowed:
            response.headers["Allow"] = allowed
        return response


def create_app(
    predictor: Predictor | None,
    settings: ServerSettings | None = None,
    load: Callable[[pathlib.Path], Predictor] | None = None,
    batch: bool = True,
) -> flask.Flask:
    """Makes the application; predictions are 503 without a predictor. `load` makes one of a
    checkpoint directory (None: the real one). Without `batch` there is no /predict_batch."""
    settings = settings or ServerSettings()
    app = flask.Flask(__name__)
    app.config.update(
        MAX_CONTENT_LENGTH=settings.max_body_bytes,
        # A form's fields beside its files; Flask's own default of 500 kB is less than an image.
        MAX_FORM_MEMORY_SIZE=settings.max_body_bytes,
        API_TITLE="Food acquisition with RT-1",
        API_VERSION="1.1.0",  # Of the contract: it changes when a field is added.
        OPENAPI_VERSION="3.0.3",
        OPENAPI_URL_PREFIX="/",
    )
    app.json.sort_keys = False
    service = app.extensions[front.SERVICE] = Service(predictor, settings, load)
    app.before_request(_admit)
    app.after_request(_finish)
    if service.guard.origins:
        # As patterns, so that an IPv6 address is not taken for one.
        texts = [".*" if one == "*" else re.escape(one) + r"\Z" for one in service.guard.origins]
        flask_cors.CORS(
            app,
            origins=[re.compile(text, re.IGNORECASE) for text in texts],
            methods=["GET", "POST"],
            allow_headers=["Content-Type", "Authorization", "X-API-Key", "X-Request-ID"],
            expose_headers=["X-Request-ID", "Retry-After"],
            max_age=600,
        )
    api = _Api(app, spec_kwargs={"info": {"description": _DESCRIPTION}})
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
    return flask.current_app.extensions[front.SERVICE]


def _admit() -> None:
    """Refuses before the body is read; `flask.g.predictor` is the version that answers."""
    request, service = flask.request, _service()
    if front.VISITOR not in request.environ:  # No front has asked.
        request.environ[front.VISITOR] = service.guard.admit(request)
    visitor = visitor_of_this()
    if visitor.refusal is not None:
        raise visitor.refusal
    if request.url_rule and request.method == "POST" and request.path in front.PREDICTIONS:
        flask.g.predictor, flask.g.asked_s = service.require_predictor(), time.perf_counter()
        if visitor.waited_ms is None:  # No front has put it into the line.
            service.line.enter()
            service.line.leave()


def _finish(response: flask.Response) -> flask.Response:
    """Gives an answer its headers, counts and logs it."""
    request, visitor, status = flask.request, visitor_of_this(), response.status_code
    response.headers[front.REQUEST_ID_HEADER] = visitor.request_id
    for header, value in front.HEADERS.items():
        response.headers.setdefault(header, value)
    if not visitor.expired:
        route = request.url_rule.rule if request.url_rule else "unknown"
        _service().metrics.count(route, request.method, status, visitor.started_s)
        size = response.calculate_content_length() or 0
        _service().guard.log(visitor, request, status, size, **flask.g.get("known", {}))
    return response


@_routes.get("/health")
@_routes.response(200, schemas.Health)
def health() -> dict[str, Any]:
    """Whether the server lives, and what it has: always 200."""
    service, predictor = _service(), _service().current
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
@_routes.response(200, schemas.Ready)
def ready() -> Any:
    """Whether predictions are answered; for load balancers."""
    predictor = _service().current
    if predictor is None:
        content, status = _error("No checkpoint is loaded.", 503)
        return flask.make_response({**content, "ready": False}, status)
    return {"ready": True, "model_version": predictor.version}


@_routes.get("/available_combinations")
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
@_routes.arguments(schemas.PredictRequest, location="body")
@_routes.response(200, schemas.PredictAnswer)
def predict(request: dict[str, Any]) -> dict[str, Any]:
    """The motion for one picture."""
    return _predicted([request["image"]], request, sampled=False)


@_batch_routes.post("/predict_batch")
@_routes.doc(requestBody={"content": {_FORM: {"schema": schemas.PredictBatchForm}}})
@_routes.arguments(schemas.PredictBatchRequest, location="body")
@_routes.response(200, schemas.PredictBatchAnswer)
def predict_batch(request: dict[str, Any]) -> Any:
    """Monte Carlo samples of one picture, `image`, with their spread; of several, `images`, an
    array of these in the same order, `results`."""
    request = schemas.with_defaults(request)
    if request["images"] is None:
        return _predicted([request["image"]], request, sampled=True)
    content = _predicted(request["images"], request, sampled=True)
    return flask.jsonify(schemas.PredictImagesAnswer().dump(content))


@_routes.post("/load_model")
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
@_routes.response(200, {"type": "string"}, content_type="text/plain")
def metrics() -> flask.Response:
    """Counters and times for Prometheus."""
    text = prometheus.generate_latest(_service().metrics.registry)
    # The names are old enough for every Prometheus, so its oldest format says it all.
    return flask.Response(text, content_type="text/plain; version=0.0.4; charset=utf-8")


def _predicted(pictures: list[bytes], request: dict[str, Any], sampled: bool) -> dict[str, Any]:
    """The answer, with who gave it and how long it took; counted, and kept by picture."""
    service, version, visitor = _service(), flask.g.predictor.version, visitor_of_this()
    timing, results, keeper = dict.fromkeys(("decode", "queue", "model"), 0.0), [], service.recorder
    ask = functools.partial(flask.g.predictor.answer, sampled=sampled, **service.limits)
    for picture in pictures:
        results.append(ask(picture, request))
        if visitor.expired:
            raise RequestError(504, "The answer came too late.")
        for name, milliseconds in results[-1].pop("timing_ms").items():
            timing[name] += milliseconds
    timing["queue"] = visitor.waited_ms or 0.0
    timing["total"] = timing["queue"] + 1000 * (time.perf_counter() - flask.g.asked_s)
    for stage, milliseconds in timing.items():
        service.metrics.stages.labels(stage).observe(milliseconds / 1000)
    if keeper is not None:
        visitor.request_id = keeper.claim(visitor.request_id)
    identity = {"success": True, "model_version": version, "request_id": visitor.request_id}
    identity["timing_ms"] = timing
    several = request.get("images") is not None
    if not several:
        known = {name: results[0][name] for name in ("action", "food_type")}
        flask.g.known = {**known, "model_version": version}
    for picture, result in zip(pictures, results) if keeper is not None else ():
        if several:
            result["request_id"] = keeper.claim(uuid.uuid4().hex)
        answer = {**identity, **result}
        options = ("resize", "passes", "batch_size", "enable_dropout", "dropout_scope", "seed")
        asked = {"route": flask.request.path}
        asked |= {name: request[name] for name in ("action", "food_type", "text")}
        asked |= {name: answer[name] for name in options if name in answer}
        keeper.record(answer["request_id"], picture, asked, answer)
    return {**identity, "results": results} if several else {**identity, **results[0]}


def _error(message: str, status: int) -> tuple[dict[str, str], int]:
    return {"error": message, "request_id": visitor_of_this().request_id}, status


def _answer_refusal(error: RequestError) -> flask.Response:
    response = flask.make_response(_error(error.message, error.status))
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _answer_fault(error: Exception) -> tuple[dict[str, str], int]:
    """The one catch-all: a fault of ours must not take the server down or show its insides."""
    request, request_id = flask.request, visitor_of_this().request_id
    logging.error("%s %s [%s] failed", request.method, request.url_rule, request_id, exc_info=error)
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return _error("The server is out of memory. Send a smaller picture, or try later.", 503)
    return _error(f"The server failed. Its log says why, under the request id {request_id}.", 500)
