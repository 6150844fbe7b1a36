"""What a load did: every variable of the model and every entry of the file is in one list."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable

from checkpoints import tensor_file

_MAX_LISTED = 20
_GROUP_DEPTH = 2


@dataclasses.dataclass(frozen=True)
class Mismatch:
    """A variable that model and file both have, in different shapes or dtypes."""

    model: tensor_file.TensorInfo
    file: tensor_file.TensorInfo

    @property
    def name(self) -> str:
        """The variable."""
        return self.model.name

    def __str__(self) -> str:
        return f"{self.name}: expected {self.model.type_text}, got {self.file.type_text}"


@dataclasses.dataclass(frozen=True)
class LoadReport:
    """The comparison of a model with a checkpoint.

    Attributes:
        prefix: the checkpoint.
        loaded: in both, equal in shape and dtype.
        missing: in the model, not in the file.
        unexpected: in the file, not in the model.
        mismatched: in both, but different.
        ignored: in the file and known not to be asked for: object graph, counters, optimizer state.
    """

    prefix: str
    loaded: tuple[tensor_file.TensorInfo, ...]
    missing: tuple[tensor_file.TensorInfo, ...]
    unexpected: tuple[tensor_file.TensorInfo, ...]
    mismatched: tuple[Mismatch, ...]
    ignored: tuple[tensor_file.TensorInfo, ...]

    @property
    def left_at_init(self) -> tuple[tensor_file.TensorInfo, ...]:
        """Variables of the model that keep the values they had: missing and mismatched ones."""
        return tuple(sorted([*self.missing, *(pair.model for pair in self.mismatched)]))

    @property
    def num_model_variables(self) -> int:
        """Variables of the model that were looked for."""
        return len(self.loaded) + len(self.left_at_init)

    @property
    def num_loaded_parameters(self) -> int:
        """Single numbers that came from the file."""
        return num_parameters(self.loaded)

    @property
    def num_model_parameters(self) -> int:
        """Single numbers in the variables of the model."""
        return num_parameters(self.loaded) + num_parameters(self.left_at_init)

    def to_dict(self) -> dict[str, object]:
        """For metadata in JSON: counts, and the names of whatever did not fit."""
        return {
            "checkpoint": self.prefix,
            "num_loaded": len(self.loaded),
            "num_loaded_parameters": self.num_loaded_parameters,
            "num_model_parameters": self.num_model_parameters,
            "missing": [info.name for info in self.missing],
            "unexpected": [info.name for info in self.unexpected],
            "mismatched": [str(pair) for pair in self.mismatched],
            "num_ignored": len(self.ignored),
        }

    def __str__(self) -> str:
        model = (*self.loaded, *self.left_at_init)
        rows = [
            ("in the model", model),
            ("loaded", self.loaded),
            ("missing in the file", self.missing),
            ("mismatched", [pair.model for pair in self.mismatched]),
            ("left at init", self.left_at_init),
            ("unexpected in the file", self.unexpected),
            ("ignored in the file", self.ignored),
        ]
        lines = [f"Checkpoint {self.prefix}", f"{'':24}{'variables':>11}{'parameters':>15}"]
        lines += [f"  {label:22}{len(i):>11,}{num_parameters(i):>15,}" for label, i in rows]
        lines += listing("missing", (f"{i.name}: expected {i.type_text}" for i in self.missing))
        lines += listing("mismatched", map(str, self.mismatched))
        lines += listing("unexpected", (f"{i.name}: {i.type_text}" for i in self.unexpected))
        lines += listing("ignored", (f"{k}: {n} entries" for k, n in groups(self.ignored).items()))
        return "\n".join(lines)


def num_parameters(infos: Iterable[tensor_file.TensorInfo]) -> int:
    """Single numbers in all of them together."""
    return sum(info.num_parameters for info in infos)


def listing(label: str, items: Iterable[str]) -> list[str]:
    """Lines 'label: item', cut off, with the count of the rest, after twenty."""
    items = list(items)
    lines = [f"  {label}: {item}" for item in items[:_MAX_LISTED]]
    rest = len(items) - _MAX_LISTED
    return [*lines, f"  {label}: and {rest} more"] if rest > 0 else lines


def groups(infos: Iterable[tensor_file.TensorInfo]) -> dict[str, int]:
    """How many entries there are under each first part of a name: {'agent/_actor_network': 730}."""
    prefixes = ("/".join(info.name.split("/")[:_GROUP_DEPTH]) for info in infos)
    return dict(sorted(collections.Counter(prefixes).items()))
