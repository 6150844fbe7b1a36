"""A checkpoint directory: all that serving needs, and all that a run goes on from, in one folder.

    best_checkpoint-120.index, .data-*  weights (TensorFlow checkpoint); the averaged ones if any
    metadata.json                       which one counts, metrics, data set, versions, dropout
    config.gin                          the gin configuration in force when the agent was built
    embeddings/                         the instruction embeddings, with their manifest
    checkpoint                          TensorFlow's note of the best one
    last_checkpoint-140.*               weights, optimizer, averages, step counter
    training_state.json                 where the run stood at each last_checkpoint
    .lock                               says which process trains there

Serving needs the first four only, and `uncertainty.json` if calibrate.py has made one. All of it is
read as data: others may have written it. A new checkpoint is written before metadata.json or
training_state.json names it, and the old one stays until then: a run killed at any moment leaves a
directory that loads and resumes.
"""

from __future__ import annotations

import keras2  # noqa: F401

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import platform
import re
import shutil
import socket
import tempfile
import typing
from collections.abc import Collection, Iterator, Mapping
from importlib import metadata as package_metadata

import filelock
import gin
import marshmallow
from absl import logging
from marshmallow import fields, validate

import checkpoint_config
import checkpoint_files
import checkpoint_loading
import policy_specs
from food_data import atomic_files, framing, image_placement, vocabulary

# TensorFlow takes seconds: functions import it, so that --help of programs does not wait.
if typing.TYPE_CHECKING:
    import tensorflow as tf

    import agent_wrapper

FORMAT_VERSION = 1
METADATA_FILE = "metadata.json"
CONFIG_FILE = "config.gin"
CALIBRATION_FILE, STALE_CALIBRATION_FILE = "uncertainty.json", "uncertainty.stale.json"
EMBEDDINGS_DIR = "embeddings"
STATE_FILE = "training_state.json"
LOCK_FILE = ".lock"
BEST_STEM, LAST_STEM = "best_checkpoint", "last_checkpoint"
# The last process of a requeued job may still save, or its node be lost without a word.
RESTART_WAIT_S = 180.0
_READS = 5
_PACKAGES = ("tensorflow", "tensorflow-cpu", "tf-agents", "tf-keras", "numpy", "gin-config")
# One more than is needed: a server may have read metadata.json just before it changed.
_BEST_KEPT = 2
# What may change when a run goes on: what it starts from, and how its checkpoints look at photos.
_NO_MATTER = ("EfficientNetEncoder.imagenet_weights_file", "Framing.passes", "Framing.max_extent")
Path = typing.Union[str, "os.PathLike[str]"]


# What serving reads.


@dataclasses.dataclass(frozen=True)
class Contents:
    """The small files of a directory, read together: all are of one checkpoint."""

    directory: pathlib.Path  # where they were
    metadata: dict[str, object]  # of metadata.json, checked
    config: str | None  # the text of config.gin; None if there is none
    embeddings: vocabulary.EmbeddingStore  # the instructions it was trained with
    calibration: str | None  # the text of uncertainty.json; None if there is none
    # Tells the weights from all others: of the index, which holds a checksum of every tensor.
    weights_sha256: str

    @property
    def prefix(self) -> pathlib.Path:
        """Of the checkpoint that counts."""
        return self.directory / self.metadata["checkpoint"]


class LoadedCheckpoint(typing.NamedTuple):
    """What `load` found."""

    agent: agent_wrapper.Agent  # with the weights of the checkpoint; its optimizer is new
    contents: Contents  # the files beside the weights


def locate(path: Path) -> pathlib.Path:
    """The directory that a path means: itself, or that of the checkpoint that counts, whose prefix
    it is. Raises ValueError for another checkpoint or an address."""
    atomic_files.check_local(path, "--checkpoint_dir")
    path = pathlib.Path(path)
    if path.is_dir() or not (path.parent / METADATA_FILE).is_file():
        return path
    counts = read_metadata(path.parent)["checkpoint"]
    name = pathlib.Path(checkpoint_files.resolve_prefix(path)).name
    if name != counts:
        way_out = "Give the directory, or go on training with --pretrained_checkpoint."
        raise ValueError(f"{path}: expected {counts}, the one that counts. {way_out}")
    return path.parent


def _read_text(path: pathlib.Path) -> str:
    """A small file that came with a checkpoint."""
    checkpoint_files.refuse_pointer(path)
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected UTF-8 text, got {error}.") from error


