"""From the region that a food covers to the start and the end of the motion.

The main axis of a region is the direction in which its pixels spread most (the first principal
component of the pixel centres), through their centroid. Along it the region reaches from the 1st to
the 99th percentile, so that a stalk or a stray pixel does not decide. A rule says how much (`part`)
of it the motion takes, about its middle, and in which `direction` the end lies from the start: to
the right, where exactly vertical axes point down ("left", "down" and "up" alike).

A worked example: of a bar that covers columns 10..19 and row 5 of a picture of 40 x 20, the pixel
centres reach from 10.5 to 19.5 with the percentiles at 10.59 and 19.41. Skewering it is (10.59,
5.5) -> (19.41, 5.5), in 0..1 [0.26475, 0.275, 0.48525, 0.275]; twirling takes the middle half.

A box counts as a region that fills it: its axis is along its longer side (a square's is
horizontal), up to 90 degrees wrong for food that lies across it.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from food_data import annotations, vocabulary

DIRECTIONS = {"right": (1, 0), "left": (-1, 0), "down": (0, 1), "up": (0, -1)}
_PERCENTILES = (1, 99)
_ROUND = 1e-9  # A step smaller than this share of a length is rounding, not direction.


@dataclasses.dataclass(frozen=True)
class MaskRule:
    """What of a region's main axis a motion takes; see the module's text. Raises ValueError."""

    part: float = 1.0
    direction: str = "right"

    def __post_init__(self) -> None:
        """Checks the values."""
        if not 0 < self.part <= 2 or self.direction not in DIRECTIONS:
            expected = f"part above 0 up to 2, direction one of {', '.join(DIRECTIONS)}"
            got = f"{self.part} and {self.direction!r}"
            raise ValueError(f"--mask_rule: expected {expected}, got {got}.")


DEFAULT_RULES: Mapping[str, MaskRule] = {
    "skewering": MaskRule(),
    "scooping": MaskRule(),
    "twirling": MaskRule(part=0.5),
}


def rule_of(action: str, rules: Mapping[str, MaskRule] = DEFAULT_RULES) -> MaskRule:
    """The rule of an action. Raises LookupError if it has none, as one that a user added."""
    if action not in rules:
        raise LookupError(f"No rule for the action {action!r}: add --mask_rule {action}.part=1.0")
    return rules[action]


def execution_parameters(mask: np.ndarray, action: str) -> np.ndarray:
    """The execution parameters [4] that `mask_axis` gives for an action by the default rules."""
    height, width = mask.shape[:2]
    return (mask_axis(mask, rule_of(action)) / [width, height]).ravel()


def mask_axis(mask: np.ndarray, rule: MaskRule) -> np.ndarray:
    """The motion that a rule makes of a mask bool [H, W], float64 [2, 2], start and end (x, y) in
    continuous pixels; cut off at the picture's border. Raises ValueError if no pixel is set."""
    pixels = cv2.findNonZero(np.ascontiguousarray(mask, bool).view(np.uint8))
    if pixels is None:
        raise ValueError(f"Expected a mask with at least one pixel set, got {mask.shape} of none.")
    points = pixels.reshape(-1, 2) + 0.5
    centroid = points.mean(axis=0)
    points -= centroid
    (xx, xy), (_, yy) = points.T @ points
    angle = math.atan2(2 * xy, xx - yy) / 2
    along = np.array([math.cos(angle), math.sin(angle)])  # Of a disc (1, 0).
    low, high = np.percentile(points @ along, _PERCENTILES)
    middle = centroid + (low + high) / 2 * along
    return _segment(middle, along, high - low, rule, mask.shape[::-1])


def box_axis(box: np.ndarray, rule: MaskRule, size: tuple[int, int]) -> np.ndarray:
    """The motion [2, 2] of a box in a picture of a size (width, height), cut off at its border:
    through its middle, along its longer side. The box is two opposite corners [2, 2], of which the
    part in the picture counts, or the four corners of a turned one, in order [4, 2]."""
    if len(box) == 2:
        (left, top), (right, bottom) = np.clip(box, 0, size)
        box = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    sides = box[1:3] - box[:2]
    lengths = np.linalg.norm(sides, axis=1)
    longer = int(lengths[1] > lengths[0])
    share = (_PERCENTILES[1] - _PERCENTILES[0]) / 100
    along = sides[longer] / (lengths[longer] or 1)
    return _segment((box[0] + box[2]) / 2, along, share * lengths[longer], rule, size)


def directed(axis: np.ndarray, direction: str) -> np.ndarray:
    """An axis [2, 2] that has two ends, with the start and the end that a direction gives it."""
    x, y = axis[1] - axis[0]
    towards_x, towards_y = DIRECTIONS[direction]
    forward = x * towards_x + y * towards_y
    if abs(forward) <= _ROUND * math.hypot(x, y):
        forward = x * abs(towards_y) + y * abs(towards_x)
    return axis[::-1].copy() if forward < 0 else axis


def _segment(
    middle: np.ndarray, along: np.ndarray, length: float, rule: MaskRule, size: tuple[int, int]
) -> np.ndarray:
    """The motion [2, 2] of a rule, cut off at the picture's border unless all of it is outside."""
    half = rule.part * length / 2
    axis = directed(middle + np.outer([-half, half], along), rule.direction)
    step = axis[1] - axis[0]
    first, last = 0.0, 1.0
    for start, change, limit in zip(axis[0], step, size):
        if change:
            enter, leave = sorted((-start / change, (limit - start) / change))
            first, last = max(first, enter), min(last, leave)
    if first > last or (first, last) == (0.0, 1.0):
        return axis
    return np.clip(axis[0] + np.outer([first, last], step), 0, size)


def read_rules(
    changes: Sequence[str] = (), names: vocabulary.Vocabulary = vocabulary.BASE
) -> dict[str, MaskRule]:
    """The default rules with changes such as "twirling.part=0.3": canonical action -> rule. Raises
    ValueError or UnknownNameError."""
    rules = dict(DEFAULT_RULES)
    for one in changes:
        found = re.fullmatch(r"([^.=]+)\.(part|direction)=(.*)", one)
        if found is None:
            expected = "<action>.part=0.5 or <action>.direction=right"
            raise ValueError(f"--mask_rule: expected {expected}, got {one!r}.")
        action, key, text = found.groups()
        value = annotations.number(text) if key == "part" else text
        name = names.canonical_action(action)
        rules[name] = dataclasses.replace(rules.get(name, MaskRule()), **{key: value})
    return rules
