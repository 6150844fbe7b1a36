"""The names are those of the HTTP contract."""

from __future__ import annotations

from folder_inference import variances


def test_names_of_the_contract():
    assert variances.NAMES == (
        "total_variance",
        "centroid_variance",
        "size_variance",
        "distance_variance",
    )
    assert all(variances.MEANINGS.values())
