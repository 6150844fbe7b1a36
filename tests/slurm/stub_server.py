"""api_batch_server.py around the marker model of `tests/serving_stubs.py`; reads no checkpoint."""

from __future__ import annotations

import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from serving import app, command_line  # noqa: E402
from tests import serving_stubs  # noqa: E402


def _load_predictor(*arguments):
    with tempfile.TemporaryDirectory() as folder:
        store = serving_stubs.embedding_store_of(pathlib.Path(folder))
    return serving_stubs.predictor_of(serving_stubs.MarkerModel(), store)


if __name__ == "__main__":
    command_line.load_predictor = _load_predictor
    sys.exit(command_line.main(__doc__, app.create_app))
