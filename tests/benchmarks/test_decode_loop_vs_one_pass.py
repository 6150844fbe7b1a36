"""The benchmark runs, on a small network; how long either side takes is not tested."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import decode_loop_vs_one_pass as benchmark
from tests import small_model

pytest_plugins = ["tests.model_fixtures"]
pytestmark = [pytest.mark.usefixtures("clean_gin"), pytest.mark.slow]


@pytest.mark.long
def test_compares_head_and_policy_step():
    network = small_model.build(*small_model.TINY, small_model.CROSS_ENTROPY).network

    times = benchmark.compare(network, repeats=2)

    assert list(times) == ["head", "policy step"]
    assert (np.array(list(times.values())) > 0).all()


def test_median_ignores_the_calls_that_trace():
    calls = []

    medians = benchmark.median_ms([lambda: calls.append("a"), lambda: calls.append("b")], 3)

    assert calls == ["a", "b"] * 5
    assert len(medians) == 2
