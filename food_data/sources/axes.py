"""Start and end for objects of which only the region is known, by `mask_rules`.

An axis that a file states is kept as it is, whatever the action. Otherwise the mask decides, and if
there is none the box.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from food_data import annotations, build_report, mask_rules
from food_data.sources import picture_files

STATED, FROM_MASK, FROM_BOX = "stated in the file", "from a mask", "from a box"
EMPTY_MASK = "mask is empty"
NO_AREA = "box has no area"
BOX_ONLY = "has only a box"


def add_axes(
    pictures: Sequence[annotations.LabelledPicture],
    rules: Mapping[str, mask_rules.MaskRule],
    *,
    use_boxes: bool = True,
    skip_unreadable: bool = False,
    wanted: Callable[[annotations.LabelledObject], bool] = lambda one: True,
    progress: Callable[[Iterable], Iterable] = iter,
) -> tuple[list[annotations.LabelledPicture], collections.Counter]:
    """Gives an axis to every object that has a mask or a box.

    Args:
        pictures: whose objects have a canonical action.
        rules: canonical action -> rule.
        use_boxes: objects with a box and no mask get an axis too.
        skip_unreadable: objects of unreadable pictures and masks get a flaw, instead of an error.
        wanted: which objects are worth the work; the others lose their axis.
        progress: wraps the pictures, for a progress bar.

    Returns:
        The same pictures, in order; an object without an axis has a flaw that says why, or nothing
        is known of where it is. And where the axes come from: `STATED`, `FROM_MASK` or `FROM_BOX`
        -> number of objects.

    Raises:
        OSError, ValueError: if a mask is unreadable or of another size than its picture; names the
            picture and the object.
        LookupError: if an action has no rule.
    """
    origins: collections.Counter = collections.Counter()
    done = []
    for picture in progress(pictures):
        objects = []
        for one in picture.objects:
            origin = None
            if wanted(one):
                one, origin = _try(one, picture, rules, use_boxes, skip_unreadable)
            else:
                one = dataclasses.replace(one, axis=None)
            objects.append(one)
            origins.update([origin] if origin else [])
        done.append(dataclasses.replace(picture, objects=tuple(objects)))
    return done, origins


def _try(
    one: annotations.LabelledObject,
    picture: annotations.LabelledPicture,
    rules: Mapping[str, mask_rules.MaskRule],
    use_boxes: bool,
    skip_unreadable: bool,
) -> tuple[annotations.LabelledObject, str | None]:
    """`_with_axis`, with errors that name the object, or that become its flaw."""
    try:
        return _with_axis(one, picture, rules, use_boxes)
    except (OSError, ValueError) as error:
        if skip_unreadable:
            return dataclasses.replace(one, axis=None, flaw=build_report.UNREADABLE), None
        kind = OSError if isinstance(error, OSError) else ValueError
        raise kind(f"{picture.path}: {one.label}: {error}") from error


def _with_axis(
    one: annotations.LabelledObject,
    picture: annotations.LabelledPicture,
    rules: Mapping[str, mask_rules.MaskRule],
    use_boxes: bool,
) -> tuple[annotations.LabelledObject, str | None]:
    """The object with its axis, and where that comes from."""
    if one.flaw:
        return dataclasses.replace(one, axis=None), None
    if one.axis is not None:
        return one, STATED
    if one.shape is None and one.box is None:
        return one, None
    if one.shape is None and not use_boxes:
        return dataclasses.replace(one, flaw=BOX_ONLY), None
    rule = mask_rules.rule_of(one.action, rules)
    width, height = picture.size or picture_files.picture_size(picture.path)
    if one.shape is not None:
        mask = one.shape.mask(width, height)
        if not mask.any():
            return dataclasses.replace(one, flaw=EMPTY_MASK), None
        return dataclasses.replace(one, axis=mask_rules.mask_axis(mask, rule)), FROM_MASK
    box = np.clip(one.box, 0, [width, height])
    if not (box[0] < box[1]).all():
        return dataclasses.replace(one, flaw=NO_AREA), None
    axis = np.clip(mask_rules.box_axis(box, rule), 0, [width, height])
    return dataclasses.replace(one, axis=axis), FROM_BOX
