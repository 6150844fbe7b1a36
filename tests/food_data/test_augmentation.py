"""Seeded augmentation: pictures and labels move together, and every seed gives what it gave."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from food_data import augmentation

RIGHT = (0.3, 0.4, 0.7, 0.6)
SIDE = 32  # Of all pictures: other sizes would be compiled anew.
RNG = np.random.default_rng(0)
TEXTURE = RNG.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
# For each setting a value that is on.
ON = {
    "rotate_90_probability": 1.0, "rotation_degrees": 30.0, "flip_horizontal_probability": 1.0,
    "flip_vertical_probability": 1.0, "shift": 0.2, "scale_min": 0.7, "scale_max": 1.4,
    "crop": 0.3, "brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue_degrees": 40.0,
    "sharpness": 0.9, "noise": 0.1, "blur_px": 2.0, "cutout": 0.4,
}  # fmt: skip
GEOMETRY = list(ON)[:8]
EVERYTHING = {**ON, "rotate_90_probability": 0.5, "flip_horizontal_probability": 0.5}


def seeds_of(number: int, first: int = 0) -> np.ndarray:
    return np.stack([np.arange(first, first + number), np.full(number, 5)], -1).astype(np.int32)


def augment(settings: dict, images, actions, seeds=None):
    """Images and labels of a batch; a picture or label without the batch axis is repeated."""
    seeds = seeds_of(8) if seeds is None else seeds
    shape = (len(seeds), *np.shape(images)[-3:])
    images = np.broadcast_to(images, shape)
    actions = np.broadcast_to(np.float32(actions), (len(seeds), 4))
    call = augmentation.Augmentation(**settings)
    images, actions = call(*[tf.constant(array) for array in (images, actions, seeds)])
    return images.numpy(), actions.numpy()


@pytest.mark.parametrize("name", [*GEOMETRY, "all of them"])
def test_the_label_stays_on_the_marked_pixels(name):
    """The proof that pictures and labels move the same way, for each setting by itself: of a black
    picture with a red mark at the start of a motion and a green one at its end."""
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    marked = np.zeros((SIDE, SIDE, 3), np.uint8)
    for channel, (column, row) in enumerate(SIDE * np.reshape(RIGHT, (2, 2))):
        mark = 255 * np.exp(-((x - column) ** 2 + (y - row) ** 2) / 4)
        marked[..., channel] = np.rint(mark)
    settings = {key: ON[key] for key in (GEOMETRY if name == "all of them" else [name])}

    images, actions = augment({**settings, "canonical_direction": False}, marked, RIGHT)

    assert not np.allclose(actions, RIGHT)
    for image, points in zip(images.astype(np.float64), SIDE * actions.reshape(-1, 2, 2)):
        for channel, point in enumerate(points):
            column, row = np.minimum(point.astype(int), SIDE - 1)
            assert image[row, column, channel] > 150
            assert image[row, column, 1 - channel] < 50
            if min(point.min(), SIDE - point.max()) > 5:  # No part of the mark is cut off.
                # Without what moved in: that has the mean colour, nearly black here.
                weight = image[..., channel] * (image[..., channel] > 10)
                centre = [(weight * axis).sum() / weight.sum() for axis in (x, y)]
                np.testing.assert_allclose(centre, point, atol=0.3)


def test_turns_are_exact_and_as_frequent_as_said():
    """Clockwise, by quarters: (x, y) goes to (1 - y, x)."""
    turns = [(0.25, 0.25, 0.75, 0.5), (0.75, 0.25, 0.5, 0.75)]
    turns += [(0.75, 0.75, 0.25, 0.5), (0.25, 0.75, 0.5, 0.25)]
    settings, seen = {"rotate_90_probability": 0.75, "canonical_direction": False}, []
    for image, action in zip(*augment(settings, TEXTURE, turns[0], seeds_of(40))):
        (k,) = [k for k in range(4) if np.array_equal(image, np.rot90(TEXTURE, -k))]
        np.testing.assert_array_equal(action, np.float32(turns[k]))
        seen.append(k)
    assert np.bincount(seen).min() > 3


def test_motions_keep_pointing_to_the_right():
    """The module's example, and that the picture is flipped all the same."""
    images, actions = augment(
        {"flip_horizontal_probability": 1.0}, TEXTURE, (0.2, 0.4, 0.6, 0.5), seeds_of(1)
    )
    np.testing.assert_allclose(actions, [[0.4, 0.5, 0.8, 0.4]], atol=1e-6)
    np.testing.assert_array_equal(images[0], TEXTURE[:, ::-1])
    left = (0.7, 0.4, 0.3, 0.6)  # Contradicts the setting.
    with pytest.raises(tf.errors.InvalidArgumentError, match="one that points to the left"):
        augment({"rotate_90_probability": 0.5}, TEXTURE, left)
    # What cannot turn a motion round leaves such labels alone.
    _, actions = augment({"shift": 0.1, "noise": 0.1}, TEXTURE, left)
    assert (actions[:, 2] < actions[:, 0]).all()


