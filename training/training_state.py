"""What a run has to know, beside its variables, to go on as if it had never stopped.

`training_state.json` lies beside the checkpoints and is replaced after each of them:

    {"format_version": 1, "checkpoint": "last_checkpoint-40", "settings": {"batch_size": 16, ...},
     "states": {"last_checkpoint-20": {...}, "last_checkpoint-40": {"epoch": 2, "step": 4, ...}}}

The order of the samples, the augmentation and the dropout follow from the seed, the epoch and the
step, so that no generator's state is stored.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Mapping

from food_data import atomic_files

FORMAT_VERSION = 1
STATE_FILE = "training_state.json"


class ResumeError(ValueError):
    """There is no run to go on with, or it is not the one that the settings describe."""


@dataclasses.dataclass(frozen=True)
class Best:
    """The best validation so far.

    Attributes:
        value: of the selection metric.
        epoch: from 1.
        checkpoint: its name.
        metrics: all of that validation.
    """

    value: float
    epoch: int
    checkpoint: str
    metrics: dict[str, float]


@dataclasses.dataclass(frozen=True)
class TrainingState:
    """Where a run stands.

    Attributes:
        epoch: epochs that are over, validation and log included.
        step: optimizer steps done in the epoch that has begun.
        loss_sum: of that epoch, the sum of losses times samples.
        num_samples: of that epoch so far.
        seconds: that the epoch has taken so far.
        first_train_loss: mean over the first epoch; None before its end.
        last_train_loss: mean over the last epoch that is over.
        best: None before the first validation.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    num_samples: int = 0
    seconds: float = 0.0
    first_train_loss: float | None = None
    last_train_loss: float | None = None
    best: Best | None = None

    @property
    def epochs_without_improvement(self) -> int:
        """Since the best one; 0 before the first validation."""
        return 0 if self.best is None else self.epoch - self.best.epoch


@dataclasses.dataclass(frozen=True)
class StateFile:
    """The contents of training_state.json.

    Attributes:
        checkpoint: the name of the newest checkpoint.
        settings: what must be equal for a run to go on, {name: number or string}.
        states: {name of a checkpoint: the state at that moment}.
    """

    checkpoint: str
    settings: Mapping[str, object]
    states: Mapping[str, TrainingState]

    def write(self, directory: pathlib.Path) -> None:
        """Replaces the file, whole or not at all."""
        contents = {"format_version": FORMAT_VERSION, **dataclasses.asdict(self)}
        with atomic_files.replace_file(directory / STATE_FILE) as file:
            file.write((json.dumps(contents, indent=1) + "\n").encode())

    @classmethod
    def read(cls, directory: pathlib.Path) -> StateFile:
        """What `write` has written.

        Raises:
            ResumeError: if there is none, or it is not of this version.
        """
        path = directory / STATE_FILE
        if not path.is_file():
            raise ResumeError(
                f"{directory}: expected {STATE_FILE}, which a run writes with every checkpoint to "
                "go on from; found none. To start from the weights alone, use "
                "--pretrained_checkpoint."
            )
        try:
            contents = json.loads(path.read_text())
            version = contents.get("format_version")
            if version == FORMAT_VERSION:
                states = {name: _state(fields) for name, fields in contents["states"].items()}
                return cls(contents["checkpoint"], contents["settings"], states)
        except (json.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
            raise ResumeError(f"{path}: expected what train.py writes, got {error!r}.") from error
        raise ResumeError(f"{path}: expected format_version {FORMAT_VERSION}, got {version}.")


def _state(fields: Mapping[str, object]) -> TrainingState:
    best = fields.get("best")
    return TrainingState(**{**fields, "best": None if best is None else Best(**best)})


def check_settings(stored: Mapping[str, object], given: Mapping[str, object]) -> None:
    """A run goes on with the settings it began with, or its result would be nobody's.

    Args:
        stored: of the run.
        given: of this start.

    Raises:
        ResumeError: names every setting that differs.
    """
    names = [name for name in (*stored, *given) if stored.get(name) != given.get(name)]
    if names:
        listed = "; ".join(
            f"{name}: was {stored.get(name)!r}, now {given.get(name)!r}"
            for name in dict.fromkeys(names)
        )
        raise ResumeError(
            f"--resume_checkpoint: expected the settings that the run began with, got others: "
            f"{listed}. To start a new run from its weights, use --pretrained_checkpoint."
        )
