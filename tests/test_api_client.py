"""The client against a real server and against servers that fail; and its command line."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import email.utils
import io
import json
import shutil
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import werkzeug.serving
from PIL import Image

import api_client
from tests import serving_stubs

PICTURE = serving_stubs.marker_picture(200, 100, (50, 30), (150, 80))
PLATE = serving_stubs.file_bytes(PICTURE)
MOTION = dict.fromkeys(("start_x", "start_y", "end_x", "end_y", "skewer_x", "skewer_y"), 0.25)
ANSWER = {
    "success": True,
    "prediction": {**MOTION, "direction_degrees": 45.0},
    "prediction_pixels": {**MOTION, "direction_degrees": 45.0},
    **{"image_width": 1, "image_height": 1},
    **{"action": "skewering", "food_type": "rice", "model_version": "v"},
}
FINE, BUSY = (200, json.dumps(ANSWER).encode()), (503, b'{"error": "busy", "request_id": "7"}')


@contextlib.contextmanager
def scripted_server(*answers):
    """Gives `answers` (status, body[, headers]) in turn; yields its address and what it was sent:
    (route, key, body)."""
    seen, left = [], iter(answers)

    @werkzeug.Request.application
    def application(request):
        body = request.get_json(silent=True)
        seen.append((request.environ["RAW_URI"], request.headers.get("X-API-Key"), body))
        status, content, *headers = next(left)
        return werkzeug.Response(content, status, *headers)

    server = werkzeug.serving.make_server("127.0.0.1", 0, application, threaded=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()


@pytest.fixture
def client(stub_server_url):
    return api_client.FoodAcquisitionClient(stub_server_url)


def test_every_form_of_picture_gets_the_same_answer(client, tmp_path):
    """A phone's photo lies on its side, and says so."""
    path = tmp_path / "plate.png"
    path.write_bytes(PLATE)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(PICTURE)).save(tmp_path / "a.tiff", exif=exif)
    alpha = np.dstack([PICTURE, np.full(PICTURE.shape[:2], 255, np.uint8)])
    forms = (path, str(path), PLATE, bytearray(PLATE), PICTURE, PICTURE / 255, alpha)
    forms += (Image.open(path), Image.open(tmp_path / "a.tiff"))
    forms += (Image.fromarray(PICTURE).quantize(8), Image.fromarray(alpha))
    for image in forms:
        answer = client.predict(image, "skewering", "strawberry")
        found = dataclasses.astuple(answer.pixels)[:6]
        assert found == pytest.approx((50, 30, 150, 80, 100, 55), abs=0.5)
        found = dataclasses.astuple(answer)[:6]
        assert found == pytest.approx((0.25, 0.3, 0.75, 0.8, 0.5, 0.55), abs=0.005)
        assert (answer.image_width, answer.image_height) == (200, 100)
    assert (answer.action, answer.food_type) == ("skewering", "strawberry")
    assert answer.model_version == "stub-1"
    with pytest.raises(api_client.ApiError, match="422: .*Did you mean 'strawberry'") as caught:
        client.predict(PLATE, "skewering", "strawbery")
    assert (caught.value.status, caught.value.temporary) == (422, False)
    assert len(caught.value.request_id) == 32


def test_arrays_become_a_png_of_the_same_pixels_or_are_refused():
    for channels in ((), (1,), (3,), (4,)):
        picture = np.random.default_rng(0).integers(0, 256, (7, 5, *channels), np.uint8)
        with Image.open(io.BytesIO(api_client.picture_bytes(picture))) as decoded:
            expected = picture[..., 0] if channels == (1,) else picture
            np.testing.assert_array_equal(np.asarray(decoded), expected)
    wrong = [np.zeros((4, 4), np.uint16), np.zeros((3, 4, 4), np.int64), Image.new("I", (4, 4))]
    wrong += [np.full((4, 4, 3), 2.5, np.float32), np.full((4, 4, 3), np.nan), np.zeros((0, 4, 3))]
    for image in wrong:
        with pytest.raises(ValueError, match=r"Expected an image uint8 \[H, W, 3\] or .* got"):
            api_client.picture_bytes(image)


def test_what_is_sent_and_what_is_read():
    others = (b'{"message": "kept"}', b'{"previous_version": "a"}')
    with scripted_server(FINE, FINE, *((200, body) for body in others)) as (url, seen):
        client = api_client.FoodAcquisitionClient(url + "/", api_key="secret")
        client.predict(PLATE, "skewering", "rice", text="eat")
        client.predict(PLATE, text="eat", resize="crop")
        assert client.correct("id-1", np.array([0, 0.25, 0.5, 1]), "Ada") == "kept"
        assert client.load_model("second")["previous_version"] == "a"
    words = {"image": base64.b64encode(PLATE).decode(), "text": "eat"}
    ends = {"start_x": 0.0, "start_y": 0.25, "end_x": 0.5, "end_y": 1.0}
    assert seen == [
        ("/predict", "secret", {**words, "action": "skewering", "food_type": "rice"}),
        ("/predict", "secret", {**words, "resize": "crop"}),
        ("/corrections", "secret", {"request_id": "id-1", **ends, "corrected_by": "Ada"}),
        ("/load_model", "secret", {"checkpoint_path": "second"}),
    ]
    with pytest.raises(TypeError, match="Expected options of .*'batch_size'.*, got num_samples"):
        client.predict_batch(PICTURE, "skewering", "strawberry", num_samples=5)


