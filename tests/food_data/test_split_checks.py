import numpy as np
import pytest

from food_data import check_report, split_checks, splits


@pytest.fixture
def findings():
    return check_report.Findings()


@pytest.fixture
def split():
    return splits.Split(np.array([0, 1, 2]), np.array([3, 4]))


def test_a_picture_on_both_sides_is_an_error(split, findings):
    split_checks.check_leaks(split, np.array(["a", "b", "c", "d", "b"]), "pixels", findings)
    assert "1 sample (4) of the validation side have the pixels" in findings.errors[0]


def test_what_is_on_one_side_may_be_there_twice(split, findings):
    split_checks.check_leaks(split, np.array(["a", "a", "c", "d", "d"]), "source", findings)
    assert not findings.errors


def test_classes_are_counted(split, findings):
    foods = np.array(["grape", "grape", "fig", "grape", "kiwi", "kiwi"])
    actions = np.array(["skewering"] * 6)
    pictures = np.array([b"a", b"a", b"c", b"d", b"e", b"f"])
    split_checks.check_classes(actions, foods, pictures, split, findings)
    assert findings.tables[0][1] == [
        ("skewering", "fig", 1, 1, 1, 0),
        ("skewering", "grape", 3, 2, 2, 1),
        ("skewering", "kiwi", 2, 2, 0, 1),
        ("", "TOTAL", 6, 5, 3, 2),
    ]
    assert findings.warnings == [
        "split: skewering kiwi: validated but never trained.",
        "split: skewering fig: not in the validation samples.",
    ]


def test_without_a_split_and_actions(findings):
    split_checks.check_classes(None, np.array(["grape"]), None, None, findings)
    assert findings.tables[0][1] == [("", "grape", 1, 1, 0, 0), ("", "TOTAL", 1, 1, 0, 0)]
    assert not findings.warnings


@pytest.mark.parametrize("number, warned", [(20, False), (21, True)])
def test_uneven_classes(findings, number, warned):
    foods = np.array(["grape"] * number + ["fig"])
    split_checks.check_classes(None, foods, None, None, findings)
    assert bool(findings.warnings) == warned
