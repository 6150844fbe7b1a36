import numpy as np
import pytest

from food_data import class_sheet, packed_masks

TILE, HEIGHT, LABEL = 168, 184, 150


@pytest.fixture
def dataset(make_dataset):
    """Samples 0, 2, 4, 6 are grapes, 1, 3, 5 bananas."""
    foods = np.array(["grape", "banana"] * 3 + ["grape"])
    return make_dataset(7, food_types=foods)


def colour_of(sheet, row, column):
    """What fills the picture: the sample's number, away from arrow and caption."""
    return sheet[row * HEIGHT + 120, LABEL + column * TILE + 120].tolist()


def test_a_row_for_each_class_with_samples_that_lie_evenly(dataset):
    sheet = class_sheet.class_sheet(dataset, 2)
    assert sheet.shape == (2 * HEIGHT, LABEL + 2 * TILE, 3)
    assert [colour_of(sheet, 0, i) for i in range(2)] == [[1] * 3, [5] * 3]
    assert [colour_of(sheet, 1, i) for i in range(2)] == [[0] * 3, [6] * 3]


def test_short_rows_are_filled_with_black(dataset):
    sheet = class_sheet.class_sheet(dataset, 99)
    assert sheet.shape == (2 * HEIGHT, LABEL + 4 * TILE, 3)
    assert sheet[:HEIGHT, LABEL + 3 * TILE :].max() == 0
    assert sheet[:HEIGHT, :LABEL].max() > 200


def test_the_outline_of_the_mask_is_drawn(make_dataset):
    masks = np.zeros((1, 236, 236), bool)
    masks[0, 118:200, 118:200] = True
    outlined = class_sheet.class_sheet(make_dataset(1, masks=packed_masks.pack_masks(masks)), 1)
    plain = class_sheet.class_sheet(make_dataset(1), 1)
    rows, columns = np.nonzero((outlined != plain).any(axis=2))
    expected = np.array([118, 199]) * TILE / 236
    assert (rows.min(), rows.max()) == pytest.approx(expected, abs=2)
    assert (columns.min() - LABEL, columns.max() - LABEL) == pytest.approx(expected, abs=2)


def test_without_names_all_samples_are_one_class(make_dataset):
    dataset = make_dataset(5, action_names=None, food_types=None, sources=None)
    assert class_sheet.class_sheet(dataset, 3).shape == (HEIGHT, LABEL + 3 * TILE, 3)
    assert class_sheet.samples_by_class(dataset)["", ""].tolist() == [0, 1, 2, 3, 4]


def test_nothing_to_show_is_refused(dataset):
    with pytest.raises(ValueError, match="at least 1 sample per class .*got 0 and 7"):
        class_sheet.class_sheet(dataset, 0)
