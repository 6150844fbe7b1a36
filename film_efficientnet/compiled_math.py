"""Chains of elementwise operations as one loop each, and sums over positions, for CPUs.

TensorFlow runs the gradient of silu as six passes over memory; compiled by XLA it is one. XLA's own
sums over positions are slow on CPUs, so a compiled loop adds eight strips of the picture to one,
and a product with a row of ones does the rest.

Example: the sum over 5 x 4 = 20 positions: eight strips of two positions are added to one strip of
two; four positions are left over. The product with 2 + 4 ones adds up the rest.

`Affine` stands for (x - mean) * scale + shift with [C] each: BatchNorm with known statistics.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

_STRIPS = 8
Affine = tuple[tf.Tensor, tf.Tensor, tf.Tensor]
Branch = tuple[tf.Tensor, Affine, tf.Tensor]
Strips = tuple[tf.Tensor, tf.Tensor]


def _compiled(function: Callable) -> Callable:
    return tf.function(function, jit_compile=True, autograph=False)


def _sigmoid(x: tf.Tensor) -> tf.Tensor:
    # The same function as tf.sigmoid, and a quarter cheaper in a compiled loop.
    return 0.5 * tf.tanh(0.5 * x) + 0.5


def _normalize(x: tf.Tensor, affine: Affine) -> tf.Tensor:
    mean, scale, shift = affine
    return (x - mean) * scale + shift


def _silu(x: tf.Tensor) -> tf.Tensor:
    return x * _sigmoid(x)


@_compiled
def normalize_silu(x: tf.Tensor, affine: Affine, gate: tf.Tensor | float = 1.0) -> tf.Tensor:
    """silu(normalized x) * gate.

    Args:
        x: float [B, H, W, C].
        affine: see the module.
        gate: float [B, 1, 1, C] or a number.

    Returns:
        float [B, H, W, C].
    """
    return _silu(_normalize(x, affine)) * gate


@_compiled
def normalize_silu_columns(
    x: tf.Tensor, affine: Affine, padding: tuple[int, int], drop: tuple[int, int]
) -> tf.Tensor:
    """silu(normalized x), padded with zeros, without some columns at the left and the right.

    Args:
        x: float [B, H, W, C].
        affine: see the module.
        padding: zeros before and after, on both axes.
        drop: columns of the padded map that are left out at the left and at the right.

    Returns:
        float [B, H + padding, W + padding - drop, C].
    """
    padded = tf.pad(_silu(_normalize(x, affine)), ((0, 0), padding, padding, (0, 0)))
    return padded[:, :, drop[0] : tf.shape(padded)[2] - drop[1]]


@_compiled
def normalize_silu_gradient(
    x: tf.Tensor,
    affine: Affine,
    upstream: tf.Tensor,
    gate: tf.Tensor | float = 1.0,
    addend: tf.Tensor | float = 0.0,
) -> tf.Tensor:
    """The gradient by normalized x: silu' times (`upstream` * `gate` + `addend`).

    Args:
        x: float [B, H, W, C].
        affine: see the module.
        upstream: float [B, H, W, C].
        gate: float [B, 1, 1, C] or a number.
        addend: float [B, 1, 1, C] or a number.

    Returns:
        float [B, H, W, C].
    """
    z = _normalize(x, affine)
    sigmoid = _sigmoid(z)
    return (upstream * gate + addend) * (sigmoid * (1.0 + z * (1.0 - sigmoid)))


@_compiled
def film_of_sum(
    branch: Branch, skip: tf.Tensor | float, multiplier: tf.Tensor, addend: tf.Tensor
) -> tf.Tensor:
    """FiLM of a residual block's sum: (branch + skip) * multiplier + addend.

    Args:
        branch: (x [B, H, W, C], affine, keep [B, 1, 1, 1]); stands for normalized x * keep.
        skip: float [B, H, W, C], or 0.
        multiplier: float [B, 1, 1, C], 1 + gamma.
        addend: float [B, 1, 1, C], beta.

    Returns:
        float [B, H, W, C].
    """
    return _residual_sum(branch, skip) * multiplier + addend


@_compiled
def film_of_sum_gradients(
    branch: Branch,
    skip: tf.Tensor | float,
    multiplier: tf.Tensor,
    upstream: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """What the gradients of `film_of_sum` are made of.

    Args:
        branch: as there.
        skip: as there.
        multiplier: as there.
        upstream: float [B, H, W, C].

    Returns:
        The gradients by the normalized x and by `skip`, and that by `multiplier` at each position;
        each [B, H, W, C].
    """
    by_sum = upstream * multiplier
    return by_sum * branch[-1], by_sum, upstream * _residual_sum(branch, skip)


def _residual_sum(branch: Branch, skip: tf.Tensor | float) -> tf.Tensor:
    x, affine, keep = branch
    return _normalize(x, affine) * keep + skip


@_compiled
def _strips(x: tf.Tensor) -> Strips:
    return _add_strips(lambda rows: rows, x)


@_compiled
def _strips_of_squares(x: tf.Tensor, center: tf.Tensor) -> Strips:
    return _add_strips(lambda rows: tf.square(rows - center), x)


@_compiled
def _strips_of_silu(x: tf.Tensor, affine: Affine) -> Strips:
    return _add_strips(lambda rows: _silu(_normalize(rows, affine)), x)


@_compiled
def _strips_of_silu_times(x: tf.Tensor, affine: Affine, factor: tf.Tensor) -> Strips:
    return _add_strips(lambda rows, other: _silu(_normalize(rows, affine)) * other, x, factor)


def _add_strips(function: Callable[..., tf.Tensor], *tensors: tf.Tensor) -> Strips:
    """`function` of each row of [B, R, C], as sums [B, R // 8, C] and what is left over."""
    length = tf.shape(tensors[0])[1] // _STRIPS

    def part(start: tf.Tensor | int, stop: tf.Tensor | None) -> tf.Tensor:
        return function(*(tensor[:, start:stop] for tensor in tensors))

    total = part(0, length)
    for index in range(1, _STRIPS):
        total += part(index * length, (index + 1) * length)
    return total, part(_STRIPS * length, None)


def _rows(x: tf.Tensor) -> tf.Tensor:
    """[B, H, W, C] to [B, H * W, C]."""
    shape = tf.shape(x)
    return tf.reshape(x, (shape[0], shape[1] * shape[2], x.shape[-1]))


def _add_up(strips: Strips) -> tf.Tensor:
    """[B, R, C] and [B, R', C] to [B, C]."""
    return tf.add_n([tf.matmul(tf.ones_like(x[:, tf.newaxis, :, 0]), x)[:, 0] for x in strips])


def spatial_sum(x: tf.Tensor) -> tf.Tensor:
    """The sum over all positions: [B, H, W, C] to [B, C]."""
    return _add_up(_strips(_rows(x)))


def spatial_sum_of_silu(x: tf.Tensor, affine: Affine) -> tf.Tensor:
    """The sum of silu(normalized x) over all positions: [B, H, W, C] to [B, C]."""
    return _add_up(_strips_of_silu(_rows(x), affine))


def spatial_sum_of_silu_times(x: tf.Tensor, affine: Affine, factor: tf.Tensor) -> tf.Tensor:
    """The sum of silu(normalized x) * factor over all positions.

    Args:
        x: float [B, H, W, C].
        affine: see the module.
        factor: float [B, H, W, C].

    Returns:
        float [B, C].
    """
    return _add_up(_strips_of_silu_times(_rows(x), affine, _rows(factor)))


def num_positions(x: tf.Tensor) -> tf.Tensor:
    """H * W of [B, H, W, C], in the dtype of `x`."""
    shape = tf.shape(x)
    return tf.cast(shape[1] * shape[2], x.dtype)


def moments(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and variance (divided by N, not N - 1) of each channel: [B, H, W, C] to [C] and [C]."""
    count = tf.cast(tf.shape(x)[0], x.dtype) * num_positions(x)
    mean = tf.reduce_sum(spatial_sum(x), axis=0) / count
    squares = _add_up(_strips_of_squares(_rows(x), mean))
    return mean, tf.reduce_sum(squares, axis=0) / count
