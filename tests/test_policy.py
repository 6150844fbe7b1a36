"""A checkpoint in this process says what its server says, to the bit, through the same calls."""

from __future__ import annotations

import json

import numpy as np
import pytest

import api_client
import policy
from serving import app
from tests import serving_stubs, uncertainty_stubs

PICTURE = serving_stubs.marker_picture(200, 100, (50, 30), (150, 80))
PAIR = ("Skewer", "strawberries")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return serving_stubs.embedding_store_of(tmp_path_factory.mktemp("embeddings"))


@pytest.fixture(scope="module")
def both(store):
    """A calibrated model here, whose doubt is 0.101, and its server."""
    known = uncertainty_stubs.calibration(threshold=0.05)
    predictor = serving_stubs.predictor_of(uncertainty_stubs.TokenModel(), store, calibration=known)
    with (
        serving_stubs.serve(app.create_app(predictor)) as url,
        api_client.FoodAcquisitionClient(url, retries=0) as client,
    ):
        yield policy.CheckpointPolicy(predictor), client


def content_of(answer):
    """The JSON of an answer without what differs from one exchange to the next."""
    prediction = getattr(answer, "mean_prediction", answer)
    content = json.loads(json.dumps(dict(prediction.content)))
    times = content.pop("timing_ms")
    assert times["total"] >= times["decode"] > 0
    del content["request_id"]
    return content, sorted(times)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("predict", {"resize": "crop", "text": "eat it"}),
        ("predict_batch", {"seed": 0, "dropout_scope": "full", "resize": "stretch"}),
        ("predict_batch", {"seed": 5, "batch_size": 3, "passes": "fast"}),
        ("predict_batch", {"enable_dropout": False, "batch_size": 2}),
    ],
)
def test_answers_are_those_of_the_server(method, options, both):
    here, there = (getattr(one, method)(PICTURE, *PAIR, **options) for one in both)
    assert content_of(here) == content_of(there)
    assert here.ask_human is there.ask_human is (None if "passes" in options else True)
    assert both[0].model_version() == both[1].model_version() == "stub-1"
    assert both[0].available_combinations() == both[1].available_combinations()


def test_refusals_are_those_of_the_server(both):
    cases = [(422, b"no picture", PAIR), (422, PICTURE, (None, None, "eat"))]
    cases += [(422, PICTURE, ("skewering", "stone")), (400, PICTURE, ("", "strawberry"))]
    for status, image, asked in cases:
        failures = []
        for one in both:
            with pytest.raises(api_client.ApiError) as refused:
                one.predict_batch(image, *asked)
            failures.append((refused.value.status, refused.value.message))
        assert failures[0] == failures[1]
        assert failures[0][0] == status
    for one, options in zip(both, ({"batchsize": 1}, {"embedding": np.zeros(512)})):
        with pytest.raises(TypeError, match="got batchsize|got embedding"):
            one.predict_batch(PICTURE, *PAIR, **options)


def test_limits_of_the_server_count_and_answers_must_be_finite(both, store, monkeypatch):
    monkeypatch.setattr(policy.schemas, "MAX_PIXELS", 200 * 100 - 1)
    with pytest.raises(api_client.ApiError, match="413: Expected a picture of at most 19999"):
        both[0].predict(PICTURE, *PAIR)
    monkeypatch.undo()
    broken = serving_stubs.ConstantModel((0.1, np.nan, 0.2, 0.3))
    with pytest.raises(api_client.ApiError, match="500: Expected four finite"):
        policy.CheckpointPolicy(serving_stubs.predictor_of(broken, store)).predict(PICTURE, *PAIR)
