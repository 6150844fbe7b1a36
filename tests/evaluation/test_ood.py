"""Ordinary plates and strange ones, by hand."""

import numpy as np
import pytest
import sklearn.metrics

from evaluation import ood


def test_example_of_the_module():
    found = ood.separation(
        np.array([0.1, 0.2, 0.3]), {"blurred": np.array([0.25, 0.4])}, threshold=0.2
    )
    assert found == {
        "blurred": {
            "num_samples": 2,
            "auroc": pytest.approx(5 / 6),
            "average_precision": pytest.approx(0.5 + 0.5 * 2 / 3),
            "fpr_at_95_tpr": pytest.approx(1 / 3),
            "asked": 1.0,
            "asked_ordinary": pytest.approx(1 / 3),
        }
    }


def test_equals_scikit_learn():
    rng = np.random.default_rng(0)
    ordinary, shifted = rng.normal(size=200).round(1), rng.normal(1, 1, 100).round(1)
    found = ood.separation(ordinary, {"noise": shifted})["noise"]
    truth = np.repeat([0, 1], [200, 100])
    scores = np.concatenate([ordinary, shifted])
    assert found["auroc"] == pytest.approx(sklearn.metrics.roc_auc_score(truth, scores), abs=1e-9)
    false, true, _ = sklearn.metrics.roc_curve(truth, scores, drop_intermediate=False)
    assert found["fpr_at_95_tpr"] == pytest.approx(false[true >= 0.95 - 1e-9].min(), abs=1e-9)
    assert "asked" not in found


def test_the_same_scores_cannot_be_told_apart():
    scores = np.arange(10.0)
    assert ood.separation(scores, {"none": scores})["none"]["auroc"] == 0.5
    assert ood.separation(scores, {"far": scores + 100})["far"]["auroc"] == 1
    assert ood.separation(scores, {"far": scores + 100})["far"]["fpr_at_95_tpr"] == 0


def test_empty_sets_and_nan_are_refused():
    with pytest.raises(ValueError, match="blank: expected scores .* got 2 and 0"):
        ood.separation(np.ones(2), {"blank": np.zeros(0)})
    with pytest.raises(ValueError, match="NaN"):
        ood.separation(np.array([np.nan]), {"blank": np.ones(1)})
