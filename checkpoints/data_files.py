"""The data files of a checkpoint: `<prefix>.data-00000-of-00001`, or several."""

from __future__ import annotations

import pathlib
import re

import numpy as np

from checkpoints import errors

_SHARD = re.compile(r"\.data-(?P<shard>\d{5})-of-(?P<count>\d{5})$")


def shards(prefix: pathlib.Path) -> list[pathlib.Path]:
    """The data files of a checkpoint, in order.

    Raises:
        IncompleteCheckpointError: if not all of them are there.
    """
    found: dict[int, dict[int, pathlib.Path]] = {}
    for path in prefix.parent.iterdir():
        match = _SHARD.search(path.name)
        if match and path.name[: match.start()] == prefix.name:
            found.setdefault(int(match["count"]), {})[int(match["shard"])] = path
    if not found:
        raise errors.IncompleteCheckpointError(
            f"Checkpoint: {prefix}.index is there, but no data file beside it (expected "
            f"{prefix.name}.data-00000-of-00001). Copy it too."
        )
    for count, files in found.items():
        if len(files) == count:
            return [files[index] for index in sorted(files)]
    count, files = max(found.items())
    missing = [f"{prefix.name}.data-{i:05d}-of-{count:05d}" for i in range(count) if i not in files]
    raise errors.IncompleteCheckpointError(
        f"Checkpoint: {prefix} has {len(files)} of {count} data files; missing: "
        f"{', '.join(missing)}. Copy them too."
    )


def string_bytes(values: np.ndarray) -> int:
    """Bytes of a string tensor in a data file: lengths as varints, their checksum, the strings.

    Example: one string of 297 bytes takes 2 + 4 + 297 = 303.
    """
    lengths = [len(value) for value in values.ravel()]
    return sum(lengths) + sum(max(1, -(-n.bit_length() // 7)) for n in lengths) + 4
