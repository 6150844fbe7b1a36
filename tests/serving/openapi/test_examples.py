"""The examples are true: numbers fit each other, and the requests pass the server's own checks."""

from __future__ import annotations

import numpy as np
import pytest

from food_data import image_placement
from serving import monte_carlo, prediction, request_schemas
from serving.openapi import examples


def test_picture_is_a_red_disc_on_grey():
    request = request_schemas.parse_predict(examples.PREDICT_REQUEST)
    picture = image_placement.decode_image(request.image)
    assert picture.shape == (12, 16, 3)
    assert picture[0, 0].tolist() == [200, 200, 200]
    assert picture[6, 8].tolist() == [200, 30, 50]


def test_requests_pass_the_checks():
    one = request_schemas.parse_predict_batch(examples.PREDICT_BATCH_REQUEST)
    assert (one.batch_size, one.seed, one.several) == (2, 7, False)
    two = request_schemas.parse_predict_batch(examples.PREDICT_IMAGES_REQUEST)
    assert (len(two.images), two.several) == (2, True)
    assert request_schemas.parse_load_model(examples.LOAD_MODEL_REQUEST) == "monday"


@pytest.mark.parametrize("field", ["prediction", "prediction_pixels"])
def test_motion_has_its_middle_and_its_direction(field):
    shown = examples.PREDICT_ANSWER[field]
    ends = [shown[name] for name in ("start_x", "start_y", "end_x", "end_y")]
    assert prediction.ExecutionParameters(*ends).to_dict() == pytest.approx(shown, abs=0.005)


@pytest.mark.parametrize("field", ["predictions", "predictions_pixels"])
def test_samples_are_around_the_mean(field):
    answer = examples.PREDICT_BATCH_ANSWER
    mean = answer["mean_prediction" + field[len("predictions") :]]
    expected = [mean[name] for name in ("start_x", "start_y", "end_x", "end_y")]
    assert np.mean(answer[field], axis=0).tolist() == expected
    assert (
        len(answer[field]) == answer["batch_size"] == examples.PREDICT_BATCH_REQUEST["batch_size"]
    )


def test_statistics_are_those_of_the_samples():
    answer = examples.PREDICT_BATCH_ANSWER
    made = monte_carlo.statistics(np.array(answer["predictions"]))
    for name, shown in answer["statistics"].items():
        assert made[name] == pytest.approx(shown, abs=1e-6), name


def test_pixels_are_those_of_the_picture():
    answer = examples.PREDICT_BATCH_ANSWER
    size = np.array([answer["image_width"], answer["image_height"]] * 2)
    assert (np.array(answer["predictions"]) * size).tolist() == answer["predictions_pixels"]
