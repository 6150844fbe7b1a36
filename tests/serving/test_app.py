"""The application behind a real server, over real HTTP; the model's right answer is known."""

from __future__ import annotations

import base64
import concurrent.futures
import json
import re

import pytest
import requests

from serving import app
from serving.settings import ServerSettings
from tests import serving_stubs

MAX_BODY_BYTES = ServerSettings().max_body_bytes
PICTURE = serving_stubs.file_bytes(serving_stubs.marker_picture(200, 100, (50, 50), (150, 50)))
IMAGE = base64.b64encode(PICTURE).decode()
BODY = {"image": IMAGE, "action": "skewering", "food_type": "strawberry"}


def post(url, body=None, **options):
    return requests.post(f"{url}/predict", json=body, timeout=30, **options)


def test_health_names_model_and_uptime(stub_server_url):
    answer = requests.get(f"{stub_server_url}/health", timeout=30)
    content = answer.json()
    assert answer.status_code == 200
    assert content.pop("uptime_s") >= 0
    assert content == {
        "status": "healthy",
        "model_loaded": True,
        "config_loaded": True,
        "model_version": "stub-1",
        "engine": "stub",
        "recorder": False,
    }


def test_available_combinations_are_those_of_the_embeddings(stub_server_url):
    assert requests.get(f"{stub_server_url}/available_combinations", timeout=30).json() == {
        "combinations": [
            {"action": "scooping", "food_type": "mac_and_cheese"},
            {"action": "skewering", "food_type": "green_bean"},
            {"action": "skewering", "food_type": "strawberry"},
            {"action": "twirling", "food_type": "spaghetti"},
        ],
        "available_actions": ["scooping", "skewering", "twirling"],
        "available_food_types": ["green_bean", "mac_and_cheese", "spaghetti", "strawberry"],
        "total_combinations": 4,
    }


def test_predict_answers_in_coordinates_of_the_picture(stub_server_url):
    # 200 x 100 pixels, letterboxed by the server: in the model's square the markers are at y = 0.5.
    picture = serving_stubs.marker_picture(200, 100, (50, 30), (150, 80))
    image = base64.b64encode(serving_stubs.file_bytes(picture)).decode()
    answer = post(stub_server_url, {**BODY, "image": image, "text": "skewer the berry"})
    content = answer.json()
    assert answer.status_code == 200
    assert content.pop("timing_ms").keys() == {"decode", "queue", "model", "total"}
    assert content.pop("request_id") == answer.headers["X-Request-ID"]
    pixels = {"start_x": 50, "start_y": 30, "end_x": 150, "end_y": 80}
    pixels.update(skewer_x=100, skewer_y=55, direction_degrees=26.565)
    assert content.pop("prediction_pixels") == pytest.approx(pixels, abs=0.5)
    normalised = {"start_x": 0.25, "start_y": 0.3, "end_x": 0.75, "end_y": 0.8}
    normalised.update(skewer_x=0.5, skewer_y=0.55)
    prediction = content.pop("prediction")
    assert prediction.pop("direction_degrees") == pytest.approx(45.0, abs=0.5)
    assert prediction == pytest.approx(normalised, abs=0.005)
    assert content == {
        "success": True,
        "image_width": 200,
        "image_height": 100,
        "action": "skewering",
        "food_type": "strawberry",
        "resize": "letterbox",
        "passes": "one",
        "crop": [0.0, 0.0, 1.0, 1.0],
        "input_action": "skewering",
        "input_food_type": "strawberry",
        "input_text": "skewer the berry",
        "model_version": "stub-1",
    }


def test_predict_takes_data_urls_variants_and_fields_of_other_routes(stub_server_url):
    body = {
        "image": f"data:image/png;base64,{IMAGE}",
        "action": "Skewer",
        "food_type": "green beans",
        "text": None,
        "batch_size": 16,
    }
    content = post(stub_server_url, body).json()
    assert content["success"] is True
    assert (content["action"], content["food_type"]) == ("skewering", "green_bean")
    assert (content["input_action"], content["input_food_type"]) == ("Skewer", "green beans")
    assert content["input_text"] is None


def without(field):
    return {name: value for name, value in BODY.items() if name != field}


