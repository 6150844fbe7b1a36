"""A small application around the guards; its routes answer what `flask.g` says of the client."""

from __future__ import annotations

import flask

from serving import errors


def application(settings, *install) -> flask.Flask:
    """An application with `errors`, the given guards, and routes named as the real server's."""
    app = flask.Flask("guarded", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    errors.install(app)
    for one in install:
        one(app, settings)

    def who(**_):
        return {"client": flask.g.get("client"), "has_key": flask.g.get("has_key")}

    def predict():
        flask.g.action, flask.g.food_type = "skewering", "grape"
        flask.g.model_version = "stub-1"
        return {"length": len(flask.request.get_data())}

    def fail():
        raise KeyError("inside")

    for rule in ("/", "/health", "/ready", "/openapi.json", "/docs", "/metrics", "/static/<name>"):
        app.add_url_rule(rule, rule, who)
    app.add_url_rule("/available_combinations", "combinations", who)
    app.add_url_rule("/load_model", "load_model", who, methods=["POST"])
    app.add_url_rule("/predict", "predict", predict, methods=["POST"])
    app.add_url_rule("/fail", "fail", fail)
    return app
