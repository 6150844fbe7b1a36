"""What became of every labelled object when a data set was built."""

from __future__ import annotations

import collections
import dataclasses

NO_AXIS = "has no axis"
NO_LENGTH = "axis has no length"
UNKNOWN_FOOD = "unknown food"
OUTSIDE_PICTURE = "axis outside the picture"
OUTSIDE_CROP = "axis outside the crop"
DUPLICATE = "duplicate"
UNREADABLE = "picture unreadable"


@dataclasses.dataclass
class BuildReport:
    """Counts; every object is in exactly one of them.

    Attributes:
        samples: food -> number of samples.
        left_out: (reason, label) -> number of objects.
        unreadable: what is wrong with each picture that was skipped.
    """

    samples: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    left_out: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    unreadable: list[str] = dataclasses.field(default_factory=list)

    def text(self) -> str:
        """Two tables for people: samples by food, objects left out by reason and label."""
        rows = [("samples", food, count) for food, count in sorted(self.samples.items())]
        rows.append(("samples", "TOTAL", sum(self.samples.values())))
        rows += [("left out: " + reason, *rest) for reason, *rest in self._left_out_rows()]
        width = max(len(row[0]) for row in rows)
        lines = [f"{what:{width}}  {name:20} {count:6}" for what, name, count in rows]
        return "\n".join(lines + self.unreadable)

    def _left_out_rows(self) -> list[tuple[str, str, int]]:
        rows = [(reason, label, count) for (reason, label), count in self.left_out.items()]
        return sorted(rows) + (
            [("any reason", "TOTAL", sum(self.left_out.values()))] if rows else []
        )
