"""The documented import path."""

from __future__ import annotations

import utils
from food_data import pipeline
from training import agent_factory, freezing, starting_points, train_steps


def test_names_are_those_of_the_modules():
    assert utils.create_agent is agent_factory.create_agent
    assert utils.create_npz_dataset is pipeline.create_npz_dataset
    assert utils.train_step is train_steps.train_step
    assert utils.validate_step_with_metrics is train_steps.validate_step_with_metrics
    assert utils.load_pretrained_checkpoint is starting_points.load_pretrained_checkpoint
    assert utils.load_resume_checkpoint is starting_points.load_resume_checkpoint
    assert utils.apply_freezing_logic is freezing.apply_freezing_logic
