"""A line of the route table as OpenAPI's operation object."""

from __future__ import annotations

import re
from typing import Any

from serving import errors
from serving.openapi import parts, route_table

_REFUSALS = {
    400: "The form of the request is wrong: a field is missing, of another type or out of range.",
    401: "No API key, or one that this server does not know.",
    403: "Not allowed from there: a web page of another origin; /load_model without an API key "
    "from another computer, or a name that leads out of --checkpoint_root.",
    404: "There is nothing of that name.",
    409: "Not now: another checkpoint is being loaded, or corrections are not kept.",
    413: "The body, or the picture in it, is too large.",
    415: "A body of another media type.",
    422: "Understood, but impossible: no picture, an unknown food, a checkpoint that cannot be "
    "loaded.",
    429: "Too many requests of this key or address.",
    503: "No model is loaded, or too many requests wait for it.",
    504: "The model did not answer in time.",
}
_RETRY_STATUSES = (409, 429, 503)


def operation(route: route_table.Route, has_keys: bool) -> dict[str, Any]:
    """The operation object of a route.

    Args:
        route: of the table.
        has_keys: whether the server wants API keys.
    """
    needs_key = has_keys and not route.is_open
    refusals = {*route.refusals}
    refusals |= {401} if needs_key else set()
    refusals |= {429} if route.is_limited else set()
    answers = {"200": _answer(route)}
    if route.is_kept:
        answers["304"] = {"description": "What the browser has is still good."}
    answers.update({str(status): _refusal(route, status) for status in sorted(refusals)})
    described = {
        "operationId": route.name,
        "summary": route.summary,
        "security": [{"ApiKey": []}, {"Bearer": []}] if needs_key else [],
        "parameters": [*_path_parameters(route), {"$ref": "#/components/parameters/RequestId"}],
        "responses": answers,
    }
    if route.body:
        described["requestBody"] = _body(route.body)
    return described


def _answer(route: route_table.Route) -> dict[str, Any]:
    references = [parts.reference(name) for name in route.answers]
    content: dict[str, Any] = {}
    if len(references) > 1:
        content["schema"] = {"anyOf": references}
    elif references:
        content["schema"] = references[0]
    elif route.media_type == route_table.JSON:
        content["schema"] = {"type": "object"}
    else:
        content["schema"] = {"type": "string"}
    if route.example is not None:
        content["example"] = route.example
    return {
        "description": "Answered.",
        "headers": _header_references(200),
        "content": {route.media_type: content},
    }


def _refusal(route: route_table.Route, status: int) -> dict[str, Any]:
    schema = "NotReady" if (route.path, status) == ("/ready", 503) else "Error"
    return {
        "description": _REFUSALS[status],
        "headers": _header_references(status),
        "content": {route_table.JSON: {"schema": parts.reference(schema)}},
    }


def _body(body: route_table.Body) -> dict[str, Any]:
    json_examples = {name.replace(" ", "_"): {"value": one} for name, one in body.examples.items()}
    content = {
        route_table.JSON: {
            "schema": parts.reference(body.schema),
            "examples": json_examples,
        }
    }
    if body.form_schema:
        content[route_table.FORM] = {"schema": parts.reference(body.form_schema)}
    return {"required": True, "content": content}


def _path_parameters(route: route_table.Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]


def _header_references(status: int) -> dict[str, Any]:
    names = [errors.REQUEST_ID_HEADER, *(["Retry-After"] if status in _RETRY_STATUSES else [])]
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
