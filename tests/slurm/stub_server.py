"""api_batch_server.py around the marker model of `tests/serving_stubs.py`; no checkpoint is read.

Says the place of the red marker of each picture that it is asked about. HOLD_AT=30,/tmp/go_on holds
the answer to the picture whose marker is at 30 % of the width, until the file is there.
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

LONGEST_HOLD_S = 300


class _Model(serving_stubs.MarkerModel):
    """Says what it is asked, and may be held."""

    def __init__(self, held: str, go_on: str) -> None:
        self._held = held
        self._go_on = pathlib.Path(go_on)

    def forward(self, image, embedding, **options):
        answer = super().forward(image, embedding, **options)
        # Of several requests at once the server may make one batch.
        places = [str(round(100 * float(one[0]))) for one in answer.reshape(-1, 4)]
        said = "".join(f"asked about {place}\n" for place in places)
        # In one piece: other threads write too.
        os.write(sys.stdout.fileno(), said.encode())
        give_up = time.monotonic() + LONGEST_HOLD_S
        while self._held in places and not self._go_on.exists() and time.monotonic() < give_up:
            time.sleep(0.05)
        return answer


def _load_predictor(*arguments):
    held, _, go_on = os.environ.get("HOLD_AT", "").partition(",")
    with tempfile.TemporaryDirectory() as folder:
        store = serving_stubs.embedding_store_of(pathlib.Path(folder))
    return serving_stubs.predictor_of(_Model(held, go_on), store)


if __name__ == "__main__":
    command_line.load_predictor = _load_predictor
    sys.exit(command_line.main(__doc__, app.create_app))
