"""Stubs of models with and without distributions over tokens, and a calibration of them."""

from __future__ import annotations

import numpy as np

from evaluation import uncertainty
from tests import serving_stubs


class TokenModel(serving_stubs.MarkerModel):
    """As unsure as it is told: each token of the first `width` is as likely as the others."""

    has_distributions, action_coding = True, "endpoints"

    def __init__(self, width: int = 26):
        self.width, self.asked = width, []

    def forward_with_distributions(self, image, embedding, **options):
        self.asked.append(options)
        answers = self.forward(image, embedding, **options)
        probabilities = np.zeros((*answers.shape, 256), np.float32)
        probabilities[..., : self.width] = 1 / self.width
        return answers, probabilities


class RegressionModel(serving_stubs.MarkerModel):
    has_distributions, action_coding = False, "endpoints"


def calibration(
    source="token_distribution", score="credible_width", scope=None, threshold=0.1, **regions
):
    """Discs of 0.1 of the square, boxes of 0.05, unless `regions` say otherwise."""
    sizes = {"disc": 0.1, "disc_adaptive": 1.5, "box": 0.05, "box_adaptive": 40.0}
    sizes = {"coverage": 0.9, "floor": 0.01, "adaptive": False, **sizes, **regions}
    num_samples, hashes = 4 if scope else 1, ("cd" * 32, ("p", "q"), "ef" * 32)
    return uncertainty.UncertaintyCalibration(
        format_version=1,
        fitted_on=uncertainty.FittedOn(source, score, scope, num_samples, "ab" * 32, 3, *hashes),
        std_scale=(2.0, 2.0, 2.0, 2.0),
        min_std=0.001,
        regions=uncertainty.ConformalRegions(**sizes),
        asking=uncertainty.AskHuman(threshold, "query_rate", 0.2, 0.05, 0.95, 0.2, 0.01, 0.03),
    )
