"""The document agrees with the application, and with what the application answers."""

from __future__ import annotations

import json
import re

import flask
import pytest
import requests

from serving import app, errors, openapi_document, security_headers, settings
from serving.openapi import examples, route_table
from tests import openapi_schema, serving_stubs

METHODS = {"GET", "POST"}


def routes_of(application):
    return {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in application.url_map.iter_rules()
        for method in rule.methods & METHODS
    }


def routes_in(document):
    return {(path, method) for path, methods in document["paths"].items() for method in methods}


def document_of(application):
    return application.test_client().get("/openapi.json").json


@pytest.mark.parametrize("batch", [True, False])
def test_every_route_is_in_it_and_nothing_else(batch):
    application = app.create_app(None, batch=batch)
    document = document_of(application)
    assert routes_in(document) == routes_of(application)
    assert ("/predict_batch" in document["paths"]) is batch
    if batch:
        table = {(route.path, route.method) for route in route_table.ROUTES}
        assert routes_in(document) == table


def nodes(value):
    if isinstance(value, dict):
        yield value
    for one in value.values() if isinstance(value, dict) else value:
        if isinstance(one, (dict, list)):
            yield from nodes(one)


def test_structure_is_that_of_openapi_3_0_3():
    document = openapi_document.build(
        settings.ServerSettings(), ["/predict", "/static/<path:name>"]
    )
    assert document["openapi"] == "3.0.3"
    assert set(document) == {"openapi", "info", "servers", "paths", "components"}
    assert set(document["paths"]) == {"/predict", "/static/{name}"}
    for node in nodes(document):
        if "$ref" in node:
            assert openapi_schema.resolve(node, document)
    for _, methods in document["paths"].items():
        for operation in methods.values():
            assert {"operationId", "summary", "responses", "security"} <= set(operation)
            for status, answer in operation["responses"].items():
                assert re.fullmatch("[1-5][0-9][0-9]", status)
                assert answer["description"]
            names = {name for one in operation["security"] for name in one}
            assert names <= set(document["components"]["securitySchemes"])


def test_limits_of_this_server_are_stated():
    chosen = settings.ServerSettings(
        max_body_bytes=1234, max_pixels=5678, requests_per_minute=90, deadline_s=2.5
    )
    text = openapi_document.build(chosen, [])["info"]["description"]
    for phrase in (
        "bodies of 1234 bytes",
        "pictures of 5678 pixels",
        "JSON of 8 levels",
        "at most 90 requests a minute",
        "within 2.5 s",
        "An API key is not needed",
    ):
        assert phrase in text


def test_keys_are_asked_for_only_if_there_are_any():
    rules = ["/predict", "/health"]
    without = openapi_document.build(settings.ServerSettings(), rules)
    assert without["paths"]["/predict"]["post"]["security"] == []
    chosen = settings.ServerSettings(api_keys={"robot": "secret-of-the-robot"})
    with_keys = openapi_document.build(chosen, rules)
    predict = with_keys["paths"]["/predict"]["post"]
    assert predict["security"] == [{"ApiKey": []}, {"Bearer": []}]
    assert "401" in predict["responses"]
    assert with_keys["paths"]["/health"]["get"]["security"] == []
    assert "secret-of-the-robot" not in json.dumps(with_keys)


def test_docs_have_a_policy_of_their_own():
    application = flask.Flask("test", static_folder=None)
    errors.install(application)
    security_headers.install(application, settings.ServerSettings())
    openapi_document.install(application, settings.ServerSettings())
    answer = application.test_client().get("/docs")
    assert answer.mimetype == "text/html"
    assert answer.headers.getlist("Content-Security-Policy")[0].count("sha256-") == 1
    assert len(answer.headers.getlist("Content-Security-Policy")) == 1
    assert "/docs" in answer.text and "/openapi.json" in answer.text


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    store = serving_stubs.embedding_store_of(tmp_path_factory.mktemp("embeddings"))
    stub = serving_stubs.predictor_of(serving_stubs.ConstantModel([0.25, 0.5, 0.75, 0.9]), store)
    with serving_stubs.serve(app.create_app(stub)) as address:
        yield address


def operation_and_answers(url):
    """(path, method, answer) for a request that the document itself gives as an example."""
    document = requests.get(f"{url}/openapi.json", timeout=30).json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            where = url + path.replace("{name}", "page.css")
            content = operation.get("requestBody", {"content": {}})["content"]
            sent = content.get("application/json", {"examples": {"none": {"value": None}}})
            for example in sent["examples"].values():
                answer = requests.request(method, where, json=example["value"], timeout=30)
                yield document, path, operation, answer


def test_what_the_server_answers_is_what_the_document_says(url):
    """Each example is sent as it stands; status, media type and content must be described."""
    seen = set()
    for document, path, operation, answer in operation_and_answers(url):
        described = operation["responses"][str(answer.status_code)]
        media_type = answer.headers["Content-Type"].split(";")[0]
        content = described["content"].get(media_type) or described["content"]["*/*"]
        assert all(name in answer.headers for name in described["headers"] if name != "Retry-After")
        if media_type == "application/json":
            schema = content["schema"]
            assert openapi_schema.problems(answer.json(), schema, document) == [], path
        seen.add((path, answer.status_code))
    expected = {(route.path, 200) for route in route_table.ROUTES}
    # The stub loads no checkpoints and keeps no corrections.
    expected -= {("/load_model", 200), ("/corrections", 200)}
    assert seen == expected | {("/load_model", 403), ("/corrections", 409)}


@pytest.mark.parametrize("path", ["/predict", "/predict_batch"])
def test_form_as_described(path, url):
    document = requests.get(f"{url}/openapi.json", timeout=30).json()
    operation = document["paths"][path]["post"]
    schema = operation["requestBody"]["content"]["multipart/form-data"]["schema"]
    fields = openapi_schema.resolve(schema, document)["properties"]
    assert fields["image"]["format"] == "binary"
    picture = serving_stubs.file_bytes(serving_stubs.marker_picture(40, 30, (10, 10), (30, 20)))
    answer = requests.post(
        url + path,
        data={"action": "skewering", "food_type": "strawberry", "resize": "crop"},
        files={"image": ("plate.png", picture, "image/png")},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    content = operation["responses"]["200"]["content"]["application/json"]
    assert openapi_schema.problems(answer.json(), content["schema"], document) == []
    assert answer.json()["resize"] == "crop"


def test_refusals_are_described(url):
    document = requests.get(f"{url}/openapi.json", timeout=30).json()
    sent = [
        ({"json": {}}, 400),
        ({"json": {**examples.PREDICT_REQUEST, "food_type": "stone"}}, 422),
        ({"data": b"x", "headers": {"Content-Type": "text/plain"}}, 415),
        ({"json": examples.PREDICT_REQUEST, "headers": {"Origin": "https://evil.example"}}, 403),
    ]
    for options, status in sent:
        answer = requests.post(f"{url}/predict", timeout=30, **options)
        assert answer.status_code == status
        described = document["paths"]["/predict"]["post"]["responses"][str(status)]
        schema = described["content"]["application/json"]["schema"]
        assert openapi_schema.problems(answer.json(), schema, document) == []
