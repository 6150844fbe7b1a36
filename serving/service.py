"""A server's state: the model that answers, the line before it, what is counted and what is kept.

A request that finds the line full is refused at once, and one that has waited too long is taken
out (`serving/front.py`): a robot is better served by a quick no than by a late answer. As many
requests run as the engine has use for; the engine gives one that is alone all cores.

Another version of the model is loaded and warmed up beside the old one, which goes on answering;
then one reference changes. Requests that began with the old version end with it.
"""

from __future__ import annotations

import contextlib
import difflib
import gc
import pathlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from absl import logging

from serving import metrics, recorder, security
from serving.predictor import Predictor
from serving.schemas import RequestError
from serving.settings import ServerSettings, num_cores

NAME = "prediction_service"
# What a directory that is no sound checkpoint makes the loaders raise.
_OF_A_CHECKPOINT = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError),
    *(ImportError, SyntaxError, RuntimeError),
)


class Line:
    """Counts the requests that wait for the model."""

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting, self._waiting, self._lock = max_waiting, 0, threading.Lock()

    def __len__(self) -> int:
        return self._waiting

    def enter(self) -> None:
        """Raises RequestError 503 if too many wait already."""
        with self._lock:
            if self._waiting >= self._max_waiting:
                raise RequestError(
                    503,
                    f"The server is busy: Expected at most {self._max_waiting} waiting requests. "
                    "Try again.",
                    1,  # A line that is full now has moved on by then.
                )
            self._waiting += 1

    def leave(self) -> None:
        """Each that entered leaves once: to run, or because it has waited too long."""
        with self._lock:
            self._waiting -= 1


class PixelBudget:
    """Lets pictures be decoded side by side as long as they are not too many pixels together.

    Decoding takes up to 24 bytes a pixel for a moment, whatever the file's size: 1.2 GB for 50
    million.
    """

    def __init__(self, max_pixels: int, limit_s: float) -> None:
        """`max_pixels` at a time; who has waited for `limit_s` is refused."""
        self._free, self._limit_s = max_pixels, limit_s
        self._max_pixels, self._changed = max_pixels, threading.Condition()

    @contextlib.contextmanager
    def take(self, num_pixels: int) -> Iterator[None]:
        """Waits for its share. Raises RequestError 503 after `limit_s`."""
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


class Service:
    """Shared by all threads of a server.

    Attributes:
        current: the version that answers now; None if there is none.
        settings: limits.
        line: who waits for the model.
        num_workers: predictions that run at a time.
        metrics: what is counted.
        recorder: keeps requests and answers; None if nothing is kept.
        started_s: of `time.monotonic`.
    """

    def __init__(
        self,
        predictor: Predictor | None,
        settings: ServerSettings,
        load: Callable[[pathlib.Path], Predictor],
    ) -> None:
        """`load` makes a predictor from a checkpoint directory; OSError or ValueError if it
        cannot."""
        self.current, self.settings = predictor, settings
        self.started_s = time.monotonic()
        self._load, self._loading = load, threading.Lock()
        # The model that a server without one may load later is run by an engine too.
        self.num_workers = predictor.num_workers if predictor else num_cores()
        self.line = Line(settings.max_waiting)
        self._budget = PixelBudget(settings.max_pixels, settings.deadline_s)
        self.metrics = metrics.ServerMetrics(self.line.__len__)
        self.recorder = None
        if settings.record_dir is not None:
            self.recorder = recorder.Recorder(settings.record_dir, settings.record_bytes)
        if predictor is not None:
            self.metrics.set_model_version(predictor.version)

    def require_predictor(self) -> Predictor:
        """The version that answers now. Raises RequestError 503 if there is none."""
        if self.current is None:
            raise RequestError(
                503,
                "No checkpoint is loaded, so nothing can be predicted. Start the server with "
                "--checkpoint_dir, or set CHECKPOINT_PATH.",
            )
        return self.current

    def start(self, visitor: security.Visitor) -> float:
        """A prediction's turn has come; milliseconds that it has waited."""
        if visitor.waited_ms is None:  # No front has put it into the line.
            self.line.enter()
            self.line.leave()
        return visitor.waited_ms or 0.0

    def answer(
        self, predictor: Predictor, image: bytes, request: Mapping[str, Any], sampled: bool
    ) -> dict[str, Any]:
        """`Predictor.answer` within the limits of this server."""
        max_pixels = self.settings.max_pixels
        return predictor.answer(
            image, request, sampled=sampled, max_pixels=max_pixels, budget=self._budget.take
        )

    def switch_to(self, name: str) -> tuple[Predictor, Predictor | None]:
        """Loads another version and makes it the current one."""
        directory = self._directory(name)
        if not self._loading.acquire(blocking=False):
            text = "Another checkpoint is being loaded. Try again when it is done."
            raise RequestError(409, text, 10)
        try:
            new = self._load(directory)
            new.warm_up()
            old, self.current = self.current, new
            self.metrics.set_model_version(new.version)
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
        root = self.settings.checkpoint_root
        if root is None:
            raise RequestError(
                403,
                "This server loads no other checkpoints: it was started without --checkpoint_root.",
            )
        root = root.resolve()
        try:
            directory = (root / name).resolve()
            exists = directory.is_dir()
        except (OSError, ValueError) as error:  # A name that is too long, or has a zero byte.
            raise RequestError(404, "There is no checkpoint of that name.") from error
        if root not in directory.parents:
            raise RequestError(
                403, "'checkpoint_path': expected the name of a directory inside --checkpoint_root."
            )
        if not exists:
            known = sorted(entry.name for entry in root.iterdir() if entry.is_dir())
            near = difflib.get_close_matches(name, known, 3) or known[:3]
            text = f"There is no checkpoint {name!r}. Of {len(known)}, the nearest are: "
            raise RequestError(404, f"{text}{', '.join(near) or 'none'}.")
        return directory
