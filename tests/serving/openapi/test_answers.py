"""The fields of the answers are those of the functions that make them."""

from __future__ import annotations

import numpy as np

from serving import monte_carlo, prediction
from serving.openapi import answers


def test_execution_parameters_are_those_of_prediction():
    made = prediction.ExecutionParameters(0.1, 0.2, 0.3, 0.4).to_dict()
    schema = answers.execution_parameters("pixels")
    assert set(schema["required"]) == set(schema["properties"]) == set(made)
    assert "in pixels;" in schema["description"]


def test_statistics_are_those_of_monte_carlo():
    made = monte_carlo.statistics(np.zeros([2, 4]))
    schema = answers.statistics()
    assert set(schema["required"]) == set(schema["properties"]) == set(made)


def test_one_picture_is_answered_as_each_of_several():
    one = set(answers.predict_batch_answer()["properties"])
    each = set(answers.samples()["properties"])
    around = set(answers.predict_images_answer()["properties"])
    assert one == each | around - {"results"}
    assert not each & around


def test_names_that_existing_clients_read_are_there():
    batch = answers.predict_batch_answer()["required"]
    assert {"mean_prediction", "statistics", "predictions", "batch_size", "success"} <= set(batch)
    assert {"prediction", "input_text", "success"} <= set(answers.predict_answer()["required"])


def test_times_are_decode_queue_model_total():
    assert list(answers.timing()["properties"]) == ["decode", "queue", "model", "total"]
