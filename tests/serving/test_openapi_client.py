"""A client that knows nothing but /openapi.json: sends its examples, and finds what it promises."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema
import pytest
import requests

from serving import app
from serving.settings import ServerSettings
from tests import serving_stubs


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


def json_schema(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """An OpenAPI 3.0 schema in the words of JSON Schema, which has no `nullable`."""
    whole = {**schema, "components": {"schemas": document["components"]["schemas"]}}
    return _without_nullable(copy.deepcopy(whole))


def _without_nullable(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_nullable(one) for one in node]
    if not isinstance(node, dict):
        return node
    converted = {name: _without_nullable(value) for name, value in node.items()}
    if converted.pop("nullable", False) is True:
        return {"anyOf": [{"type": "null"}, converted]}
    return converted


def content_of(response: dict[str, Any]) -> dict[str, Any]:
    return response["content"]["application/json"]


def ask(url, document, path, body):
    """Sends a body; the answer has to be what the document says for its status."""
    operation = document["paths"][path]["post"]
    answer = requests.post(f"{url}{path}", json=body, timeout=30)
    promised = operation["responses"][str(answer.status_code)]
    jsonschema.validate(answer.json(), json_schema(document, content_of(promised)["schema"]))
    for header in promised["headers"]:
        assert header in answer.headers or answer.status_code not in (429, 503)
    return answer


@pytest.mark.parametrize("path", ["/predict", "/predict_batch"])
def test_every_example_is_answered_as_promised(url, document, path):
    body = content_of(document["paths"][path]["post"]["requestBody"])
    request_schema = json_schema(document, body["schema"])
    assert body["examples"]
    for example in body["examples"].values():
        jsonschema.validate(example["value"], request_schema)
        answer = ask(url, document, path, example["value"])
        assert answer.status_code == 200, answer.text


def test_get_routes_answer_as_promised(url, document):
    for path in ("/health", "/ready", "/available_combinations"):
        promised = document["paths"][path]["get"]["responses"]["200"]
        answer = requests.get(f"{url}{path}", timeout=30)
        jsonschema.validate(answer.json(), json_schema(document, content_of(promised)["schema"]))


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
