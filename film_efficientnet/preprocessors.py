"""Images to the network's range, and RT-1's pad-and-crop shift for images of any size.

Example: RT-1 pads its 256 x 320 images by 20 rows and 50 columns of zeros on each side and cuts a
window of 256 x 320 out again, so y offsets run from 0 to 40 and x offsets from 0 to 100. Other
sizes are padded by the same fractions: 236 x 236 by 18 rows and 37 columns.
"""

from __future__ import annotations

import tensorflow as tf

# Of the image's height and width: 20 / 256 and 50 / 320 (RT-1's public preprocessing).
PAD_HEIGHT_FRACTION = 20 / 256
PAD_WIDTH_FRACTION = 50 / 320


def convert_image_dtype(images: tf.Tensor) -> tf.Tensor:
    """uint8 0..255 or float 0..1, any shape, to float32 0..1."""
    return tf.image.convert_image_dtype(images, tf.float32)


def crop_offsets(
    height: int, width: int, seed: tf.Tensor
) -> tuple[tuple[int, int], tuple[tf.Tensor, tf.Tensor]]:
    """Where `pad_and_crop` pads and cuts.

    Args:
        height: H, pixels.
        width: W, pixels.
        seed: int32 [2].

    Returns:
        ((pad_y, pad_x), (y, x)): zeros on each side, and the window's offset in the padded image,
        both in pixels; int32 scalars y in 0 .. 2 * pad_y and x in 0 .. 2 * pad_x.
    """
    pad_y, pad_x = round(height * PAD_HEIGHT_FRACTION), round(width * PAD_WIDTH_FRACTION)
    # The draw depends on the dtype: int32 gives the offsets of RT-1's public code.
    seed_x = tf.random.experimental.stateless_split(seed, num=1)[0]
    y = tf.random.stateless_uniform((), seed, maxval=2 * pad_y + 1, dtype=tf.int32)
    x = tf.random.stateless_uniform((), seed_x, maxval=2 * pad_x + 1, dtype=tf.int32)
    return (pad_y, pad_x), (y, x)


def pad_and_crop(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Shifts all images by the same random amount, zeros moving in; the size stays.

    Coordinates in the picture move with it, so this is for actions that do not name image positions
    (RT-1's robot actions), not for execution parameters.

    Args:
        images: [B, H, W, 3], H and W known.
        seed: int32 [2].

    Returns:
        [B, H, W, 3]
    """
    height, width = images.shape[-3], images.shape[-2]
    (pad_y, pad_x), (y, x) = crop_offsets(height, width, seed)
    padded = tf.pad(images, ((0, 0), (pad_y, pad_y), (pad_x, pad_x), (0, 0)))
    return tf.slice(padded, tf.stack([0, y, x, 0]), (-1, height, width, -1))


def preprocess(images: tf.Tensor, pad_and_crop_seed: tf.Tensor | None = None) -> tf.Tensor:
    """What happens to every image before the network, in training and in serving alike.

    Args:
        images: uint8 0..255 or float 0..1, [B, H, W, 3].
        pad_and_crop_seed: int32 [2] to shift the images, None to leave them where they are.

    Returns:
        float32 [B, H, W, 3] in 0..1.
    """
    images = convert_image_dtype(images)
    return images if pad_and_crop_seed is None else pad_and_crop(images, pad_and_crop_seed)
