"""MBConv, the building block of EfficientNet (arXiv 1905.11946), and the FiLM layer behind it.

Strided convolutions pad by hand (k // 2 - 1 before, k // 2 after), which is what Keras does for an
image of unknown size and what RT-1 was trained with: a 300 x 300 image gives 9 x 9 features, not 10
x 10.
"""

from __future__ import annotations

import tensorflow as tf

import dropout_settings
from film_efficientnet import efficientnet_variants as variants

ACTIVATIONS = {"silu": tf.nn.silu, "relu6": tf.nn.relu6}


class FilmConditioning(tf.keras.layers.Layer):
    """FiLM (arXiv 1709.07871): (1 + gamma) * x + beta for each channel, gamma and beta being linear
    functions of the context: features float [B, H, W, C] and context [B, D] to [B, H, W, C].

    Both projections start at zero, so a fresh layer is the identity and pretrained features pass
    through unharmed (RT-1, arXiv 2212.06817, section 5.1).
    """

    def __init__(self, num_channels: int, context_size: int):
        """`num_channels` is C, `context_size` D."""
        super().__init__()
        self._projection_add = tf.keras.layers.Dense(num_channels, kernel_initializer="zeros")
        self._projection_mult = tf.keras.layers.Dense(num_channels, kernel_initializer="zeros")
        for projection in (self._projection_add, self._projection_mult):
            projection.build((None, context_size))
        self.built = True

    def call(self, features: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
        beta = self._projection_add(context)[:, tf.newaxis, tf.newaxis, :]
        gamma = self._projection_mult(context)[:, tf.newaxis, tf.newaxis, :]
        return (1 + gamma) * features + beta


def _initializer() -> tf.keras.initializers.Initializer:
    """EfficientNet's; a new one for each layer, because an initializer repeats its draw."""
    return tf.keras.initializers.VarianceScaling(2.0, "fan_out", "truncated_normal")


def pad_before_stride(features: tf.Tensor, kernel_size: int) -> tf.Tensor:
    """[B, H, W, C] with k // 2 - 1 zeros before and k // 2 after, on both axes."""
    pad = (kernel_size // 2 - 1, kernel_size // 2)
    return tf.pad(features, ((0, 0), pad, pad, (0, 0)))


def conv(
    name: str, in_filters: int, filters: int, kernel_size: int = 1, **kwargs
) -> tf.keras.layers.Conv2D:
    """A built convolution; `kwargs` are those of Keras' layer."""
    layer = tf.keras.layers.Conv2D(
        filters, kernel_size, kernel_initializer=_initializer(), name=name, **kwargs
    )
    layer.build((None, None, None, in_filters))
    return layer


class SynchronizedBatchNorm(tf.keras.layers.BatchNormalization):
    """BatchNorm of float [B, H, W, C] over the whole batch where several devices share it (arXiv
    1803.08904); their parts may differ in B. All have the moving statistics that Keras' fused layer
    would have on one device, with its unbiased variance, which Keras' own synchronized layer lacks.
    """

    def add_weight(self, *args: object, **kwargs: object) -> tf.Variable:
        """Moving statistics are equal on all devices: reading them needs no communication."""
        if kwargs.get("synchronization") == tf.VariableSynchronization.ON_READ:
            kwargs["aggregation"] = tf.VariableAggregation.ONLY_FIRST_REPLICA
        return super().add_weight(*args, **kwargs)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not (training and self.trainable):
            return super().call(inputs, training=False)
        x = tf.cast(inputs, tf.float32)
        own = tf.cast(tf.size(x) // tf.shape(x)[-1], tf.float32)
        sums = [tf.reduce_sum(one, (0, 1, 2)) for one in (x, tf.square(x))] + [own[tf.newaxis]]
        replica = tf.distribute.get_replica_context()  # One message for all three.
        sums = replica.all_reduce(tf.distribute.ReduceOp.SUM, tf.concat(sums, 0))
        (total, squares), count = tf.split(sums[:-1], 2), sums[-1]
        mean = total / count
        variance = tf.maximum(squares / count - tf.square(mean), 0.0)
        unbiased = variance * (count / tf.maximum(count - 1.0, 1.0))
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, unbiased)):
            moving.assign_sub((moving - tf.stop_gradient(value)) * (1.0 - self.momentum))
        y = tf.nn.batch_normalization(x, mean, variance, self.beta, self.gamma, self.epsilon)
        return tf.cast(y, inputs.dtype)


def batch_norm(name: str, filters: int) -> tf.keras.layers.BatchNormalization:
    """A built BatchNorm over `filters` channels, of the whole batch where devices share it."""
    is_shared = tf.distribute.get_strategy().num_replicas_in_sync > 1
    kind = SynchronizedBatchNorm if is_shared else tf.keras.layers.BatchNormalization
    layer = kind(name=name)
    layer.build((None, None, None, filters))
    return layer


def conv_batch_norm(
    conv: tf.keras.layers.Conv2D,
    norm: tf.keras.layers.BatchNormalization,
    features: tf.Tensor,
    training: bool,
    fold: bool,
) -> tf.Tensor:
    """norm(conv(features)), `conv` without a bias; with `fold`, outside of training, as one
    convolution with a bias: the same but for rounding, forward and in the gradients."""
    if training or not fold:
        return norm(conv(features), training=training)
    scale = norm.gamma * tf.math.rsqrt(norm.moving_variance + norm.epsilon)
    bias = tf.cast(norm.beta - norm.moving_mean * scale, features.dtype)
    strides, padding = (1, *conv.strides, 1), conv.padding.upper()
    if isinstance(conv, tf.keras.layers.DepthwiseConv2D):
        kernel = tf.cast(conv.depthwise_kernel, scale.dtype) * scale[:, tf.newaxis]
        kernel = tf.cast(kernel, features.dtype)
        features = tf.nn.depthwise_conv2d(features, kernel, strides, padding)
    else:
        kernel = tf.cast(tf.cast(conv.kernel, scale.dtype) * scale, features.dtype)
        features = tf.nn.conv2d(features, kernel, strides, padding)
    return tf.nn.bias_add(features, bias)


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
        """`context_size` is D, None leaves FiLM out; `drop_connect_rate` the probability that the
        residual branch of a sample is dropped; `fold_batch_norm`: see `conv_batch_norm`."""
        super().__init__(name=block.name)
        self.block = block
        self._fold_batch_norm = fold_batch_norm
        self._activate = ACTIVATIONS[block.activation]
        self._drop_connect_rate = drop_connect_rate
        self._has_residual = block.strides == 1 and block.in_filters == block.out_filters
        name, in_filters = block.name + "_", block.in_filters
        filters = in_filters * block.expand_ratio
        self._expand_conv = self._expand_bn = self._film = None
        if block.expand_ratio != 1:
            self._expand_conv = conv(name + "expand_conv", in_filters, filters, use_bias=False)
            self._expand_bn = batch_norm(name + "expand_bn", filters)
        self._depthwise_conv = tf.keras.layers.DepthwiseConv2D(
            block.kernel_size,
            block.strides,
            padding="same" if block.strides == 1 else "valid",
            use_bias=False,
            depthwise_initializer=_initializer(),
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
            self._film = FilmConditioning(block.out_filters, context_size)
        self.built = True

    def layers_with_weights(self) -> list[tf.keras.layers.Layer]:
        """In the order of the data flow, which is the order of the public checkpoint keys."""
        layers = [self._expand_conv, self._expand_bn, self._depthwise_conv, self._bn]
        layers += [self._squeeze_reduce, self._squeeze_expand]
        layers += [self._project_conv, self._project_bn, self._film]
        return [layer for layer in layers if layer is not None]

    def call(
        self,
        features: tf.Tensor,
        context: tf.Tensor | None,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        how = training, self._fold_batch_norm
        x = features
        if self._expand_conv is not None:
            x = self._activate(conv_batch_norm(self._expand_conv, self._expand_bn, x, *how))
        if self.block.strides != 1:
            x = pad_before_stride(x, self.block.kernel_size)
        x = self._activate(conv_batch_norm(self._depthwise_conv, self._bn, x, *how))
        if self._squeeze_reduce is not None:
            # Squeeze-and-excite, arXiv 1709.01507: a gate in 0..1 for each channel.
            gate = tf.reduce_mean(x, axis=(1, 2), keepdims=True)
            gate = self._activate(self._squeeze_reduce(gate))
            x = x * tf.sigmoid(self._squeeze_expand(gate))
        x = conv_batch_norm(self._project_conv, self._project_bn, x, *how)
        if self._has_residual:
            # One draw for each sample: its whole branch is kept or dropped.
            noise_shape = (tf.shape(x)[0], 1, 1, 1)
            x = dropout_settings.dropout(x, self._drop_connect_rate, dropout_seed, noise_shape)
            x = x + features
        return x if self._film is None else self._film(x, context)
