"""Ranking figures: by hand, against scikit-learn and SciPy, and what they must not depend on."""

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import rank_metrics


def random_case(seed, tied):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 8, 150).astype(float) if tied else rng.normal(size=150)
    return scores, rng.random(150) < 0.3


def test_by_hand():
    scores, positive = [0.1, 0.4, 0.35, 0.8], [False, False, True, True]
    assert rank_metrics.auroc(scores, positive) == 0.75
    assert rank_metrics.average_precision(scores, positive) == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert rank_metrics.auroc([1, 1, 1], [True, False, False]) == 0.5
    assert rank_metrics.average_precision([1, 1, 1], [True, False, False]) == pytest.approx(1 / 3)
    np.testing.assert_array_equal(rank_metrics.midranks([3, 1, 3]), [2.5, 1, 2.5])
    np.testing.assert_array_equal(rank_metrics.tie_means([3, 1, 3], [1, 5, 2]), [1.5, 5, 1.5])
    assert rank_metrics.spearman([1, 2, 3], [10, 20, 15]) == 0.5


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_equals_scikit_learn_and_scipy(seed, tied):
    scores, positive = random_case(seed, tied)
    other = np.random.default_rng(seed + 100).normal(size=150).round(1)
    expected = {
        "auroc": sklearn.metrics.roc_auc_score(positive, scores),
        "average_precision": sklearn.metrics.average_precision_score(positive, scores),
        "spearman": scipy.stats.spearmanr(scores, other).statistic,
    }
    found = {
        "auroc": rank_metrics.auroc(scores, positive),
        "average_precision": rank_metrics.average_precision(scores, positive),
        "spearman": rank_metrics.spearman(scores, other),
    }
    assert found == pytest.approx(expected, abs=1e-9)
    np.testing.assert_allclose(rank_metrics.midranks(scores), scipy.stats.rankdata(scores))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), tied=st.booleans())
def test_only_the_order_of_the_scores_counts(seed, tied):
    scores, positive = random_case(seed, tied)
    found = rank_metrics.auroc(scores, positive)
    assert rank_metrics.auroc(np.exp(scores / 3) - 7, positive) == pytest.approx(found, abs=1e-12)
    assert rank_metrics.auroc(-scores, positive) == pytest.approx(1 - found, abs=1e-12)
    shuffled = np.random.default_rng(seed).permutation(len(scores))
    assert rank_metrics.auroc(scores[shuffled], positive[shuffled]) == pytest.approx(found)
    assert rank_metrics.average_precision(scores[shuffled], positive[shuffled]) == pytest.approx(
        rank_metrics.average_precision(scores, positive)
    )


def test_unknown_where_nothing_can_be_told():
    assert np.isnan(rank_metrics.auroc([1, 2], [True, True]))
    assert np.isnan(rank_metrics.auroc([1, 2], [False, False]))
    assert np.isnan(rank_metrics.average_precision([1, 2], [False, False]))
    assert np.isnan(rank_metrics.spearman([1, 1], [1, 2]))


def test_infinite_scores_rank():
    assert rank_metrics.auroc([0, np.inf, -np.inf], [False, True, False]) == 1


@pytest.mark.parametrize(
    "function", [rank_metrics.auroc, rank_metrics.average_precision, rank_metrics.spearman]
)
def test_bad_input_is_refused(function):
    with pytest.raises(ValueError, match=r"NaN in 1 samples, the first is 1"):
        function([1, np.nan], [True, False])
    with pytest.raises(ValueError, match=r"got \(2,\) and \(1,\)"):
        function([1, 2], [True])
    with pytest.raises(ValueError, match="at least one sample"):
        function([], [])
