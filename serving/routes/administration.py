"""POST /load_model and POST /corrections."""

from __future__ import annotations

from typing import Any

import flask

from serving import errors, request_bodies, request_fields, request_schemas
from serving.model_manager import ModelManager
from serving.recorder import NullRecorder, Recorder, RecorderOffError
from serving.server_metrics import ServerMetrics
from serving.settings import ServerSettings

_COORDINATES = ("start_x", "start_y", "end_x", "end_y")


class AdministrationRoutes:
    """What changes the server's state."""

    def __init__(
        self,
        manager: ModelManager,
        settings: ServerSettings,
        recorder: Recorder | NullRecorder,
        metrics: ServerMetrics,
    ) -> None:
        self._manager = manager
        self._settings = settings
        self._recorder = recorder
        self._metrics = metrics

    def install(self, app: flask.Flask) -> None:
        """Adds the routes."""
        app.add_url_rule("/load_model", view_func=self.load_model, methods=["POST"])
        app.add_url_rule("/corrections", view_func=self.correct, methods=["POST"])

    def load_model(self) -> dict[str, Any]:
        """POST /load_model: another checkpoint takes over, or the old one goes on."""
        new, old = self._manager.switch_to(request_schemas.parse_load_model(self._fields()))
        self._metrics.set_model_version(new.version)
        return {
            "success": True,
            "message": f"{new.version} answers from now on.",
            "model_version": new.version,
            "previous_version": old.version if old else None,
        }

    def correct(self) -> dict[str, Any]:
        """POST /corrections: what a person says the answer should have been."""
        fields = self._fields()
        if not isinstance(fields, dict):
            raise errors.RequestError(
                400,
                "Expected a JSON object with request_id, start_x, start_y, end_x, end_y; got "
                f"{request_fields.kind(fields)}.",
            )
        request_id = request_fields.name(fields, "request_id", "the id of an answer")
        corrected_by = request_fields.optional_text(fields, "corrected_by")
        coordinates = [request_fields.coordinate(fields, field) for field in _COORDINATES]
        try:
            self._recorder.correct(request_id, *coordinates, corrected_by)
        except RecorderOffError as error:
            raise errors.RequestError(
                409, "Corrections are not kept: start the server with --record_dir."
            ) from error
        except LookupError as error:
            raise errors.RequestError(404, f"'request_id': {error.args[0]}") from error
        except OSError as error:
            raise errors.RequestError(
                503, f"The correction cannot be kept: {error.strerror}.", 60
            ) from error
        return {"success": True, "message": f"The correction of {request_id} is kept."}

    def _fields(self) -> object:
        return request_bodies.read_fields(flask.request, self._settings.max_json_depth)
