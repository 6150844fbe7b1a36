"""The image encoder of RT-1 (arXiv 2212.06817, section 5.1): `EfficientNetEncoder`.

EfficientNet with a FiLM layer after every MBConv block, a 1x1 convolution and a last FiLM. Example:
a picture of 236 x 236 bytes is scaled to 0..1 (`preprocess`), resized to 300 x 300 and becomes
9 x 9 features of 512 numbers.

The layers are keras.applications' own, under its names, so that its `.h5` files load. The
checkpoint keys are the public RT-1 ones, `net/layer_with_weights-<i>`, i counting the layers with
weights in the order in which data flows through them: 0 the image normalization, 1 the stem
convolution, .. 9 the FiLM of block1a.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import gin
import tensorflow as tf

import dropout_settings
from film_efficientnet import efficientnet_variants as variants
from film_efficientnet import imagenet_weights, mbconv_block

# What the public ImageNet files hold. The "variance" is the standard deviation: the missing
# division by sqrt(std) is made up for by the rescaling behind the normalization.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_VARIANCE = (0.229, 0.224, 0.225)
# Images that go through frozen stages at a time.
_CHUNK = 8


def preprocess(images: tf.Tensor, pad_and_crop_seed: tf.Tensor | None = None) -> tf.Tensor:
    """What happens to every image before the network, in training and in serving alike.

    Args:
        images: uint8 0..255 or float 0..1, [B, H, W, 3].
        pad_and_crop_seed: int32 [2] to shift all images by the same random amount, as RT-1 does: it
            pads 256 x 320 images by 20 rows and 50 columns of zeros on each side and cuts 256 x 320
            out again. Not for execution parameters: positions in the picture move with it.

    Returns:
        float32 [B, H, W, 3] in 0..1.
    """
    images = tf.image.convert_image_dtype(images, tf.float32)
    if pad_and_crop_seed is None:
        return images
    height, width = images.shape[-3:-1]
    pad_y, pad_x = round(height * 20 / 256), round(width * 50 / 320)
    # The draw depends on the dtype: int32 gives the offsets of RT-1's public code.
    seed_x = tf.random.experimental.stateless_split(pad_and_crop_seed, num=1)[0]
    draw = tf.random.stateless_uniform
    y = draw((), pad_and_crop_seed, maxval=2 * pad_y + 1, dtype=tf.int32)
    x = draw((), seed_x, maxval=2 * pad_x + 1, dtype=tf.int32)
    padded = tf.pad(images, ((0, 0), (pad_y, pad_y), (pad_x, pad_x), (0, 0)))
    return tf.slice(padded, tf.stack([0, y, x, 0]), (-1, height, width, -1))


class ImageNormalization(tf.keras.layers.Layer):
    """(images - mean) / sqrt(variance) per channel, of images float [B, H, W, 3] in 0..1. Unlike
    Keras' Normalization it caches nothing, so restored constants take effect at once."""

    def __init__(self):
        super().__init__(name="normalization", dtype="float32")
        for key, values in (("mean", IMAGENET_MEAN), ("variance", IMAGENET_VARIANCE)):
            fixed = {"initializer": tf.keras.initializers.Constant(values), "trainable": False}
            setattr(self, key, self.add_weight(key, (3,), **fixed))
        self.count = self.add_weight("count", (), tf.int64, "zeros", trainable=False)
        self.built = True

    def call(self, images: tf.Tensor) -> tf.Tensor:
        return (images - self.mean) / tf.maximum(tf.sqrt(self.variance), tf.keras.backend.epsilon())


