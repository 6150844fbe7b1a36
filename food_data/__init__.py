"""Everything about data: vocabulary, embeddings, pictures, the .npz format, splits, pipeline."""
