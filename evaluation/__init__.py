"""How good a checkpoint's answers are, beside answers that need no model."""

import keras2  # noqa: F401
