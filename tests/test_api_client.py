"""The client against a real server, and against servers that fail."""

from __future__ import annotations

import base64
import contextlib
import email.utils
import http.server
import io
import json
import random
import shutil
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from PIL import Image

import api_client
from tests import serving_stubs, uncertainty_stubs

PICTURE = serving_stubs.marker_picture(200, 100, (50, 30), (150, 80))
PLATE = serving_stubs.file_bytes(PICTURE)


@pytest.fixture
def client(stub_server_url):
    return api_client.FoodAcquisitionClient(stub_server_url)


class Requests(list):
    """(route, body) of each request; `keys` are their API keys."""


@contextlib.contextmanager
def scripted_server(answers):
    """Gives `answers` (status, body[, headers]) in turn; yields its address and the requests."""
    requests_seen, keys_seen = Requests(), []
    requests_seen.keys = keys_seen

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            requests_seen.append((self.path, json.loads(body or "null")))
            keys_seen.append(self.headers.get("X-API-Key"))
            status, content, *headers = answers[len(requests_seen) - 1]
            self.send_response(status)
            for name, value in {"Content-Length": len(content), **dict(*headers)}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST

        def log_message(self, *arguments):
            """Tests print nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
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
    with scripted_server([(200, content)] * 3) as (url, requests_seen):
        client = api_client.FoodAcquisitionClient(url + "/")
        client.predict(PLATE, "skewering", "rice")
        client.predict(PLATE, "skewering", "rice", text="eat")
        client.predict(PLATE, text="eat", resize="crop")
    body = {
        "image": base64.b64encode(PLATE).decode(),
        "action": "skewering",
        "food_type": "rice",
    }
    assert requests_seen == [
        ("/predict", body),
        ("/predict", {**body, "text": "eat"}),
        ("/predict", {"image": body["image"], "text": "eat", "resize": "crop"}),
    ]


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
        (200, b'{"success": true}', "200: expected the field 'prediction' in the answer"),
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


def waits_of(answers, **options):
    """What the client waited between tries, and the error that was left, if any."""
    waits = []
    with scripted_server(answers) as (url, _):
        client = api_client.FoodAcquisitionClient(url, sleep=waits.append, **options)
        try:
            client.health()
        except api_client.ApiError as error:
            return waits, error
    return waits, None


BUSY, FINE = (503, b'{"error": "busy", "request_id": "7"}'), (200, b"{}")


def test_waits_double_and_are_shortened_by_lot():
    waits, error = waits_of([BUSY] * 4, retries=3, backoff_s=1.0, seed=1)
    assert (error.status, error.request_id) == (503, "7")
    draw = random.Random(1)
    assert waits == [2**retry * draw.uniform(0.5, 1.0) for retry in range(3)]
    assert waits == waits_of([BUSY] * 4, retries=3, backoff_s=1.0, seed=1)[0]
    assert waits != waits_of([BUSY] * 4, retries=3, backoff_s=1.0, seed=2)[0]


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_waited_for(status):
    limited = (status, b'{"error": "later"}', {"Retry-After": 7})
    (wait,), error = waits_of([limited, FINE], backoff_s=1.0)
    assert error is None
    assert 7.5 <= wait <= 8


def test_retry_after_may_be_a_date():
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    (wait,), error = waits_of([(503, b"{}", {"Retry-After": date}), FINE], backoff_s=0.0)
    assert error is None
    assert 0 < wait <= 30


@pytest.mark.parametrize("text", ["soon", "nan", ""])
def test_retry_after_that_says_nothing(text):
    waits, error = waits_of([(503, b"{}", {"Retry-After": text}), FINE], backoff_s=0.0)
    assert (waits, error) == ([0.0], None)


def test_a_server_that_wants_a_long_wait_is_given_up_at_once():
    limited = (429, b'{"error": "later"}', {"Retry-After": 3600})
    waits, error = waits_of([limited], max_wait_s=60.0)
    assert waits == []
    assert (error.status, error.retry_after_s, error.temporary) == (429, 3600.0, True)


def test_waits_are_bounded():
    waits, _ = waits_of([BUSY] * 6, retries=5, backoff_s=1.0, max_wait_s=3.0, seed=0)
    assert max(waits) == 3.0


def test_an_answer_that_breaks_off_is_asked_for_again():
    cut = (200, b'{"status"', {"Content-Length": 100})
    with scripted_server([cut, (200, b'{"status": "healthy"}')]) as (url, seen):
        client = api_client.FoodAcquisitionClient(url, backoff_s=0.01)
        assert client.health() == {"status": "healthy"}
    assert len(seen) == 2


def test_the_key_is_not_taken_along_to_another_place():
    moved = (302, b"", {"Location": "http://127.0.0.1:9/elsewhere"})
    with scripted_server([moved]) as (url, seen):
        client = api_client.FoodAcquisitionClient(url, api_key="secret")
        with pytest.raises(api_client.ApiError, match="was sent to http://127.0.0.1:9/elsewhere"):
            client.health()
    assert seen.keys == ["secret"]


def test_the_key_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("RT1_API_KEY", "of the environment")
    with scripted_server([FINE] * 3) as (url, seen):
        api_client.FoodAcquisitionClient(url).health()
        api_client.FoodAcquisitionClient(url, api_key="given").health()
        monkeypatch.delenv("RT1_API_KEY")
        api_client.FoodAcquisitionClient(url).health()
    assert seen.keys == ["of the environment", "given", None]


def test_ready(stub_server_url, empty_server_url):
    assert api_client.FoodAcquisitionClient(stub_server_url).ready() is True
    assert api_client.FoodAcquisitionClient(empty_server_url).ready() is False
    with scripted_server([(500, b"{}")]) as (url, _), pytest.raises(api_client.ApiError):
        api_client.FoodAcquisitionClient(url).ready()


def test_samples_of_a_real_server(client):
    asked = ("skewering", "strawberry")
    batch = client.predict_batch(PICTURE, *asked, batch_size=5, seed=3, dropout_scope="full")
    assert (batch.predictions.shape, batch.predictions_pixels.shape) == ((5, 4), (5, 4))
    np.testing.assert_allclose(batch.predictions * [200, 100, 200, 100], batch.predictions_pixels)
    np.testing.assert_allclose(batch.statistics.mean, batch.predictions.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(batch.statistics.std, batch.predictions.std(axis=0), atol=1e-6)
    variance = batch.predictions.var(axis=0).sum()
    assert batch.statistics.total_variance == pytest.approx(variance, rel=1e-4)
    assert (batch.enable_dropout, batch.dropout_scope, batch.seed) == (True, "full", 3)
    assert batch.mean_prediction.start_x == pytest.approx(batch.predictions[:, 0].mean())
    assert batch.mean_prediction.image_width == 200
    again = client.predict_batch(PICTURE, *asked, batch_size=5, seed=3, dropout_scope="full")
    np.testing.assert_array_equal(again.predictions, batch.predictions)
    assert batch.ask_human is batch.uncertainty is None  # nobody has calibrated
    still = client.predict_batch(PICTURE, *asked, batch_size=2, seed=3, enable_dropout=False)
    assert (still.enable_dropout, still.seed, still.statistics.total_variance) == (False, None, 0)


def test_a_calibrated_server_says_whether_to_ask(tmp_path):
    from serving import app

    store = serving_stubs.embedding_store_of(tmp_path)
    known = uncertainty_stubs.calibration(threshold=0.05)
    model = uncertainty_stubs.TokenModel()
    predictor = serving_stubs.predictor_of(model, store, calibration=known)
    with serving_stubs.serve(app.create_app(predictor)) as url:
        client = api_client.FoodAcquisitionClient(url)
        batch = client.predict_batch(PICTURE, "skewering", "strawberry", batch_size=1)
    assert batch.ask_human is True
    assert batch.uncertainty["score"] > batch.uncertainty["threshold"] == 0.05


def test_several_pictures_in_one_request(client):
    other = serving_stubs.marker_picture(100, 100, (20, 20), (80, 80))
    wide, square = client.predict_images([PICTURE, other], "skewering", "strawberry", batch_size=3)
    assert (wide.mean_prediction.image_width, square.mean_prediction.image_width) == (200, 100)
    assert wide.predictions.shape == square.predictions.shape == (3, 4)
    assert wide.mean_prediction.model_version == square.mean_prediction.model_version == "stub-1"
    assert wide.mean_prediction.pixels.start_x == pytest.approx(50, abs=6)
    assert square.mean_prediction.pixels.start_x == pytest.approx(20, abs=4)


def test_a_slip_in_an_option_is_noticed(client):
    with pytest.raises(TypeError, match="Expected options of .*'batch_size'.*, got num_samples"):
        client.predict_batch(PICTURE, "skewering", "strawberry", num_samples=5)
    with pytest.raises(TypeError, match="got sead"):
        client.predict_images([PICTURE], "skewering", "strawberry", sead=5)


def test_as_many_results_as_pictures():
    with scripted_server([(200, b'{"results": []}')]) as (url, _):
        client = api_client.FoodAcquisitionClient(url)
        with pytest.raises(api_client.ApiError, match="expected 1 results, got 0"):
            client.predict_images([PLATE], "skewering", "rice")


def test_load_model_sends_a_name_and_gives_the_answer():
    answer = b'{"success": true, "message": "m", "model_version": "b", "previous_version": "a"}'
    with scripted_server([(200, answer)]) as (url, seen):
        client = api_client.FoodAcquisitionClient(url)
        assert client.load_model("second")["previous_version"] == "a"
    assert seen == [("/load_model", {"checkpoint_path": "second"})]


def test_correction():
    with scripted_server([(200, b'{"success": true, "message": "kept"}')]) as (url, seen):
        client = api_client.FoodAcquisitionClient(url)
        assert client.correct("id-1", np.array([0, 0.25, 0.5, 1]), "Ada") == "kept"
        with pytest.raises(ValueError, match="Expected start_x, start_y, end_x, end_y; got"):
            client.correct("id-1", [0.1, 0.2, 0.3])
    ((route, body),) = seen
    assert route == "/corrections"
    assert body == {
        "request_id": "id-1",
        "start_x": 0.0,
        "start_y": 0.25,
        "end_x": 0.5,
        "end_y": 1.0,
        "corrected_by": "Ada",
    }


def test_closed_by_the_context_manager_and_usable_after():
    with scripted_server([FINE, FINE]) as (url, _):
        with api_client.FoodAcquisitionClient(url) as client:
            client.health()
        client.health()


def test_silent_server_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        client = api_client.FoodAcquisitionClient(url, timeout_s=0.2, retries=5)
        with pytest.raises(api_client.ApiError, match=r"GET .*/health: .*read timeout=0\.2"):
            client.health()


def test_needs_only_requests_and_numpy(tmp_path):
    """The file is copied to robots: alone in a folder it imports, and finds nothing of the rest."""
    shutil.copy(api_client.__file__, tmp_path)
    program = "import sys, api_client; print([m for m in ('cv2', 'tensorflow', 'PIL', 'flask') "
    program += "if m in sys.modules])"
    command = [sys.executable, "-c", program]
    assert subprocess.check_output(command, cwd=tmp_path, text=True).strip() == "[]"
