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
read as data: `checkpoint_writer.py` writes it, others may have, too.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
import platform
import re
import typing
from importlib import metadata as package_metadata

import gin
from absl import logging

import checkpoint_config
import checkpoint_files
import checkpoint_loading
from food_data import atomic_files, embedding_store, framing, image_placement

# TensorFlow takes seconds: functions import it, so that --help of programs does not wait.
if typing.TYPE_CHECKING:
    import agent_wrapper

FORMAT_VERSION = 1
METADATA_FILE = "metadata.json"
CONFIG_FILE = "config.gin"
CALIBRATION_FILE = "uncertainty.json"
# What a calibration of other weights becomes.
STALE_CALIBRATION_FILE = "uncertainty.stale.json"
EMBEDDINGS_DIR = "embeddings"
BEST_STEM = "best_checkpoint"
_MAX_TEXT_BYTES = 50_000_000
_READS = 5
_PACKAGES = ("tensorflow", "tensorflow-cpu", "tf-agents", "tf-keras", "numpy", "gin-config")


class CheckpointDirectoryError(ValueError):
    """The directory does not hold what serving needs."""


@dataclasses.dataclass(frozen=True)
class Contents:
    """The small files of a directory, read together: all are of one checkpoint.

    Attributes:
        directory: where they were.
        metadata: of metadata.json, checked.
        config: the text of config.gin; None if there is none.
        embeddings: the instructions it was trained with.
        calibration: the text of uncertainty.json; None if there is none.
        weights_sha256: tells the weights from all others: SHA-256 of the checkpoint's index, which
            holds a checksum of every tensor.
    """

    directory: pathlib.Path
    metadata: dict[str, object]
    config: str | None
    embeddings: embedding_store.EmbeddingStore
    calibration: str | None
    weights_sha256: str

    @property
    def prefix(self) -> pathlib.Path:
        """Of the checkpoint that counts."""
        return self.directory / self.metadata["checkpoint"]


@dataclasses.dataclass(frozen=True)
class LoadedCheckpoint:
    """What `load` found."""

    agent: agent_wrapper.Agent  # with the weights of the checkpoint; its optimizer is new
    contents: Contents  # the files beside the weights

    @property
    def embeddings(self) -> embedding_store.EmbeddingStore:
        """The instructions it was trained with."""
        return self.contents.embeddings

    @property
    def metadata(self) -> dict[str, object]:
        """The contents of metadata.json."""
        return self.contents.metadata

    @property
    def version(self) -> str:
        """Name of the checkpoint, such as 'best_checkpoint-120'."""
        return self.contents.metadata["checkpoint"]


def locate(path: str | os.PathLike[str]) -> pathlib.Path:
    """The directory that a path means: itself, or that of the checkpoint whose prefix it is.

    Raises:
        FileNotFoundError: if there is no such directory.
        CheckpointDirectoryError: for the prefix of another checkpoint than the one that counts.
        ValueError: for an address such as gs://bucket/run.
    """
    atomic_files.check_local(path, "--checkpoint_dir")
    path = pathlib.Path(path)
    if path.is_dir():
        return path
    if not (path.parent / METADATA_FILE).is_file():
        raise FileNotFoundError(f"No checkpoint directory {path}.")
    name = pathlib.Path(checkpoint_files.resolve_prefix(path)).name
    counts = read_metadata(path.parent)["checkpoint"]
    if name != counts:
        raise CheckpointDirectoryError(
            f"{path}: expected {counts}, the checkpoint that counts in {path.parent} (it is what "
            f"{METADATA_FILE} describes), got {name}. Give the directory, or go on training from "
            "this one with --pretrained_checkpoint."
        )
    return path.parent


def _read_text(path: pathlib.Path) -> str:
    """A small file that came with a checkpoint."""
    checkpoint_files.refuse_pointer(path)
    size = path.stat().st_size
    if size > _MAX_TEXT_BYTES:
        raise CheckpointDirectoryError(
            f"{path}: expected at most {_MAX_TEXT_BYTES:,} bytes, got {size:,}."
        )
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CheckpointDirectoryError(f"{path}: expected UTF-8 text, got {error}.") from error


