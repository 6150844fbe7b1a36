"""openpi's websocket protocol, beside HTTP: robots that have its client ask without a change.

Messages are msgpack with NumPy arrays; an error comes as text. A connection is a session. Its first
observation, and one with `"reset": true`, begins an episode, which keeps its model while another
one is loaded, and has a rolling window of its own. Line, deadline and keys are those of /predict.

| model | an observation holds                               | `actions`                          |
|-------|----------------------------------------------------|------------------------------------|
| food  | `image` uint8 [H, W, 3] of any size, or a file's   | float32 [1, 4]: x1, y1, x2, y2 in  |
|       | bytes; `action` and `food_type`, or `prompt`       | 0..1; what /predict says is beside |
| RT-1  | `image` uint8 [256, 320, 3],                       | float32 [1, 7]: world vector,      |
|       | `natural_language_embedding` float32 [512]         | rotation, gripper; with all parts  |

`observation/image` is another name of `image`. `ignored` names what nobody looked at.
"""

from __future__ import annotations

import http
import io
import threading
import time
from collections.abc import Callable
from typing import Any

import msgpack
import numpy as np
import websockets.exceptions
import websockets.http11
import websockets.sync.server
import werkzeug
from absl import logging
from PIL import Image

import policy_specs
from serving import app, front, schemas
from serving.schemas import RequestError

MAX_SESSIONS = 64
IDLE_S = 300.0
_FOOD_KEYS = ("action", "food_type", "resize", "passes")
# What RT-1's clients call a robot's seven degrees of freedom.
_RT1_ACTIONS = ("world_vector", "rotation_delta", "gripper_closedness_action")


def pack(content: object) -> bytes:
    """msgpack, with arrays as openpi writes them."""

    def default(value: object) -> dict[bytes, Any]:
        if isinstance(value, np.generic):
            return {b"__npgeneric__": True, b"data": value.item(), b"dtype": value.dtype.str}
        if not isinstance(value, np.ndarray):
            raise TypeError(f"Cannot send a {type(value).__name__}.")
        shape, data = value.shape, value.tobytes()
        return {b"__ndarray__": True, b"data": data, b"dtype": value.dtype.str, b"shape": shape}

    return msgpack.packb(content, default=default)


