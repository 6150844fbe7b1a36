"""The parts of `checkpoint_loading.py`: files, names, reports."""

import keras2  # noqa: F401