class _Framing(marshmallow.Schema):
    passes = fields.String(validate=validate.OneOf(framing.PASSES))
    max_extent = fields.Float(validate=validate.Range(min=0, min_inclusive=False))


class _Metadata(marshmallow.Schema):
    """What others rely on in metadata.json."""

    class Meta:
        unknown = marshmallow.INCLUDE

    format_version = fields.Integer(required=True, validate=validate.Equal(FORMAT_VERSION))
    # A name and no path, which could lead out of the directory.
    checkpoint = fields.String(required=True, validate=validate.Regexp(r"\w[\w.-]*\Z"))
    _mode = validate.OneOf(image_placement.MODES)
    resize = fields.String(required=True, allow_none=True, validate=_mode)
    trained_pairs = fields.List(fields.Tuple((fields.String(), fields.String())))
    framing = fields.Nested(_Framing)


def read_metadata(directory: Path) -> dict[str, object]:
    """The contents of metadata.json. Raises FileNotFoundError without one, and ValueError for what
    this version does not write."""
    path = pathlib.Path(directory, METADATA_FILE)
    if not path.is_file():
        what = f"expected {METADATA_FILE}, which train.py writes beside its weights"
        way_out = "Weights alone: checkpoint_loading.py, or train.py --pretrained_checkpoint"
        raise FileNotFoundError(f"No checkpoint directory {directory}: {what}. {way_out}.")
    try:
        contents = json.loads(_read_text(path))
        faults = _Metadata().validate(contents)
    except (json.JSONDecodeError, RecursionError) as error:
        faults = f"no JSON: {error}"
    if faults:
        way_out = "Copy the directory again from where train.py wrote it."
        raise ValueError(f"{path}: found faults: {faults!s:.200}. {way_out}")
    return contents


def framing_of(metadata: dict[str, object]) -> framing.Framing:
    """How the checkpoint of a metadata.json looks at photos; once, if it does not say."""
    return framing.Framing(**metadata.get("framing", {}))


def weights_digest(directory: Path) -> str:
    """`Contents.weights_sha256` of a directory; raises as `read_contents`."""
    path = pathlib.Path(directory, f"{read_metadata(directory)['checkpoint']}.index")
    checkpoint_files.refuse_pointer(path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_contents(directory: Path) -> Contents:
    """Reads the files beside the weights, again if a run has written a checkpoint meanwhile. Raises
    as `load`."""
    directory = locate(directory)
    for _ in range(_READS):
        metadata = read_metadata(directory)
        digest = weights_digest(directory)
        paths = (directory / name for name in (CONFIG_FILE, CALIBRATION_FILE))
        config, calibration = (_read_text(path) if path.is_file() else None for path in paths)
        try:
            embeddings = vocabulary.EmbeddingStore.load(directory / EMBEDDINGS_DIR)
        except (AttributeError, KeyError, RecursionError, TypeError) as error:
            raise ValueError(f"{directory}: embeddings: {error!r}.") from error
        if read_metadata(directory) == metadata and weights_digest(directory) == digest:
            return Contents(directory, metadata, config, embeddings, calibration, digest)
    raise ValueError(f"{directory}: something writes there all the time. Load a copy.")


def load(
    directory: Path | Contents,
    config_file: Path | None = None,
    loss_type: str | None = None,
    trust_config: bool = False,
) -> LoadedCheckpoint:
    """Builds the agent that a directory describes and fills it with its checkpoint.

    The gin configuration of the process is replaced by the directory's, of which only literals are
    taken (`checkpoint_config.py`).

    Args:
        directory: as `CheckpointWriter` leaves it, the prefix of its best checkpoint, or what
            `read_contents` has read of it.
        config_file: gin file in the place of the directory's; it may run code, because whoever
            starts a program names it.
        loss_type: in the place of the one in the configuration; the weights have to fit.
        trust_config: let gin run what the directory's configuration says.

    Raises:
        FileNotFoundError: if the directory or a part of it is absent.
        ValueError: if a file is not what it should be, describes no network, or the weights do not
            fit it.
    """
    contents = directory if isinstance(directory, Contents) else read_contents(directory)
    text, config = contents.config, contents.directory / CONFIG_FILE
    if config_file is not None:
        config = pathlib.Path(config_file)
        text = _read_text(config) if config.is_file() else None
    if text is None:
        raise FileNotFoundError(f"{config.parent}: expected {config.name}, found none.")
    import tensorflow as tf

    import agent_wrapper

    lengths = checkpoint_files.TensorFile(str(contents.prefix)).lengths
    checkpoint_config.apply(text, config, trust_config or config_file is not None, lengths)
    try:
        if loss_type is not None:
            gin.bind_parameter("TransformerNetwork.loss_type", loss_type)
        agent = agent_wrapper.Agent(tf.keras.optimizers.Adam())
    except (TypeError, ValueError, ArithmeticError, tf.errors.OpError) as error:
        # Layers say in many ways that they cannot be built with what they were given.
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"{config}: describes no network: {reason}") from error
    checkpoint_loading.custom_load_checkpoint(agent, contents.prefix)
    # A run may have written a better one meanwhile; this one is whole then, and goes on to count.
    index = pathlib.Path(f"{contents.prefix}.index").read_bytes()
    if hashlib.sha256(index).hexdigest() != contents.weights_sha256:
        raise ValueError(f"{contents.prefix} was replaced meanwhile. Load it again.")
    return LoadedCheckpoint(agent, contents)


