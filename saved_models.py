"""Names for the variables of a policy's SavedModel, in which TF-Agents only numbers them.

    model_variables/1    _action_token_emb/kernel      of the public RT-1 SavedModels
    model_variables/732  _transformer/_token_emb/bias  (760 in rt1multirobot)

For the public ones `configs/rt1_saved_models.npz` has the name of each number, found by equal
shapes and checksums in the released checkpoints' indexes, and the released checksums. For those
that `export_policy.py` writes, `export.json` beside `saved_model.pb` has both. A checksum is the
masked CRC-32C of the values that TensorFlow's own indexes hold.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
import re
import uuid
from collections.abc import Collection, Iterable, Mapping

import numpy as np

EXPORT_FILE = "export.json"
_VARIABLE = "model_variables/"
_TABLE = pathlib.Path(__file__).with_name("configs") / "rt1_saved_models.npz"
# In the released SavedModels these two layers are the last that one of them has more.
_MORE_LAYERS = re.compile(r"_transformer/_layers/[89]/")
_NETWORK = "agent/_actor_network/"


@functools.cache
def _public() -> dict[str, dict[str, int]]:
    """{'rt1main': {name: checksum}} of the released SavedModels, in the order of the numbers."""
    with np.load(_TABLE) as table:
        names = table["names"].astype(str).tolist()
        counts = {len(names): names}
        names = [name for name in names if not _MORE_LAYERS.match(name)]
        counts[len(names)] = names
        models = [model for model in table.files if model != "names"]
        return {m: dict(zip(counts[len(table[m])], table[m].tolist())) for m in models}


def in_public_order(paths: Iterable[str]) -> list[str]:
    """Paths of a network's variables as the public SavedModels number them, others behind."""
    order = {name: number for number, name in enumerate(_public()["rt1multirobot"])}
    return sorted(paths, key=lambda path: (order.get(path, len(order)), path))


def exported(prefix: str | os.PathLike[str]) -> dict[str, object] | None:
    """What `export_policy.py` wrote beside a SavedModel with these variables; None for another.
    ValueError if it is not what it writes."""
    path = pathlib.Path(prefix).parent.parent / EXPORT_FILE
    if not path.is_file():
        return None
    try:
        contents = json.loads(path.read_text(encoding="utf-8"))
        contents["variables"] = {n: int(number) for n, number in contents["variables"].items()}
        return contents
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected what export_policy.py writes, got {error!r}") from error


def _known(prefix: str, count: int) -> dict[str, dict[str, int]]:
    """{model: {name: checksum}} of what a SavedModel with so many variables may be."""
    export = exported(prefix)
    if export is None:
        return {model: sums for model, sums in _public().items() if len(sums) == count}
    if (got := len(export["variables"])) != count:
        raise ValueError(f"{prefix}: {EXPORT_FILE}: expected {count} names of variables, got {got}")
    return {"export": export["variables"]}


def names(prefix: str, found: Collection[str]) -> dict[str, str]:
    """{'model_variables/1': 'agent/_actor_network/_action_token_emb/kernel'} for a SavedModel of a
    policy; empty for a checkpoint, and for a SavedModel that nothing is known of. ValueError if
    `export.json` does not fit the variables."""
    # Number 0 is the step counter, which TensorFlow saves as train_step.
    count = sum(name.startswith(_VARIABLE) for name in found)
    known = _known(prefix, count) if count else {}
    numbered = enumerate(next(iter(known.values()), ()), start=1)
    return {f"{_VARIABLE}{number}": _NETWORK + name for number, name in numbered}


def checksums(values: Mapping[str, np.ndarray]) -> dict[str, int]:
    """{name: masked CRC-32C}, which TensorFlow writes behind each record of a file of records."""
    import tensorflow as tf

    sums, path = {}, f"ram://checksums-{uuid.uuid4()}"
    for name, value in values.items():
        with tf.io.TFRecordWriter(path) as writer:
            writer.write(value.tobytes())
        with tf.io.gfile.GFile(path, "rb") as file:
            file.seek(12 + value.nbytes)  # Behind the length and the length's own checksum.
            sums[name] = int.from_bytes(file.read(4), "little")
        tf.io.gfile.remove(path)
    return sums


def check(prefix: str, values: Mapping[str, np.ndarray], count: int) -> str:
    """Compares values with those that were released or exported; what is to be said about them.

    `values` are those of 'agent/_actor_network/...' variables; `count` is that of numbered ones, 0
    for a checkpoint, which has names of its own. ValueError if variables hold each other's values.
    """
    models = _known(prefix, count) if count else {"rt1main": _public()["rt1main"]}
    named = {name.removeprefix(_NETWORK): value for name, value in values.items()}
    if not count:  # The small ones tell the model too, and take no time.
        named = {name: value for name, value in named.items() if value.nbytes < 10_000}
    found = checksums({n: named[n] for n in named if any(n in sums for sums in models.values())})
    for model, sums in models.items():
        owners = {number: name for name, number in sums.items()}
        other = {name: owners.get(found[name]) for name in found if found[name] != sums[name]}
        exchanged = [f"{name} holds those of {owner}" for name, owner in other.items() if owner]
        if count and exchanged and 2 * len(other) < len(found):
            raise ValueError(
                f"{prefix}: expected the variables of {model} in their order, got the values of "
                f"{len(exchanged)} exchanged: {'; '.join(exchanged[:4])}. Export or copy it again."
            )
        moving = {name for name in sums if name.endswith(("/moving_mean", "/moving_variance"))}
        if model == "rt1main" and found and other.keys() <= moving:
            return (
                "rt1main: the released checkpoint and the released SavedModel differ in the "
                f"{len(moving)} moving statistics of the {len(moving) // 2} BatchNorms and in "
                f"nothing else. These are the {'checkpoint' if other else 'SavedModel'}'s."
            )
    return ""
