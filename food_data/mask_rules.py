"""From the region that a food covers to the start and the end of the motion.

The main axis of a region is the direction in which its pixels spread most (the first principal
component of the pixel centres). Along it the region reaches from the 1st to the 99th percentile, so
that a stalk or a stray pixel does not decide. A rule says what of it the motion takes:

| rule       | value      | means                                                            |
|------------|------------|------------------------------------------------------------------|
| part       | 1.0        | so much of the axis, about its middle; more than 1 reaches beyond |
| direction  | "right"    | the end lies further right than the start; exactly vertical axes  |
|            |            | then point down ("left", "down" and "up" alike)                   |
| through    | "centroid" | the line goes through the centroid of the region                  |
|            | "box"      | the line is the middle line of the rectangle along the axis: it   |
|            |            | is not drawn to the heavier side of a lopsided food               |

Skewering and scooping go along all of the axis, twirling along its middle half (`DEFAULT_RULES`).
A worked example: of a bar that covers columns 10..19 and row 5 of a picture of 40 x 20, the pixel
centres reach from 10.5 to 19.5 with the percentiles at 10.59 and 19.41. Skewering it is (10.59,
5.5) -> (19.41, 5.5), in 0..1 [0.26475, 0.275, 0.48525, 0.275]; twirling it is (12.795, 5.5) ->
(17.205, 5.5). A JSON file {"twirling": {"part": 0.3}} or the text twirling.part=0.3 says how
twirling differs from `DEFAULT_RULES`.

A box has no pixels to follow. It counts as a region that fills it: its axis is along its longer
side (a square's is horizontal). That is right for turned boxes and for food that lies straight, and
up to 90 degrees wrong for food that does not.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from food_data import annotations, vocabulary

DIRECTIONS = {"right": (1, 0), "left": (-1, 0), "down": (0, 1), "up": (0, -1)}
THROUGH = ("centroid", "box")
MAX_PART = 2.0
_PERCENTILES = (1, 99)
_ROUND = 1e-9  # A step smaller than this share of a length is rounding, not direction.


@dataclasses.dataclass(frozen=True)
class MaskRule:
    """What of a region's main axis a motion takes; see the module's table. Raises ValueError."""

    part: float = 1.0
    direction: str = "right"
    through: str = "centroid"

    def __post_init__(self) -> None:
        """Checks the values."""
        number = isinstance(self.part, (int, float)) and not isinstance(self.part, bool)
        if not (number and 0 < self.part <= MAX_PART):
            raise ValueError(
                f"part: expected a number above 0 up to {MAX_PART}, got {self.part!r}."
            )
        for name, known in (("direction", tuple(DIRECTIONS)), ("through", THROUGH)):
            value = getattr(self, name)
            if value not in known:
                raise ValueError(f"{name}: expected one of {', '.join(known)}; got {value!r}.")


DEFAULT_RULES: Mapping[str, MaskRule] = {
    "skewering": MaskRule(),
    "scooping": MaskRule(),
    "twirling": MaskRule(part=0.5),
}


def rule_of(action: str, rules: Mapping[str, MaskRule] | None = None) -> MaskRule:
    """The rule of an action. Raises LookupError if it has none, as one that a user added has."""
    rules = DEFAULT_RULES if rules is None else rules
    if action not in rules:
        raise LookupError(
            f"No mask rule for the action {action!r}; there are rules for "
            f"{', '.join(sorted(rules)) or 'none'}. Add one: --mask_rule {action}.part=1.0"
        )
    return rules[action]


def execution_parameters(mask: np.ndarray, action: str) -> np.ndarray:
    """The execution parameters [4] that `mask_axis` gives for an action by the default rules.

    Raises LookupError if the action has no rule, and ValueError as `mask_axis` does.
    """
    height, width = mask.shape[:2]
    return (mask_axis(mask, rule_of(action)) / [width, height]).ravel()


def mask_axis(mask: np.ndarray, rule: MaskRule) -> np.ndarray:
    """The motion that a rule makes of a mask bool [H, W], in continuous pixels.

    float64 [2, 2], start and end (x, y); cut off at the picture's border. Raises ValueError if the
    mask is not bool [H, W] or has no pixel set.
    """
    if mask.dtype != bool or mask.ndim != 2:
        raise ValueError(f"Expected a mask bool [H, W], got {mask.dtype} {mask.shape}.")
    pixels = cv2.findNonZero(np.ascontiguousarray(mask).view(np.uint8))
    if pixels is None:
        raise ValueError(f"Expected a mask with at least one pixel set, got {mask.shape} of none.")
    points = pixels.reshape(-1, 2) + 0.5
    centroid = points.mean(axis=0)
    points -= centroid
    (xx, xy), (_, yy) = points.T @ points
    angle = math.atan2(2 * xy, xx - yy) / 2
    along = np.array([math.cos(angle), math.sin(angle)])  # Of a disc (1, 0).
    across = np.array([-along[1], along[0]])
    low, high = np.percentile(points @ along, _PERCENTILES)
    shift = np.percentile(points @ across, _PERCENTILES).mean() if rule.through == "box" else 0.0
    middle = centroid + shift * across + (low + high) / 2 * along
    axis = _segment(middle, along, high - low, rule)
    return _cut_off(axis, mask.shape[1], mask.shape[0])


def box_axis(box: np.ndarray, rule: MaskRule, size: tuple[int, int]) -> np.ndarray:
    """The motion [2, 2] of a box in a picture of a size (width, height), cut off at its border.

    Through the middle of the box, along its longer side. The box is two opposite corners [2, 2], of
    which the part in the picture counts, or the four corners of a turned one, in order [4, 2].
    """
    if len(box) == 2:
        (left, top), (right, bottom) = np.clip(box, 0, size)
        box = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    sides = box[1:3] - box[:2]
    lengths = np.linalg.norm(sides, axis=1)
    longer = int(lengths[1] > lengths[0])
    share = (_PERCENTILES[1] - _PERCENTILES[0]) / 100
    along = sides[longer] / (lengths[longer] or 1)
    axis = _segment((box[0] + box[2]) / 2, along, share * lengths[longer], rule)
    return _cut_off(axis, *size)


def directed(axis: np.ndarray, direction: str) -> np.ndarray:
    """An axis [2, 2] that has two ends, with the start and the end that a direction gives it."""
    x, y = axis[1] - axis[0]
    towards_x, towards_y = DIRECTIONS[direction]
    forward = x * towards_x + y * towards_y
    if abs(forward) <= _ROUND * math.hypot(x, y):
        forward = x * abs(towards_y) + y * abs(towards_x)
    return axis[::-1].copy() if forward < 0 else axis


def _segment(middle: np.ndarray, along: np.ndarray, length: float, rule: MaskRule) -> np.ndarray:
    half = rule.part * length / 2
    return directed(middle + np.outer([-half, half], along), rule.direction)


def _cut_off(axis: np.ndarray, width: int, height: int) -> np.ndarray:
    """The part of a segment [2, 2] that lies in the picture; all of it if none does."""
    step = axis[1] - axis[0]
    first, last = 0.0, 1.0
    for start, change, size in zip(axis[0], step, (width, height)):
        if change:
            enter, leave = sorted((-start / change, (size - start) / change))
            first, last = max(first, enter), min(last, leave)
    if first > last or (first, last) == (0.0, 1.0):
        return axis
    ends = axis[0] + np.outer([first, last], step)
    return np.clip(ends, 0, [width, height])


def read_rules(
    path: str | os.PathLike[str] | None,
    changes: Sequence[str] = (),
    names: vocabulary.Vocabulary = vocabulary.BASE,
) -> dict[str, MaskRule]:
    """The default rules with what a JSON file and then `changes` change: canonical action -> rule.

    Raises FileNotFoundError, ValueError or UnknownNameError, which name the file or the change.
    """
    keys = [field.name for field in dataclasses.fields(MaskRule)]
    content = {} if path is None else annotations.read_json(path, "file of mask rules")
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected {{action: {{key: value}}}}, got {str(content)[:80]}.")
    wanted = [(f"{path}: {action}", action, values) for action, values in content.items()]
    for one in changes:
        found = re.fullmatch(r"([^.=]+)\.([^=]+)=(.*)", one)
        if found is None:
            raise ValueError(f"Expected <action>.<key>=<value>, got {one!r}.")
        action, key, text = found.groups()
        value = annotations.number(text)
        wanted.append((one, action, {key: text if math.isnan(value) else value}))
    rules = dict(DEFAULT_RULES)
    for where, action, values in wanted:
        if not isinstance(values, Mapping) or not set(values) <= set(keys):
            raise ValueError(f"{where}: expected keys among {', '.join(keys)}; got {values!r}.")
        try:
            name = names.canonical_action(action)
            rules[name] = dataclasses.replace(rules.get(name, MaskRule()), **values)
        except (vocabulary.UnknownNameError, ValueError) as error:
            raise type(error)(f"{where}: {error}") from error
    return rules