def waits_of(*answers, retries=4, max_wait_s=60.0):
    """What a POST waited between tries, the error that was left, and how often it asked."""
    waits, error = [], None
    with scripted_server(*answers) as (url, seen):
        client = api_client.FoodAcquisitionClient(url, retries=retries)
        client.sleep, client.backoff_s, client.max_wait_s = waits.append, 1.0, max_wait_s
        try:
            client.predict(PLATE, "skewering", "rice")
        except api_client.ApiError as caught:
            error = caught
    return waits, error, len(seen)


def test_a_busy_server_alone_is_asked_again_after_waits_that_double():
    for status, body, message in (
        (500, b'{"error": "failed", "request_id": "7"}', "500: failed"),
        (404, b"<html>", "404: expected JSON, got '<html>'. Is this the server?"),
        (200, b'{"success": true}', "200: expected the field 'prediction' in the answer"),
    ):
        waits, error, asked = waits_of((status, body))
        assert (waits, asked) == ([], 1) and message in str(error)
    waits, error, asked = waits_of(*[BUSY] * 5, max_wait_s=6.0)
    assert (error.status, error.request_id, error.temporary, asked) == (503, "7", True, 5)
    for wait, longest in zip(waits, (1, 2, 4, 8), strict=True):
        assert min(longest / 2, 6) <= wait <= min(longest, 6)
    assert waits_of(BUSY, (429, b"{}"), FINE, retries=2)[1:] == (None, 3)
    # One that wants a longer wait than is allowed is given up at once.
    waits, error, asked = waits_of((429, b'{"error": "later"}', {"Retry-After": 3600}))
    assert (waits, asked) == ([], 1)
    assert (error.status, error.retry_after_s, error.temporary) == (429, 3600.0, True)
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    for header, lowest, highest in ((7, 7.5, 8), (date, 25, 31), ("soon", 0.5, 1)):
        (wait,), error, _ = waits_of((429, b"{}", {"Retry-After": header}), FINE)
        assert error is None and lowest <= wait <= highest


def test_nobody_there_and_a_silent_server():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        client = api_client.FoodAcquisitionClient(url, timeout_s=0.2, retries=5)
        with pytest.raises(api_client.ApiError, match=r"GET .*/health: .*read timeout=0\.2"):
            client.health()
    waits = []
    client = api_client.FoodAcquisitionClient(url, retries=2)
    client.sleep = waits.append
    with pytest.raises(api_client.ApiError, match=f"cannot reach {url}") as caught:
        client.health()
    assert (caught.value.status, caught.value.temporary, len(waits)) == (None, True, 2)


def test_the_key_comes_from_the_environment_and_gets_nowhere_else(monkeypatch):
    monkeypatch.setenv("RT1_API_KEY", " of-the-environment\n")
    moved = (302, b"", {"Location": "http://127.0.0.1:9/elsewhere"})
    page = (500, b"<h1>X-API-Key: given</h1>")
    with scripted_server(FINE, moved, page) as (url, seen):
        api_client.FoodAcquisitionClient(url).health()
        given = api_client.FoodAcquisitionClient(url, api_key="given")
        with pytest.raises(api_client.ApiError, match="was sent to http://127.0.0.1:9/elsewhere"):
            given.health()
        with pytest.raises(api_client.ApiError, match="X-API-Key: <api_key>"):
            given.health()
    assert [key for _, key, _ in seen] == ["of-the-environment", "given", "given"]
    for key in ("two\nlines", "schlüssel"):
        with pytest.raises(ValueError, match="printable ASCII") as refused:
            api_client.FoodAcquisitionClient(url, api_key=key)
        assert key not in str(refused.value)
    client = api_client.FoodAcquisitionClient("http://me:secret@127.0.0.1:9", retries=0)
    with pytest.raises(api_client.ApiError, match="cannot reach http://127.0.0.1:9") as failed:
        client.health()
    assert "secret" not in str(failed.value)


