"""/ready; `tests/serving/test_app.py` has /health and /available_combinations."""

from __future__ import annotations

import requests


def test_ready_says_whether_predictions_are_answered(stub_server_url, empty_server_url):
    answer = requests.get(f"{stub_server_url}/ready", timeout=30)
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "model_version": "stub-1"})
    answer = requests.get(f"{empty_server_url}/ready", timeout=30)
    assert answer.status_code == 503
    assert answer.json()["ready"] is False
    assert "No checkpoint" in answer.json()["error"]
