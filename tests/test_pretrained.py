"""pretrained/lite as it ships: small enough, loads, listens, and beats guessing by far."""

import pathlib

import numpy as np
import pytest

import checkpoint_directory
from evaluation import metrics, study, uncertainty
from evaluation.samples import Samples
from food_data.synthetic import plates as synthetic_plates

DIRECTORY = pathlib.Path(__file__).parents[1] / "pretrained" / "lite"
pytestmark = pytest.mark.slow


def test_ships_in_twelve_megabytes():
    files = list(DIRECTORY.rglob("*"))
    assert sum(path.stat().st_size for path in files if path.is_file()) <= 12e6


def test_finds_the_instructed_food_on_plates_that_it_has_not_seen():
    loaded = checkpoint_directory.load(DIRECTORY)
    plates = synthetic_plates.build_synthetic_dataset(
        40, 987, loaded.contents.embeddings, max_foods=3, view="arm", workers=1
    )
    samples = Samples(plates, np.arange(len(plates)))
    source = uncertainty.Source(loaded.agent)
    swapped = study.swapped_instructions(samples, 0)
    kinds = {
        "model": uncertainty.collect(source, samples).answers,
        "swapped": uncertainty.collect(
            source, samples, embeddings=plates.embeddings[swapped]
        ).answers,
        "mean of the training labels": np.tile(plates.actions.mean(axis=0), (len(plates), 1)),
    }
    found = {
        kind: {
            name: metrics.mean_of_known(values)
            for name, values in study.columns_of(answers, samples).items()
        }
        for kind, answers in kinds.items()
    }
    assert found["model"]["centroid_mae"] < 0.025
    assert found["model"]["hit_rate"] > 0.92
    assert found["model"]["nearest_item_rate"] > 0.95
    # Round foods have no direction, so the mean over all foods stays above that of long ones.
    assert found["model"]["angle_mae_mod180_deg"] < 15
    assert found["swapped"]["angle_mae_mod180_deg"] > 20
    assert found["swapped"]["nearest_item_rate"] < 0.65
    assert found["mean of the training labels"]["centroid_mae"] > 0.08
