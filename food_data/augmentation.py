"""Training pictures changed at random, anew in every epoch, and their labels with them.

Graph operations for `tf.data`: `Augmentation` is called with a batch and one seed per sample. The
result of a sample depends on its picture, its label, its seed and the settings, on nothing else:
not on the other samples of the batch, nor on whether a run was resumed. (To the last bit on one
kind of processor; another one may round a pixel the other way.)

Example: with `Augmentation(flip_horizontal_probability=1.0)` the execution parameters
[0.2, 0.4, 0.6, 0.5] become [0.8, 0.4, 0.4, 0.5], which points to the left, so start and end are
swapped: [0.4, 0.5, 0.8, 0.4].

Why they are swapped: a motion along the main axis of a food is the same from either end, and the
data names it by the end that lies on the right, x2 >= x1. Left as they are, turned samples would
give the same picture two opposite labels, and a regression answers with their mean: no motion at
all. Where the direction does matter (x2 < x1 occurs in the data), `canonical_direction` has to be
False; a label that contradicts the setting stops the run.

What is drawn is worked out for the whole batch; the pixels are changed by code that XLA compiles
for one picture, once, whatever the batch size: about twice as fast as TensorFlow's own image
operations. Validation data is not augmented: do
not pass an `Augmentation` there.
"""

from __future__ import annotations

import dataclasses

import gin
import tensorflow as tf

from food_data import augmentation_draws
from food_data import augmentation_geometry as geometry
from food_data import augmentation_photometric as photometric

_PROBABILITIES = (
    "rotate_90_probability",
    "flip_horizontal_probability",
    "flip_vertical_probability",
)
_BELOW_ONE = ("shift", "crop", "brightness", "contrast", "noise", "cutout")
_NOT_NEGATIVE = ("saturation", "sharpness", "blur_px")
_ANGLES = ("rotation_degrees", "hue_degrees")


