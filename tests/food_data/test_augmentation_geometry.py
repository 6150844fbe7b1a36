from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from food_data import augmentation_geometry as geometry

LABEL = (0.2, 0.4, 0.6, 0.5)
# What is read from one corner of this picture is found nowhere else in it.
PICTURE = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
FILL = np.float32([10, 20, 30])


def motion(**values: float) -> dict[str, float]:
    return {**dict.fromkeys(geometry.MOTION, 0.0), **values}


def place(action, **values):
    row = np.float32([[motion(**values)[name] for name in geometry.MOTION]])
    maps, actions = geometry.place(row, np.float32([action]))
    return maps[0].numpy(), actions[0].numpy()


@pytest.mark.parametrize(
    "values, expected",
    [
        ({}, LABEL),
        ({"flip_x": 1}, (0.8, 0.4, 0.4, 0.5)),
        ({"flip_y": 1}, (0.2, 0.6, 0.6, 0.5)),
        # Clockwise: (x, y) goes to (1 - y, x).
        ({"quarter_turns": 1}, (0.6, 0.2, 0.5, 0.6)),
        ({"quarter_turns": 2}, (0.8, 0.6, 0.4, 0.5)),
        ({"quarter_turns": 3}, (0.4, 0.8, 0.5, 0.4)),
        ({"flip_x": 1, "quarter_turns": 1}, (0.6, 0.8, 0.5, 0.4)),
        # By 90 degrees the other way to turn clockwise: an arbitrary angle.
        ({"degrees": 90}, (0.6, 0.2, 0.5, 0.6)),
        ({"degrees": -90}, (0.4, 0.8, 0.5, 0.4)),
        ({"shift_x": 0.1, "shift_y": -0.2}, (0.3, 0.2, 0.7, 0.3)),
        ({"log_scale": math.log(0.5)}, (0.35, 0.45, 0.55, 0.5)),
        # A window of 0.8 that lies at the left and in the middle: x from 0 to 0.8, y from 0.1.
        ({"crop": 0.2, "crop_x": -1}, (0.25, 0.375, 0.75, 0.5)),
        ({"crop": 0.2, "crop_x": 1, "crop_y": 1}, (0.0, 0.25, 0.5, 0.375)),
    ],
)
def test_labels_go_where_the_motion_takes_them(values, expected):
    _, moved = place(LABEL, **values)
    np.testing.assert_allclose(moved, expected, atol=1e-6)


def test_turn_is_clockwise_as_seen():
    """Thirty degrees take a point right of the middle below it: y counts downwards."""
    _, moved = place((0.5, 0.5, 0.9, 0.5), degrees=30)
    expected = (0.5, 0.5, 0.5 + 0.4 * math.cos(math.pi / 6), 0.5 + 0.4 * 0.5)
    np.testing.assert_allclose(moved, expected, atol=1e-6)


@pytest.mark.parametrize(
    "shift, expected",
    [
        (0.2, 0.2),  # 0.7 + 0.2 stays inside
        (0.4, 0.2),  # 1.1 does not, half of it does
        (1.0, 0.25),  # nor does half: a quarter
        (2.0, 0.0),  # nor a quarter
    ],
)
def test_motion_is_weakened_until_the_label_fits(shift, expected):
    maps, moved = place((0.3, 0.5, 0.7, 0.5), shift_x=shift)
    np.testing.assert_allclose(moved, (0.3 + expected, 0.5, 0.7 + expected, 0.5), atol=1e-6)
    assert maps[0, 2] == pytest.approx(expected)


def test_flips_and_quarter_turns_are_never_weakened():
    _, moved = place((0.0, 0.0, 1.0, 0.3), quarter_turns=1, flip_y=1, shift_x=0.9, degrees=40)
    # Flipped: (0, 1), (1, 0.7); turned: (0, 0), (0.3, 1).
    np.testing.assert_allclose(moved, (0.0, 0.0, 0.3, 1.0), atol=1e-6)


def test_each_sample_is_weakened_by_itself():
    rows = np.float32([[motion(shift_x=0.4)[name] for name in geometry.MOTION]] * 2)
    _, moved = geometry.place(rows, np.float32([LABEL, (0.3, 0.5, 0.9, 0.5)]))
    np.testing.assert_allclose(moved[:, 0], (0.6, 0.4), atol=1e-6)


def test_no_label_leaves_the_picture():
    rng = np.random.default_rng(1)
    number = 2000
    columns = {
        "quarter_turns": rng.integers(0, 4, number),
        "flip_x": rng.integers(0, 2, number),
        "flip_y": rng.integers(0, 2, number),
        "degrees": rng.uniform(-180, 180, number),
        "log_scale": rng.uniform(-1, 1, number),
        "crop": rng.uniform(0, 0.9, number),
    }
    for name in ("shift_x", "shift_y", "crop_x", "crop_y"):
        columns[name] = rng.uniform(-1, 1, number)
    motions = np.stack([columns[name] for name in geometry.MOTION], -1).astype(np.float32)
    # A quarter of the coordinates lie on the very edge.
    actions = np.clip(rng.uniform(-0.3, 1.3, (number, 4)), 0, 1).astype(np.float32)

    _, moved = geometry.place(motions, actions)

    assert 0 <= moved.numpy().min()
    assert moved.numpy().max() <= 1


