"""The documented import path of the training functions; each lives in a module of its own."""

import keras2  # noqa: F401

from evaluation.metrics import compute_bbox_metrics
from food_data.augmentation import Augmentation, point_right
from food_data.pipeline import create_npz_dataset
from training.run_setup import (
    apply_freezing_logic,
    create_agent,
    load_pretrained_checkpoint,
    load_resume_checkpoint,
)
from training.training_loop import predict_step, train_step, validate_step_with_metrics

__all__ = [
    "Augmentation",
    "apply_freezing_logic",
    "compute_bbox_metrics",
    "create_agent",
    "create_npz_dataset",
    "load_pretrained_checkpoint",
    "load_resume_checkpoint",
    "point_right",
    "predict_step",
    "train_step",
    "validate_step_with_metrics",
]