BAD_BODIES = {
    "no image": (
        without("image"),
        400,
        r"'image' is missing: expected .* \['action', 'food_type'\]",
    ),
    "no action": (without("action"), 400, "'action' is missing: expected an action such as"),
    "no food": (without("food_type"), 400, "'food_type' is missing: expected a food such as"),
    "action of another type": ({**BODY, "action": 3}, 400, "'action': expected .* got a number"),
    "food null": ({**BODY, "food_type": None}, 400, "'food_type': expected .* got null"),
    "blank food": ({**BODY, "food_type": " "}, 400, "'food_type': .* 1 to 200 letters, got 0"),
    "text of another type": ({**BODY, "text": ["a"]}, 400, "'text': expected .* got an array"),
    "array": ([BODY], 400, "Expected a JSON object with image, .* got an array"),
    "null": (None, 400, "Expected a JSON object .* got null"),
    "not base64": ({**BODY, "image": "?!"}, 400, r"'image': expected base64 .* got '\?!'"),
    "padding lost": (
        {**BODY, "image": "AAAAA"},
        400,
        "'image': expected base64 .* of 5 characters",
    ),
    "data URL of text": ({**BODY, "image": "data:,hello"}, 400, "'image': expected a data URL"),
    "empty image": ({**BODY, "image": ""}, 400, "'image': .* got 0 bytes"),
    "no picture": ({**BODY, "image": "aGVsbG8="}, 422, "Expected a picture in one of .* b'hello'"),
    "half a picture": (
        {**BODY, "image": base64.b64encode(PICTURE[: len(PICTURE) // 2]).decode()},
        422,
        "cannot be decoded",
    ),
    "unknown food": ({**BODY, "food_type": "strawbery"}, 422, "Did you mean 'strawberry'"),
    "unknown action": ({**BODY, "action": "twirl it"}, 422, "Unknown action 'twirl it'.*twirling"),
    "unknown pair": ({**BODY, "action": "twirling"}, 422, "with this action: .*spaghetti"),
    "text alone": ({"image": IMAGE, "text": "eat"}, 422, "needs the sentence encoder.*'food_type'"),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_bad_body_gets_a_clear_message(name, stub_server_url):
    body, status, message = BAD_BODIES[name]
    answer = requests.post(
        f"{stub_server_url}/predict",
        data=json.dumps(body),
        headers={"Content-Type": "application/json"},
        timeout=30,
    )
    content = answer.json()
    assert answer.status_code == status, content
    assert set(content) == {"error", "request_id"}
    assert content["request_id"] == answer.headers["X-Request-ID"]
    assert re.search(message, content["error"]), content["error"]


RAW_REQUESTS = {
    "unknown route": ("GET", "/predikt", b"", {}, 404, "There is no /predikt. Known: .*/predict"),
    "wrong method": ("GET", "/predict", b"", {}, 405, "/predict expects one of .*POST, got GET"),
    "no JSON header": ("POST", "/predict", b"{}", {}, 415, "'Content-Type: application/json'"),
    "no JSON": (
        "POST",
        "/predict",
        b"{",
        {"Content-Type": "application/json"},
        400,
        "JSON.*line 1 column 2",
    ),
    "no UTF-8": (
        "POST",
        "/predict",
        b"\xff",
        {"Content-Type": "application/json"},
        400,
        "JSON.*utf-8",
    ),
    "nested JSON": (
        "POST",
        "/predict",
        b"[" * 9,
        {"Content-Type": "application/json"},
        400,
        "in at most 8 levels",
    ),
    "long body": (
        "POST",
        "/predict",
        b" " * (MAX_BODY_BYTES + 1),
        {"Content-Type": "application/json"},
        413,
        f"at most {MAX_BODY_BYTES} bytes, got {MAX_BODY_BYTES + 1}",
    ),
}


@pytest.mark.parametrize("name", RAW_REQUESTS)
def test_what_flask_refuses_is_json_too(name, stub_server_url):
    method, route, data, headers, status, message = RAW_REQUESTS[name]
    answer = requests.request(
        method, stub_server_url + route, data=data, headers=headers, timeout=30
    )
    assert answer.status_code == status
    assert re.search(message, answer.json()["error"]), answer.text
    if status == 405:
        assert "POST" in answer.headers["Allow"]


def test_without_a_model_health_says_so_and_the_rest_is_unavailable(empty_server_url):
    health = requests.get(f"{empty_server_url}/health", timeout=30)
    assert health.status_code == 200
    assert health.json()["status"] == "no_model"
    assert health.json()["model_loaded"] is False
    assert health.json()["model_version"] is None
    for answer in (
        post(empty_server_url, BODY),
        requests.get(f"{empty_server_url}/available_combinations", timeout=30),
    ):
        assert answer.status_code == 503
        assert "--checkpoint_dir" in answer.json()["error"]


def test_fault_is_answered_without_its_insides_and_logged_with_them(tmp_path, caplog):
    store = serving_stubs.embedding_store_of(tmp_path)
    model = serving_stubs.ConstantModel([0.5, float("nan"), 0.5, 0.5])
    faulty = serving_stubs.predictor_of(model, store, "stretch")
    with serving_stubs.serve(app.create_app(faulty)) as url:
        answer = post(url, BODY)
        health = requests.get(f"{url}/health", timeout=30)
    content = answer.json()
    assert answer.status_code == 500
    assert set(content) == {"error", "request_id"}
    assert "nan" not in answer.text and "Traceback" not in answer.text and ".py" not in answer.text
    assert content["request_id"] in caplog.text
    assert "FloatingPointError" in caplog.text and "nan" in caplog.text
    assert health.status_code == 200


def test_concurrent_answers_equal_those_of_an_idle_server(stub_server_url):
    def ask(x):
        picture = serving_stubs.marker_picture(240, 240, (x, 60), (240 - x, 180))
        image = base64.b64encode(serving_stubs.file_bytes(picture)).decode()
        return post(stub_server_url, {**BODY, "image": image}).json()["prediction"]

    columns = range(20, 220, 5)
    one_by_one = [ask(x) for x in columns]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        at_once = list(pool.map(ask, columns))
    assert at_once == one_by_one
    assert [answer["start_x"] for answer in at_once] == pytest.approx(
        [x / 240 for x in columns], abs=0.01
    )
