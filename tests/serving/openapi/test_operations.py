"""One route's operation object, with and without keys."""

from __future__ import annotations

import pytest

from serving.openapi import operations, route_table

ROUTES = {route.name: route for route in route_table.ROUTES}


@pytest.mark.parametrize(
    ("name", "has_keys", "statuses"),
    [
        ("health", True, "200"),
        ("ready", False, "200 503"),
        ("metrics", False, "200"),
        ("metrics", True, "200 401"),
        ("available_combinations", False, "200 429 503"),
        ("predict", False, "200 400 403 413 415 422 429 503 504"),
        ("predict_batch", True, "200 400 401 403 413 415 422 429 503 504"),
        ("load_model", True, "200 400 401 403 404 409 413 415 422 429"),
        ("correct", False, "200 400 403 404 409 413 415 429"),
        ("page", True, "200 304 429"),
        ("page_file", True, "200 304 404 429"),
    ],
)
def test_statuses(name, has_keys, statuses):
    operation = operations.operation(ROUTES[name], has_keys)
    assert list(operation["responses"]) == statuses.split()


def test_predict_says_all_a_client_must_know():
    operation = operations.operation(ROUTES["predict"], has_keys=True)
    assert operation["operationId"] == "predict"
    assert operation["security"] == [{"ApiKey": []}, {"Bearer": []}]
    body = operation["requestBody"]
    assert body["required"] is True
    assert set(body["content"]) == {"application/json", "multipart/form-data"}
    answer = operation["responses"]["200"]
    assert answer["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/PredictAnswer"
    }
    assert set(answer["headers"]) == {"X-Request-ID"}
    busy = operation["responses"]["503"]
    assert set(busy["headers"]) == {"X-Request-ID", "Retry-After"}
    assert busy["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Error"}


def test_batch_answers_one_of_two():
    schema = operations.operation(ROUTES["predict_batch"], False)["responses"]["200"]["content"][
        "application/json"
    ]["schema"]
    assert schema == {
        "anyOf": [
            {"$ref": "#/components/schemas/PredictBatchAnswer"},
            {"$ref": "#/components/schemas/PredictImagesAnswer"},
        ]
    }


def test_not_ready_is_more_than_an_error():
    refusal = operations.operation(ROUTES["ready"], False)["responses"]["503"]
    assert refusal["content"]["application/json"]["schema"]["$ref"].endswith("/NotReady")


def test_parameters_of_the_path():
    (name, _) = operations.operation(ROUTES["page_file"], False)["parameters"]
    assert (name["name"], name["in"], name["required"]) == ("name", "path", True)