@gin.configurable
@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What is done to a picture; everything is off unless it is set.

    A magnitude is the largest change; each sample draws its own, uniformly, up to it.

    Attributes:
        rotate_90_probability: of a turn by 90, 180 or 270 degrees, equally likely; exact pixels.
        rotation_degrees: turn by up to so much either way, 0 to 180.
        flip_horizontal_probability: of exchanging left and right.
        flip_vertical_probability: of exchanging top and bottom.
        shift: in x and in y, in sides of the picture; the mean colour moves in.
        scale_min: smallest scale, drawn uniformly in its logarithm; below 1 the mean colour frames
            the picture.
        scale_max: largest scale.
        crop: share of the side that is cut away at most; the window lies anywhere in the picture
            and is enlarged to its size.
        brightness: 0.2 multiplies by 0.8 to 1.2.
        contrast: 0.2 multiplies the distance from the picture's mean grey by 0.8 to 1.2.
        saturation: 0.2 multiplies the distance from grey by 0.8 to 1.2.
        hue_degrees: turn of the hue, either way, 0 to 180.
        sharpness: 0.5 adds up to half of the detail finer than about a pixel again, or takes it
            away.
        noise: standard deviation, share of the range: 0.02 is 5 of 255 levels.
        blur_px: standard deviation of the Gaussian, pixels of the picture. With `sharpness` on too,
            a sample gets one of the two.
        cutout: side of a square that is painted over in the mean colour, in sides of the picture.
            It may hide the food: keep it small.
        canonical_direction: labels point to the right and are kept so; see the module.
    """

    rotate_90_probability: float = 0.0
    rotation_degrees: float = 0.0
    flip_horizontal_probability: float = 0.0
    flip_vertical_probability: float = 0.0
    shift: float = 0.0
    scale_min: float = 1.0
    scale_max: float = 1.0
    crop: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue_degrees: float = 0.0
    sharpness: float = 0.0
    noise: float = 0.0
    blur_px: float = 0.0
    cutout: float = 0.0
    canonical_direction: bool = True

    def __post_init__(self):
        limits = dict.fromkeys(_PROBABILITIES, (0.0, 1.0))
        limits.update(dict.fromkeys(_BELOW_ONE, (0.0, 0.9)))
        limits.update(dict.fromkeys(_NOT_NEGATIVE, (0.0, 10.0)))
        limits.update(dict.fromkeys(_ANGLES, (0.0, 180.0)))
        limits.update(scale_min=(0.1, self.scale_max), scale_max=(self.scale_min, 10.0))
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"Augmentation.{name}: expected {low} to {high}, got {value}.")

    @property
    def is_identity(self) -> bool:
        """Whether nothing is on, so that pictures and labels pass as they are."""
        pixels = self._changes_colours or self._filters or self.noise or self.cutout
        return not (self._moves or pixels)

    @property
    def _turns(self) -> bool:
        """Whether a label that pointed to the right may point to the left afterwards."""
        return bool(
            self.rotate_90_probability or self.rotation_degrees or self.flip_horizontal_probability
        )

    @property
    def _moves(self) -> bool:
        scales = (self.scale_min, self.scale_max) != (1.0, 1.0)
        return bool(
            self._turns or self.flip_vertical_probability or self.shift or scales or self.crop
        )

    @property
    def _changes_colours(self) -> bool:
        return bool(self.brightness or self.contrast or self.saturation or self.hue_degrees)

    @property
    def _filters(self) -> bool:
        return bool(self.blur_px or self.sharpness)

    def __call__(
        self, images: tf.Tensor, actions: tf.Tensor, seeds: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Changes a batch.

        Args:
            images: uint8 [B, S, S, 3]; S is known when the graph is built.
            actions: execution parameters float32 [B, 4].
            seeds: int32 [B, 2], one for each sample and epoch.

        Returns:
            Images and actions of the same shapes and types. If both ends of a motion were in the
            picture, they still are: geometry that would push one out is weakened for that sample.

        Raises:
            ValueError: for another type or shape.
            tf.errors.InvalidArgumentError: when it runs, if labels are to be kept pointing to the
                right and one of them does not.
        """
        if self.is_identity:
            return images, actions
        side = images.shape[1]
        if images.dtype != tf.uint8 or side is None or images.shape[1:] != (side, side, 3):
            raise ValueError(
                "Augmentation: expected square images, uint8 [B, S, S, 3] with S known, got "
                f"{images.dtype.name} {images.shape}."
            )
        with tf.control_dependencies(self._direction_checks(actions)):
            draws = augmentation_draws.uniform_draws(seeds)
        settings, actions = self._settings(draws, actions)
        spec = tf.TensorSpec(images.shape[1:], tf.uint8)
        return tf.map_fn(_change, (images, settings), fn_output_signature=spec), actions

    def _settings(
        self, draws: dict[str, tf.Tensor], actions: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """What `_change` does to each picture, as tensors [B, ...], and the new labels."""
        settings: dict[str, tf.Tensor] = {}
        if self._moves:
            motions = augmentation_draws.motions(self, draws)
            settings["maps"], actions = geometry.place(motions, actions)
            if self._turns and self.canonical_direction:
                actions = geometry.point_right(actions)
        if self._changes_colours:
            changes = augmentation_draws.colour_changes(self, draws)
            settings["colours"] = photometric.colour_matrices(changes)
        if self._filters:
            settings["detail"], settings["kernel"] = augmentation_draws.filters(self, draws)
        if self.cutout:
            settings["hole"] = augmentation_draws.holes(self, draws)
        if self.noise:
            settings["noise_std"] = 255 * self.noise * draws["noise"]
            settings["noise_key"] = tf.bitcast(draws["noise_key"], tf.int32)
        return settings, actions

    def _direction_checks(self, actions: tf.Tensor) -> list[tf.Operation]:
        if not (self.canonical_direction and self._turns):
            return []
        check = tf.debugging.assert_greater_equal(
            actions[:, 2],
            actions[:, 0],
            "Augmentation: expected labels that point to the right, x2 >= x1, got one that points "
            "to the left. If the direction of a motion matters in this data set, set "
            "Augmentation.canonical_direction = False; if not, swap start and end.",
        )
        return [check] if check is not None else []


def _change(sample: tuple[tf.Tensor, dict[str, tf.Tensor]]) -> tf.Tensor:
    """One picture uint8 [S, S, 3], as far as there are settings for it."""
    image, settings = sample
    mean = photometric.mean_colour(image)
    if "maps" in settings:
        picture = geometry.warp(image, settings["maps"], mean)
    else:
        picture = tf.cast(image, tf.float32)
    if "colours" in settings:
        picture = photometric.change_colours(picture, settings["colours"], mean)
    if "kernel" in settings:
        picture = photometric.change_sharpness(picture, settings["detail"], settings["kernel"])
    return _finish(picture, settings, mean)


@tf.function(jit_compile=True, autograph=False)
def _finish(picture: tf.Tensor, settings: dict[str, tf.Tensor], mean: tf.Tensor) -> tf.Tensor:
    """The last steps in one pass: hole, noise, rounding to uint8."""
    if "hole" in settings:
        picture = photometric.cut_out(picture, settings["hole"], mean)
    if "noise_std" in settings:
        picture = photometric.add_noise(picture, settings["noise_std"], settings["noise_key"])
    return photometric.to_uint8(picture)
