"""The fields that an answer has in JSON, over HTTP and in `folder_inference/local_model.py`."""

from __future__ import annotations

from typing import Any

from serving import monte_carlo, prediction, prediction_service, request_schemas


def single(answers: prediction_service.Answers) -> dict[str, Any]:
    """The motion, in 0..1 of the picture and in pixels: the fields of POST /predict."""
    normalised, pixels = answers.in_picture()[0]
    return {"prediction": normalised.to_dict(), "prediction_pixels": pixels.to_dict()}


def samples(
    answers: prediction_service.Answers, enable_dropout: bool, dropout_scope: str, seed: int | None
) -> dict[str, Any]:
    """Samples, their spread and their mean: the fields of POST /predict_batch.

    Args:
        answers: S rows.
        enable_dropout: whether they were drawn by lot.
        dropout_scope: "head" or "full".
        seed: that gives the same samples again; None without dropout.
    """
    normalised, pixels = (
        [[motion.start_x, motion.start_y, motion.end_x, motion.end_y] for motion in motions]
        for motions in zip(*answers.in_picture())
    )
    statistics = monte_carlo.statistics(normalised)
    mean_pixels = monte_carlo.statistics(pixels)["mean"]
    return {
        "batch_size": len(normalised),
        "enable_dropout": enable_dropout,
        "dropout_scope": dropout_scope,
        "seed": seed,
        "predictions": normalised,
        "predictions_pixels": pixels,
        "statistics": statistics,
        "mean_prediction": prediction.ExecutionParameters(*statistics["mean"]).to_dict(),
        "mean_prediction_pixels": prediction.ExecutionParameters(*mean_pixels).to_dict(),
        "ask_human": answers.ask_human,
        "uncertainty": answers.uncertainty,
    }


def about(
    answers: prediction_service.Answers, instruction: request_schemas.Instruction
) -> dict[str, Any]:
    """The picture, and the instruction as it came and as the model understood it."""
    return {
        "image_width": answers.view.placement.width,
        "image_height": answers.view.placement.height,
        "resize": answers.view.placement.mode,
        "passes": answers.framing.passes,
        "crop": list(answers.view.crop),
        "action": answers.instruction.action,
        "food_type": answers.instruction.food,
        "input_action": instruction.action,
        "input_food_type": instruction.food_type,
        "input_text": instruction.text,
    }
