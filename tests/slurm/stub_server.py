"""api_batch_server.py around the marker model of `tests/serving_stubs.py`; no checkpoint is read.

SLOW_SHARD=2 makes the server of that task of a job array take a minute for an answer.
"""

from __future__ import annotations

import os
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from serving import app, command_line  # noqa: E402
from tests import serving_stubs  # noqa: E402


class _SlowModel(serving_stubs.MarkerModel):
    def forward(self, image, embedding, **options):
        time.sleep(60)
        return super().forward(image, embedding, **options)


def _load_predictor(*arguments):
    slow = os.environ.get("SLOW_SHARD")
    is_slow = slow is not None and slow == os.environ.get("SLURM_ARRAY_TASK_ID")
    model = _SlowModel() if is_slow else serving_stubs.MarkerModel()
    with tempfile.TemporaryDirectory() as folder:
        store = serving_stubs.embedding_store_of(pathlib.Path(folder))
    return serving_stubs.predictor_of(model, store)


if __name__ == "__main__":
    command_line.load_predictor = _load_predictor
    sys.exit(command_line.main(__doc__, app.create_app))
