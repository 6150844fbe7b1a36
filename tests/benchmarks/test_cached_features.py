"""The benchmark runs, on a small network; how long either side takes is not tested."""

from __future__ import annotations

import numpy as np
import pytest

import policy_specs
from benchmarks import cached_features as benchmark
from tests import small_model

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")
SIZE = policy_specs.IMAGE_SIZE


def test_noise():
    dataset = benchmark.noise(3)

    assert len(dataset) == 3
    np.testing.assert_allclose(np.linalg.norm(dataset.embeddings, axis=1), 1.0, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.long
def test_compares_epochs(tmp_path):
    full_size = [f"observation_spec.image_{side} = {SIZE}" for side in ("height", "width")]
    with small_model.gin_bindings(*small_model.BINDINGS, *small_model.TINY, *full_size):
        seconds = benchmark.compare(benchmark.noise(4), 2, epochs=3, directory=str(tmp_path))

    assert {name: len(values) for name, values in seconds.items()} == {"unfrozen": 2, "cached": 3}
    assert min(seconds["unfrozen"] + seconds["cached"]) > 0
