"""A client that knows nothing but /openapi.json: sends its examples, and finds what it promises."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from serving import app
from serving.settings import ServerSettings
from tests import openapi_schema, serving_stubs


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    (folder / "embeddings").mkdir()
    store = serving_stubs.embedding_store_of(folder / "embeddings")
    stub = serving_stubs.predictor_of(serving_stubs.MarkerModel(), store)
    settings = ServerSettings(checkpoint_root=folder, record_dir=folder / "records")
    with serving_stubs.serve(app.create_app(stub, settings, lambda directory: stub)) as address:
        yield address


@pytest.fixture(scope="module")
def document(url):
    return requests.get(f"{url}/openapi.json", timeout=30).json()


def content_of(response: dict[str, Any]) -> dict[str, Any]:
    return response["content"]["application/json"]


def problems(value: Any, described: dict[str, Any], document: dict[str, Any]) -> list[str]:
    """What is wrong with the JSON of a request or an answer."""
    return openapi_schema.problems(value, content_of(described)["schema"], document)


def ask(url, document, path, body):
    """Sends a body; the answer has to be what the document says for its status."""
    operation = document["paths"][path]["post"]
    answer = requests.post(f"{url}{path}", json=body, timeout=30)
    promised = operation["responses"][str(answer.status_code)]
    assert problems(answer.json(), promised, document) == []
    for header in promised["headers"]:
        assert header in answer.headers or answer.status_code not in (429, 503)
    return answer


@pytest.mark.parametrize("path", ["/predict", "/predict_batch"])
def test_every_example_is_answered_as_promised(url, document, path):
    described = document["paths"][path]["post"]["requestBody"]
    examples = content_of(described)["examples"].values()
    assert examples
    for example in examples:
        assert problems(example["value"], described, document) == []
        answer = ask(url, document, path, example["value"])
        assert answer.status_code == 200, answer.text


def test_get_routes_answer_as_promised(url, document):
    for path in ("/health", "/ready", "/available_combinations"):
        promised = document["paths"][path]["get"]["responses"]["200"]
        answer = requests.get(f"{url}{path}", timeout=30)
        assert problems(answer.json(), promised, document) == []


def test_errors_are_what_the_document_says(url, document):
    example = next(
        iter(content_of(document["paths"]["/predict"]["post"]["requestBody"])["examples"].values())
    )["value"]
    for change, status in (
        ({"action": 3}, 400),
        ({"food_type": "plutonium"}, 422),
        ({"image": "aGVsbG8="}, 422),
    ):
        assert ask(url, document, "/predict", {**example, **change}).status_code == status
    assert ask(url, document, "/load_model", {"checkpoint_path": "../x"}).status_code == 403


def test_a_correction_goes_the_way_that_the_document_shows(url, document):
    example = next(
        iter(content_of(document["paths"]["/predict"]["post"]["requestBody"])["examples"].values())
    )["value"]
    request_id = ask(url, document, "/predict", example).json()["request_id"]
    body = content_of(document["paths"]["/corrections"]["post"]["requestBody"])
    correction = next(iter(body["examples"].values()))["value"]
    answer = ask(url, document, "/corrections", {**correction, "request_id": request_id})
    assert answer.status_code == 200, answer.text