def package_versions() -> dict[str, str]:
    """{package: version} of what a checkpoint depends on, Python included."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        with contextlib.suppress(package_metadata.PackageNotFoundError):
            versions[package] = package_metadata.version(package)
    return versions


# Where a run stands.


@dataclasses.dataclass(frozen=True)
class Best:
    """The best validation so far."""

    value: float  # of the selection metric
    epoch: int  # from 1
    checkpoint: str  # its name
    metrics: dict[str, float]  # all of that validation


@dataclasses.dataclass(frozen=True)
class TrainingState:
    """What a run has to know, beside its variables, to go on as if it had never stopped. The order
    of the samples, the augmentation and the dropout follow from seed, epoch and step."""

    epoch: int = 0  # epochs that are over, validation and log included
    step: int = 0  # optimizer steps done in the epoch that has begun, and of that epoch so far:
    loss_sum: float = 0.0  # the sum of losses times samples
    num_samples: int = 0
    seconds: float = 0.0
    first_train_loss: float | None = None  # mean over the first epoch; None before its end
    last_train_loss: float | None = None  # mean over the last epoch that is over
    best: Best | None = None  # None before the first validation


@dataclasses.dataclass(frozen=True)
class StateFile:
    """The contents of training_state.json."""

    checkpoint: str  # the name of the newest checkpoint
    settings: Mapping[str, object]  # what must be equal for a run to go on
    states: Mapping[str, TrainingState]  # by names of checkpoints, the state at that moment
    format_version: int = FORMAT_VERSION

    @classmethod
    def read(cls, directory: pathlib.Path) -> StateFile:
        """Of a run's directory; ValueError if there is none."""
        path = directory / STATE_FILE
        if not path.is_file():
            way_out = "To start from the weights alone, use --pretrained_checkpoint."
            raise ValueError(f"{directory}: expected {STATE_FILE}, found none. {way_out}")
        try:
            found = cls(**json.loads(path.read_text()))
            states = {}
            for name, state in found.states.items():
                best = state["best"] and Best(**state["best"])
                states[name] = TrainingState(**{**state, "best": best})
            if found.format_version == FORMAT_VERSION:
                return dataclasses.replace(found, states=states)
            error = f"format_version {found.format_version}"
        except (ValueError, AttributeError, KeyError, TypeError) as wrong:
            error = repr(wrong)
        raise ValueError(f"{path}: expected what train.py writes, got {error}.")


@dataclasses.dataclass(frozen=True)
class ResumePoint:
    """A checkpoint to go on from."""

    prefix: pathlib.Path  # of the checkpoint
    state: TrainingState  # where the run stood
    settings: Mapping[str, object]  # that it was begun with

    def check(self, settings: Mapping[str, object]) -> None:
        """A run goes on with the settings it began with, or its result would mean nothing. Bindings
        that only one side has come from another version of the program: a warning."""
        config = (self.prefix.parent / CONFIG_FILE).read_text()
        stored, given = map(_bindings, (config, gin.operative_config_str()))
        for name in sorted(stored.keys() ^ given.keys()):
            values = stored.pop(name, "not used"), given.pop(name, "not used")
            logging.warning("resume: %s was %s, is now %s", name, *values)
        stored, given = {**self.settings, **stored}, {**settings, **given}
        names = [n for n in dict.fromkeys((*stored, *given)) if stored.get(n) != given.get(n)]
        if names:
            listed = "; ".join(f"{n}: was {stored.get(n)!r}, now {given.get(n)!r}" for n in names)
            way_out = "To start a new run from its weights, use --pretrained_checkpoint."
            raise ValueError(
                f"--resume_checkpoint: expected the settings of the run; {listed}. {way_out}"
            )


