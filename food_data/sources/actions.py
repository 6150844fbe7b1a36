"""What is to be done to each labelled object.

The first of these that says something counts:

1. the object itself: the column `action` of a table, "action" in JSON;
2. the label, if it begins with the name of an action: "twirling spaghetti" is spaghetti to twirl;
3. the command line's --action.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from food_data import annotations, vocabulary


def resolve_actions(
    pictures: Iterable[annotations.LabelledPicture],
    default: str | None,
    names: vocabulary.Vocabulary,
) -> list[annotations.LabelledPicture]:
    """Gives every object its canonical action, and a label that is a food alone.

    Args:
        pictures: as read.
        default: name or variant of an action, for objects that name none.
        names: knows the actions.

    Returns:
        The same pictures, in order.

    Raises:
        ValueError: if an object names no action and there is no default; names picture and object.
        vocabulary.UnknownNameError: if there is no such action; names picture and object.
    """
    if default is not None:
        default = names.canonical_action(default)
    return [
        dataclasses.replace(
            picture,
            objects=tuple(_resolve(one, picture.path, default, names) for one in picture.objects),
        )
        for picture in pictures
    ]


def _resolve(
    one: annotations.LabelledObject,
    path: object,
    default: str | None,
    names: vocabulary.Vocabulary,
) -> annotations.LabelledObject:
    if one.action is not None:
        try:
            return dataclasses.replace(one, action=names.canonical_action(one.action))
        except vocabulary.UnknownNameError as error:
            raise vocabulary.UnknownNameError(f"{path}: {one.label}: {error}") from error
    try:
        action, label = names.split_instruction(one.label)
    except vocabulary.UnknownNameError:
        action, label = default, one.label
    if action is None:
        raise ValueError(
            f"{path}: {one.label}: expected an action, got none. Give --action, which counts for "
            "all objects that name none, or write it before the label ('skewering carrot')."
        )
    return dataclasses.replace(one, action=action, label=label)
