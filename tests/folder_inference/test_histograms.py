"""The histograms are drawn for any number of answers."""

from __future__ import annotations

import pytest
from PIL import Image

from folder_inference import histograms
from tests.folder_inference import records


@pytest.mark.parametrize("variances", [[0.1, 0.1], [0.01 * n for n in range(50)]])
def test_written_as_png(variances, tmp_path):
    entries = [records.sampled(variance=variance) for variance in variances]
    histograms.write_histograms(tmp_path / "h.png", entries)
    with Image.open(tmp_path / "h.png") as picture:
        assert picture.size == (1100, 700)
    assert [path.name for path in tmp_path.iterdir()] == ["h.png"]
