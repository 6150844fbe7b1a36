"""The learning rate as a function of the optimizer's step, so that a resumed run goes on with it.

Example, peak 1e-3, warmup_steps 2, total_steps 6:

    step        0      1      2      3        4      5
    constant    5e-4   1e-3   1e-3   1e-3     1e-3   1e-3
    cosine      5e-4   1e-3   1e-3   8.5e-4   5e-4   1.5e-4
"""

from __future__ import annotations

import math

import tensorflow as tf

SCHEDULES = ("constant", "cosine")


class WarmupSchedule(tf.keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise, then the peak for good, or half a cosine down to zero (arXiv 1608.03983).

    Call arguments:
        step: integer scalar, steps done before this one.

    Returns:
        float32 scalar.
    """

    def __init__(self, peak: float, warmup_steps: int = 0, total_steps: int | None = None):
        """Keeps the settings.

        Args:
            peak: the largest learning rate.
            warmup_steps: steps until it is reached; step 0 already learns.
            total_steps: where the cosine ends; None for a constant after the warm-up.

        Raises:
            ValueError: unless warmup_steps < total_steps.
        """
        if total_steps is not None and not warmup_steps < total_steps:
            raise ValueError(
                f"WarmupSchedule: expected warmup_steps < total_steps, got {warmup_steps} and "
                f"{total_steps}. Warm up for fewer steps, or train for more."
            )
        self._peak, self._warmup_steps, self._total_steps = peak, warmup_steps, total_steps

    def __call__(self, step: tf.Tensor | int) -> tf.Tensor:
        """See the class."""
        step = tf.cast(step, tf.float32)
        factor = tf.ones(())
        if self._total_steps is not None:
            done = (step - self._warmup_steps) / (self._total_steps - self._warmup_steps)
            factor = 0.5 * (1.0 + tf.cos(math.pi * tf.clip_by_value(done, 0.0, 1.0)))
        if self._warmup_steps:
            rise = (step + 1.0) / self._warmup_steps
            factor = tf.where(step < self._warmup_steps, rise, factor)
        return self._peak * factor

    def get_config(self) -> dict[str, object]:
        """The constructor's arguments."""
        return {
            "peak": self._peak,
            "warmup_steps": self._warmup_steps,
            "total_steps": self._total_steps,
        }
