"""The parts of an MBConv block in training mode, with gradients that keep little and run fast on
CPUs.

TensorFlow's own gradients keep seven maps of a block's inner width until the backward pass: behind
each of two convolutions the map before BatchNorm, behind it and behind silu, and the gated map.
Here only what a convolution puts out is kept; the rest is computed again where it is needed, which
costs one pass over memory each, because statistics and convolutions are not computed again.

The mathematics are those of the plain path: batch statistics, their share in the gradient, moving
statistics updated once in each step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from film_efficientnet import compiled_math

# oneDNN's gradient of a depthwise kernel is four times slower for kernels wider than this.
_FAST_KERNEL_WIDTH = 3


def _when_needed(x: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
    """`x`, but not before the backward pass is there; what is computed from it is not merged with
    what the forward pass computed."""
    with tf.control_dependencies([upstream]):
        return tf.identity(x)


class BatchNorm:
    """BatchNorm in training mode for one batch; making it updates the moving statistics.

    Attributes:
        gamma: float [C], the layer's.
        beta: float [C], the layer's.
        mean: float [C], of the batch.
        variance: float [C], of the batch (divided by N).
        affine: the normalization for `compiled_math`.
    """

    def __init__(self, layer: tf.keras.layers.BatchNormalization, x: tf.Tensor):
        """Computes the statistics.

        Args:
            layer: whose moving statistics are updated.
            x: float [B, H, W, C].
        """
        self.gamma, self.beta = tf.convert_to_tensor(layer.gamma), tf.convert_to_tensor(layer.beta)
        self.mean, self.variance = compiled_math.moments(tf.stop_gradient(x))
        self._epsilon = layer.epsilon
        scale = self.gamma * tf.math.rsqrt(self.variance + self._epsilon)
        self.affine = (self.mean, scale, self.beta)
        count = tf.cast(tf.shape(x)[0], x.dtype) * compiled_math.num_positions(x)
        # The moving variance is that of the population, as in TensorFlow's fused kernel.
        unbiased = self.variance * (count / tf.maximum(count - 1.0, 1.0))
        for moving, value in ((layer.moving_mean, self.mean), (layer.moving_variance, unbiased)):
            moving.assign_sub((moving - value) * (1.0 - layer.momentum))

    def gradients(self, x: tf.Tensor, upstream: tf.Tensor) -> list[tf.Tensor]:
        """By x (through the statistics too), gamma and beta.

        Args:
            x: float [B, H, W, C].
            upstream: the gradient by normalized x, [B, H, W, C].

        Returns:
            Gradients [B, H, W, C], [C], [C].
        """
        return tf.raw_ops.FusedBatchNormGradV3(
            y_backprop=upstream,
            x=x,
            scale=self.gamma,
            reserve_space_1=self.mean,
            reserve_space_2=self.variance,
            reserve_space_3=tf.zeros((0,), x.dtype),
            epsilon=self._epsilon,
            is_training=True,
        )[:3]


def batch_norm_silu(x: tf.Tensor, norm: BatchNorm) -> tf.Tensor:
    """silu(BatchNorm(x)) for x [B, H, W, C]; same shape."""

    @tf.custom_gradient
    def function(x: tf.Tensor, *_: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        def gradient(upstream: tf.Tensor) -> list[tf.Tensor]:
            upstream = compiled_math.normalize_silu_gradient(x, norm.affine, upstream)
            return norm.gradients(x, upstream)

        return compiled_math.normalize_silu(x, norm.affine), gradient

    return function(x, norm.gamma, norm.beta)


def activate_and_filter(
    x: tf.Tensor,
    norm: BatchNorm,
    kernel: tf.Tensor,
    strides: int,
    padding: tuple[int, int],
) -> tf.Tensor:
    """A depthwise convolution of silu(BatchNorm(x)).

    Args:
        x: float [B, H, W, C].
        norm: of x.
        kernel: float [k, k, C, 1].
        strides: on both axes.
        padding: zeros before and after, on both axes.

    Returns:
        float [B, (H + padding - k) // strides + 1, likewise of W, C].
    """
    stride_option = (1, strides, strides, 1)
    # TensorFlow pads by itself where it pads alike.
    options = {"strides": stride_option, "padding": "SAME" if strides == 1 else "VALID"}
    by_hand = (0, 0) if strides == 1 else padding

    @tf.custom_gradient
    def function(
        x: tf.Tensor, _gamma: tf.Tensor, _beta: tf.Tensor, kernel: tf.Tensor
    ) -> tuple[tf.Tensor, Callable]:
        padded = compiled_math.normalize_silu_columns(x, norm.affine, by_hand, (0, 0))
        # Asked for later it would keep the whole map.
        padded_shape = tf.shape(padded)

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
            late = _when_needed(x, upstream)
            by_kernel = _kernel_gradient(
                late, norm.affine, padding, kernel.shape, upstream, strides
            )
            by_padded = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                input_sizes=padded_shape, filter=kernel, out_backprop=upstream, **options
            )
            before, size = by_hand[0], tf.shape(x)
            by_silu = by_padded[:, before : before + size[1], before : before + size[2]]
            by_normalized = compiled_math.normalize_silu_gradient(late, norm.affine, by_silu)
            return *norm.gradients(x, by_normalized), by_kernel

        return tf.nn.depthwise_conv2d(padded, kernel, **options), gradient

    return function(x, norm.gamma, norm.beta, kernel)


def _kernel_gradient(
    x: tf.Tensor,
    affine: compiled_math.Affine,
    padding: tuple[int, int],
    shape: tf.TensorShape,
    upstream: tf.Tensor,
    strides: int,
) -> tf.Tensor:
    """Of a depthwise kernel [k, k, C, 1], three of its columns at a time."""
    size, _, channels, multiplier = shape
    columns = []
    for first in range(0, size, _FAST_KERNEL_WIDTH):
        width = min(_FAST_KERNEL_WIDTH, size - first)
        # The input without what only the other columns see.
        drop = (first, size - first - width)
        columns.append(
            tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
                input=compiled_math.normalize_silu_columns(x, affine, padding, drop),
                filter_sizes=(size, width, channels, multiplier),
                out_backprop=upstream,
                strides=(1, strides, strides, 1),
                padding="VALID",
            )
        )
    return tf.concat(columns, axis=1)


def activate_gate_and_project(
    x: tf.Tensor,
    norm: BatchNorm,
    kernel: tf.Tensor,
    gate_weights: Sequence[tf.Tensor],
) -> tf.Tensor:
    """a = silu(BatchNorm(x)), squeeze-and-excite (arXiv 1709.01507) and a 1x1 convolution.

    Args:
        x: float [B, H, W, C].
        norm: of x.
        kernel: float [1, 1, C, D].
        gate_weights: kernel [1, 1, C, S] and bias [S] of the squeezing layer, kernel [1, 1, S, C]
            and bias [C] of the other one.

    Returns:
        float [B, H, W, D].
    """

    @tf.custom_gradient
    def function(
        x: tf.Tensor,
        _gamma: tf.Tensor,
        _beta: tf.Tensor,
        kernel: tf.Tensor,
        *gate_weights: tf.Tensor,
    ) -> tuple[tf.Tensor, Callable]:
        count = compiled_math.num_positions(x)
        squeezed = compiled_math.spatial_sum_of_silu(x, norm.affine) / count
        gate = _gate(squeezed, gate_weights)

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
            late = _when_needed(x, upstream)
            gated = compiled_math.normalize_silu(late, norm.affine, gate)
            by_gated, by_kernel = _convolution_gradients(gated, kernel, upstream)
            by_gate = compiled_math.spatial_sum_of_silu_times(late, norm.affine, by_gated)
            with tf.GradientTape() as tape:
                tape.watch((squeezed, gate_weights))
                output = _gate(squeezed, gate_weights)
            by_squeezed, by_weights = tape.gradient(
                output, (squeezed, gate_weights), by_gate[:, tf.newaxis, tf.newaxis]
            )
            by_each = (by_squeezed / count)[:, tf.newaxis, tf.newaxis]
            by_normalized = compiled_math.normalize_silu_gradient(
                late, norm.affine, by_gated, gate, by_each
            )
            return *norm.gradients(x, by_normalized), by_kernel, *by_weights

        gated = compiled_math.normalize_silu(x, norm.affine, gate)
        return tf.nn.conv2d(gated, kernel, 1, "VALID"), gradient

    return function(x, norm.gamma, norm.beta, kernel, *gate_weights)


def _convolution_gradients(
    x: tf.Tensor, kernel: tf.Tensor, upstream: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Of a 1x1 convolution, by its input and its kernel."""
    options = {"out_backprop": upstream, "strides": (1, 1, 1, 1), "padding": "VALID"}
    return (
        tf.raw_ops.Conv2DBackpropInput(input_sizes=tf.shape(x), filter=kernel, **options),
        tf.raw_ops.Conv2DBackpropFilter(input=x, filter_sizes=kernel.shape, **options),
    )


def _gate(squeezed: tf.Tensor, weights: Sequence[tf.Tensor]) -> tf.Tensor:
    """The gate in 0..1, [B, 1, 1, C], from spatial means [B, C]."""
    squeeze, squeeze_bias, excite, excite_bias = weights
    hidden = tf.nn.silu(tf.matmul(squeezed, squeeze[0, 0]) + squeeze_bias)
    gate = tf.sigmoid(tf.matmul(hidden, excite[0, 0]) + excite_bias)
    return gate[:, tf.newaxis, tf.newaxis]


def batch_norm_film(
    x: tf.Tensor,
    norm: BatchNorm,
    film: tuple[tf.Tensor, tf.Tensor],
    keep: tf.Tensor,
    skip: tf.Tensor | None,
) -> tf.Tensor:
    """The end of a block: (BatchNorm(x) * keep + skip) * multiplier + addend.

    Args:
        x: float [B, H, W, C].
        norm: of x.
        film: multiplier and addend, each [B, 1, 1, C].
        keep: float [B, 1, 1, 1]: drop-connect's factor.
        skip: float [B, H, W, C], None where there is no residual.

    Returns:
        float [B, H, W, C].
    """

    @tf.custom_gradient
    def function(
        x: tf.Tensor,
        _gamma: tf.Tensor,
        _beta: tf.Tensor,
        multiplier: tf.Tensor,
        addend: tf.Tensor,
        *skips: tf.Tensor,
    ) -> tuple[tf.Tensor, Callable]:
        branch = (x, norm.affine, keep)
        skip = skips[0] if skips else tf.zeros((), x.dtype)

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
            by_branch, by_skip, by_multiplier = compiled_math.film_of_sum_gradients(
                branch, skip, multiplier, upstream
            )
            return (
                *norm.gradients(x, by_branch),
                compiled_math.spatial_sum(by_multiplier)[:, tf.newaxis, tf.newaxis],
                compiled_math.spatial_sum(upstream)[:, tf.newaxis, tf.newaxis],
                *([by_skip] if skips else []),
            )

        return compiled_math.film_of_sum(branch, skip, multiplier, addend), gradient

    return function(x, norm.gamma, norm.beta, *film, *([] if skip is None else [skip]))
