"""Light, colour, sharpness, noise and holes: what changes pixels and leaves the label as it is.

Pictures are float32 [S, S, 3] in 0..255 throughout and may leave that range on the way; `to_uint8`
clips and rounds, once, at the end.

Brightness, contrast, saturation and hue are linear in the colour of a pixel, so all four together
are one 3 x 3 matrix and one offset. Example: brightness 1.2 and contrast 0.5 on a picture whose
mean grey is 100 take a grey of 180 to 1.2 * (100 + 0.5 * (180 - 100)) = 168.
"""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

SHARPENING_SIGMA_PX = 1.0
# RGB to YIQ, the television standard NTSC: luma, then two axes of colour that hue turns about it.
_LUMA = (0.299, 0.587, 0.114)
_TO_YIQ = np.float32([_LUMA, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
_TO_RGB = np.linalg.inv(_TO_YIQ)
# The sum of four bytes: its mean and its standard deviation, sqrt(4 * (256^2 - 1) / 12).
_BYTES_MEAN, _BYTES_STD = 510.0, 147.8


def mean_colour(image: tf.Tensor) -> tf.Tensor:
    """The mean of a picture uint8 [S, S, 3]: float32 [3].

    Summed in integers: the same in whatever order, and so for any number of threads.
    """
    total = tf.reduce_sum(tf.cast(image, tf.int32), (0, 1))
    return tf.cast(total, tf.float32) / (image.shape[0] * image.shape[1])


def colour_matrices(changes: tf.Tensor) -> tf.Tensor:
    """What `change_colours` does, as one map per sample.

    Args:
        changes: float32 [B, 4]: factors of brightness, of contrast about the mean grey and of
            saturation, 1 for no change, and the turn of the hue in degrees.

    Returns:
        float32 [B, 3, 4]: the matrix from old to new RGB, and how much of the mean grey is added.
    """
    brightness, contrast, saturation, degrees = tf.unstack(changes, axis=1)
    angle = degrees * (np.pi / 180)
    cos, sin = saturation * tf.cos(angle), saturation * tf.sin(angle)
    zero, one = tf.zeros_like(cos), tf.ones_like(cos)
    turn = tf.stack([one, zero, zero, zero, cos, -sin, zero, sin, cos], -1)
    matrices = _TO_RGB @ tf.reshape(turn, (-1, 3, 3)) @ _TO_YIQ
    matrices *= (contrast * brightness)[:, tf.newaxis, tf.newaxis]
    grey = tf.repeat((brightness * (1 - contrast))[:, tf.newaxis], 3, 1)
    return tf.concat([matrices, grey[..., tf.newaxis]], -1)


def change_colours(picture: tf.Tensor, matrix: tf.Tensor, mean: tf.Tensor) -> tf.Tensor:
    """Brightness, contrast, saturation and hue at once.

    Args:
        picture: float32 [S, S, 3].
        matrix: float32 [3, 4], one of `colour_matrices`.
        mean: the picture's mean colour [3], before the change.

    Returns:
        float32 [S, S, 3]
    """
    # Compiled together with the pixels this sum would be computed for each of them.
    grey = tf.tensordot(mean, tf.constant(_LUMA), 1)
    return _mix_channels(picture, tf.transpose(matrix[:, :3]), matrix[:, 3] * grey)


@tf.function(jit_compile=True, autograph=False)
def _mix_channels(picture: tf.Tensor, columns: tf.Tensor, added: tf.Tensor) -> tf.Tensor:
    """[S, S, 3] times the matrix of which [3, 3] are the columns, plus [3]."""
    parts = [picture[..., i : i + 1] * columns[i] for i in range(3)]
    return parts[0] + parts[1] + parts[2] + added


def gaussians(sigmas_px: tf.Tensor, max_sigma_px: float) -> tf.Tensor:
    """Kernels of Gaussian filters.

    Args:
        sigmas_px: float32 [B], pixels; 0 blurs nothing.
        max_sigma_px: the largest possible one, which sets the size of all kernels.

    Returns:
        float32 [B, 2 r + 1], each with sum 1.
    """
    radius = max(1, math.ceil(2.5 * max_sigma_px))
    steps = tf.range(-radius, radius + 1, dtype=tf.float32)
    weights = tf.exp(-0.5 * (steps / tf.maximum(sigmas_px, 1e-3)[:, tf.newaxis]) ** 2)
    return weights / tf.reduce_sum(weights, 1, keepdims=True)


def change_sharpness(picture: tf.Tensor, amount: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Adds or takes away detail: picture + amount * (picture - blurred picture).

    Args:
        picture: float32 [S, S, 3]; its edges are repeated outwards.
        amount: scalar; -1 gives the blurred picture, 0 the picture, above 0 a sharper one.
        weights: float32 [2 r + 1], one of `gaussians`.

    Returns:
        float32 [S, S, 3]
    """
    side, radius = picture.shape[0], weights.shape[0] // 2
    lines = tf.reshape(picture, (side, -1))
    # The frame is made outside of the compiled code, which would look for it at every pixel.
    above, below = (tf.repeat(row, radius, 0) for row in (lines[:1], lines[-1:]))
    lines = _blur_columns(tf.concat([above, lines, below], 0), weights)
    left, right = (tf.tile(pixel, (1, radius)) for pixel in (lines[:, :3], lines[:, -3:]))
    lines = tf.concat([left, lines, right], 1)
    return _blur_rows_and_add(lines, weights, picture, amount)


@tf.function(jit_compile=True, autograph=False)
def _blur_columns(lines: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """[S + 2r, S * 3] to [S, S * 3]."""
    height = lines.shape[0] - weights.shape[0] + 1
    return tf.add_n([weights[i] * lines[i : i + height] for i in range(weights.shape[0])])


@tf.function(jit_compile=True, autograph=False)
def _blur_rows_and_add(
    lines: tf.Tensor, weights: tf.Tensor, picture: tf.Tensor, amount: tf.Tensor
) -> tf.Tensor:
    """[S, (S + 2r) * 3], blurred along the rows, and the picture [S, S, 3] to the result."""
    width = 3 * picture.shape[1]
    parts = [weights[i] * lines[:, 3 * i : 3 * i + width] for i in range(weights.shape[0])]
    return picture + amount * (picture - tf.reshape(tf.add_n(parts), picture.shape))


def add_noise(picture: tf.Tensor, std: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Adds noise that is nearly Gaussian: the sum of the four bytes of a hash for each value.

    The hash is the finaliser of MurmurHash3 (Austin Appleby, public domain) of a counter; at this
    place TensorFlow's stateless normal numbers took longer than all the rest.

    Args:
        picture: float32 [S, S, 3].
        std: standard deviation, scalar, in levels of 0..255.
        key: int32 scalar; says which noise.

    Returns:
        float32 [S, S, 3]
    """
    counter = tf.reshape(tf.range(np.prod(picture.shape), dtype=tf.int32), picture.shape)
    bits = tf.bitcast(counter, tf.uint32) * np.uint32(0x9E3779B9) + tf.bitcast(key, tf.uint32)
    bits = _fold(bits, 16) * np.uint32(0x85EBCA6B)
    bits = _fold(_fold(bits, 13) * np.uint32(0xC2B2AE35), 16)
    total = tf.zeros_like(counter)
    for shift in (0, 8, 16, 24):
        byte = tf.bitwise.bitwise_and(_right(bits, shift), np.uint32(255))
        total += tf.bitcast(byte, tf.int32)
    return picture + (tf.cast(total, tf.float32) - _BYTES_MEAN) * (std / _BYTES_STD)


def _right(bits: tf.Tensor, shift: int) -> tf.Tensor:
    return tf.bitwise.right_shift(bits, np.uint32(shift))


def _fold(bits: tf.Tensor, shift: int) -> tf.Tensor:
    return tf.bitwise.bitwise_xor(bits, _right(bits, shift))


def cut_out(picture: tf.Tensor, hole: tf.Tensor, colour: tf.Tensor) -> tf.Tensor:
    """Paints a square over (arXiv 1708.04552).

    Args:
        picture: float32 [S, S, 3].
        hole: float32 [3]: x and y of its middle and its side, in sides of the picture.
        colour: float32 [3].

    Returns:
        float32 [S, S, 3]
    """
    side = picture.shape[0]
    centres = (tf.range(side, dtype=tf.float32) + 0.5) / side
    in_x, in_y = [tf.abs(centres - hole[i]) < hole[2] / 2 for i in range(2)]
    inside = in_y[:, tf.newaxis] & in_x[tf.newaxis]
    return tf.where(inside[..., tf.newaxis], colour, picture)


def to_uint8(picture: tf.Tensor) -> tf.Tensor:
    """Float32 of any range to uint8, rounded and clipped."""
    return tf.cast(tf.clip_by_value(tf.round(picture), 0.0, 255.0), tf.uint8)
