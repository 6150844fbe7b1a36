"""Where a run stands, on disk: its checkpoints written, kept and found again to go on from.

A new checkpoint is written before metadata.json or training_state.json names it, and the old one
stays until then, so that a run killed at any moment leaves a directory that loads and resumes:

    {"format_version": 1, "checkpoint": "last_checkpoint-40", "settings": {"batch_size": 16, ...},
     "states": {"last_checkpoint-20": {...}, "last_checkpoint-40": {"epoch": 2, "step": 4, ...}}}
"""

from __future__ import annotations

import keras2  # noqa: F401

import contextlib
import dataclasses
import errno
import json
import os
import pathlib
import re
import shutil
import socket
import tempfile
import typing
from collections.abc import Collection, Iterator, Mapping

import filelock
import gin
from absl import logging

import checkpoint_config
import checkpoint_directory
import checkpoint_files
import policy_specs
from food_data import atomic_files, embedding_store

# TensorFlow takes seconds: functions import it, so that --help of programs does not wait.
if typing.TYPE_CHECKING:
    import tensorflow as tf

    import agent_wrapper

STATE_FILE = "training_state.json"
LOCK_FILE = ".lock"
LAST_STEM = "last_checkpoint"
# One more than is needed: a server may have read metadata.json just before it changed.
_BEST_KEPT = 2
# What may change when a run goes on: what it starts from, and how its checkpoints look at photos.
_NO_MATTER = (
    "EfficientNetEncoder.imagenet_weights_file",
    "Framing.passes",
    "Framing.max_extent",
)


class CheckpointWriteError(OSError):
    """A checkpoint could not be written; those that were there before still load."""


class ResumeError(ValueError):
    """There is no run to go on with, or it is not the one that the settings describe."""


@dataclasses.dataclass(frozen=True)
class Best:
    """The best validation so far."""

    value: float  # of the selection metric
    epoch: int  # from 1
    checkpoint: str  # its name
    metrics: dict[str, float]  # all of that validation


@dataclasses.dataclass(frozen=True)
class TrainingState:
    """What a run has to know, beside its variables, to go on as if it had never stopped.

    The order of the samples, the augmentation and the dropout follow from the seed, the epoch and
    the step, so that no generator's state is stored.
    """

    epoch: int = 0  # epochs that are over, validation and log included
    step: int = 0  # optimizer steps done in the epoch that has begun, and of that epoch so far:
    loss_sum: float = 0.0  # the sum of losses times samples
    num_samples: int = 0
    seconds: float = 0.0
    first_train_loss: float | None = None  # mean over the first epoch; None before its end
    last_train_loss: float | None = None  # mean over the last epoch that is over
    best: Best | None = None  # None before the first validation

    @property
    def epochs_without_improvement(self) -> int:
        """Since the best one; 0 before the first validation."""
        return 0 if self.best is None else self.epoch - self.best.epoch