def test_addresses_are_completed_and_this_computer_is_asked_without_a_proxy(monkeypatch):
    with (
        scripted_server(*[FINE] * 6) as (here, seen),
        scripted_server(*[FINE] * 3) as (there, sent),
    ):
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
            monkeypatch.setenv(name, there)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        port = here.rpartition(":")[2]
        for host in ("127.0.0.1", "http://localhost", "LOCALHOST", "http://0.0.0.0"):
            api_client.FoodAcquisitionClient(f" {host}:{port}/ ").health()
        api_client.FoodAcquisitionClient(f"127.0.0.1:{port}/behind/nginx/").health()
        assert [route for route, *_ in seen] == [*["/health"] * 4, "/behind/nginx/health"]
        assert sent == []
        for host in ("robot.example:8080", "127.0.0.1.example"):
            api_client.FoodAcquisitionClient(host).health()
        assert [route for route, *_ in sent] == [
            "http://robot.example:8080/health",
            "http://127.0.0.1.example/health",
        ]
    for url in (
        *("", "ftp://robot:8080", "http:/127.0.0.1:8080", ":8080", "http://robot:99999"),
        *("127.0.0.1 :8080", "http://robot?key=1", "::1:8080", "C:\\plates"),
    ):
        with pytest.raises(ValueError, match='expected one like "http://127.0.0.1:8080", got'):
            api_client.FoodAcquisitionClient(url)


def test_samples(client):
    assert client.available_combinations() == sorted(serving_stubs.INSTRUCTIONS)
    asked = {"batch_size": 5, "seed": 3, "dropout_scope": "full"}
    batch = client.predict_batch(PICTURE, "skewering", "strawberry", **asked)
    assert (batch.predictions.shape, batch.predictions_pixels.shape) == ((5, 4), (5, 4))
    np.testing.assert_allclose(batch.predictions * [200, 100, 200, 100], batch.predictions_pixels)
    assert (batch.enable_dropout, batch.dropout_scope, batch.seed) == (True, "full", 3)


@pytest.fixture
def arguments(stub_server_url, tmp_path):
    (tmp_path / "plate.png").write_bytes(PLATE)
    asked = ["--action", "Skewer", "--food_type", "strawberries"]
    return ["--api_url", stub_server_url, "--image", str(tmp_path / "plate.png"), *asked]


def test_the_program_prints_and_draws(arguments, tmp_path, capsys):
    drawn = tmp_path / "answer.png"
    assert api_client.main([*arguments, "--save_picture", str(drawn)]) == 0
    out, err = capsys.readouterr()
    printed = json.loads(out)
    assert "person" not in err
    assert printed["pixels"]["end_x"] == pytest.approx(150, abs=0.5)
    assert printed["food_type"] == "strawberry"
    picture = np.asarray(Image.open(drawn))
    assert (tuple(picture[30, 50]), tuple(picture[55, 100])) == ((0, 255, 0), (255, 0, 0))
    more = ["--num_samples", "3", "--seed", "4", "--dropout_scope", "full", "--text", "eat"]
    assert api_client.main([*arguments, *more]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert np.shape(printed["predictions"]) == (3, 4)
    assert (printed["seed"], printed["dropout_scope"], printed["input_text"]) == (4, "full", "eat")
    # A doubtful answer is told, and what the last look saw is framed.
    doubtful = {**ANSWER, "ask_human": True, "trained": False, "crop": [0.5, 0.1, 0.9, 0.9]}
    with scripted_server((200, json.dumps(doubtful).encode())) as (url, _):
        assert api_client.main([*arguments, "--api_url", url, "--save_picture", str(drawn)]) == 0
    said = capsys.readouterr().err
    assert "Ask a person instead of acting on this answer: the model was not trained on it" in said
    changed = (np.asarray(Image.open(drawn)) != PICTURE).any(axis=-1)
    assert changed[10:91, 100].all() and changed[90, 100:181].all()


def test_the_program_says_what_failed(arguments, tmp_path, capsys, monkeypatch):
    (tmp_path / "folder.png").mkdir()
    for flags, code, message in (
        (["--image", str(tmp_path / "absent.jpg")], 1, "absent.jpg"),
        (["--food_type", "plutonium"], 1, "api_client: 422: "),
        (["--seed", "1"], 2, "--seed and --dropout_scope are for samples"),
        (["--food_type", "", "--text", ""], 2, "expected --action and --food_type, or --text"),
        # What cannot be drawn is not asked.
        ("a.xyz", 1, "ends in .jpg or .png"),
        ("folder.png", 1, "in a folder that can be written to"),
        ("plate.png", 1, "another file than the photo"),
    ):
        if isinstance(flags, str):
            flags = ["--save_picture", str(tmp_path / flags)]
            monkeypatch.setattr(api_client.FoodAcquisitionClient, "predict", None)
        try:
            assert api_client.main([*arguments, *flags]) == code
        except SystemExit as ended:
            assert ended.code == code
        assert message in capsys.readouterr().err


@pytest.mark.slow
def test_works_alone_and_as_a_program(arguments, tmp_path):
    """The file is copied to robots: alone in a folder it asks, and loads nothing of the rest."""
    alone = shutil.copy(api_client.__file__, tmp_path)
    printed = subprocess.check_output([sys.executable, alone, *arguments], text=True)
    assert json.loads(printed)["food_type"] == "strawberry"
    program = "import sys, api_client; print(set(sys.modules) & {'cv2', 'tensorflow', 'PIL'})"
    command = [sys.executable, "-c", program]
    assert subprocess.check_output(command, cwd=tmp_path, text=True).strip() == "set()"
