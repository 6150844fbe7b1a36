"""The benchmark's ways give the same answer; how fast they are, is not tested."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import batching
from tests import small_model

SQUARE = ("observation_spec.image_height = 236", "observation_spec.image_width = 236")


@pytest.mark.slow
@pytest.mark.long
def test_all_ways_answer_the_same():
    agent = small_model.build(*small_model.TINY, *SQUARE)
    asked, queue = batching.ways(agent)
    image = small_model.images(0, side=236)
    embedding = small_model.embeddings(1)
    answers = {name: np.asarray(ask(image, embedding)) for name, ask in asked.items()}
    assert answers["none"].shape == (4,)
    np.testing.assert_allclose(answers["tf"], answers["none"], atol=1e-6)
    np.testing.assert_array_equal(answers["queue"], answers["none"])
    rate, median_ms = batching.answers_per_second(asked["queue"], threads=2, seconds=0.2)
    assert rate > 0 and median_ms > 0
    queue.close()
