"""/load_model and /corrections over HTTP."""

from __future__ import annotations

import base64
import json
import re

import pytest
import requests

from serving import app
from serving.settings import ServerSettings
from tests import serving_stubs

PICTURE = serving_stubs.file_bytes(serving_stubs.marker_picture(200, 100, (50, 30), (150, 80)))
BODY = {
    "image": base64.b64encode(PICTURE).decode(),
    "action": "skewering",
    "food_type": "strawberry",
}
CORRECTION = {"start_x": 0.1, "start_y": 0.2, "end_x": 0.3, "end_y": 0.4}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """(url, record_dir) of a server whose checkpoints are stubs named after their folders."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "embeddings").mkdir()
    store = serving_stubs.embedding_store_of(folder / "embeddings")
    for name in ("constant", "broken"):
        (folder / "root" / name).mkdir(parents=True)

    def load(directory):
        if directory.name == "broken":
            raise ValueError(f"{directory}/metadata.json: expected JSON")
        model = serving_stubs.ConstantModel([0.1, 0.1, 0.2, 0.2])
        return serving_stubs.predictor_of(model, store, version=directory.name)

    settings = ServerSettings(checkpoint_root=folder / "root", record_dir=folder / "records")
    stub = serving_stubs.predictor_of(serving_stubs.MarkerModel(), store)
    with serving_stubs.serve(app.create_app(stub, settings, load)) as url:
        yield url, folder


def post(url, route, body):
    return requests.post(f"{url}{route}", json=body, timeout=30)


def test_a_loaded_model_answers_and_a_broken_one_does_not_get_so_far(server):
    url, folder = server
    before = post(url, "/predict", BODY).json()
    failed = post(url, "/load_model", {"checkpoint_path": "broken"})
    assert failed.status_code == 422
    assert "expected JSON" in failed.json()["error"]
    assert str(folder) not in failed.text
    assert post(url, "/predict", BODY).json()["prediction"] == before["prediction"]
    loaded = post(url, "/load_model", {"checkpoint_path": "constant"}).json()
    assert loaded.pop("message")
    expected = {"success": True, "model_version": "constant", "previous_version": "stub-1"}
    assert loaded == expected
    after = post(url, "/predict", BODY).json()
    assert after["model_version"] == "constant"
    assert after["prediction"]["start_x"] != before["prediction"]["start_x"]
    assert requests.get(f"{url}/health", timeout=30).json()["model_version"] == "constant"


@pytest.mark.parametrize("lacking", ["checkpoint", "resize"])
def test_metadata_without_a_field_is_422_of_the_real_loader(lacking, tmp_path):
    contents = {"format_version": 1, "checkpoint": "best_checkpoint-1", "resize": "crop"}
    del contents[lacking]
    (tmp_path / "monday").mkdir()
    (tmp_path / "monday" / "metadata.json").write_text(json.dumps(contents))
    client = app.create_app(None, ServerSettings(checkpoint_root=tmp_path)).test_client()
    answer = client.post("/load_model", json={"checkpoint_path": "monday"})
    assert answer.status_code == 422
    assert f"monday/metadata.json: expected '{lacking}' to be" in answer.json["error"]
    assert str(tmp_path) not in answer.text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"checkpoint_path": "../embeddings"}, 403),
        ({"checkpoint_path": "/etc"}, 403),
        ({"checkpoint_path": "absent"}, 404),
        ({"checkpoint_path": 3}, 400),
        ({}, 400),
        ([], 400),
    ],
)
def test_other_names_are_refused(server, body, status):
    answer = post(server[0], "/load_model", body)
    assert answer.status_code == status
    assert str(server[1]) not in answer.text


def test_gin_from_the_network_is_never_read(server, tmp_path):
    """A binding that would run code is a field that nobody looks at, a gin file no checkpoint."""
    url, folder = server
    trace = tmp_path / "was_here"
    bindings = [f"import os\nos.makedirs.name = '{trace}'", "x = @os.makedirs()"]
    (folder / "evil.gin").write_text("\n".join(bindings))
    fields = {"config_file": str(folder / "evil.gin"), "gin_bindings": bindings}
    for name in ("../evil.gin", str(folder / "evil.gin")):
        answer = post(url, "/load_model", {"checkpoint_path": name, **fields})
        assert answer.status_code in (403, 404)
    answer = post(url, "/load_model", {"checkpoint_path": "constant", **fields})
    assert answer.status_code == 200
    assert not trace.exists()


def test_corrections_are_kept_beside_the_answer(server):
    url, folder = server
    request_id = post(url, "/predict", BODY).json()["request_id"]
    answer = post(url, "/corrections", {"request_id": request_id, **CORRECTION})
    assert (answer.status_code, answer.json()["success"]) == (200, True)
    (record,) = (folder / "records").glob(f"*/{request_id}")
    kept = json.loads((record / "correction.json").read_text())
    assert {name: kept[name] for name in CORRECTION} == CORRECTION
    (image,) = record.glob("image.*")
    assert image.read_bytes() == PICTURE
    asked = json.loads((record / "request.json").read_text())
    assert (asked["action"], asked["food_type"]) == ("skewering", "strawberry")


def test_an_id_that_a_client_sends_again_is_replaced_and_each_answer_corrected(server):
    url, folder = server
    ids = []
    for route in ("/predict", "/predict", "/predict_batch"):
        answer = requests.post(
            url + route, json=BODY, headers={"X-Request-ID": "robot-1.7"}, timeout=30
        )
        assert answer.status_code == 200
        ids.append(answer.json()["request_id"])
        assert answer.headers["X-Request-ID"] == ids[-1]
    assert ids[0] == "robot-1.7"
    assert len(set(ids)) == 3
    for number, request_id in enumerate(ids):
        correction = {"request_id": request_id, **CORRECTION, "end_x": number / 4}
        assert post(url, "/corrections", correction).status_code == 200
    for number, request_id in enumerate(ids):
        (record,) = (folder / "records").glob(f"*/{request_id}")
        assert json.loads((record / "answer.json").read_text())["request_id"] == request_id
        assert json.loads((record / "correction.json").read_text())["end_x"] == number / 4


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"request_id": "absent", **CORRECTION}, 404, "'request_id'"),
        ({"request_id": "../../x", **CORRECTION}, 404, "'request_id'"),
        ({**CORRECTION}, 400, "'request_id' is missing"),
        ({"request_id": "a", **CORRECTION, "end_x": 2}, 400, "'end_x': .* from 0 to 1, got 2"),
        ([], 400, "Expected a JSON object with request_id"),
    ],
)
def test_bad_corrections_are_refused(server, body, status, message):
    answer = post(server[0], "/corrections", body)
    assert answer.status_code == status
    assert re.search(message, answer.json()["error"]), answer.text


def test_without_a_recorder_corrections_are_refused(stub_server_url):
    answer = post(stub_server_url, "/corrections", {"request_id": "a", **CORRECTION})
    assert answer.status_code == 409
    assert "--record_dir" in answer.json()["error"]
