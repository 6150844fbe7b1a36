"""The parts of `checkpoint_loading.py`: files, names, reports."""