def read_metadata(directory: str | os.PathLike[str]) -> dict[str, object]:
    """The contents of metadata.json.

    Raises:
        FileNotFoundError: if there is no such directory.
        CheckpointDirectoryError: if metadata.json is absent or not what this version writes.
    """
    directory = pathlib.Path(directory)
    if not directory.is_dir():
        raise FileNotFoundError(f"No checkpoint directory {directory}.")
    path = directory / METADATA_FILE
    if not path.is_file():
        found = sorted(entry.name for entry in directory.iterdir())[:10]
        raise CheckpointDirectoryError(
            f"{directory}: expected {METADATA_FILE}, which train.py writes with its first "
            f"checkpoint; found {found or 'nothing'}. The weights alone can be loaded with "
            "checkpoint_loading.py, or be fine-tuned with train.py --pretrained_checkpoint."
        )
    try:
        contents = json.loads(_read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise CheckpointDirectoryError(f"{path}: expected JSON, got {error}.") from error
    version = contents.get("format_version") if isinstance(contents, dict) else None
    if version != FORMAT_VERSION:
        raise CheckpointDirectoryError(
            f"{path}: expected format_version {FORMAT_VERSION}, got {version}."
        )
    problem = _problem_of(contents)
    if problem is not None:
        raise CheckpointDirectoryError(
            f"{path}: expected {problem}. Copy the directory again from where train.py wrote it."
        )
    return contents


def _problem_of(contents: dict[str, object]) -> str | None:
    """What is wrong with the fields that others read; None if they are right."""
    checkpoint, resize = contents.get("checkpoint"), contents.get("resize", "nothing")
    # A name and no path, which could lead out of the directory.
    if not isinstance(checkpoint, str) or not re.fullmatch(r"\w[\w.-]*", checkpoint):
        return f"'checkpoint' to be a name such as '{BEST_STEM}-120', got {checkpoint!r}"
    if resize not in (None, *image_placement.MODES):
        return (
            f"'resize' to be one of {', '.join(image_placement.MODES)}, or null if the data set "
            f"did not say; got {resize!r}"
        )
    pairs = contents.get("trained_pairs", [])
    if not isinstance(pairs, list) or not all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(name, str) for name in pair)
        for pair in pairs
    ):
        return f"'trained_pairs' to be a list of [action, food], got {str(pairs)[:200]}"
    try:
        framing_of(contents)
    except (TypeError, ValueError) as error:
        return f"'framing' that is known; {error} Got {contents['framing']!r}"
    return None


def framing_of(metadata: dict[str, object]) -> framing.Framing:
    """How the checkpoint of a metadata.json looks at photos; once, if it does not say."""
    return framing.Framing(**metadata.get("framing", {}))


def weights_digest(directory: str | os.PathLike[str]) -> str:
    """`Contents.weights_sha256` of a directory; raises as `read_contents`."""
    directory = pathlib.Path(directory)
    path = directory / f"{read_metadata(directory)['checkpoint']}.index"
    if not path.is_file():
        raise FileNotFoundError(f"{directory}: expected {path.name}, which metadata.json names.")
    # Of whatever lies next to it, a pointer is what keeps it from being loaded.
    for one in checkpoint_files.files_of(path.with_suffix("")):
        checkpoint_files.refuse_pointer(one)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_contents(directory: str | os.PathLike[str]) -> Contents:
    """Reads the files beside the weights, again if a run has written a checkpoint meanwhile.

    Raises:
        FileNotFoundError: if the directory or a part of it is absent.
        CheckpointDirectoryError: if a file is not what it should be.
    """
    directory = locate(directory)
    for _ in range(_READS):
        metadata = read_metadata(directory)
        digest = weights_digest(directory)
        texts = {name: directory / name for name in (CONFIG_FILE, CALIBRATION_FILE)}
        texts = {name: _read_text(p) if p.is_file() else None for name, p in texts.items()}
        embeddings = _read_embeddings(directory / EMBEDDINGS_DIR)
        found = Contents(
            directory, metadata, texts[CONFIG_FILE], embeddings, texts[CALIBRATION_FILE], digest
        )
        if read_metadata(directory) == metadata and weights_digest(directory) == digest:
            return found
    raise CheckpointDirectoryError(
        f"{directory}: expected files of one checkpoint, got new ones in each of {_READS} reads: "
        "something writes there all the time. Try again, or load a copy."
    )


