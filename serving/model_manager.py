"""Which version of the model answers, and how the next one takes its place.

A new version is loaded and warmed up beside the old one, which goes on answering; then one
reference changes. Requests that began with the old version end with it.
"""

from __future__ import annotations

import concurrent.futures
import pathlib
import threading
from collections.abc import Callable

from absl import logging

from serving import errors, memory
from serving.predictor import Predictor


class ModelManager:
    """Holds the current predictor."""

    def __init__(
        self,
        current: Predictor | None,
        checkpoint_root: pathlib.Path | None,
        load: Callable[[pathlib.Path], Predictor],
    ) -> None:
        """Args:
        current: answers until another one is loaded; None: nothing is answered.
        checkpoint_root: folder of the directories that may be loaded; None: none may.
        load: makes a predictor from a checkpoint directory; OSError or ValueError if it cannot.
        """
        self._current = current
        self._root = checkpoint_root
        self._load = load
        self._loading = threading.Lock()
        # One thread for all loads finds the memory again that the one before left behind.
        self._loader = concurrent.futures.ThreadPoolExecutor(1, "load")

    @property
    def current(self) -> Predictor | None:
        """The version that answers now."""
        return self._current

    def switch_to(self, name: str) -> tuple[Predictor, Predictor | None]:
        """Loads another version and makes it the current one.

        Args:
            name: of a directory inside the checkpoint root, such as "monday" or "lab/monday".

        Returns:
            The new and the old predictor.

        Raises:
            RequestError: 403 if there is no checkpoint root or the name leads out of it, 404 if
                there is no such directory, 409 if another one is being loaded, 422 if it cannot be
                loaded; the old one goes on answering.
        """
        directory = self._directory(name)
        if not self._loading.acquire(blocking=False):
            raise errors.RequestError(
                409, "Another checkpoint is being loaded. Try again when it is done.", 10
            )
        try:
            new = self._loader.submit(self._load_and_warm_up, directory, name).result()
            old, self._current = self._current, new
            logging.info("%s answers now, in the place of %s", new.version, old and old.version)
        finally:
            self._loading.release()
            memory.give_back()
        return new, old

    def _load_and_warm_up(self, directory: pathlib.Path, name: str) -> Predictor:
        try:
            predictor = self._load(directory)
            predictor.warm_up()
        except (OSError, ValueError) as error:
            logging.error("%s cannot be loaded", directory, exc_info=error)
            # Messages of the loader name files of this machine, which are none of the client's.
            reason = str(error).replace(str(directory), name).replace(str(self._root), "")
            raise errors.RequestError(
                422, f"{name!r} cannot be loaded, the model before it goes on: {reason}"
            ) from error
        return predictor

    def _directory(self, name: str) -> pathlib.Path:
        if self._root is None:
            raise errors.RequestError(
                403,
                "This server loads no other checkpoints: it was started without --checkpoint_root.",
            )
        root = self._root.resolve()
        try:
            directory = (root / name).resolve()
            inside = directory != root and root in directory.parents
            exists = inside and directory.is_dir()
        except (OSError, ValueError) as error:  # A name that is too long, or has a zero byte.
            raise errors.RequestError(404, "There is no checkpoint of that name.") from error
        if not inside:
            raise errors.RequestError(
                403, "'checkpoint_path': expected the name of a directory inside --checkpoint_root."
            )
        if not exists:
            known = sorted(entry.name for entry in root.iterdir() if entry.is_dir())
            raise errors.RequestError(
                404, f"There is no checkpoint {name!r}. Known: {', '.join(known) or 'none'}."
            )
        return directory
