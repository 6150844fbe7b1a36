"""Turning, flipping, scaling and shifting a picture, and the execution parameters with it.

Everything that moves pixels is one affine map, so the picture is interpolated once however many
of them are on. With points counted from the picture's middle, u = p - 1/2 (shares of the side, x
right, y down), a point of the old picture goes to

    u' = zoom * turn(degrees) * quarter_turns * flips * u + offset

`turn` by a positive angle is clockwise as seen. Example: a quarter turn of 90 degrees takes the
middle of the upper edge, u = (0, -1/2), to the middle of the right edge, u' = (1/2, 0). Label and
picture come from the same matrix: the label goes through it, the picture is read through its
inverse.

What moves in from outside has the mean colour of the picture. Mirroring the picture there would
draw food a second time, and the instruction would then have two right answers.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

# What a motion is weakened by until both ends of the label stay in the picture. Quarter turns and
# flips map the picture onto itself, so the last one always fits.
LEVELS = (1.0, 0.5, 0.25, 0.0)
# The columns of a motion: see `place`.
MOTION = (
    ("quarter_turns", "flip_x", "flip_y", "degrees", "log_scale")
    + ("shift_x", "shift_y", "crop", "crop_x", "crop_y")
)  # fmt: skip


def place(motions: tf.Tensor, actions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """For each sample the strongest form of its motion that leaves the label in the picture.

    Tried are all, a half and a quarter of angle, scale, shift and crop, then none of them. Clipping
    the label instead would move its midpoint off the food.

    Args:
        motions: float32 [B, 10], columns as in `MOTION`: clockwise turns by 90 degrees, 0 to 3; 1
            to flip left and right; 1 to flip top and bottom; degrees clockwise; natural logarithm
            of the scale; shift to the right and down, in sides of the picture; the share of the
            side that cropping cuts away; where the window of the crop is, -1 to 1 in x and y.
        actions: execution parameters float32 [B, 4].

    Returns:
        The maps from old to new points, float32 [B, 2, 3] about the middle, and the new labels
        [B, 4].
    """
    maps = _maps(motions)
    moved = transform(actions[:, tf.newaxis], maps)
    inside = tf.reduce_all((moved >= 0) & (moved <= 1), -1)
    # Never none: a label that was outside before stays outside.
    inside = tf.concat([inside[:, :-1], tf.ones_like(inside[:, -1:])], 1)
    strongest = tf.argmax(tf.cast(inside, tf.int32), 1)
    return tf.gather(maps, strongest, batch_dims=1), tf.gather(moved, strongest, batch_dims=1)


def _maps(motions: tf.Tensor) -> tf.Tensor:
    """[B, 10] to the maps of all levels, [B, levels, 2, 3]."""
    columns = tf.split(motions, len(MOTION), 1)
    turns, flip_x, flip_y = columns[:3]
    level = tf.constant([LEVELS])
    degrees, log_scale, shift_x, shift_y, crop = [level * column for column in columns[3:8]]
    crop_x, crop_y = columns[8:]
    window = 1 - crop
    zoom = tf.exp(log_scale) / window
    angle = degrees * (np.pi / 180)
    cos, sin = zoom * tf.cos(angle), zoom * tf.sin(angle)
    # Of exact zeros and ones, so that quarter turns and flips move whole pixels.
    turns = tf.cast(turns, tf.int32)
    quarter_cos = tf.gather([1.0, 0.0, -1.0, 0.0], turns)
    quarter_sin = tf.gather([0.0, 1.0, 0.0, -1.0], turns)
    sign_x, sign_y = 1 - 2 * flip_x, 1 - 2 * flip_y
    xx = (cos * quarter_cos - sin * quarter_sin) * sign_x
    xy = -(cos * quarter_sin + sin * quarter_cos) * sign_y
    yx = (sin * quarter_cos + cos * quarter_sin) * sign_x
    yy = (cos * quarter_cos - sin * quarter_sin) * sign_y
    # crop * crop_x / 2 is the middle of the window, which comes to the middle of the picture.
    offset_x = (shift_x - crop * crop_x / 2) / window
    offset_y = (shift_y - crop * crop_y / 2) / window
    rows = [[xx, xy, offset_x], [yx, yy, offset_y]]
    return tf.stack([tf.stack(row, -1) for row in rows], -2)


def transform(actions: tf.Tensor, maps: tf.Tensor) -> tf.Tensor:
    """Execution parameters where maps take them.

    Args:
        actions: float32 [..., 4].
        maps: float32 [..., 2, 3], as `place` returns them.

    Returns:
        float32 [..., 4], not clipped.
    """
    x, y = actions[..., 0::2] - 0.5, actions[..., 1::2] - 0.5
    rows = (maps[..., 0, :, tf.newaxis], maps[..., 1, :, tf.newaxis])
    new_x, new_y = [row[..., 0, :] * x + row[..., 1, :] * y + row[..., 2, :] for row in rows]
    parts = [new_x[..., :1], new_y[..., :1], new_x[..., 1:], new_y[..., 1:]]
    return tf.concat(parts, -1) + 0.5


def point_right(actions: tf.Tensor) -> tf.Tensor:
    """Swaps start and end of motions that point to the left (or straight up).

    Args:
        actions: execution parameters float32 [..., 4].

    Returns:
        float32 [..., 4] with x2 >= x1.
    """
    dx, dy = actions[..., 2] - actions[..., 0], actions[..., 3] - actions[..., 1]
    left = (dx < 0) | ((dx == 0) & (dy < 0))
    return tf.where(left[..., tf.newaxis], tf.roll(actions, 2, -1), actions)


@tf.function(jit_compile=True, autograph=False)
def warp(image: tf.Tensor, matrix: tf.Tensor, fill: tf.Tensor) -> tf.Tensor:
    """A picture seen through a map, bilinear between pixel centres.

    Args:
        image: uint8 [S, S, 3].
        matrix: float32 [2, 3], as `place` returns it; old points to new ones.
        fill: the colour outside the picture, float32 [3] in 0..255.

    Returns:
        float32 [S, S, 3] in 0..255, not rounded.
    """
    side = image.shape[0]
    x, y = _source(matrix, side)
    left, top = tf.floor(x), tf.floor(y)
    # One channel axis for all that follows, so that the colours are read side by side.
    along_x, along_y = (x - left)[..., tf.newaxis], (y - top)[..., tf.newaxis]
    columns = [_within(left + step, side) for step in (0, 1)]
    rows = [_within(top + step, side) for step in (0, 1)]
    pixels = tf.reshape(image, (side * side, 3))
    corners = [
        [tf.cast(tf.gather(pixels, row * side + column), tf.float32) for column in columns]
        for row in rows
    ]
    above, below = [a * (1 - along_x) + b * along_x for a, b in corners]
    value = above * (1 - along_y) + below * along_y
    # Equal to bilinear interpolation with a frame of `fill`, without a frame.
    covered = (_covered(x, side) * _covered(y, side))[..., tf.newaxis]
    return fill + covered * (value - fill)


def _source(matrix: tf.Tensor, side: int) -> tuple[tf.Tensor, tf.Tensor]:
    """For each new pixel the place in the old picture: x and y [S, S], 0 at the first centre."""
    (xx, xy, offset_x), (yx, yy, offset_y) = [tf.unstack(row) for row in tf.unstack(matrix)]
    determinant = xx * yy - xy * yx
    middle = (side - 1) / 2
    across = tf.range(side, dtype=tf.float32)[tf.newaxis] - middle - side * offset_x
    down = tf.range(side, dtype=tf.float32)[:, tf.newaxis] - middle - side * offset_y
    x = (yy * across - xy * down) / determinant + middle
    y = (xx * down - yx * across) / determinant + middle
    return x, y


def _within(index: tf.Tensor, side: int) -> tf.Tensor:
    return tf.cast(tf.clip_by_value(index, 0, side - 1), tf.int32)


def _covered(place: tf.Tensor, side: int) -> tf.Tensor:
    """The weight of the picture against what is outside, along one axis: 1 within, 0 beyond."""
    return tf.clip_by_value(tf.minimum(place + 1, side - place), 0.0, 1.0)
