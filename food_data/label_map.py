"""What the labels of other people's data sets are called here: {"baby carrot": "carrot"}."""

from __future__ import annotations

import os

from food_data import annotations, vocabulary


def read_label_map(path: str | os.PathLike[str], foods: vocabulary.Vocabulary) -> dict[str, str]:
    """Reads a JSON file of label -> food: normalised label -> canonical food.

    Raises FileNotFoundError, ValueError, or UnknownNameError with the label and near names.
    """
    content = annotations.read_json(path, "label map")
    if not isinstance(content, dict) or not all(isinstance(food, str) for food in content.values()):
        raise ValueError(f"{path}: expected {{label: food}}, got {str(content)[:80]}.")
    mapped: dict[str, str] = {}
    for label, food in content.items():
        try:
            name = foods.canonical_food(food)
        except vocabulary.UnknownNameError as error:
            raise vocabulary.UnknownNameError(
                f"{path} maps {label!r} to {food!r}. {error} A new food is added with "
                f"`python embeddings/build_embeddings.py add --food {vocabulary.normalise(food)}`."
            ) from error
        key = vocabulary.normalise(label)
        if mapped.setdefault(key, name) != name:
            raise ValueError(f"{path} maps {label!r} to {mapped[key]!r} and to {name!r}.")
    return mapped
