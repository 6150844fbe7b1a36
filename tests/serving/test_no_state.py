"""No request changes the model: a real network behind a real server, a thousand samples later."""

from __future__ import annotations

import base64
import concurrent.futures
import itertools

import numpy as np
import pytest
import requests

from serving import app
from tests import serving_stubs, small_model

# The pictures that the server makes; small inside.
BINDINGS = (
    *small_model.TINY,
    "observation_spec.image_height = 236",
    "observation_spec.image_width = 236",
)
PICTURE = np.random.default_rng(3).integers(0, 256, (48, 64, 3), np.uint8)
BODY = {
    "image": base64.b64encode(serving_stubs.file_bytes(PICTURE)).decode(),
    "action": "skewering",
    "food_type": "strawberry",
}
NUM_REQUESTS, SAMPLES = 280, 4  # One request in ten is without dropout: 252 x 4 samples.


@pytest.mark.slow
def test_a_thousand_stochastic_samples_change_nothing(tmp_path):
    agent = small_model.build(*BINDINGS)
    store = serving_stubs.embedding_store_of(tmp_path)
    predictor = serving_stubs.predictor_of(agent, store)
    predictor.warm_up()
    variables = agent.network.variables
    before = [variable.numpy() for variable in variables]
    sessions = itertools.cycle([requests.Session() for _ in range(4)])

    def ask(session, number):
        """Every tenth request is without dropout."""
        if number % 10 == 0:
            answer = session.post(f"{url}/predict", json=BODY, timeout=60)
            return answer.json()["prediction"]
        scope = ("head", "full")[number % 2]
        body = {**BODY, "batch_size": SAMPLES, "dropout_scope": scope, "seed": number}
        answer = session.post(f"{url}/predict_batch", json=body, timeout=60)
        assert answer.json()["statistics"]["total_variance"] > 0
        return None

    with serving_stubs.serve(app.create_app(predictor)) as url:
        idle = ask(next(sessions), 0)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            numbers = range(NUM_REQUESTS)
            answers = list(pool.map(ask, itertools.islice(sessions, len(numbers)), numbers))
        afterwards = ask(next(sessions), 0)
    assert [answer for answer in answers if answer is not None] == [idle] * 28
    assert afterwards == idle
    for variable, value in zip(variables, before):
        np.testing.assert_array_equal(variable.numpy(), value, err_msg=variable.name)
