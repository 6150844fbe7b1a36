"""MBConv, the building block of EfficientNet (arXiv 1905.11946), with a FiLM layer behind it.

Strided convolutions pad by hand (k // 2 - 1 before, k // 2 after), which is what Keras does for an
image of unknown size and what RT-1 was trained with: a 300 x 300 image gives 9 x 9 features, not 10
x 10.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

import dropout_settings
from film_efficientnet import efficientnet_variants as variants
from film_efficientnet import film_conditioning_layer, synchronized_batch_norm


def conv_initializer() -> tf.keras.initializers.Initializer:
    """EfficientNet's; a new one for each layer, because an initializer repeats its draw."""
    return tf.keras.initializers.VarianceScaling(2.0, "fan_out", "truncated_normal")


def pad_before_stride(features: tf.Tensor, kernel_size: int) -> tf.Tensor:
    """[B, H, W, C] with k // 2 - 1 zeros before and k // 2 after, on both axes."""
    pad = (kernel_size // 2 - 1, kernel_size // 2)
    return tf.pad(features, ((0, 0), pad, pad, (0, 0)))


def conv(
    name: str, in_filters: int, filters: int, kernel_size: int = 1, **kwargs
) -> tf.keras.layers.Conv2D:
    """A built convolution.

    Args:
        name: as in keras.applications.
        in_filters: channels in.
        filters: channels out.
        kernel_size: pixels.
        **kwargs: of Keras' layer.

    Returns:
        The layer, variables made.
    """
    layer = tf.keras.layers.Conv2D(
        filters, kernel_size, kernel_initializer=conv_initializer(), name=name, **kwargs
    )
    layer.build((None, None, None, in_filters))
    return layer


def batch_norm(name: str, filters: int) -> tf.keras.layers.BatchNormalization:
    """A built BatchNorm over `filters` channels, of the whole batch where devices share it."""
    kind = tf.keras.layers.BatchNormalization
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        kind = synchronized_batch_norm.SynchronizedBatchNorm
    layer = kind(name=name)
    layer.build((None, None, None, filters))
    return layer


def conv_batch_norm(
    conv: tf.keras.layers.Conv2D, norm: tf.keras.layers.BatchNormalization, features: tf.Tensor
) -> tf.Tensor:
    """BatchNorm(conv(features)) with the moving statistics, as one convolution with a bias.

    The kernel is multiplied instead of the features, forward and in the gradients, which are those
    of the two layers but for rounding.

    Args:
        conv: without a bias; a DepthwiseConv2D too.
        norm: behind it.
        features: float [B, H, W, C_in].

    Returns:
        float [B, H', W', C_out].
    """
    is_depthwise = isinstance(conv, tf.keras.layers.DepthwiseConv2D)
    scale = norm.gamma * tf.math.rsqrt(norm.moving_variance + norm.epsilon)
    bias = tf.cast(norm.beta - norm.moving_mean * scale, features.dtype)
    strides, padding = (1, *conv.strides, 1), conv.padding.upper()
    if is_depthwise:
        kernel = tf.cast(conv.depthwise_kernel, scale.dtype) * scale[:, tf.newaxis]
        kernel = tf.cast(kernel, features.dtype)
        features = tf.nn.depthwise_conv2d(features, kernel, strides, padding)
    else:
        kernel = tf.cast(tf.cast(conv.kernel, scale.dtype) * scale, features.dtype)
        features = tf.nn.conv2d(features, kernel, strides, padding)
    return tf.nn.bias_add(features, bias)


_ACTIVATIONS = {"silu": tf.nn.silu, "relu6": tf.nn.relu6}


def activation(name: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """'silu' or 'relu6' as a function."""
    return _ACTIVATIONS[name]


class MBConvBlock(tf.keras.layers.Layer):
    """Mobile inverted bottleneck, a residual where shapes allow, then FiLM.

    Squeeze-and-excite and the activation follow `block`: EfficientNet or EfficientNet-Lite.

    Call arguments:
        features: float [B, H, W, C_in].
        context: float [B, D]; ignored without FiLM.
        training: whether BatchNorm uses the statistics of the batch and updates its moving ones.
        dropout_seed: int32 [2] for drop-connect, None for none.

    Returns:
        float [B, H // strides, W // strides, C_out].
    """

    def __init__(
        self,
        block: variants.Block,
        context_size: int | None,
        drop_connect_rate: float,
        fold_batch_norm: bool = False,
    ):
        """Builds the block.

        Args:
            block: its numbers.
            context_size: D; None leaves FiLM out.
            drop_connect_rate: probability that the residual branch of a sample is dropped.
            fold_batch_norm: where BatchNorm uses its moving statistics, see `conv_batch_norm`.
        """
        super().__init__(name=block.name)
        self._fold_batch_norm = fold_batch_norm
        self._activate = activation(block.activation)
        self._block = block
        self._drop_connect_rate = drop_connect_rate
        self._has_residual = block.strides == 1 and block.in_filters == block.out_filters
        name, filters = block.name + "_", block.in_filters * block.expand_ratio
        self._expand_conv = self._expand_bn = self._film = None
        if block.expand_ratio != 1:
            self._expand_conv = conv(
                name + "expand_conv", block.in_filters, filters, use_bias=False
            )
            self._expand_bn = batch_norm(name + "expand_bn", filters)
        self._depthwise_conv = tf.keras.layers.DepthwiseConv2D(
            block.kernel_size,
            block.strides,
            padding="same" if block.strides == 1 else "valid",
            use_bias=False,
            depthwise_initializer=conv_initializer(),
            name=name + "dwconv",
        )
        self._depthwise_conv.build((None, None, None, filters))
        self._bn = batch_norm(name + "bn", filters)
        self._squeeze_reduce = self._squeeze_expand = None
        if block.squeeze_filters is not None:
            self._squeeze_reduce = conv(name + "se_reduce", filters, block.squeeze_filters)
            self._squeeze_expand = conv(name + "se_expand", block.squeeze_filters, filters)
        self._project_conv = conv(name + "project_conv", filters, block.out_filters, use_bias=False)
        self._project_bn = batch_norm(name + "project_bn", block.out_filters)
        if context_size is not None:
            self._film = film_conditioning_layer.FilmConditioning(block.out_filters, context_size)
        self.built = True

    @property
    def out_filters(self) -> int:
        """C_out."""
        return self._block.out_filters

    @property
    def stage(self) -> int:
        """1 .. 7."""
        return self._block.stage

    @property
    def strides(self) -> int:
        """Of the depthwise convolution."""
        return self._block.strides

    def layers_with_weights(self) -> list[tf.keras.layers.Layer]:
        """In the order of the data flow, which is the order of the public checkpoint keys."""
        layers = (
            self._expand_conv,
            self._expand_bn,
            self._depthwise_conv,
            self._bn,
            self._squeeze_reduce,
            self._squeeze_expand,
            self._project_conv,
            self._project_bn,
            self._film,
        )
        return [layer for layer in layers if layer is not None]

    def _squeeze_and_excite(self, features: tf.Tensor) -> tf.Tensor:
        """A gate in 0..1 for each channel, from the spatial mean (arXiv 1709.01507)."""
        gate = tf.reduce_mean(features, axis=(1, 2), keepdims=True)
        gate = self._activate(self._squeeze_reduce(gate))
        return features * tf.sigmoid(self._squeeze_expand(gate))

    def _normed(
        self,
        conv: tf.keras.layers.Conv2D,
        norm: tf.keras.layers.BatchNormalization,
        features: tf.Tensor,
        training: bool,
    ) -> tf.Tensor:
        if self._fold_batch_norm and not training:
            return conv_batch_norm(conv, norm, features)
        return norm(conv(features), training=training)

    def call(
        self,
        features: tf.Tensor,
        context: tf.Tensor | None,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """See the class."""
        x = features
        if self._expand_conv is not None:
            x = self._activate(self._normed(self._expand_conv, self._expand_bn, x, training))
        if self._block.strides != 1:
            x = pad_before_stride(x, self._block.kernel_size)
        x = self._activate(self._normed(self._depthwise_conv, self._bn, x, training))
        if self._squeeze_reduce is not None:
            x = self._squeeze_and_excite(x)
        x = self._normed(self._project_conv, self._project_bn, x, training)
        if self._has_residual:
            # One draw for each sample: its whole branch is kept or dropped.
            noise_shape = (tf.shape(x)[0], 1, 1, 1)
            x = dropout_settings.dropout(x, self._drop_connect_rate, dropout_seed, noise_shape)
            x = x + features
        return x if self._film is None else self._film(x, context)