def _bindings(text: str) -> dict[str, str]:
    """{'Transformer.num_layers': '8'} of gin's own printing, of what matters when a run goes on."""
    text = re.sub(r"^#.*\n", "", text.replace("\\\n", " "), flags=re.MULTILINE)
    parts = re.split(r"^([\w./]+\.\w+) =", text, flags=re.MULTILINE)[1:]
    bindings = {name: " ".join(value.split()) for name, value in zip(parts[::2], parts[1::2])}
    return {name: value for name, value in bindings.items() if name not in _NO_MATTER}


def find_resume_point(path: Path) -> ResumePoint:
    """What there is to go on from; ValueError if there is nothing."""
    atomic_files.check_local(path, "--resume_checkpoint")
    path = pathlib.Path(path)
    directory = path if path.is_dir() else path.parent
    file = StateFile.read(directory)
    is_whole = path == directory
    name = file.checkpoint if is_whole else pathlib.Path(checkpoint_files.resolve_prefix(path)).name
    state = file.states.get(name)
    if state is None:
        raise ValueError(
            f"--resume_checkpoint {path}: expected one of {', '.join(file.states)}, got {name}, "
            "which holds weights only: --pretrained_checkpoint begins a new run with them."
        )
    if state.best is not None and not (directory / f"{state.best.checkpoint}.index").is_file():
        way_out = f"the best one at that moment, is gone. Resume from {file.checkpoint}."
        raise ValueError(f"--resume_checkpoint {path}: {state.best.checkpoint}, {way_out}")
    return ResumePoint(directory / name, state, file.settings)


def holds_run(directory: Path) -> bool:
    """Whether a run has been begun there."""
    return any(pathlib.Path(directory, name).is_file() for name in (STATE_FILE, METADATA_FILE))


# What a run writes.


class CheckpointWriter:
    """Writes the checkpoints of a run into a directory."""

    def __init__(
        self,
        directory: Path,
        agent: agent_wrapper.Agent,
        embeddings: vocabulary.EmbeddingStore,
        run_metadata: dict[str, object],
        max_checkpoints: int = 3,
        settings: Mapping[str, object] | None = None,
        writes: bool = True,
    ):
        """Writes what does not change in a run: gin configuration and embeddings.

        `run_metadata` goes into metadata.json and must hold 'resize'; `settings` are compared when
        the run goes on. With `writes` off, in a worker beside the chief, no files are made.
        """
        self.directory = pathlib.Path(directory)
        self._agent, self._writes = agent, writes
        self._max_checkpoints, self._settings = max_checkpoints, dict(settings or {})
        self._metadata = {
            "format_version": FORMAT_VERSION,
            "image_size": policy_specs.IMAGE_SIZE,
            "loss_type": agent.network.loss_type,
            "action_coding": agent.action_coding,
            "dropout_settings": dataclasses.asdict(agent.dropout_settings),
            "versions": package_versions(),
            **run_metadata,
        }
        if not writes:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        # What a killed run was in the middle of writing.
        small_files = (METADATA_FILE, STATE_FILE, "checkpoint", CONFIG_FILE)
        patterns = [".*_checkpoint-*.*", *(f".{name}.*" for name in small_files)]
        for pattern in (*patterns, f"{EMBEDDINGS_DIR}/.*"):
            for path in self.directory.glob(pattern):
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
        # Imports register what only training binds, and are refused where they are not known.
        config = re.sub(r"^(import|from) .*\n?", "", gin.operative_config_str(), flags=re.MULTILINE)
        self._replace(CONFIG_FILE, config.lstrip())
        embeddings.save(self.directory / EMBEDDINGS_DIR)

    def write(self, metrics: Mapping[str, float], **more: object) -> pathlib.Path:
        """Saves the weights as they are now and makes them the checkpoint that counts; its prefix.
        `metrics` and `more` go into metadata.json. Raises OSError if there is no room; the one
        before still counts."""
        step = self._agent.steps_done
        prefix = self.directory / f"{BEST_STEM}-{step}"
        if not self._writes:
            return prefix
        _save(self._agent.weights_checkpoint(), prefix)
        found = {"checkpoint": prefix.name, "global_step": step, "metrics": dict(metrics)}
        contents = {**self._metadata, **found, **more}
        self._replace(METADATA_FILE, json.dumps(contents, indent=1) + "\n")
        # TensorFlow's note of the latest one, so that the directory's name means the best.
        self._replace("checkpoint", f'model_checkpoint_path: "{prefix.name}"\n')
        newest = checkpoint_files.numbered(self.directory, BEST_STEM)[-_BEST_KEPT:]
        _keep_only(self.directory, BEST_STEM, {prefix.name, *(other.name for other in newest)})
        calibration = self.directory / CALIBRATION_FILE
        if calibration.is_file():
            # Last: until then the weights that it is of count; with others, no server starts.
            os.replace(calibration, calibration.with_name(STALE_CALIBRATION_FILE))
            atomic_files.sync(self.directory)
            warning = "%s is of other weights and is now %s: run calibrate.py again after the run"
            logging.warning(warning, CALIBRATION_FILE, STALE_CALIBRATION_FILE)
        return prefix

    def write_training_state(self, state: TrainingState) -> pathlib.Path:
        """Saves everything, to go on from here; returns and raises as `write` does."""
        prefix = self.directory / f"{LAST_STEM}-{self._agent.steps_done}"
        if not self._writes:
            return prefix
        _save(self._agent.checkpoint(), prefix)
        names = [other.name for other in checkpoint_files.numbered(self.directory, LAST_STEM)]
        # Later ones are of a run that has gone on from an earlier checkpoint.
        names = names[: names.index(prefix.name) + 1][-self._max_checkpoints :]
        is_first = not (self.directory / STATE_FILE).is_file()
        states = {} if is_first else dict(StateFile.read(self.directory).states)
        states[prefix.name] = state
        kept = {name: states[name] for name in names if name in states}
        file = dataclasses.asdict(StateFile(prefix.name, self._settings, kept))
        self._replace(STATE_FILE, json.dumps(file, indent=1) + "\n")
        _keep_only(self.directory, LAST_STEM, names)
        return prefix

    def _replace(self, name: str, text: str) -> None:
        with atomic_files.replace_file(self.directory / name) as file:
            file.write(text.encode())


