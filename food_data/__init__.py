"""Everything about data: vocabulary, embeddings, pictures, the .npz format, splits, pipeline."""

import keras2  # noqa: F401
