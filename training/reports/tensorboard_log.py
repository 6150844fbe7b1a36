"""TensorBoard's files of a run: scalars over steps, and pictures."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

_FLUSH_MS = 10_000


class TensorBoardLog:
    """Writes into one folder; what an interrupted run wrote there is gone on with."""

    def __init__(self, folder: str | os.PathLike[str]):
        """Opens a new file in `folder`, which is made if it is absent."""
        self._writer = tf.summary.create_file_writer(str(folder), flush_millis=_FLUSH_MS)
        self._has_begun = False

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes numbers.

        Args:
            step: on TensorBoard's horizontal axis.
            values: {tag: value}; those that are not finite are left out.
        """
        self._begin(step)
        with self._writer.as_default(step):
            for tag, value in values.items():
                if np.isfinite(value):
                    tf.summary.scalar(tag, value)

    def picture(self, step: int, tag: str, picture: np.ndarray) -> None:
        """Writes a picture uint8 [H, W, 3], RGB."""
        self._begin(step)
        with self._writer.as_default(step):
            tf.summary.image(tag, picture[np.newaxis])

    def flush(self) -> None:
        """Everything is on disk when this returns."""
        self._writer.flush()

    def close(self) -> None:
        """Writes what is left; nothing may be written afterwards."""
        self._writer.close()

    def _begin(self, step: int) -> None:
        """Tells TensorBoard to forget what an interrupted run wrote from this step on."""
        if self._has_begun:
            return
        self._has_begun = True
        session = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
        event = tf.compat.v1.Event(wall_time=time.time(), session_log=session, step=step)
        # tf.summary has no function for this event, and its operation wants the writer's handle.
        tf.raw_ops.ImportEvent(writer=self._writer._resource, event=event.SerializeToString())
