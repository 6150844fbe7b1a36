import numpy as np
import pytest

from food_data import check_report, held_array, label_checks, packed_masks


@pytest.fixture
def findings():
    return check_report.Findings()


def arrays_of(**arrays):
    sound = {
        "images": np.zeros((3, 236, 236, 3), np.uint8),
        "actions": np.zeros((3, 4), np.float32),
        "embeddings": np.zeros((3, 512), np.float32),
    }
    merged = {**sound, **arrays}
    return {n: held_array.HeldArray(n, np.asarray(a)) for n, a in merged.items() if a is not None}


def test_a_sound_layout_is_all_usable(findings):
    arrays = arrays_of(sources=np.array(["a", "b", "c"]), resize="crop", format_version=1)
    usable = label_checks.check_layout(arrays, findings)
    assert usable == {"images", "actions", "embeddings", "sources"}
    assert not findings.errors
    assert ("actions", "float32", [3, 4]) in findings.tables[0][1]


@pytest.mark.parametrize(
    "arrays, message",
    [
        ({"actions": None}, "absent: actions"),
        (
            {"images": np.zeros((3, 224, 224, 3), np.uint8)},
            "images: expected uint8 or floats [3, 2",
        ),
        ({"images": np.zeros((3, 236, 236, 3), np.uint16)}, "got uint16"),
        ({"images": np.zeros((0, 236, 236, 3), np.uint8)}, "at least one sample, got none"),
        ({"actions": np.zeros((2, 4))}, "actions: expected floats [3, 4], got float64 [2, 4]"),
        ({"actions": np.zeros((3, 4), int)}, "got int64 [3, 4]"),
        ({"embeddings": np.zeros((3, 768))}, "embeddings: expected floats [3, 512]"),
        ({"embeddings": np.float32(1)}, "embeddings: expected floats [3, 512], got float32 []"),
        ({"masks": np.zeros((3, 236, 236), bool)}, "masks: expected uint8 [3, 236, 30], got bool"),
        ({"food_types": np.arange(3)}, "food_types: expected strings [3], got int64"),
        ({"resize": "squash"}, "resize: expected one of stretch, letterbox, crop; got squash"),
        ({"format_version": 2}, "format_version: expected 1, got 2"),
        ({"format_version": "one"}, "format_version: expected 1, got one"),
    ],
)
def test_what_is_wrong_with_the_layout_is_said(findings, arrays, message):
    label_checks.check_layout(arrays_of(**arrays), findings)
    assert message in "\n".join(findings.errors)


def test_all_is_said_at_once(findings):
    arrays = arrays_of(actions=np.zeros((3, 5)), embeddings=None, food_types=np.arange(3))
    assert label_checks.check_layout(arrays, findings) == {"images"}
    assert len(findings.errors) == 3


def test_actions_by_hand(findings):
    actions = np.array(
        [
            [0, 0.5, 1, 0.5],
            [0.25, 0.25, 0.25, 0.25],
            [np.nan, 0, 0, 1],
            [0, 1.5, 0, 1],
            [0, 0, -0.1, 1],
        ]
    )
    label_checks.check_actions(actions, findings)
    assert len(findings.errors) == 2
    assert "1 sample (2) have NaN" in findings.errors[0]
    assert "2 samples (3, 4) are not, the first is [0.0, 1.5, 0.0, 1.0]" in findings.errors[1]
    assert "1 sample (1) start and end at the same point" in findings.warnings[0]
    assert findings.tables[0][1][0] == ("x1", 0.0, 0.0625, 0.25)


def test_sound_actions_are_no_matter(findings):
    label_checks.check_actions(np.array([[0, 0, 1, 1.0]]), findings)
    assert not findings.errors
    assert not findings.warnings


def test_norms_of_embeddings(findings):
    embeddings = np.zeros((4, 512), np.float32)
    embeddings[[0, 1, 2], 0] = [1, 1.005, 1.02]
    array = held_array.HeldArray("embeddings", embeddings)
    instructions = label_checks.check_embeddings(array, findings)
    assert "2 samples (2, 3) have others, the first 1.02" in findings.errors[0]
    assert len(set(instructions.tolist())) == 4


def test_equal_embeddings_are_one_instruction(findings):
    embeddings = np.eye(512, dtype=np.float32)[[5, 6, 5]]
    found = label_checks.check_embeddings(held_array.HeldArray("embeddings", embeddings), findings)
    assert found[0] == found[2] != found[1]
    assert not findings.errors


def test_instructions_are_told_apart(findings):
    actions, foods = np.array(["skewering"] * 4), np.array(["grape", "grape", "fig", "kiwi"])
    label_checks.check_instructions(actions, foods, np.array([0, 1, 2, 3]), findings)
    assert "has 2 different embeddings: skewering grape" in findings.warnings[0]
    assert len(findings.warnings) == 1
    label_checks.check_instructions(actions, foods, np.array([0, 0, 2, 2]), findings)
    expected = "shared by 2 instructions, which the model cannot tell apart: skewering fig, "
    assert expected + "skewering kiwi" in findings.warnings[1]
    assert len(findings.warnings) == 2


def test_masks_and_midpoints(findings):
    """The midpoint (0.5, 0.25) is column 118, row 59; of the third sample no mask is known."""
    masks = np.zeros((3, 236, 236), bool)
    masks[0, 59, 118] = True
    masks[1, 10, 10] = True
    actions = np.tile([0.25, 0.0, 0.75, 0.5], (3, 1))
    packed = held_array.HeldArray("masks", packed_masks.pack_masks(masks))
    label_checks.check_masks(packed, actions, findings)
    assert findings.tables[0][1] == [(2, 1)]
    assert not findings.warnings
    label_checks.check_masks(packed, 1 - actions, findings)
    assert "got 0 of 2" in findings.warnings[0]
