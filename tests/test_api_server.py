"""The server without batch prediction; the rest it shares with `api_batch_server.py`."""

from __future__ import annotations

from tests import server_process


def test_starts_without_a_checkpoint_and_stops_on_sigterm(tmp_path):
    server_process.check_start_and_stop_without_a_checkpoint("api_server.py", tmp_path / "port")