@pytest.mark.parametrize(
    "action, expected",
    [
        ((0.2, 0.4, 0.6, 0.5), (0.2, 0.4, 0.6, 0.5)),
        ((0.6, 0.5, 0.2, 0.4), (0.2, 0.4, 0.6, 0.5)),
        ((0.5, 0.3, 0.5, 0.8), (0.5, 0.3, 0.5, 0.8)),
        ((0.5, 0.8, 0.5, 0.3), (0.5, 0.3, 0.5, 0.8)),
    ],
)
def test_point_right(action, expected):
    np.testing.assert_array_equal(geometry.point_right(np.float32(action)), np.float32(expected))


def test_warp_by_nothing_changes_nothing():
    maps, _ = place(LABEL)
    np.testing.assert_array_equal(geometry.warp(PICTURE, maps, FILL), PICTURE)


@pytest.mark.parametrize(
    "values, expected",
    [
        ({"quarter_turns": 1}, np.rot90(PICTURE, -1)),
        ({"quarter_turns": 2}, np.rot90(PICTURE, 2)),
        ({"quarter_turns": 3}, np.rot90(PICTURE, 1)),
        ({"flip_x": 1}, PICTURE[:, ::-1]),
        ({"flip_y": 1}, PICTURE[::-1]),
        ({"flip_x": 1, "quarter_turns": 1}, np.rot90(PICTURE[:, ::-1], -1)),
    ],
)
def test_quarter_turns_and_flips_move_whole_pixels(values, expected):
    maps, _ = place(LABEL, **values)
    np.testing.assert_array_equal(geometry.warp(PICTURE, maps, FILL), expected)


def test_shift_by_whole_pixels_lets_the_fill_in():
    maps, _ = place((0.1, 0.5, 0.2, 0.5), shift_x=2 / 8)
    expected = np.float32(PICTURE).copy()
    expected[:, 2:] = PICTURE[:, :-2]
    expected[:, :2] = FILL
    np.testing.assert_allclose(geometry.warp(PICTURE, maps, FILL), expected, atol=1e-3)


def test_shift_by_half_a_pixel_is_the_mean_of_two():
    maps, _ = place((0.1, 0.5, 0.2, 0.5), shift_x=0.5 / 8)
    left = np.concatenate([np.broadcast_to(FILL, (8, 1, 3)), PICTURE[:, :-1]], 1)
    expected = (left + PICTURE.astype(np.float32)) / 2
    np.testing.assert_allclose(geometry.warp(PICTURE, maps, FILL), expected, atol=1e-3)


def test_half_the_scale_frames_the_picture():
    maps, _ = place(LABEL, log_scale=math.log(0.5))
    warped = geometry.warp(np.full((8, 8, 3), 200, np.uint8), maps, FILL).numpy()
    np.testing.assert_allclose(warped[2:6, 2:6], 200, atol=1e-3)
    np.testing.assert_allclose(warped[1, 1], FILL, atol=1e-3)


def test_warp_interpolates_like_the_definition():
    """Against the sum over all pixels of (1 - |dx|) (1 - |dy|), computed in double precision."""
    maps, _ = place((0.4, 0.4, 0.6, 0.6), degrees=25, log_scale=0.1, shift_x=0.1, crop=0.1)
    inverse = np.linalg.inv(maps[:, :2].astype(np.float64))
    centres = (np.arange(8) + 0.5) / 8 - 0.5
    expected = np.zeros((8, 8, 3))
    for row, column in np.ndindex(8, 8):
        point = [centres[column], centres[row]] - maps[:, 2].astype(np.float64)
        x, y = 8 * (inverse @ point)
        along_x = np.maximum(0, 1 - np.abs(8 * centres - x))
        along_y = np.maximum(0, 1 - np.abs(8 * centres - y))
        weights = np.outer(along_y, along_x)
        inside = np.einsum("yx,yxc->c", weights, PICTURE.astype(np.float64))
        expected[row, column] = inside + (1 - weights.sum()) * FILL
    np.testing.assert_allclose(geometry.warp(PICTURE, maps, FILL), expected, atol=2e-3)


def test_picture_and_label_move_together():
    """The centre of mass of a mark lands on the label, to a twentieth of a pixel."""
    side = 64
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:side, :side] + 0.5
    for _ in range(5):
        start = rng.uniform(0.4, 0.6, 2)
        mark = 255 * np.exp(-((x - side * start[0]) ** 2 + (y - side * start[1]) ** 2) / 18)
        image = np.repeat(np.uint8(np.rint(mark))[..., np.newaxis], 3, -1)
        values = {
            "quarter_turns": float(rng.integers(4)),
            "flip_x": float(rng.integers(2)),
            "flip_y": float(rng.integers(2)),
            "degrees": rng.uniform(-30, 30),
            "log_scale": rng.uniform(-0.2, 0.2),
            "shift_x": rng.uniform(-0.1, 0.1),
            "shift_y": rng.uniform(-0.1, 0.1),
            "crop": rng.uniform(0, 0.2),
            "crop_x": rng.uniform(-1, 1),
            "crop_y": rng.uniform(-1, 1),
        }
        maps, moved = place((*start, 0.5, 0.5), **values)
        warped = geometry.warp(image, maps, np.zeros(3, np.float32)).numpy()[..., 0]
        found = [(warped * axis).sum() / warped.sum() for axis in (x, y)]
        np.testing.assert_allclose(np.array(found) / side, moved[:2], atol=0.05 / side)


def test_transform_broadcasts_over_maps():
    maps = tf.constant([[[[1.0, 0, 0.1], [0, 1, 0]], [[1, 0, 0], [0, 1, 0.2]]]])
    moved = geometry.transform(tf.constant([[LABEL]]), maps)
    np.testing.assert_allclose(moved, [[[0.3, 0.4, 0.7, 0.5], [0.2, 0.6, 0.6, 0.7]]], atol=1e-6)
