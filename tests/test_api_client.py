"""The client against a real server, and against servers that fail."""

from __future__ import annotations

import base64
import contextlib
import http.server
import io
import json
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

import api_client
from tests import serving_stubs

PICTURE = serving_stubs.marker_picture(200, 100, (50, 30), (150, 80))
PLATE = serving_stubs.file_bytes(PICTURE)


@pytest.fixture
def client(stub_server_url):
    return api_client.FoodAcquisitionClient(stub_server_url)


@contextlib.contextmanager
def scripted_server(answers):
    """Gives `answers` (status, body) one after the other; yields its address and the requests."""
    requests_seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            requests_seen.append((self.path, json.loads(body)))
            status, content = answers[len(requests_seen) - 1]
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST

        def log_message(self, *arguments):
            """Tests print nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests_seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answer_body():
    motion = {
        "start_x": 0.1,
        "start_y": 0.2,
        "end_x": 0.3,
        "end_y": 0.4,
        "skewer_x": 0.2,
        "skewer_y": 0.3,
        "direction_degrees": 45.0,
    }
    return {
        "success": True,
        "prediction": motion,
        "prediction_pixels": motion,
        "image_width": 1,
        "image_height": 1,
        "action": "skewering",
        "food_type": "rice",
        "model_version": "v",
    }


def test_health_and_combinations(client):
    assert client.health()["model_version"] == "stub-1"
    assert client.available_combinations() == sorted(serving_stubs.INSTRUCTIONS)


@pytest.mark.parametrize("form", ["path", "text path", "bytes", "array"])
def test_every_form_of_picture_gets_the_same_answer(form, client, tmp_path):
    path = tmp_path / "plate.png"
    path.write_bytes(PLATE)
    image = {"path": path, "text path": str(path), "bytes": PLATE, "array": PICTURE}[form]
    answer = client.predict(image, "skewering", "strawberry")
    assert (answer.pixels.start_x, answer.pixels.start_y) == pytest.approx((50, 30), abs=0.5)
    assert (answer.pixels.end_x, answer.pixels.end_y) == pytest.approx((150, 80), abs=0.5)
    assert (answer.start_x, answer.end_y) == pytest.approx((0.25, 0.8), abs=0.005)
    assert (answer.skewer_x, answer.skewer_y) == pytest.approx((0.5, 0.55), abs=0.005)
    assert answer.direction_degrees == pytest.approx(45.0, abs=0.5)
    assert (answer.image_width, answer.image_height) == (200, 100)
    assert (answer.action, answer.food_type) == ("skewering", "strawberry")
    assert answer.model_version == "stub-1"


def test_array_becomes_a_png_of_the_same_pixels():
    picture = np.random.default_rng(0).integers(0, 256, (7, 5, 3), np.uint8)
    with Image.open(io.BytesIO(api_client.picture_bytes(picture))) as decoded:
        assert decoded.format == "PNG"
        np.testing.assert_array_equal(np.asarray(decoded), picture)


@pytest.mark.parametrize(
    "array",
    [np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), "u1")],
)
def test_arrays_that_are_no_picture_are_refused(array):
    with pytest.raises(ValueError, match=r"Expected an image uint8 \[H, W, 3\], got"):
        api_client.picture_bytes(array)


def test_what_is_sent_is_the_contracts_body():
    content = json.dumps(answer_body()).encode()
    with scripted_server([(200, content), (200, content)]) as (url, requests_seen):
        client = api_client.FoodAcquisitionClient(url + "/")
        client.predict(PLATE, "skewering", "rice")
        client.predict(PLATE, "skewering", "rice", text="eat")
    body = {
        "image": base64.b64encode(PLATE).decode(),
        "action": "skewering",
        "food_type": "rice",
    }
    assert requests_seen == [("/predict", body), ("/predict", {**body, "text": "eat"})]


def test_refusal_carries_status_message_and_request_id(client):
    with pytest.raises(api_client.ApiError, match="422: .*Did you mean 'strawberry'") as caught:
        client.predict(PLATE, "skewering", "strawbery")
    assert caught.value.status == 422
    assert caught.value.message.startswith("No embedding for action 'skewering'")
    assert len(caught.value.request_id) == 32


def test_status_503_is_tried_again():
    busy = (503, b'{"error": "busy"}')
    with scripted_server([busy, busy, (200, json.dumps(answer_body()).encode())]) as (url, seen):
        client = api_client.FoodAcquisitionClient(url, retries=2, backoff_s=0.01)
        assert client.predict(PLATE, "skewering", "rice").end_y == 0.4
    assert len(seen) == 3


def test_status_503_is_final_after_the_last_try():
    with scripted_server([(503, b'{"error": "busy"}')] * 3) as (url, seen):
        client = api_client.FoodAcquisitionClient(url, retries=2, backoff_s=0.01)
        with pytest.raises(api_client.ApiError, match="503: busy"):
            client.predict(PLATE, "skewering", "rice")
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (500, b'{"error": "failed", "request_id": "7"}', "500: failed"),
        (404, b"<html>", "404: expected JSON, got '<html>'. Is this the server?"),
        (200, b"<html>", "200: expected JSON, got '<html>'"),
        (200, b'{"success": true}', "200: expected the field 'prediction_pixels' in the answer"),
    ],
)
def test_other_answers_are_final(status, body, message):
    with scripted_server([(status, body)]) as (url, seen):
        client = api_client.FoodAcquisitionClient(url, backoff_s=0.01)
        with pytest.raises(api_client.ApiError) as caught:
            client.predict(PLATE, "skewering", "rice")
    assert message in str(caught.value)
    assert caught.value.status == status
    assert len(seen) == 1


def test_connection_is_tried_again_then_reported():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = api_client.FoodAcquisitionClient(f"http://127.0.0.1:{port}", retries=1, backoff_s=0.01)
    with pytest.raises(
        api_client.ApiError, match=f"cannot reach http://127.0.0.1:{port}"
    ) as caught:
        client.health()
    assert caught.value.status is None


def test_silent_server_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        client = api_client.FoodAcquisitionClient(url, timeout_s=0.2, retries=5)
        with pytest.raises(api_client.ApiError, match=r"GET .*/health: .*read timeout=0\.2"):
            client.health()


def test_program_prints_the_answer_and_draws_it(stub_server_url, tmp_path, capsys):
    plate, drawn = tmp_path / "plate.png", tmp_path / "answer.png"
    plate.write_bytes(PLATE)
    arguments = ["--api_url", stub_server_url, "--image", str(plate), "--action", "Skewer"]
    arguments += ["--food_type", "strawberries", "--save_picture", str(drawn)]
    assert api_client.main(arguments) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["pixels"]["end_x"] == pytest.approx(150, abs=0.5)
    assert printed["food_type"] == "strawberry"
    picture = np.asarray(Image.open(drawn))
    assert tuple(picture[30, 50]) == (0, 255, 0)
    assert tuple(picture[55, 100]) == (255, 0, 0)


def test_program_says_what_failed_and_exits_1(stub_server_url, tmp_path, capsys):
    arguments = ["--api_url", stub_server_url, "--action", "skewering", "--food_type", "rice"]
    assert api_client.main([*arguments, "--image", str(tmp_path / "absent.jpg")]) == 1
    assert "absent.jpg" in capsys.readouterr().err
    plate = tmp_path / "plate.png"
    plate.write_bytes(PLATE)
    assert api_client.main([*arguments, "--image", str(plate)]) == 1
    assert "api_client: 422: No embedding for action" in capsys.readouterr().err


def test_needs_only_requests_and_numpy():
    program = "import sys, api_client; print([m for m in ('cv2', 'tensorflow', 'PIL', 'flask') "
    program += "if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"
