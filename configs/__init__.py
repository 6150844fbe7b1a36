"""A package, so that gin finds `include "configs/..."` from any folder, not only from the root."""
