"""pretrained/lite as it ships: small enough, loads, finds food, and listens."""

import pathlib

import numpy as np
import pytest

import checkpoint_directory
from evaluation import metrics, study, uncertainty
from evaluation.samples import Samples, collect
from food_data.synthetic import plates as synthetic_plates

DIRECTORY = pathlib.Path(__file__).parents[1] / "pretrained" / "lite"


@pytest.mark.slow
def test_finds_the_instructed_food_on_plates_that_it_has_not_seen():
    assert sum(path.stat().st_size for path in DIRECTORY.rglob("*") if path.is_file()) <= 12e6
    loaded = checkpoint_directory.load(DIRECTORY)
    plates = synthetic_plates.build_synthetic_dataset(
        40, 987, loaded.contents.embeddings, max_foods=3, view="arm", workers=1
    )
    samples = Samples(plates, np.arange(len(plates)))
    source = uncertainty.Source(loaded.agent)
    other = plates.embeddings[study.swapped_instructions(samples, 0)]

    def errors(answers):
        columns = study.columns_of(answers, samples).items()
        return {name: metrics.mean_of_known(values) for name, values in columns}

    found = errors(collect(source, samples).answers)
    assert found["centroid_mae"] < 0.025
    assert found["hit_rate"] > 0.92
    assert found["nearest_item_rate"] > 0.95
    # Round foods have no direction, so the mean over all foods stays above that of long ones.
    assert found["angle_mae_mod180_deg"] < 15
    swapped = errors(collect(source, samples, embeddings=other).answers)
    assert swapped["angle_mae_mod180_deg"] > 20
    assert swapped["nearest_item_rate"] < 0.65
