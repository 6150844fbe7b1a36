"""/predict and /predict_batch over HTTP, with a model whose right answer is known."""

from __future__ import annotations

import base64
import concurrent.futures

import numpy as np
import pytest
import requests

from tests import openapi_schema, serving_stubs

PICTURE = serving_stubs.file_bytes(serving_stubs.marker_picture(200, 100, (50, 30), (150, 80)))
IMAGE = base64.b64encode(PICTURE).decode()
BODY = {"image": IMAGE, "action": "skewering", "food_type": "strawberry"}
MARKERS = [0.25, 0.3, 0.75, 0.8]


def post(url, route, body):
    return requests.post(f"{url}{route}", json=body, timeout=30)


def test_batch_has_the_fields_that_existing_clients_read(stub_server_url):
    # What labs' clients send.
    body = {**BODY, "text": "skewer the berry", "batch_size": 8, "enable_dropout": True}
    content = post(stub_server_url, "/predict_batch", body).json()
    assert content["success"] is True
    assert (content["batch_size"], content["enable_dropout"]) == (8, True)
    samples = np.array(content["predictions"])
    assert samples.shape == (8, 4)
    statistics = content["statistics"]
    assert statistics["mean"] == pytest.approx(samples.mean(axis=0))
    assert statistics["std"] == pytest.approx(samples.std(axis=0))
    assert statistics["total_variance"] == pytest.approx(samples.var(axis=0).sum())
    assert statistics["num_samples"] == 8
    names = {"centroid_variance", "size_variance", "distance_variance"}
    assert names <= statistics.keys()
    mean = content["mean_prediction"]
    found = [mean[name] for name in ("start_x", "start_y", "end_x", "end_y")]
    assert found == pytest.approx(statistics["mean"])
    assert mean["skewer_x"] == pytest.approx((mean["start_x"] + mean["end_x"]) / 2)
    assert found == pytest.approx(MARKERS, abs=0.02)
    pixels = np.array(content["predictions_pixels"])
    np.testing.assert_allclose(pixels, samples * [200, 100, 200, 100])
    assert content["mean_prediction_pixels"]["start_x"] == pytest.approx(pixels[:, 0].mean())
    assert content["input_text"] == "skewer the berry"
    assert (content["image_width"], content["image_height"]) == (200, 100)
    assert content["timing_ms"].keys() == {"decode", "queue", "model", "total"}


@pytest.mark.parametrize(
    ("passes", "crop"),
    [
        # 400 x 300 pixels, the middle of the markers at (350, 270).
        (None, (0, 0, 400, 300)),
        # 240 and 140 pixels a side, as far into the corner as the photo goes.
        ("fast", (260, 160, 400, 300)),
        ("accurate", (260, 160, 400, 300)),
    ],
)
def test_a_closer_look(stub_server_url, passes, crop):
    """The server's checkpoint looks once; a request may say otherwise."""
    picture = serving_stubs.marker_picture(400, 300, (330, 270), (370, 270))
    image = base64.b64encode(serving_stubs.file_bytes(picture)).decode()
    body = {**BODY, "image": image, "passes": passes, "seed": 1}
    one, many = (post(stub_server_url, f"/{route}", body) for route in ("predict", "predict_batch"))
    document = requests.get(f"{stub_server_url}/openapi.json", timeout=30).json()
    for content, name in ((one, "PredictAnswer"), (many, "PredictBatchAnswer")):
        schema = {"$ref": f"#/components/schemas/{name}"}
        assert openapi_schema.problems(content.json(), schema, document) == []
    for content, name in ((one.json(), "prediction"), (many.json(), "mean_prediction")):
        assert content["passes"] == (passes or "one")
        expected = np.array(crop) / [400, 300, 400, 300]
        np.testing.assert_allclose(content["crop"], expected, atol=2 / 300)
        motion = content[f"{name}_pixels"]
        found = [motion[key] for key in ("start_x", "start_y", "end_x", "end_y")]
        assert found == pytest.approx([330, 270, 370, 270], abs=3)


def test_batch_defaults(stub_server_url):
    content = post(stub_server_url, "/predict_batch", BODY).json()
    assert (content["batch_size"], content["enable_dropout"]) == (16, True)
    assert content["dropout_scope"] == "head"
    assert 0 <= content["seed"] < 2**31
    again = post(stub_server_url, "/predict_batch", {**BODY, "seed": content["seed"]}).json()
    assert again["predictions"] == content["predictions"]
    other = post(stub_server_url, "/predict_batch", BODY).json()
    assert other["predictions"] != content["predictions"]