@dataclasses.dataclass(frozen=True)
class StateFile:
    """The contents of training_state.json."""

    checkpoint: str  # the name of the newest checkpoint
    settings: Mapping[str, object]  # what must be equal for a run to go on
    states: Mapping[str, TrainingState]  # by names of checkpoints, the state at that moment

    def write(self, directory: pathlib.Path) -> None:
        """Replaces the file, whole or not at all."""
        contents = {
            "format_version": checkpoint_directory.FORMAT_VERSION,
            **dataclasses.asdict(self),
        }
        with atomic_files.replace_file(directory / STATE_FILE) as file:
            file.write((json.dumps(contents, indent=1) + "\n").encode())

    @classmethod
    def read(cls, directory: pathlib.Path) -> StateFile:
        """What `write` has written."""
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
            if version == checkpoint_directory.FORMAT_VERSION:
                states = {}
                for name, fields in contents["states"].items():
                    best = fields.get("best")
                    best = None if best is None else Best(**best)
                    states[name] = TrainingState(**{**fields, "best": best})
                return cls(contents["checkpoint"], contents["settings"], states)
        except (json.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
            raise ResumeError(f"{path}: expected what train.py writes, got {error!r}.") from error
        raise ResumeError(
            f"{path}: expected format_version {checkpoint_directory.FORMAT_VERSION}, got {version}."
        )


@dataclasses.dataclass(frozen=True)
class ResumePoint:
    """A checkpoint to go on from."""

    prefix: pathlib.Path  # of the checkpoint
    state: TrainingState  # where the run stood
    settings: Mapping[str, object]  # that it was begun with

    def check(self, settings: Mapping[str, object]) -> None:
        """A run goes on with the settings it began with, or its result would mean nothing.

        Bindings that only one side has come from another version of the program: a warning.
        """
        _check_equal(self.settings, settings)
        config = self.prefix.parent / checkpoint_directory.CONFIG_FILE
        stored, given = (
            {name: value for name, value in _bindings(text).items() if name not in _NO_MATTER}
            for text in (config.read_text(), gin.operative_config_str())
        )
        both = sorted(stored.keys() & given.keys())
        _check_equal({name: stored[name] for name in both}, {name: given[name] for name in both})
        for name in sorted(stored.keys() ^ given.keys()):
            values = stored.get(name, "not used"), given.get(name, "not used")
            logging.warning("resume: %s was %s, is now %s", name, *values)


def find_resume_point(path: str | os.PathLike[str]) -> ResumePoint:
    """What there is to go on from."""
    atomic_files.check_local(path, "--resume_checkpoint")
    path = pathlib.Path(path)
    directory = path if path.is_dir() else path.parent
    file = StateFile.read(directory)
    name = file.checkpoint
    if not path.is_dir():
        name = pathlib.Path(checkpoint_files.resolve_prefix(path)).name
    if name not in file.states:
        raise ResumeError(
            f"--resume_checkpoint {path}: expected one of {', '.join(file.states)} in {directory}, "
            f"got {name}, which holds weights only. Give the directory, or use "
            "--pretrained_checkpoint to begin a new run with these weights."
        )
    state = file.states[name]
    if state.best is not None and not (directory / f"{state.best.checkpoint}.index").is_file():
        raise ResumeError(
            f"--resume_checkpoint {path}: expected {state.best.checkpoint}, the best one at that "
            f"moment, in {directory}; it is gone. Resume from {file.checkpoint}."
        )
    return ResumePoint(directory / name, state, file.settings)


def holds_run(directory: str | os.PathLike[str]) -> bool:
    """Whether a run has been begun there."""
    names = (STATE_FILE, checkpoint_directory.METADATA_FILE)
    return any((pathlib.Path(directory) / name).is_file() for name in names)


def _check_equal(stored: Mapping[str, object], given: Mapping[str, object]) -> None:
    names = [n for n in dict.fromkeys((*stored, *given)) if stored.get(n) != given.get(n)]
    if names:
        listed = "; ".join(f"{n}: was {stored.get(n)!r}, now {given.get(n)!r}" for n in names)
        raise ResumeError(
            f"--resume_checkpoint: expected the settings that the run began with, got others: "
            f"{listed}. To start a new run from its weights, use --pretrained_checkpoint."
        )


def _bindings(text: str) -> dict[str, str]:
    """{'Transformer.num_layers': '8'} of gin's own printing."""
    text = re.sub(r"^#.*\n", "", text.replace("\\\n", " "), flags=re.MULTILINE)
    parts = re.split(r"^([\w./]+\.\w+) =", text, flags=re.MULTILINE)[1:]
    return {name: " ".join(value.split()) for name, value in zip(parts[::2], parts[1::2])}


class CheckpointWriter:
    """Writes the checkpoints of a run into a directory.

    Attributes:
        directory: of the run.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        agent: agent_wrapper.Agent,
        embeddings: embedding_store.EmbeddingStore,
        run_metadata: dict[str, object],
        max_checkpoints: int = 3,
        settings: Mapping[str, object] | None = None,
        writes: bool = True,
    ):
        """Writes what does not change in a run: gin configuration and embeddings.

        `run_metadata` goes into metadata.json and must hold 'resize'; `settings` are compared when
        the run goes on. With `writes` off, in a worker beside the chief, checkpoints get their
        names, but no files are made.
        """
        self.directory = pathlib.Path(directory)
        self._agent, self._writes = agent, writes
        self._max_checkpoints = max_checkpoints
        self._settings = dict(settings or {})
        self._metadata = {
            "format_version": checkpoint_directory.FORMAT_VERSION,
            "image_size": policy_specs.IMAGE_SIZE,
            "loss_type": agent.network.loss_type,
            "action_coding": agent.action_coding,
            "dropout_settings": dataclasses.asdict(agent.dropout_settings),
            "versions": checkpoint_directory.package_versions(),
            **run_metadata,
        }
        if not writes:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        # What a killed run was in the middle of writing.
        for path in self.directory.glob(".*_checkpoint-*.*"):
            shutil.rmtree(path, ignore_errors=True)
        for name in (".metadata.json.*", f".{STATE_FILE}.*", ".checkpoint.*", ".config.gin.*"):
            for path in self.directory.glob(name):
                path.unlink()
        for path in (self.directory / checkpoint_directory.EMBEDDINGS_DIR).glob(".*"):
            path.unlink()
        config = "".join(
            line
            for line in gin.operative_config_str().splitlines(keepends=True)
            # They register what only training binds, and are refused where they are not known.
            if not re.match(r"(import|from) ", line)
        )
        self._replace(checkpoint_directory.CONFIG_FILE, config.lstrip())
        try:
            checkpoint_config.literals(config)
        except checkpoint_config.ConfigError as error:
            warning = "config.gin: expected %s: whoever serves this run needs --trust_config"
            logging.warning(warning, error)
        embeddings.save(self.directory / checkpoint_directory.EMBEDDINGS_DIR)
        if (self.directory / checkpoint_directory.METADATA_FILE).is_file():
            self._set_stale_calibration_aside()

    def write(self, metrics: Mapping[str, float], **more: object) -> pathlib.Path:
        """Saves the weights as they are now and makes them the checkpoint that counts.

        `metrics` are of this checkpoint, `more` are further entries of metadata.json. Returns its
        prefix. Raises CheckpointWriteError if there is no room; the one before still counts.
        """
        step = self._agent.steps_done
        prefix = self.directory / f"{checkpoint_directory.BEST_STEM}-{step}"
        if not self._writes:
            return prefix
        _save(self._agent.weights_checkpoint(), prefix)
        contents = {
            **self._metadata,
            "checkpoint": prefix.name,
            "global_step": step,
            "metrics": dict(metrics),
            **more,
        }
        self._replace(checkpoint_directory.METADATA_FILE, json.dumps(contents, indent=1) + "\n")
        # TensorFlow's note of the latest one, so that the directory's name means the best.
        self._replace("checkpoint", f'model_checkpoint_path: "{prefix.name}"\n')
        stem = checkpoint_directory.BEST_STEM
        newest = checkpoint_files.numbered(self.directory, stem)[-_BEST_KEPT:]
        _keep_only(self.directory, stem, {prefix.name, *(other.name for other in newest)})
        self._set_stale_calibration_aside()
        return prefix

    def _set_stale_calibration_aside(self) -> None:
        """What was calibrated of other weights says nothing about these, and no server starts with
        it; it comes last, because until then the earlier weights count with it."""
        path = self.directory / checkpoint_directory.CALIBRATION_FILE
        if not path.is_file():
            return
        try:
            calibrated = json.loads(path.read_text())["fitted_on"]["weights_sha256"]
        except (ValueError, LookupError, TypeError, RecursionError):
            calibrated = None
        if calibrated != checkpoint_directory.weights_digest(self.directory):
            os.replace(path, path.with_name(checkpoint_directory.STALE_CALIBRATION_FILE))
            atomic_files.sync(self.directory)
            logging.warning(
                "%s is of other weights than the new ones and is now %s: run calibrate.py again "
                "when the run is over",
                *(
                    checkpoint_directory.CALIBRATION_FILE,
                    checkpoint_directory.STALE_CALIBRATION_FILE,
                ),
            )

    def write_training_state(self, state: TrainingState) -> pathlib.Path:
        """Saves everything, to go on from here; returns and raises as `write` does."""
        prefix = self.directory / f"{LAST_STEM}-{self._agent.steps_done}"
        if not self._writes:
            return prefix
        _save(self._agent.checkpoint(), prefix)
        names = [other.name for other in checkpoint_files.numbered(self.directory, LAST_STEM)]
        # Later ones are of a run that has gone on from an earlier checkpoint.
        names = names[: names.index(prefix.name) + 1][-self._max_checkpoints :]
        states = {}
        if (self.directory / STATE_FILE).is_file():
            states = StateFile.read(self.directory).states
        states = {**states, prefix.name: state}
        kept = {name: states[name] for name in names if name in states}
        StateFile(prefix.name, self._settings, kept).write(self.directory)
        _keep_only(self.directory, LAST_STEM, names)
        return prefix

    def _replace(self, name: str, text: str) -> None:
        with atomic_files.replace_file(self.directory / name) as file:
            file.write(text.encode())


def _save(checkpoint: tf.train.Checkpoint, prefix: pathlib.Path) -> None:
    """Writes both files of a checkpoint, whole or not at all.

    TensorFlow writes the index in place; a run killed meanwhile, or a full disk, would leave half
    of it under its final name. So both are made in a folder of their own beside it and moved when
    they are whole. (`tf.train.CheckpointManager` does not do that either, and keeps one list and
    one note for a directory, where two kinds of checkpoints lie here.)
    """
    import tensorflow as tf

    folder = prefix.parent
    try:
        with tempfile.TemporaryDirectory(
            dir=folder, prefix=f".{prefix.name}.", ignore_cleanup_errors=True
        ) as temporary:
            checkpoint.write(os.path.join(temporary, prefix.name))
            # The index last: without it a data file is no checkpoint.
            paths = pathlib.Path(temporary).iterdir()
            for path in sorted(paths, key=lambda path: path.suffix == ".index"):
                with path.open("rb+") as file:
                    # A power cut could leave an empty file under a good name.
                    os.fsync(file.fileno())
                os.replace(path, folder / path.name)
            atomic_files.sync(folder)
    except (OSError, tf.errors.OpError) as error:
        if not folder.is_dir():
            gone = f"{folder} is no longer there; its earlier checkpoints went with it"
            raise CheckpointWriteError(f"Cannot write the checkpoint {prefix}: {gone}.") from error
        free = shutil.disk_usage(folder).free
        reason = str(error).strip().splitlines()[0].rstrip(".")[:300]
        raise CheckpointWriteError(
            f"Cannot write the checkpoint {prefix}: {reason}. Expected room for it, got "
            f"{free / 1e6:,.0f} MB free. Earlier checkpoints are whole: make room, then "
            f"--resume_checkpoint {folder}."
        ) from error


def _keep_only(directory: pathlib.Path, stem: str, names: Collection[str]) -> None:
    """Deletes all checkpoints `<stem>-<number>` but those called `names`."""
    for prefix in checkpoint_files.numbered(directory, stem):
        if prefix.name not in names:
            # The index first: what is left of a deletion cut short is no checkpoint.
            for path in checkpoint_files.files_of(prefix):
                path.unlink()


@contextlib.contextmanager
def only_run(directory: str | os.PathLike[str], wait_s: float = 0.0) -> Iterator[None]:
    """Keeps other runs out of the directory: two would delete each other's checkpoints.

    The lock goes with the process, however that ends, so nothing is left to be cleared away after a
    crash. Where the file system has no locks, a warning is logged and nobody is kept out.
    """
    path = pathlib.Path(directory) / LOCK_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not a file that says "locked": it would outlive a node that was lost.
    lock = filelock.FileLock(path, timeout=wait_s, fallback_to_soft=False)
    try:
        lock.acquire(poll_interval=1.0)
    except filelock.Timeout:
        holder = path.read_text(errors="replace") or "another process"
        raise ValueError(
            f"checkpoint_dir: expected a directory that no other run writes to, got {path.parent}, "
            f"where {holder} trains. Wait for it or stop it, or give another --checkpoint_dir."
        ) from None
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL):
            raise
        warning = "%s: no locks on this file system (%s): do not start a second run there"
        logging.warning(warning, path.parent, error)
    try:
        path.write_text(f"process {os.getpid()} on {socket.gethostname()}")
        yield
    finally:
        lock.release()
