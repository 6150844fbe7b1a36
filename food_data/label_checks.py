"""Checks of everything in a data set but its pixels. Each appends to `check_report.Findings`.

The arrays may be of any shape and hold anything: these checks are for files that
`npz_dataset.FoodDataset` refuses too, and say all that is wrong at once.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

import policy_specs
from food_data import held_array, image_placement, npz_dataset, packed_masks, stored_arrays
from food_data.check_report import Findings, samples_text

Arrays = Mapping[str, "stored_arrays.StoredArray | held_array.HeldArray"]

_ROWS = 4096
_SHAPES = {
    "images": npz_dataset.IMAGE_SHAPE,
    "actions": (policy_specs.NUM_COORDINATES,),
    "embeddings": (policy_specs.EMBEDDING_SIZE,),
    "masks": packed_masks.PACKED_SHAPE,
    **dict.fromkeys(npz_dataset.NAME_ARRAYS, ()),
}
_KINDS = {
    "images": ("uint8 or floats", "uf"),
    "actions": ("floats", "f"),
    "embeddings": ("floats", "f"),
    "masks": ("uint8", "u"),
    **dict.fromkeys(npz_dataset.NAME_ARRAYS, ("strings", "U")),
}


def check_layout(arrays: Arrays, findings: Findings) -> set[str]:
    """Names, types and shapes.

    Args:
        arrays: of the data set.
        findings: gets errors and a table of the arrays.

    Returns:
        The names of the arrays that are what they should be.
    """
    rows = findings.table("array", "type", "shape")
    rows += [(name, str(array.dtype), list(array.shape)) for name, array in arrays.items()]
    absent = [name for name in npz_dataset.ARRAYS if name not in arrays]
    if absent:
        findings.errors.append(
            f"expected the arrays {', '.join(npz_dataset.ARRAYS)}; absent: {', '.join(absent)}."
        )
    images = arrays.get("images")
    number = images.shape[0] if images is not None and images.shape else None
    if number == 0:
        findings.errors.append("images: expected at least one sample, got none.")
    usable = set()
    for name in _SHAPES:
        if name in arrays and _is_as_expected(arrays[name], number, findings):
            usable.add(name)
    _check_scalars(arrays, findings)
    return usable


def _is_as_expected(
    array: stored_arrays.StoredArray | held_array.HeldArray, number: int | None, findings: Findings
) -> bool:
    what, kinds = _KINDS[array.name]
    shape = (number, *_SHAPES[array.name])
    is_byte = array.dtype.kind != "u" or array.dtype == np.uint8
    # Without images there is no telling N.
    same = array.shape[1:] == shape[1:] and array.shape and number in (None, array.shape[0])
    if same and array.dtype.kind in kinds and is_byte:
        return True
    findings.errors.append(
        f"{array.name}: expected {what} {list(shape)}, got {array.dtype} {list(array.shape)}."
    )
    return False


def _check_scalars(arrays: Arrays, findings: Findings) -> None:
    modes = image_placement.MODES
    if "resize" in arrays and str(arrays["resize"].load()) not in modes:
        findings.errors.append(
            f"resize: expected one of {', '.join(modes)}; got {arrays['resize'].load()!s}."
        )
    if "format_version" in arrays:
        version = arrays["format_version"].load()
        if version.shape != () or version.dtype.kind not in "iu" or int(version) != 1:
            findings.errors.append(
                f"format_version: expected {npz_dataset.FORMAT_VERSION}, got {version!s}."
            )


def check_actions(actions: np.ndarray, findings: Findings) -> None:
    """Ranges, and motions without a direction.

    Args:
        actions: float [N, 4].
        findings: gets errors, warnings and a table of the coordinates.
    """
    finite = np.isfinite(actions).all(axis=1)
    if not finite.all():
        findings.errors.append(
            f"actions: expected finite numbers; {samples_text(np.flatnonzero(~finite))} have NaN "
            "or infinity. Leave these samples out."
        )
    outside = finite & ~((actions >= 0) & (actions <= 1)).all(axis=1)
    if outside.any():
        findings.errors.append(
            f"actions: expected 0..1; {samples_text(np.flatnonzero(outside))} are not, the first "
            f"is {actions[outside][0].tolist()}. Pixels must be divided by the picture's size."
        )
    same = finite & (actions[:, :2] == actions[:, 2:]).all(axis=1)
    if same.any():
        findings.warnings.append(
            f"actions: {samples_text(np.flatnonzero(same))} start and end at the same point, so "
            "that their motion has no direction."
        )
    rows = findings.table("coordinate", "lowest", "mean", "highest")
    known = actions[finite]
    for i, name in enumerate(("x1", "y1", "x2", "y2") if len(known) else ()):
        column = known[:, i]
        rows.append(
            (name, *(round(float(v), 4) for v in (column.min(), column.mean(), column.max())))
        )


def check_embeddings(
    array: stored_arrays.StoredArray | held_array.HeldArray, findings: Findings
) -> np.ndarray:
    """Norms.

    Args:
        array: float [N, 512]; is read in pieces.
        findings: gets errors and a table.

    Returns:
        A number [N] for each sample, equal where embeddings are.
    """
    norms, keys = [], []
    for chunk in array.chunks(_ROWS):
        norms.append(np.linalg.norm(chunk.astype(np.float64), axis=1))
        keys += [hash(row.tobytes()) for row in chunk]
    norms = np.concatenate([np.zeros(0), *norms])
    bad = ~(np.abs(norms - 1) <= npz_dataset.UNIT_NORM_TOLERANCE)
    if bad.any():
        findings.errors.append(
            f"embeddings: expected norm 1 within {npz_dataset.UNIT_NORM_TOLERANCE}; "
            f"{samples_text(np.flatnonzero(bad))} have others, the first {norms[bad][0]:.4g}. "
            "Divide each by its norm."
        )
    _, instructions = np.unique(np.array(keys, np.int64), return_inverse=True)
    if norms.size:
        rows = findings.table("embeddings", "lowest norm", "highest norm")
        rows.append(
            (int(instructions.max()) + 1, *(f"{v:.4f}" for v in (norms.min(), norms.max())))
        )
    return instructions


def check_instructions(
    action_names: np.ndarray, food_types: np.ndarray, instructions: np.ndarray, findings: Findings
) -> None:
    """Whether each action with each food has one embedding, and no other has the same.

    Args:
        action_names, food_types: str [N].
        instructions: of `check_embeddings`, [N].
        findings: gets warnings.
    """
    pairs = np.char.add(np.char.add(action_names, " "), food_types)
    combinations = {(str(pair), int(one)) for pair, one in zip(pairs, instructions)}
    for place, message in (
        (0, "has {} different embeddings"),
        (1, "one embedding is shared by {} instructions, which the model cannot tell apart"),
    ):
        values = [combination[place] for combination in combinations]
        repeated = sorted({value for value in values if values.count(value) > 1}, key=str)
        if repeated:
            count = values.count(repeated[0])
            example = sorted(pair for pair, one in combinations if repeated[0] in (pair, one))
            findings.warnings.append(
                f"embeddings: {message.format(count)}: {', '.join(example)[:120]}"
                + (f", and {len(repeated) - 1} more such cases." if repeated[1:] else ".")
            )


def check_masks(
    array: stored_arrays.StoredArray | held_array.HeldArray,
    actions: np.ndarray,
    findings: Findings,
) -> None:
    """How many samples have a mask, and on how many the midpoint of the motion lies.

    Args:
        array: uint8 [N, 236, 30]; is read in pieces.
        actions: float [N, 4].
        findings: gets a warning and a table.
    """
    known, hits, start = 0, 0, 0
    for chunk in array.chunks(256):
        masks = packed_masks.unpack_masks(chunk)
        midpoints = actions[start : start + len(chunk)].reshape(-1, 2, 2).mean(axis=1)
        size = packed_masks.MASK_SHAPE[0]
        pixels = np.clip(np.nan_to_num(midpoints) * size, 0, size - 1).astype(int)
        hits += int(masks[np.arange(len(chunk)), pixels[:, 1], pixels[:, 0]].sum())
        known += int(masks.any(axis=(1, 2)).sum())
        start += len(chunk)
    findings.table("samples with a mask", "of them with the midpoint on it").append((known, hits))
    if known and hits < 0.5 * known:
        findings.warnings.append(
            f"masks: expected the middle of most motions on the food, got {hits} of {known}. Do "
            "actions and masks belong to the same samples?"
        )