def test_scopes_differ_and_no_dropout_is_the_answer_of_predict(stub_server_url):
    spread = {}
    for scope in ("head", "full"):
        body = {**BODY, "dropout_scope": scope, "seed": 3, "batch_size": 32}
        content = post(stub_server_url, "/predict_batch", body).json()
        spread[scope] = content["statistics"]["total_variance"]
    assert spread["full"] > 4 * spread["head"]
    content = post(stub_server_url, "/predict_batch", {**BODY, "enable_dropout": False}).json()
    assert content["statistics"]["total_variance"] == 0.0
    assert content["seed"] is None
    one = post(stub_server_url, "/predict", BODY).json()["prediction"]
    assert content["mean_prediction"] == pytest.approx(one)
    assert len(content["predictions"]) == 16


@pytest.mark.parametrize("dropout", [True, False])
def test_a_seed_is_answered_if_it_was_used_and_fits_the_document(stub_server_url, dropout):
    body = {**BODY, "seed": 3, "enable_dropout": dropout}
    content = post(stub_server_url, "/predict_batch", body).json()
    assert content["seed"] == (3 if dropout else None)
    document = requests.get(f"{stub_server_url}/openapi.json", timeout=30).json()
    schema = {"$ref": "#/components/schemas/PredictBatchAnswer"}
    assert openapi_schema.problems(content, schema, document) == []


def test_several_images_are_answered_in_order(stub_server_url):
    other = serving_stubs.marker_picture(90, 90, (30, 60), (60, 30))
    files = [PICTURE, serving_stubs.file_bytes(other)]
    body = {name: BODY[name] for name in ("action", "food_type")}
    body["images"] = [base64.b64encode(file).decode() for file in files]
    content = post(stub_server_url, "/predict_batch", {**body, "enable_dropout": False}).json()
    first, second = content["results"]
    assert first["seed"] is second["seed"] is None
    assert first["predictions"][0] == pytest.approx(MARKERS, abs=0.01)
    assert second["predictions"][0] == pytest.approx([1 / 3, 2 / 3, 2 / 3, 1 / 3], abs=0.01)
    assert (second["image_width"], second["food_type"]) == (90, "strawberry")
    assert content["model_version"] == "stub-1"


@pytest.mark.parametrize("route", ["/predict", "/predict_batch"])
def test_a_form_is_answered_as_json_is(stub_server_url, route):
    form = {"action": "skewering", "food_type": "strawberry", "seed": "5"}
    by_form = requests.post(
        f"{stub_server_url}{route}", data=form, files={"image": PICTURE}, timeout=30
    ).json()
    by_json = post(stub_server_url, route, {**BODY, "seed": 5}).json()
    for content in (by_form, by_json):
        del content["timing_ms"], content["request_id"]
    assert by_form == by_json


@pytest.mark.parametrize("mode", ["stretch", "letterbox", "crop"])
def test_resize_changes_the_way_and_not_the_coordinates(stub_server_url, mode):
    picture = serving_stubs.marker_picture(200, 160, (70, 60), (130, 100))
    image = base64.b64encode(serving_stubs.file_bytes(picture)).decode()
    content = post(stub_server_url, "/predict", {**BODY, "image": image, "resize": mode}).json()
    assert content["resize"] == mode
    pixels = content["prediction_pixels"]
    found = [pixels[name] for name in ("start_x", "start_y", "end_x", "end_y")]
    assert found == pytest.approx([70, 60, 130, 100], abs=1.0)


def test_a_clients_request_id_comes_back_and_odd_ones_do_not(stub_server_url):
    for sent, kept in (("robot-1.7", True), ("a b", False), ("../x", False), ("x" * 65, False)):
        answer = requests.post(
            f"{stub_server_url}/predict", json=BODY, headers={"X-Request-ID": sent}, timeout=30
        )
        assert (answer.json()["request_id"] == sent) is kept
        assert answer.headers["X-Request-ID"] == answer.json()["request_id"]


def test_answers_are_never_mixed_under_load(stub_server_url):
    def ask(x):
        picture = serving_stubs.marker_picture(240, 240, (x, 60), (240 - x, 180))
        image = base64.b64encode(serving_stubs.file_bytes(picture)).decode()
        route = ("/predict", "/predict_batch")[x % 2]
        content = post(stub_server_url, route, {**BODY, "image": image, "seed": x}).json()
        key = ("prediction", "mean_prediction")[x % 2]
        return content[key]

    columns = range(20, 220, 3)
    one_by_one = [ask(x) for x in columns]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        at_once = list(pool.map(ask, columns))
    assert at_once == one_by_one
    found = [answer["start_x"] for answer in at_once]
    assert found == pytest.approx([x / 240 for x in columns], abs=0.02)