def unpack(data: bytes | str) -> dict[str, Any]:
    """The observation in a message. Raises ValueError for anything but a map of names in msgpack,
    and for arrays that are no numbers or shorter than they say."""

    def hook(value: dict) -> object:
        if b"__ndarray__" not in value and b"__npgeneric__" not in value:
            return value
        dtype = np.dtype(str(value[b"dtype"]))
        if dtype.kind not in "biuf":
            raise ValueError(f"expected arrays of numbers, got dtype {dtype}")
        if b"__npgeneric__" in value:
            return dtype.type(value[b"data"])
        return np.frombuffer(value[b"data"], dtype).reshape(value[b"shape"])

    try:
        found = msgpack.unpackb(data, object_hook=hook)
    except (ValueError, TypeError, KeyError, msgpack.UnpackException, RecursionError) as error:
        raise ValueError(f"Expected a message of msgpack with NumPy arrays: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise ValueError("Expected a message of msgpack that maps names to values.")
    return {key.removeprefix("observation/"): value for key, value in found.items()}


class FoodSession:
    """Episodes of a food model, which knows nothing of the step before; `state` is the model."""

    state = None

    def __init__(self, service: app.Service) -> None:
        self._service = service
        version = service.current and service.current.version
        keys = ["image", *_FOOD_KEYS, "prompt"]
        self.about = {"policy": "food", "model_version": version, "observation_keys": keys}

    def step(self, observation: dict[str, Any], in_turn: Callable) -> dict[str, Any]:
        if self.state is None:
            self.state = self._service.require_predictor()
        predictor, image = self.state, observation.get("image")
        if isinstance(image, np.ndarray):
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
                text = f"image: expected uint8 [H, W, 3], got {image.dtype} {list(image.shape)}."
                raise RequestError(422, text)
            file = io.BytesIO()
            Image.fromarray(image).save(file, "bmp")  # Lossless, and the fastest to read.
            image = file.getvalue()
        asked = {key: observation[key] for key in _FOOD_KEYS if observation.get(key) is not None}
        if "prompt" in observation:
            asked["text"] = observation["prompt"]
        known = schemas.PredictRequest().load({"image": image, **asked})
        limits = self._service.limits
        answer = in_turn(lambda: predictor.answer(known["image"], known, sampled=False, **limits))
        ends = [answer["prediction"][key] for key in ("start_x", "start_y", "end_x", "end_y")]
        answer["model_version"] = predictor.version
        return {"actions": np.array([ends], np.float32), **answer}


class RT1Session:
    """Episodes of an `rt1_policy.RT1Policy`; `state` is the window."""

    state = None

    def __init__(self, policy: Any) -> None:
        self._policy = policy
        keys = [policy_specs.IMAGE_KEY, policy_specs.EMBEDDING_KEY]
        about = {"policy": "rt1", "model_version": policy.version, "observation_keys": keys}
        self.about = {**about, "image_shape": list(policy.image_shape)}

    def step(self, observation: dict[str, Any], in_turn: Callable) -> dict[str, Any]:
        state = self._policy.initial_state() if self.state is None else self.state
        inputs = [np.asarray(observation.get(key)) for key in self.about["observation_keys"]]
        try:
            action, self.state = in_turn(lambda: self._policy.step(*inputs, state))
        except ValueError as error:
            raise RequestError(422, str(error)) from error
        parts = np.concatenate([action[key] for key in _RT1_ACTIONS if key in action])
        return {"actions": parts[np.newaxis].astype(np.float32), **action}


class Gateway:
    """The websocket server, in threads of its own; a context manager as `front.Server`. It shares
    model, line and guard of `server`; `rt1` is an `rt1_policy.RT1Policy` in the place of the model.
    It listens at once, or raises OSError; `num_sessions` connections are open."""

    def __init__(self, server: front.Server, host: str, port: int, rt1: Any = None) -> None:
        self._front, self._rt1, self._service = server, rt1, server.service
        self.num_sessions, self._lock = 0, threading.Lock()
        limits = {"max_size": self._service.settings.max_body_bytes, "max_queue": 1}
        settings = {"compression": None, "server_header": None, "process_request": self._admit}
        self._server = websockets.sync.server.serve(self._talk, host, port, **limits, **settings)
        self.port = self._server.socket.getsockname()[1]

    def __enter__(self) -> Gateway:
        threading.Thread(target=self._server.serve_forever, name="openpi", daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()

    def _admit(self, connection: Any, request: websockets.http11.Request) -> Any:
        """None, or the refusal of a handshake; /healthz answers without one."""
        if request.path == "/healthz":
            return connection.respond(http.HTTPStatus.OK, "OK\n")
        environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/predict"}
        environ |= {"REMOTE_ADDR": str(connection.remote_address[0]), "SERVER_NAME": "openpi"}
        for name, value in request.headers.raw_items():
            environ["HTTP_" + name.upper().replace("-", "_")] = value
        scheme, _, key = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() == "api-key":
            environ["HTTP_X_API_KEY"] = key
        connection.visitor = self._service.guard.admit(werkzeug.Request(environ))
        refusal = connection.visitor.refusal
        if refusal is None and self.num_sessions >= MAX_SESSIONS:
            refusal = RequestError(503, f"Expected at most {MAX_SESSIONS} sessions. Try again.", 10)
        if refusal is None:
            return None
        return connection.respond(http.HTTPStatus(refusal.status), refusal.message + "\n")

    def _talk(self, connection: websockets.sync.server.ServerConnection) -> None:
        """One session."""
        client, num_steps, reason = connection.visitor.client, 0, "it ended"
        with self._lock:  # Not before: a handshake may still fail, and then nothing counts down.
            self.num_sessions += 1
        try:
            session = RT1Session(self._rt1) if self._rt1 else FoodSession(self._service)
            connection.send(pack({"protocol": "openpi", "idle_s": IDLE_S, **session.about}))
            before_ms = None
            while True:
                message = connection.recv(IDLE_S)
                started = time.perf_counter()
                try:
                    self._service.guard.limit("/predict", client)
                    answer = self._step(session, unpack(message))
                    if before_ms is not None:
                        answer["server_timing"]["prev_total_ms"] = before_ms
                    status, packed = 200, pack(answer)
                except RequestError as error:
                    status, packed = error.status, error.message
                except (ValueError, FloatingPointError) as error:
                    status, packed = 400 if isinstance(error, ValueError) else 500, str(error)
                connection.send(packed)
                before_ms, num_steps = 1000 * (time.perf_counter() - started), num_steps + 1
                self._service.metrics.count("/openpi", "POST", status, started)
        except TimeoutError:
            reason = f"nothing came for {IDLE_S:g} s"
            connection.close(1001, reason)
        except websockets.exceptions.ConnectionClosed as error:
            reason = str(error)
        finally:
            with self._lock:
                self.num_sessions -= 1
            logging.info("openpi: %s after %d steps: %s", client, num_steps, reason[:200])

    def _step(self, session: Any, observation: dict[str, Any]) -> dict[str, Any]:
        started = time.perf_counter()
        if observation.pop("reset", False):
            session.state = None
            if not observation:
                return {"reset": True, "server_timing": {}}
        waited: list[float] = []

        def in_turn(call: Callable[[], Any]) -> Any:
            asked = time.perf_counter()

            def begin() -> Any:
                waited.append(1000 * (time.perf_counter() - asked))
                return call()

            return self._front.in_turn(begin)

        answer = session.step(observation, in_turn)
        answer["ignored"] = sorted(set(observation) - set(session.about["observation_keys"]))
        infer_ms = 1000 * (time.perf_counter() - started)
        answer["server_timing"] = {"infer_ms": infer_ms, "queue_ms": waited[0]}
        return answer