def test_no_label_leaves_the_picture():
    strong = {"rotation_degrees": 180.0, "shift": 0.5, "scale_max": 2.0, "crop": 0.5}
    corner = (0.0, 0.02, 1.0, 0.9)
    _, actions = augment({**strong, "canonical_direction": False}, TEXTURE, corner, seeds_of(16))
    assert actions.min() >= 0 and actions.max() <= 1
    # Weakened, not clipped: where nothing was scaled, the length of the motion is the same.
    _, actions = augment(
        {"rotation_degrees": 180.0, "shift": 0.5}, TEXTURE, (0.1, 0.1, 0.3, 0.2), seeds_of(16)
    )
    lengths = np.hypot(actions[:, 2] - actions[:, 0], actions[:, 3] - actions[:, 1])
    np.testing.assert_allclose(lengths, np.hypot(0.2, 0.1), atol=1e-5)


def test_a_sample_does_not_depend_on_its_batch():
    images = RNG.integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)
    actions = np.float32([RIGHT, (0.1, 0.2, 0.9, 0.3), (0.2, 0.9, 0.8, 0.1)])
    together = augment(EVERYTHING, images, actions, seeds_of(3))
    for rows in ([2, 1, 0], [0], [2]):
        alone = augment(EVERYTHING, images[rows], actions[rows], seeds_of(3)[rows])
        for a, b in zip(together, alone):
            np.testing.assert_array_equal(a[rows], b)


@pytest.mark.parametrize(
    "name, value", [("rotate_90_probability", 1.5), ("crop", np.nan), ("scale_min", 1.2)]
)
def test_impossible_settings_and_pictures_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name}: expected 0.* to .*, got {value}"):
        augmentation.Augmentation(**{name: value})
    call = augmentation.Augmentation(noise=0.1)
    for shape, dtype in (((1, 8, 9, 3), np.uint8), ((1, 8, 8, 3), np.float32)):
        with pytest.raises(ValueError, match="expected uint8 .B, S, S, 3., got"):
            call(tf.zeros(shape, dtype), tf.zeros((1, 4)), tf.zeros((1, 2), tf.int32))
    assert augmentation.Augmentation(canonical_direction=False).is_identity


def test_colours_and_noise_by_hand():
    """Brightness 0.4 takes a grey of 100 to 60..140; noise of 0.1 is up to 25.5 levels."""
    grey = np.full_like(TEXTURE, 100)
    values = augment({"brightness": 0.4}, grey, RIGHT, seeds_of(60))[0][:, 0, 0, 0]
    assert 60 <= values.min() < 68 and 132 < values.max() <= 140
    for name in ("contrast", "saturation", "hue_degrees"):  # Grey stays grey.
        assert (augment({name: 0.9}, grey, RIGHT, seeds_of(4))[0] == 100).all()
    images, _ = augment({"noise": 0.1}, grey, RIGHT, seeds_of(40))
    spread = images.std(axis=(1, 2, 3))
    assert spread.min() < 4 and 22 < spread.max() < 26
    assert np.abs(images.mean(axis=(1, 2, 3)) - 100).max() < 2


def test_seeds_keep_their_meaning():
    """Frozen: what these settings made of these pictures when they were written."""
    images, actions = augment(EVERYTHING, TEXTURE, RIGHT, seeds_of(4))
    np.testing.assert_allclose(actions, FROZEN_LABELS, atol=1e-4)
    np.testing.assert_allclose(images.mean(axis=(1, 2)), FROZEN_COLOURS, atol=0.1)


FROZEN_LABELS = [
    [0.2334, 0.46873, 0.88814, 0.45051], [0.31795, 0.57861, 0.55467, 0.91227],
    [0.14002, 0.60171, 0.99767, 0.63668], [0.32803, 0.52005, 0.83575, 0.7395],
]  # fmt: skip
FROZEN_COLOURS = [
    [141.62, 147.32, 140.34], [140.19, 141.88, 134.6], [91.81, 95.42, 93.0], [87.5, 87.86, 84.13],
]  # fmt: skip
