"""The fields of an answer, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from food_data import framing, image_placement
from serving import answer_fields, instructions, prediction_service, request_schemas

# 200 x 100 pixels, stretched over the square.
PLACEMENT = image_placement.Placement("stretch", 200, 100, 236 / 200, 236 / 100, 0.0, 0.0)
INSTRUCTION = instructions.ResolvedInstruction("skewering", "grape", np.zeros(512, np.float32))


def answers(*rows):
    coordinates = np.array(rows, np.float32)
    view = framing.View(np.zeros((236, 236, 3), np.uint8), PLACEMENT)
    once = framing.Framing()
    return prediction_service.Answers(
        INSTRUCTION, once, PLACEMENT, view, coordinates, 1.0, 2.0, 3.0
    )


def test_single():
    found = answer_fields.single(answers([0.25, 0.5, 0.75, 1.0]))
    assert list(found) == ["prediction", "prediction_pixels"]
    assert found["prediction"]["direction_degrees"] == pytest.approx(45)
    assert found["prediction_pixels"] == pytest.approx(
        {
            "start_x": 50,
            "start_y": 50,
            "end_x": 150,
            "end_y": 100,
            "skewer_x": 100,
            "skewer_y": 75,
            "direction_degrees": 26.565,
        },
        abs=1e-3,
    )


def test_samples():
    drawn = answers([0.2, 0.4, 0.6, 0.4], [0.4, 0.4, 0.8, 0.4])
    found = answer_fields.samples(drawn, True, "full", 7)
    assert (found["batch_size"], found["dropout_scope"], found["seed"]) == (2, "full", 7)
    assert found["enable_dropout"] is True
    assert np.shape(found["predictions"]) == np.shape(found["predictions_pixels"]) == (2, 4)
    assert found["statistics"]["total_variance"] == pytest.approx(0.02)
    assert found["mean_prediction"]["skewer_x"] == pytest.approx(0.5)
    assert found["mean_prediction_pixels"]["skewer_x"] == pytest.approx(100)


def test_about():
    asked = request_schemas.Instruction("Skewer", "grapes", None)
    assert answer_fields.about(answers([0, 0, 1, 1]), asked) == {
        "image_width": 200,
        "image_height": 100,
        "resize": "stretch",
        "passes": "one",
        "crop": [0.0, 0.0, 1.0, 1.0],
        "action": "skewering",
        "food_type": "grape",
        "input_action": "Skewer",
        "input_food_type": "grapes",
        "input_text": None,
    }
