"""What `augmentation.Augmentation` draws for each sample, and which changes that means.

Example: with `rotation_degrees = 30` a draw of 0.9 is a turn by 30 * (2 * 0.9 - 1) = 24 degrees.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import tensorflow as tf

from food_data import augmentation_geometry as geometry
from food_data import augmentation_photometric as photometric

if TYPE_CHECKING:
    from food_data import augmentation

Draws = "dict[str, tf.Tensor]"

# New ones belong at the end, so that seeds keep their meaning. All are drawn whatever is on, so
# that one setting does not change what another one does.
DRAWS = (
    ("turn", "flip_x", "flip_y", "degrees", "scale", "shift_x", "shift_y", "crop")
    + ("crop_x", "crop_y", "brightness", "contrast", "saturation", "hue")
    + ("blur_or_sharpen", "blur", "sharpness", "noise", "noise_key")
    + ("hole_x", "hole_y", "hole_side")
)  # fmt: skip


def uniform_draws(seeds: tf.Tensor) -> Draws:
    """Uniform numbers in [0, 1) by their names, float32 [B] each, from seeds int32 [B, 2]."""
    spec = tf.TensorSpec((len(DRAWS),), tf.float32)

    def draw(seed: tf.Tensor) -> tf.Tensor:
        # Named, because what "auto" chooses depends on the device.
        return tf.random.stateless_uniform(spec.shape, seed, alg="philox")

    uniform = tf.map_fn(draw, seeds, fn_output_signature=spec)
    return dict(zip(DRAWS, tf.unstack(uniform, axis=1)))


def motions(settings: augmentation.Augmentation, draws: Draws) -> tf.Tensor:
    """What `augmentation_geometry.place` takes, float32 [B, 10]."""
    chance = settings.rotate_90_probability
    # The draws below `chance` are divided evenly among one, two and three turns.
    turn = tf.minimum(tf.floor(1 + 3 * draws["turn"] / max(chance, 1e-6)), 3.0)
    flip_x = draws["flip_x"] < settings.flip_horizontal_probability
    flip_y = draws["flip_y"] < settings.flip_vertical_probability
    low, high = math.log(settings.scale_min), math.log(settings.scale_max)
    columns = {
        "quarter_turns": tf.where(draws["turn"] < chance, turn, 0.0),
        "flip_x": tf.cast(flip_x, tf.float32),
        "flip_y": tf.cast(flip_y, tf.float32),
        "degrees": settings.rotation_degrees * _signed(draws["degrees"]),
        "log_scale": low + (high - low) * draws["scale"],
        "shift_x": settings.shift * _signed(draws["shift_x"]),
        "shift_y": settings.shift * _signed(draws["shift_y"]),
        "crop": settings.crop * draws["crop"],
        "crop_x": _signed(draws["crop_x"]),
        "crop_y": _signed(draws["crop_y"]),
    }
    return tf.stack([columns[name] for name in geometry.MOTION], -1)


def colour_changes(settings: augmentation.Augmentation, draws: Draws) -> tf.Tensor:
    """What `augmentation_photometric.colour_matrices` takes, float32 [B, 4]."""
    factors = [
        1 + getattr(settings, name) * _signed(draws[name])
        for name in ("brightness", "contrast", "saturation")
    ]
    return tf.stack([*factors, settings.hue_degrees * _signed(draws["hue"])], -1)


def filters(settings: augmentation.Augmentation, draws: Draws) -> tuple[tf.Tensor, tf.Tensor]:
    """Amount [B] and kernel [B, 2 r + 1] that `augmentation_photometric.change_sharpness` takes."""
    # With both on: one of them. Optics that blur do not sharpen.
    both = settings.blur_px and settings.sharpness
    blurred = draws["blur_or_sharpen"] < (0.5 if both else float(bool(settings.blur_px)))
    amount = tf.where(blurred, -1.0, settings.sharpness * _signed(draws["sharpness"]))
    sigma = tf.where(blurred, settings.blur_px * draws["blur"], photometric.SHARPENING_SIGMA_PX)
    largest = max(settings.blur_px, photometric.SHARPENING_SIGMA_PX)
    return amount, photometric.gaussians(sigma, largest)


def holes(settings: augmentation.Augmentation, draws: Draws) -> tf.Tensor:
    """What `augmentation_photometric.cut_out` takes, float32 [B, 3]."""
    side = settings.cutout * draws["hole_side"]
    return tf.stack([draws["hole_x"], draws["hole_y"], side], -1)


def _signed(uniform: tf.Tensor) -> tf.Tensor:
    """From 0..1 to -1..1."""
    return 2 * uniform - 1
