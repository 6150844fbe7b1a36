"""What the labels of other people's data sets are called here: {"baby carrot": "carrot"}."""

from __future__ import annotations

import json
import os
import pathlib

from food_data import vocabulary


def read_label_map(path: str | os.PathLike[str], foods: vocabulary.Vocabulary) -> dict[str, str]:
    """Reads a JSON file of label -> food.

    Args:
        path: of the file.
        foods: knows the foods that may be mapped to.

    Returns:
        Normalised label -> canonical food.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not such JSON, or a label comes twice with different foods.
        vocabulary.UnknownNameError: if a food is not known; names the label and near names.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No label map {path}.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
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
