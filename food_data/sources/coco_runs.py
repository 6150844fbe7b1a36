"""COCO's run-length masks, as a list of counts and as text.

The text packs each count into characters of five bits, lowest first, offset by 48; 32 says that
another character follows, and 16 in the last one is the sign. From the fourth count on only the
difference to the count two places before is stored. "522O" and [5, 2, 2, 1] mean the same:

    "5" -> 5,  "2" -> 2,  "2" -> 2,  "O" -> 31, which has the sign: -1, so 2 - 1 = 1

A count of 40 takes two characters: 40 = 8 + 32 * 1, so 8 with the bit 32 is chr(48 + 40) = "X",
followed by chr(48 + 1) = "1".
"""

from __future__ import annotations

import numpy as np

from food_data.sources import json_files, shapes

_OFFSET, _VALUE_BITS, _MORE, _SIGN = 48, 5, 0x20, 0x10


def read_runs(segmentation: dict) -> shapes.Runs:
    """Reads {"size": [height, width], "counts": [...] or "..."}.

    Raises:
        ValueError: if it is not of that form, or its counts do not cover the picture.
    """
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if not (isinstance(size, list) and len(size) == 2 and json_files.is_size(*size)):
        raise ValueError(f"expected a mask's size as [height, width], got {size!r}.")
    height, width = (int(length) for length in size)
    if isinstance(counts, str):
        counts = decode_counts(counts)
    if not json_files.are_numbers(counts) or any(c < 0 or c != int(c) for c in counts):
        raise ValueError(
            f"expected a mask's counts as whole numbers from 0 or as text, got {str(counts)[:60]}."
        )
    if sum(counts) != height * width:
        raise ValueError(
            f"expected a mask's counts to add up to {height} x {width} = {height * width} pixels, "
            f"got {sum(counts)}."
        )
    return shapes.Runs(np.array(counts, np.int64), width, height)


def decode_counts(text: str) -> list[int]:
    """The counts in a text.

    Raises:
        ValueError: if it holds other characters than "0" to "o", or ends in the middle of a count.
    """
    counts: list[int] = []
    value, shift = 0, 0
    for character in text:
        bits = ord(character) - _OFFSET
        if not 0 <= bits < 64:
            raise ValueError(f"expected a mask's counts in characters 0 to o, got {character!r}.")
        value |= (bits & ~_MORE) << shift
        shift += _VALUE_BITS
        if bits & _MORE:
            continue
        if bits & _SIGN:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value, shift = 0, 0
    if shift:
        raise ValueError(f"expected a whole mask, got counts that end in {text[-8:]!r}.")
    return counts
