import keras2  # noqa: F401
