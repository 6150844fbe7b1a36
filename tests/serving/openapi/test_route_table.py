"""The table has each route once and says of each what a client must know."""

from __future__ import annotations

from serving import api_keys, rate_limits
from serving.openapi import route_table, schemas


def test_names_and_routes_are_unique():
    routes = route_table.ROUTES
    assert len({route.name for route in routes}) == len(routes) == 12
    assert len({(route.path, route.method) for route in routes}) == len(routes)


def test_schemas_that_are_named_exist():
    known = schemas.components()
    for route in route_table.ROUTES:
        names = [*route.answers]
        if route.body:
            names += [
                route.body.schema,
                *([route.body.form_schema] if route.body.form_schema else []),
            ]
        assert set(names) <= set(known), route.path


def test_it_agrees_with_the_guards():
    for route in route_table.ROUTES:
        is_open = route.path in api_keys.OPEN_PATHS or route.path.startswith(api_keys.OPEN_PREFIX)
        assert route.is_open is is_open, route.path
        assert route.is_limited is (route.path not in rate_limits.FREE_PATHS), route.path


def test_what_takes_a_body_may_refuse_it():
    for route in route_table.ROUTES:
        assert (route.body is not None) is (route.method == "post")
        assert ({400, 403, 413, 415} <= set(route.refusals)) is (route.body is not None)
