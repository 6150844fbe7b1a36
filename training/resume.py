"""Going on with a run: which checkpoint of it, and whether the settings are still the same."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import typing
from collections.abc import Mapping

import gin
from absl import logging

import checkpoint_directory
import checkpoint_loading
from training import starting_points, training_state

if typing.TYPE_CHECKING:
    import agent_wrapper

AUTO = "auto"
_NO_MATTER = (
    "EfficientNetEncoder.imagenet_weights_file",
    "Framing.passes",
    "Framing.max_extent",
)
_BINDING = re.compile(r"^([\w./]+\.\w+) =", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class ResumePoint:
    """A checkpoint to go on from.

    Attributes:
        prefix: of the checkpoint.
        state: where the run stood.
        settings: that it was begun with.
    """

    prefix: pathlib.Path
    state: training_state.TrainingState
    settings: Mapping[str, object]

    def restore(self, agent: agent_wrapper.Agent, settings: Mapping[str, object]) -> None:
        """Weights, optimizer and step counter.

        Args:
            agent: built from the same configuration, parts already frozen.
            settings: of this start, see `run_settings`.

        Raises:
            training_state.ResumeError: if a setting is not what it was.
            checkpoint_loading.CheckpointLoadError: if anything in the checkpoint differs.
        """
        training_state.check_settings(self.settings, settings)
        _check_config(self.prefix.parent / checkpoint_directory.CONFIG_FILE)
        starting_points.load_resume_checkpoint(agent, self.prefix)
        state = self.state
        logging.info(
            "resumed from %s: epoch %d, %d steps into it", self.prefix, state.epoch + 1, state.step
        )


def find(path: str | os.PathLike[str]) -> ResumePoint:
    """What there is to go on from.

    Args:
        path: a directory (its newest checkpoint) or the prefix of one of its checkpoints.

    Raises:
        training_state.ResumeError: if it is no run, or not a checkpoint that one can go on from.
    """
    path = pathlib.Path(path)
    directory = path if path.is_dir() else path.parent
    file = training_state.StateFile.read(directory)
    if path.is_dir():
        name = file.checkpoint
    else:
        name = pathlib.Path(checkpoint_loading.resolve_prefix(path)).name
    if name not in file.states:
        raise training_state.ResumeError(
            f"--resume_checkpoint {path}: expected one of {', '.join(file.states)} in {directory}, "
            f"got {name}, which holds weights only. Give the directory, or use "
            "--pretrained_checkpoint to begin a new run with these weights."
        )
    state = file.states[name]
    best = state.best
    if best is not None and not (directory / f"{best.checkpoint}.index").is_file():
        raise training_state.ResumeError(
            f"--resume_checkpoint {path}: expected {best.checkpoint}, the best one at that moment, "
            f"in {directory}; it is gone. Resume from {file.checkpoint}."
        )
    return ResumePoint(directory / name, state, file.settings)


def holds_run(directory: str | os.PathLike[str]) -> bool:
    """Whether a run has been begun there."""
    directory = pathlib.Path(directory)
    names = (training_state.STATE_FILE, checkpoint_directory.METADATA_FILE)
    return any((directory / name).is_file() for name in names)


def _check_config(path: pathlib.Path) -> None:
    """Bindings that only one side has come from another version of the program: a warning."""
    stored, given = _bindings(path.read_text()), _bindings(gin.operative_config_str())
    for bindings in (stored, given):
        # What a run starts from, and how its checkpoints look at photos, does not matter.
        for name in _NO_MATTER:
            bindings.pop(name, None)
    both = stored.keys() & given.keys()
    training_state.check_settings(
        {name: stored[name] for name in sorted(both)}, {name: given[name] for name in sorted(both)}
    )
    for name in sorted(stored.keys() ^ given.keys()):
        logging.warning(
            "resume: %s was %s, is now %s",
            name,
            stored.get(name, "not used"),
            given.get(name, "not used"),
        )


def _bindings(text: str) -> dict[str, str]:
    """{'Transformer.num_layers': '8'} of gin's own printing."""
    text = re.sub(r"^#.*\n", "", text.replace("\\\n", " "), flags=re.MULTILINE)
    parts = _BINDING.split(text)[1:]
    return {name: " ".join(value.split()) for name, value in zip(parts[::2], parts[1::2])}
