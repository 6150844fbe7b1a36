"""Drawings of plates with labels and masks; `plates` makes data sets, the rest is how they look."""