@gin.configurable(denylist=["context_size", "dropout"])
class FilmEfficientNet(tf.keras.layers.Layer):
    """The convolutional trunk: images and an instruction to a feature map.

    Call arguments:
        images: float [B, H, W, 3] in 0..255, as keras.applications takes them.
        context: float [B, D].
        training: BatchNorm's mode.
        dropout_seed: int32 [2] for drop-connect, None for none.

    Returns:
        float [B, H / s, W / s, C], s the output stride (rounded down at each of its halvings) and C
        `num_output_channels`.
    """

    def __init__(
        self,
        context_size: int,
        dropout: dropout_settings.DropoutSettings,
        variant: str = "b3",
        output_stride: int = 32,
        width: float | None = None,
        depth: float | None = None,
        num_stages: int = variants.NUM_STAGES,
        film_from_stage: int = 1,
        frozen_stages: int = 0,
        batch_norm_inference: bool = False,
    ):
        """Builds the trunk with random convolutions and identity FiLM; `context_size` is D.

        Args:
            variant: 'b0' .. 'b7', 'lite0' .. 'lite4' or 'small'.
            output_stride: image pixels per feature, 2 .. 32.
            width, depth: replace the variant's multipliers of the filters and of the blocks.
            num_stages: how many of the seven stages are kept; with fewer there is no top
                convolution, and C is the last stage's.
            film_from_stage: the first stage whose blocks have FiLM.
            frozen_stages: so many stages, and the stem, never learn and drop nothing, and their
                BatchNorm always uses its moving statistics; 0 for none.
            batch_norm_inference: BatchNorm of the whole trunk always uses its moving statistics,
                which then never change. Its scale and shift learn.
        """
        super().__init__(name="film_efficientnet", dtype="float32")
        if (
            variant not in variants.VARIANTS
            or output_stride not in (2, 4, 8, 16, 32)
            or not 0 <= frozen_stages <= num_stages <= variants.NUM_STAGES
            or min(num_stages, film_from_stage) < 1
            or (frozen_stages and film_from_stage <= frozen_stages)
        ):
            raise ValueError(
                f"FilmEfficientNet: expected variant in {[*variants.VARIANTS]}, output_stride 2, "
                f"4, 8, 16 or 32 px, num_stages 1 to {variants.NUM_STAGES}, frozen_stages of them "
                f"and film_from_stage behind those, got {variant = }, {output_stride = }, "
                f"{num_stages = }, {frozen_stages = } and {film_from_stage = }."
            )
        base = variants.VARIANTS[variant]
        base = variants.Variant(width or base.width, depth or base.depth, base.lite)
        numbers = variants.blocks(base, output_stride, num_stages)
        self._batch_norm_inference = batch_norm_inference
        self._num_frozen = sum(one.stage <= frozen_stages for one in numbers)
        self._activation = mbconv_block.ACTIVATIONS[numbers[0].activation]
        conv, batch_norm = mbconv_block.conv, mbconv_block.batch_norm
        filters, normalization = base.fixed_filters(32), ImageNormalization()
        stem_conv = conv("stem_conv", 3, filters, 3, strides=2, use_bias=False)
        stem = [stem_conv, batch_norm("stem_bn", filters)]
        blocks = [
            mbconv_block.MBConvBlock(
                one,
                context_size if one.stage >= film_from_stage else None,
                one.drop_connect_fraction * dropout.backbone_drop_connect,
                batch_norm_inference or one.stage <= frozen_stages,
            )
            for one in numbers
        ]
        top, self.num_output_channels = [], numbers[-1].out_filters
        if num_stages == variants.NUM_STAGES:
            channels = self.num_output_channels, base.fixed_filters(1280)
            self.num_output_channels = channels[1]
            top = [conv("top_conv", *channels, use_bias=False), batch_norm("top_bn", channels[1])]
        in_blocks = [layer for block in blocks for layer in block.layers_with_weights()]
        ordered = [normalization, *stem, *in_blocks, *top]
        for index, layer in enumerate(ordered):
            # The attribute name is the checkpoint key of the public RT-1. It must be set before any
            # other attribute holds the layer, because the first name found is the key.
            setattr(self, f"layer_with_weights-{index}", layer)
        self._num_layers_with_weights = len(ordered)
        self._normalization, self._stem_conv, self._stem_bn = ordered[:3]
        self._blocks, (self._top_conv, self._top_bn) = blocks, top or (None, None)
        for layer in (*stem, *blocks[: self._num_frozen]) if frozen_stages else ():
            layer.trainable = False
        self.built = True

    def layers_with_weights(self) -> list[tf.keras.layers.Layer]:
        """In the order of the data flow, which is the order of the public checkpoint keys."""
        indices = range(self._num_layers_with_weights)
        return [getattr(self, f"layer_with_weights-{index}") for index in indices]

    def trunk_layers(self) -> list[tf.keras.layers.Layer]:
        """Those that an ImageNet file fills: all but FiLM's."""
        film = mbconv_block.FilmConditioning
        return [layer for layer in self.layers_with_weights() if not isinstance(layer, film)]

    def trunk_variables(self) -> list[tf.Variable]:
        """Those of `trunk_layers`."""
        return [variable for layer in self.trunk_layers() for variable in layer.weights]

    def feature_map_side(self, side: int) -> int:
        """Rows of features for `side` rows of pixels: floor(n / 2) at each stride of two."""
        for strides in (2, *(block.block.strides for block in self._blocks)):
            side //= strides
        return side

    def call(
        self,
        images: tf.Tensor,
        context: tf.Tensor,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        learns, first = training and not self._batch_norm_inference, self._num_frozen
        if first:
            # Nothing before learns: no gradient is computed, nothing is kept for one.
            x = tf.stop_gradient(_in_chunks(self._frozen_part, images))
            channels = self._blocks[first - 1].block.out_filters
            x = tf.ensure_shape(x, (images.shape[0], None, None, channels))
        else:
            x = self._stem(images, learns)
        for index, block in enumerate(self._blocks[first:], first):
            seed = dropout_settings.split_seed(dropout_seed, index)
            x = block(x, context, training=learns, dropout_seed=seed)
        if self._top_conv is None:
            return x
        return self._activation(self._top_bn(self._top_conv(x), training=learns))

    def _stem(self, images: tf.Tensor, training: bool) -> tf.Tensor:
        """The image normalization and the first convolution."""
        rescale = tf.constant([1.0 / std**0.5 for std in IMAGENET_VARIANCE])
        x = self._normalization(images * (1.0 / 255.0)) * rescale
        x = self._stem_conv(mbconv_block.pad_before_stride(x, 3))
        return self._activation(self._stem_bn(x, training=training))

    def _frozen_part(self, images: tf.Tensor) -> tf.Tensor:
        x = self._stem(images, training=False)
        for block in self._blocks[: self._num_frozen]:
            x = block(x, None)
        return x


def _in_chunks(function: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor) -> tf.Tensor:
    """`function` of a few images [B, ...] at a time: on a CPU what it computes then stays in the
    cache. Not for anything that learns: a loop keeps all for its gradient."""
    size = images.shape[0]
    if (size is not None and size <= _CHUNK) or tf.config.list_logical_devices("GPU"):
        return function(images)
    count = -(-tf.shape(images)[0] // _CHUNK)

    def body(index: tf.Tensor, done: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
        part = function(images[index * _CHUNK : (index + 1) * _CHUNK])
        return index + 1, done.write(index, part)

    done = tf.TensorArray(images.dtype, count, infer_shape=False)
    _, done = tf.while_loop(lambda index, _: index < count, body, (0, done))
    return done.concat()


@gin.configurable(denylist=["dropout", "token_embedding_size", "context_size"])
class EfficientNetEncoder(tf.keras.layers.Layer):
    """Images and an instruction to a map of features as wide as a token.

    Call arguments:
        images: float [B, H, W, 3] in 0..1, any H and W.
        context: float [B, D_context].
        training: BatchNorm's mode: True uses and updates batch statistics, False the moving ones.
        dropout_seed: int32 [2], None for no dropout.

    Returns:
        float [B, h, w, D]; 9 x 9 x 512 for RT-1.
    """

    def __init__(
        self,
        dropout: dropout_settings.DropoutSettings,
        token_embedding_size: int = 512,
        context_size: int = 512,
        image_size: int | None = 300,
        imagenet_weights_file: str | None = None,
    ):
        """Builds the encoder; `token_embedding_size` is D, `context_size` D_context.

        Images are resized to `image_size` pixels on both sides (bilinear); None keeps their size.
        `imagenet_weights_file` is a Keras EfficientNet `.h5` or an EfficientNet-Lite `.pth` to
        start from; see `imagenet_weights.py`.
        """
        # Whatever the precision of the run: pictures are narrowed behind their normalization.
        super().__init__(name="efficientnet_encoder", dtype="float32")
        self._image_size = image_size
        self.net = FilmEfficientNet(context_size, dropout)
        initializer = tf.keras.initializers.VarianceScaling()
        self.conv1x1 = tf.keras.layers.Conv2D(
            token_embedding_size, 1, use_bias=False, kernel_initializer=initializer
        )
        self.conv1x1.build((None, None, None, self.net.num_output_channels))
        self.film_layer = mbconv_block.FilmConditioning(token_embedding_size, context_size)
        self.built = True
        if imagenet_weights_file is not None:
            imagenet_weights.load_imagenet_weights(self.net, imagenet_weights_file)

    def num_features(self, height: int, width: int) -> int:
        """h * w of the feature map of a picture of `height` x `width` pixels."""
        sides = (self._image_size or height, self._image_size or width)
        return math.prod(map(self.net.feature_map_side, sides))

    def resize(self, images: tf.Tensor) -> tf.Tensor:
        """[B, H, W, 3] to [B, S, S, 3], S the image size (bilinear, no antialiasing, as RT-1)."""
        side = self._image_size
        return images if side is None else tf.image.resize(images, (side, side))

    def call(
        self,
        images: tf.Tensor,
        context: tf.Tensor,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """See the class. Raises tf.errors.InvalidArgumentError if a value lies outside 0..1."""
        fits = (tf.reduce_min(images) >= 0.0) & (tf.reduce_max(images) <= 1.0)
        message = "EfficientNetEncoder: expected images in 0..1; divide uint8 by 255."
        with tf.control_dependencies([tf.debugging.Assert(fits, [message])]):
            images = self.resize(images)
        seed = dropout_settings.split_seed(dropout_seed, 0)
        x = self.net(images * 255.0, context, training=training, dropout_seed=seed)
        return self.film_layer(self.conv1x1(x), context)