def _save(checkpoint: tf.train.Checkpoint, prefix: pathlib.Path) -> None:
    """Writes both files of a checkpoint, whole or not at all: in a folder of their own beside it,
    then moved. TensorFlow, its CheckpointManager too, writes the index in place; a run killed
    meanwhile, or a full disk, would leave half of it under its final name."""
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
                # A power cut could leave an empty file under a good name.
                atomic_files.sync(path)
                os.replace(path, folder / path.name)
            atomic_files.sync(folder)
    except (OSError, tf.errors.OpError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")[:300]
        way_out = f"Make room, then --resume_checkpoint {folder}"
        raise OSError(f"Cannot write {prefix}: {reason}. {way_out}.") from error


def _keep_only(directory: pathlib.Path, stem: str, names: Collection[str]) -> None:
    """Deletes all checkpoints `<stem>-<number>` but those called `names`."""
    for prefix in checkpoint_files.numbered(directory, stem):
        if prefix.name not in names:
            # The index first: what is left of a deletion cut short is no checkpoint.
            for path in checkpoint_files.files_of(prefix):
                path.unlink()


@contextlib.contextmanager
def only_run(directory: Path) -> Iterator[None]:
    """Keeps other runs out of the directory: two would delete each other's checkpoints. A job that
    Slurm has restarted waits for another one to end. Where the file system has no locks, a warning
    is logged and nobody is kept out."""
    is_restart = int(os.environ.get("SLURM_RESTART_COUNT") or 0) > 0
    path = pathlib.Path(directory) / LOCK_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    # Goes with the process. A file that says "locked" would outlive a node that was lost.
    lock = filelock.FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(RESTART_WAIT_S if is_restart else 0.0, poll_interval=1.0)
    except filelock.Timeout:
        holder = path.read_text(errors="replace") or "another process"
        way_out = "Wait for it or stop it, or give another --checkpoint_dir."
        got = f"expected a directory that no other run writes to, got {path.parent}"
        raise ValueError(f"--checkpoint_dir: {got}, where {holder} trains. {way_out}") from None
    except OSError as error:
        warning = "%s: no locks on this file system (%s): do not start a second run there"
        logging.warning(warning, path.parent, error)
    try:
        path.write_text(f"process {os.getpid()} on {socket.gethostname()}")
        yield
    finally:
        lock.release()
