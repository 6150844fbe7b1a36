"""Mask rules as a user writes them: a JSON file, and changes on the command line.

    {"twirling": {"part": 0.3}, "scooping": {"direction": "down", "through": "box"}}

says how twirling and scooping differ from `mask_rules.DEFAULT_RULES`; what is not named stays. The
same on the command line is "twirling.part=0.3", "scooping.direction=down" and so on.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence

from food_data import mask_rules, vocabulary
from food_data.sources import json_files

_KEYS = tuple(field.name for field in dataclasses.fields(mask_rules.MaskRule))


def read_rules(
    path: str | os.PathLike[str] | None,
    changes: Sequence[str] = (),
    names: vocabulary.Vocabulary = vocabulary.BASE,
) -> dict[str, mask_rules.MaskRule]:
    """The default rules with what a user changes.

    Args:
        path: of the JSON file, or None.
        changes: "<action>.<key>=<value>", applied after the file.
        names: knows the actions.

    Returns:
        Canonical action -> rule.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file or a change is not of the form above; names it.
        vocabulary.UnknownNameError: if there is no such action; names the file or the change.
    """
    rules = dict(mask_rules.DEFAULT_RULES)
    if path is not None:
        content = json_files.read_json(path, "file of mask rules")
        if not isinstance(content, dict):
            raise ValueError(
                f"{path}: expected {{action: {{key: value}}}}, got {str(content)[:80]}."
            )
        for action, values in content.items():
            _change(rules, action, values, names, f"{path}: {action}")
    for change in changes:
        place, equals, text = change.partition("=")
        action, dot, key = place.partition(".")
        if not (equals and dot):
            raise ValueError(f"Expected <action>.<key>=<value>, got {change!r}.")
        _change(rules, action, {key: _number_or_text(text)}, names, change)
    return rules


def _change(
    rules: dict[str, mask_rules.MaskRule],
    action: str,
    values: object,
    names: vocabulary.Vocabulary,
    where: str,
) -> None:
    if not isinstance(values, Mapping) or not set(values) <= set(_KEYS):
        raise ValueError(f"{where}: expected keys among {', '.join(_KEYS)}; got {values!r}.")
    try:
        name = names.canonical_action(action)
    except vocabulary.UnknownNameError as error:
        raise vocabulary.UnknownNameError(f"{where}: {error}") from error
    try:
        rules[name] = dataclasses.replace(rules.get(name, mask_rules.MaskRule()), **values)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _number_or_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
