"""The documented import path of the training functions; each lives in a module of its own.

| name                                                   | module                     |
|--------------------------------------------------------|----------------------------|
| create_agent                                           | training/agent_factory.py  |
| create_npz_dataset                                     | food_data/pipeline.py      |
| train_step, predict_step, validate_step_with_metrics   | training/train_steps.py    |
| load_pretrained_checkpoint, load_resume_checkpoint     | training/starting_points.py |
| apply_freezing_logic                                   | training/freezing.py       |
| compute_bbox_metrics                                   | evaluation/metrics.py      |
| Augmentation                                           | food_data/augmentation.py  |
| point_right                                            | food_data/augmentation.py  |
"""

import keras2  # noqa: F401

from evaluation.metrics import compute_bbox_metrics
from food_data.augmentation import Augmentation, point_right
from food_data.pipeline import create_npz_dataset
from training.agent_factory import create_agent
from training.freezing import apply_freezing_logic
from training.starting_points import load_pretrained_checkpoint, load_resume_checkpoint
from training.train_steps import predict_step, train_step, validate_step_with_metrics

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
