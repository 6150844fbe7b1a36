"""Training pictures changed at random, anew in every epoch, and their labels with them.

Graph operations for `tf.data`: the result of a sample depends on its picture, its label, its seed
and the settings alone (to the last bit on one kind of processor). Pictures are float32 in 0..255 on
the way and are rounded once, at the end.

Example: with `Augmentation(flip_horizontal_probability=1.0)` the execution parameters
[0.2, 0.4, 0.6, 0.5] become [0.8, 0.4, 0.4, 0.5], which points to the left, so start and end are
swapped: [0.4, 0.5, 0.8, 0.4]. A motion along the main axis of a food is the same from either end,
so labels point to the right, x2 >= x1: the mean of opposite ones is no motion. Where direction
matters, set `canonical_direction` to False.

Everything that moves pixels is one affine map, so the picture is interpolated once. With points
counted from the picture's middle, u = p - 1/2 (shares of the side, x to the right, y down):

    u' = zoom * turn(degrees) * quarter_turns * flips * u + offset

`turn` is clockwise as seen: a quarter turn takes u = (0, -1/2), the middle of the upper edge, to
u' = (1/2, 0), that of the right edge. What moves in from outside has the mean colour: a mirrored
frame would draw food a second time. Brightness, contrast, saturation and hue are one 3 x 3 matrix
and one offset: brightness 1.2 and contrast 0.5 on a picture whose mean grey is 100 take a grey of
180 to 1.2 * (100 + 0.5 * (180 - 100)) = 168.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import gin
import numpy as np
import tensorflow as tf

# New ones belong at the end, so that seeds keep their meaning; all are drawn whatever is on.
_DRAWS = (
    ("turn", "flip_x", "flip_y", "degrees", "scale", "shift_x", "shift_y", "crop")
    + ("crop_x", "crop_y", "brightness", "contrast", "saturation", "hue")
    + ("blur_or_sharpen", "blur", "sharpness", "noise", "noise_key")
    + ("hole_x", "hole_y", "hole_side")
)  # fmt: skip
# What a motion is weakened by until both ends of the label stay in the picture; the last one fits.
_LEVELS = (1.0, 0.5, 0.25, 0.0)
# What settings may be, other than 0 to 0.9.
_LIMITS = {
    **{f"{name}_probability": (0, 1) for name in ("rotate_90", "flip_horizontal", "flip_vertical")},
    **dict.fromkeys(("rotation_degrees", "hue_degrees"), (0, 180)),
    **dict.fromkeys(("saturation", "sharpness", "blur_px"), (0, 10)),
    **{"scale_min": (0.1, 1), "scale_max": (1, 10)},
}
_SHARPENING_SIGMA_PX = 1.0
# RGB to YIQ, the television standard NTSC: luma, then two axes of colour that hue turns about it.
_LUMA = (0.299, 0.587, 0.114)
_TO_YIQ = np.float32([_LUMA, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
_TO_RGB = np.linalg.inv(_TO_YIQ)
# The sum of four bytes: its mean and its standard deviation, sqrt(4 * (256^2 - 1) / 12).
_BYTES_MEAN, _BYTES_STD = 510.0, 147.8


@gin.configurable
@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What is done to a picture; everything is off unless it is set. A magnitude is the largest
    change; each sample draws its own, uniformly, up to it."""

    rotate_90_probability: float = 0.0  # a turn by 90, 180 or 270 degrees; exact pixels
    rotation_degrees: float = 0.0  # by up to so much either way
    flip_horizontal_probability: float = 0.0  # left and right change places
    flip_vertical_probability: float = 0.0  # top and bottom
    shift: float = 0.0  # in x and in y, in sides of the picture; the mean colour moves in
    scale_min: float = 1.0  # drawn in its logarithm; below 1 the mean colour frames the picture
    scale_max: float = 1.0
    crop: float = 0.0  # of the side is cut away at most, anywhere, and the rest enlarged
    brightness: float = 0.0  # 0.2 multiplies by 0.8 to 1.2
    contrast: float = 0.0  # the same of the distance from the picture's mean grey,
    saturation: float = 0.0  # and of a pixel's distance from grey
    hue_degrees: float = 0.0  # turn of the hue, either way
    sharpness: float = 0.0  # 0.5 adds up to half of the finest detail, or takes it away
    noise: float = 0.0  # standard deviation; 0.02 is 5 of 255 levels
    blur_px: float = 0.0  # of a Gaussian; a sample is blurred or sharpened, not both
    # Of a square in the mean colour, in sides of the picture (arXiv 1708.04552); may hide the food.
    cutout: float = 0.0
    canonical_direction: bool = True  # labels point to the right and are kept so; see the module

    def __post_init__(self):
        for name, value in list(vars(self).items())[:-1]:
            low, high = _LIMITS.get(name, (0, 0.9))
            if not low <= value <= high:
                raise ValueError(f"Augmentation.{name}: expected {low} to {high}, got {value}.")

    @property
    def is_identity(self) -> bool:
        """Whether nothing is on."""
        fields = dataclasses.fields(self)[:-1]  # The last one alone changes nothing.
        return all(getattr(self, field.name) == field.default for field in fields)

    def __call__(
        self, images: tf.Tensor, actions: tf.Tensor, seeds: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Changes a batch: images uint8 [B, S, S, 3], execution parameters float32 [B, 4], seeds
        int32 [B, 2], one for each sample and epoch. If both ends of a motion were in the picture,
        they still are: geometry that would push one out is weakened for that sample. Raises
        ValueError; when it runs, InvalidArgumentError for a label that points to the left although
        labels are kept pointing to the right."""
        side = images.shape[1]
        if images.dtype != tf.uint8 or side is None or images.shape[1:] != (side, side, 3):
            got = f"{images.dtype.name} {images.shape}"
            raise ValueError(f"Augmentation: expected uint8 [B, S, S, 3], got {got}.")
        # Whether a label that pointed to the right may point to the left afterwards.
        turns = self.rotate_90_probability or self.rotation_degrees
        turns = turns or self.flip_horizontal_probability
        checks = []
        if self.canonical_direction and turns:
            text = "Augmentation: expected labels with x2 >= x1, got one that points to the left. "
            text += "Swap start and end, or bind Augmentation.canonical_direction = False."
            checks = [tf.debugging.assert_greater_equal(actions[:, 2], actions[:, 0], text)]
        with tf.control_dependencies(checks):
            draws = _uniform_draws(seeds)
        settings: dict[str, tf.Tensor] = {}
        scales = (self.scale_min, self.scale_max) != (1.0, 1.0)
        if turns or self.flip_vertical_probability or self.shift or scales or self.crop:
            settings["maps"], actions = _place(self._maps(draws), actions)
            if turns and self.canonical_direction:
                actions = point_right(actions)
        if self.brightness or self.contrast or self.saturation or self.hue_degrees:
            settings["colours"] = self._colour_matrices(draws)
        if self.blur_px or self.sharpness:
            settings["detail"], settings["kernel"] = self._kernels(draws)
        if self.cutout:
            hole_side = self.cutout * draws["hole_side"]
            settings["hole"] = tf.stack([draws["hole_x"], draws["hole_y"], hole_side], -1)
        if self.noise:
            settings["noise_std"] = 255 * self.noise * draws["noise"]
            settings["noise_key"] = tf.bitcast(draws["noise_key"], tf.int32)
        spec = tf.TensorSpec(images.shape[1:], tf.uint8)
        return tf.map_fn(_change, (images, settings), fn_output_signature=spec), actions

    def _maps(self, draws: dict[str, tf.Tensor]) -> tf.Tensor:
        """The maps of all levels, about the middle of the picture: float32 [B, levels, 2, 3]."""
        column = {name: draw[:, tf.newaxis] for name, draw in draws.items()}
        signed = {name: 2 * draw - 1 for name, draw in column.items()}  # From 0..1 to -1..1.
        chance = self.rotate_90_probability
        # The draws below `chance` are divided evenly among one, two and three turns.
        turns = tf.minimum(tf.floor(1 + 3 * column["turn"] / max(chance, 1e-6)), 3.0)
        turns = tf.cast(tf.where(column["turn"] < chance, turns, 0.0), tf.int32)
        # Of exact zeros and ones, so that whole pixels move.
        quarter_cos = tf.gather([1.0, 0.0, -1.0, 0.0], turns)
        quarter_sin = tf.gather([0.0, 1.0, 0.0, -1.0], turns)
        flip_x = tf.cast(column["flip_x"] < self.flip_horizontal_probability, tf.float32)
        flip_y = tf.cast(column["flip_y"] < self.flip_vertical_probability, tf.float32)
        sign_x, sign_y = 1 - 2 * flip_x, 1 - 2 * flip_y
        low, high = math.log(self.scale_min), math.log(self.scale_max)
        level = tf.constant([_LEVELS])
        log_scale = level * (low + (high - low) * column["scale"])
        crop = level * (self.crop * column["crop"])
        zoom = tf.exp(log_scale) / (1 - crop)
        angle = level * (self.rotation_degrees * signed["degrees"]) * (np.pi / 180)
        cos, sin = zoom * tf.cos(angle), zoom * tf.sin(angle)
        xx = (cos * quarter_cos - sin * quarter_sin) * sign_x
        xy = -(cos * quarter_sin + sin * quarter_cos) * sign_y
        yx = (sin * quarter_cos + cos * quarter_sin) * sign_x
        yy = (cos * quarter_cos - sin * quarter_sin) * sign_y
        # crop * crop_x / 2 is the middle of the window, which comes to the middle of the picture.
        offset_x, offset_y = (
            (level * (self.shift * signed[f"shift_{axis}"]) - crop * signed[f"crop_{axis}"] / 2)
            / (1 - crop)
            for axis in ("x", "y")
        )
        rows = [[xx, xy, offset_x], [yx, yy, offset_y]]
        return tf.stack([tf.stack(row, -1) for row in rows], -2)

    def _colour_matrices(self, draws: dict[str, tf.Tensor]) -> tf.Tensor:
        """The maps from old to new RGB, and how much mean grey is added: float32 [B, 3, 4]."""
        names = ("brightness", "contrast", "saturation")
        factors = [1 + getattr(self, name) * (2 * draws[name] - 1) for name in names]
        brightness, contrast, saturation = factors
        angle = self.hue_degrees * (2 * draws["hue"] - 1) * (np.pi / 180)
        cos, sin = saturation * tf.cos(angle), saturation * tf.sin(angle)
        zero, one = tf.zeros_like(cos), tf.ones_like(cos)
        turn = tf.stack([one, zero, zero, zero, cos, -sin, zero, sin, cos], -1)
        matrices = _TO_RGB @ tf.reshape(turn, (-1, 3, 3)) @ _TO_YIQ
        matrices *= (contrast * brightness)[:, tf.newaxis, tf.newaxis]
        grey = tf.repeat((brightness * (1 - contrast))[:, tf.newaxis], 3, 1)
        return tf.concat([matrices, grey[..., tf.newaxis]], -1)

    def _kernels(self, draws: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """How much detail is added [B], -1 for a blurred picture, and Gaussians [B, 2 r + 1]."""
        # With both on: one of them. Optics that blur do not sharpen.
        both = self.blur_px and self.sharpness
        blurred = draws["blur_or_sharpen"] < (0.5 if both else float(bool(self.blur_px)))
        amount = tf.where(blurred, -1.0, self.sharpness * (2 * draws["sharpness"] - 1))
        sigma = tf.where(blurred, self.blur_px * draws["blur"], _SHARPENING_SIGMA_PX)
        radius = max(1, math.ceil(2.5 * max(self.blur_px, _SHARPENING_SIGMA_PX)))
        steps = tf.range(-radius, radius + 1, dtype=tf.float32)
        weights = tf.exp(-0.5 * (steps / tf.maximum(sigma, 1e-3)[:, tf.newaxis]) ** 2)
        return amount, weights / tf.reduce_sum(weights, 1, keepdims=True)


def point_right(actions: tf.Tensor) -> tf.Tensor:
    """Swaps start and end of motions [..., 4] that point to the left (or straight up)."""
    dx, dy = actions[..., 2] - actions[..., 0], actions[..., 3] - actions[..., 1]
    left = (dx < 0) | ((dx == 0) & (dy < 0))
    return tf.where(left[..., tf.newaxis], tf.roll(actions, 2, -1), actions)


def _uniform_draws(seeds: tf.Tensor) -> dict[str, tf.Tensor]:
    """Uniform numbers in [0, 1), float32 [B] each, from seeds int32 [B, 2]."""
    spec = tf.TensorSpec((len(_DRAWS),), tf.float32)
    # The algorithm is named, because what "auto" chooses depends on the device.
    draw = functools.partial(tf.random.stateless_uniform, spec.shape, alg="philox")
    drawn = tf.map_fn(lambda seed: draw(seed=seed), seeds, fn_output_signature=spec)
    return dict(zip(_DRAWS, tf.unstack(drawn, axis=1)))


def _place(maps: tf.Tensor, actions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """For each sample the strongest map [B, 2, 3] that leaves its label in the picture, and the
    label: clipping it would move its midpoint off the food."""
    x, y = actions[:, tf.newaxis, 0::2] - 0.5, actions[:, tf.newaxis, 1::2] - 0.5
    rows = (maps[..., 0, :, tf.newaxis], maps[..., 1, :, tf.newaxis])
    new_x, new_y = [row[..., 0, :] * x + row[..., 1, :] * y + row[..., 2, :] for row in rows]
    moved = tf.concat([new_x[..., :1], new_y[..., :1], new_x[..., 1:], new_y[..., 1:]], -1) + 0.5
    inside = tf.reduce_all((moved >= 0) & (moved <= 1), -1)
    # Never none: a label that was outside before stays outside.
    inside = tf.concat([inside[:, :-1], tf.ones_like(inside[:, -1:])], 1)
    strongest = tf.argmax(tf.cast(inside, tf.int32), 1)
    return tf.gather(maps, strongest, batch_dims=1), tf.gather(moved, strongest, batch_dims=1)


def _change(sample: tuple[tf.Tensor, dict[str, tf.Tensor]]) -> tf.Tensor:
    """One picture uint8 [S, S, 3], as far as there are settings for it."""
    image, settings = sample
    # Summed in integers: the same in whatever order, and so for any number of threads.
    total = tf.reduce_sum(tf.cast(image, tf.int32), (0, 1))
    mean = tf.cast(total, tf.float32) / (image.shape[0] * image.shape[1])
    is_moved = "maps" in settings
    picture = _warp(image, settings["maps"], mean) if is_moved else tf.cast(image, tf.float32)
    if "colours" in settings:
        matrix = settings["colours"]
        # Compiled together with the pixels this sum would be computed for each of them.
        grey = tf.tensordot(mean, tf.constant(_LUMA), 1)
        picture = _mix_channels(picture, tf.transpose(matrix[:, :3]), matrix[:, 3] * grey)
    if "kernel" in settings:
        picture = _change_sharpness(picture, settings["detail"], settings["kernel"])
    return _finish(picture, settings, mean)


@tf.function(jit_compile=True, autograph=False)
def _warp(image: tf.Tensor, matrix: tf.Tensor, fill: tf.Tensor) -> tf.Tensor:
    """A picture seen through a map of old points to new ones, bilinear between pixel centres."""
    side = image.shape[0]
    (xx, xy, offset_x), (yx, yy, offset_y) = [tf.unstack(row) for row in tf.unstack(matrix)]
    determinant = xx * yy - xy * yx
    middle = (side - 1) / 2
    across = tf.range(side, dtype=tf.float32)[tf.newaxis] - middle - side * offset_x
    down = tf.range(side, dtype=tf.float32)[:, tf.newaxis] - middle - side * offset_y
    # For each new pixel the place in the old picture, 0 at the first centre.
    x = (yy * across - xy * down) / determinant + middle
    y = (xx * down - yx * across) / determinant + middle
    left, top = tf.floor(x), tf.floor(y)
    # One channel axis for all that follows, so that the colours are read side by side.
    along_x, along_y = (x - left)[..., tf.newaxis], (y - top)[..., tf.newaxis]
    columns, rows = (
        [tf.cast(tf.clip_by_value(first + step, 0, side - 1), tf.int32) for step in (0, 1)]
        for first in (left, top)
    )
    pixels = tf.reshape(image, (side * side, 3))
    corners = [
        [tf.cast(tf.gather(pixels, row * side + column), tf.float32) for column in columns]
        for row in rows
    ]
    above, below = [a * (1 - along_x) + b * along_x for a, b in corners]
    value = above * (1 - along_y) + below * along_y
    # Equal to bilinear interpolation with a frame of `fill`, without a frame.
    covered_x, covered_y = (
        tf.clip_by_value(tf.minimum(place + 1, side - place), 0.0, 1.0) for place in (x, y)
    )
    return fill + (covered_x * covered_y)[..., tf.newaxis] * (value - fill)


@tf.function(jit_compile=True, autograph=False)
def _mix_channels(picture: tf.Tensor, columns: tf.Tensor, added: tf.Tensor) -> tf.Tensor:
    """[S, S, 3] times the matrix of which [3, 3] are the columns, plus [3]."""
    parts = [picture[..., i : i + 1] * columns[i] for i in range(3)]
    return parts[0] + parts[1] + parts[2] + added


def _change_sharpness(picture: tf.Tensor, amount: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """picture + amount * (picture - blurred picture); edges are repeated outwards."""
    radius, lines = weights.shape[0] // 2, tf.reshape(picture, (picture.shape[0], -1))
    # The frame is made outside of the compiled code, which would look for it at every pixel.
    above, below = (tf.repeat(row, radius, 0) for row in (lines[:1], lines[-1:]))
    lines = _blur_columns(tf.concat([above, lines, below], 0), weights)
    left, right = (tf.tile(pixel, (1, radius)) for pixel in (lines[:, :3], lines[:, -3:]))
    return _blur_rows_and_add(tf.concat([left, lines, right], 1), weights, picture, amount)


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


@tf.function(jit_compile=True, autograph=False)
def _finish(picture: tf.Tensor, settings: dict[str, tf.Tensor], mean: tf.Tensor) -> tf.Tensor:
    """The last steps in one pass: hole, noise, rounding to uint8."""
    if "hole" in settings:
        hole, side = settings["hole"], picture.shape[0]
        centres = (tf.range(side, dtype=tf.float32) + 0.5) / side
        in_x, in_y = [tf.abs(centres - hole[i]) < hole[2] / 2 for i in range(2)]
        inside = in_y[:, tf.newaxis] & in_x[tf.newaxis]
        picture = tf.where(inside[..., tf.newaxis], mean, picture)
    if "noise_std" in settings:
        # Nearly Gaussian: the sum of the four bytes of a hash for each value, the finaliser of
        # MurmurHash3 (Austin Appleby, public domain) of a counter and the key. TensorFlow's
        # stateless normal numbers took longer than all the rest.
        counter = tf.reshape(tf.range(np.prod(picture.shape), dtype=tf.int32), picture.shape)
        bits = tf.bitcast(counter, tf.uint32) * np.uint32(0x9E3779B9)
        bits += tf.bitcast(settings["noise_key"], tf.uint32)
        for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
            bits = tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, np.uint32(shift)))
            bits *= np.uint32(factor)
        total = tf.zeros_like(counter)
        for shift in (0, 8, 16, 24):
            byte = tf.bitwise.right_shift(bits, np.uint32(shift)) & np.uint32(255)
            total += tf.bitcast(byte, tf.int32)
        spread = settings["noise_std"] / _BYTES_STD
        picture += (tf.cast(total, tf.float32) - _BYTES_MEAN) * spread
    return tf.cast(tf.clip_by_value(tf.round(picture), 0.0, 255.0), tf.uint8)