def _read_embeddings(directory: pathlib.Path) -> embedding_store.EmbeddingStore:
    try:
        return embedding_store.EmbeddingStore.load(directory)
    except (AttributeError, KeyError, RecursionError, TypeError) as error:
        raise CheckpointDirectoryError(
            f"{directory}: expected a manifest as embedding_store writes it, got {error!r}."
        ) from error


def load(
    directory: str | os.PathLike[str] | Contents,
    config_file: str | os.PathLike[str] | None = None,
    loss_type: str | None = None,
    trust_config: bool = False,
) -> LoadedCheckpoint:
    """Builds the agent that a directory describes and fills it with its checkpoint.

    The gin configuration of the process is replaced by the directory's, of which only literals are
    taken (`checkpoint_config.py`).

    Args:
        directory: as `CheckpointWriter` leaves it, the prefix of its best checkpoint, or what
            `read_contents` has read of it.
        config_file: gin file in the place of the directory's, which may run code, because whoever
            starts a program names it; None for the directory's.
        loss_type: in the place of the one in the configuration; None for that one. Weights that do
            not fit what the two describe are an error.
        trust_config: let gin run what the directory's configuration says.

    Raises:
        FileNotFoundError: if the directory or a part of it is absent.
        CheckpointDirectoryError: if a file is not what it should be, or describes no network.
        checkpoint_loading.CheckpointLoadError: if the weights do not fit.
    """
    contents = directory if isinstance(directory, Contents) else read_contents(directory)
    text, config = contents.config, contents.directory / CONFIG_FILE
    if config_file is not None:
        config = pathlib.Path(config_file)
        text = _read_text(config) if config.is_file() else None
    if text is None:
        raise CheckpointDirectoryError(f"{config.parent}: expected {config.name}, found none.")
    import tensorflow as tf

    import agent_wrapper

    lengths = checkpoint_files.TensorFile(str(contents.prefix)).lengths
    try:
        checkpoint_config.apply(text, config, trust_config or config_file is not None, lengths)
        if loss_type is not None:
            gin.bind_parameter("TransformerNetwork.loss_type", loss_type)
        agent = agent_wrapper.Agent(tf.keras.optimizers.Adam())
    except checkpoint_config.ConfigError as error:
        raise CheckpointDirectoryError(str(error)) from error
    except (TypeError, ValueError, ArithmeticError, tf.errors.OpError) as error:
        # Layers say in many ways that they cannot be built with what they were given.
        reason = str(error).strip().splitlines()[0]
        raise CheckpointDirectoryError(f"{config}: describes no network: {reason}") from error
    checkpoint_loading.custom_load_checkpoint(agent, contents.prefix)
    # A run may have written a better one meanwhile; this one is whole then, and goes on to count.
    index = pathlib.Path(f"{contents.prefix}.index").read_bytes()
    if hashlib.sha256(index).hexdigest() != contents.weights_sha256:
        raise CheckpointDirectoryError(
            f"{contents.prefix}: expected the weights that were there when the files beside them "
            "were read, got others: something writes there. Try again, or load a copy."
        )
    return LoadedCheckpoint(agent, contents)


def package_versions() -> dict[str, str]:
    """{package: version} of what a checkpoint depends on, Python included."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = package_metadata.version(package)
        except package_metadata.PackageNotFoundError:
            logging.debug("%s is not installed", package)
    return versions
