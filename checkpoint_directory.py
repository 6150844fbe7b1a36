"""A checkpoint directory: all that serving needs, and all that a run goes on from, in one folder.

    best_checkpoint-120.index, .data-*  weights (TensorFlow checkpoint); the averaged ones if any
    metadata.json                       which one counts, metrics, data set, versions, dropout
    config.gin                          the gin configuration in force when the agent was built
    embeddings/                         the instruction embeddings, with their manifest
    checkpoint                          TensorFlow's note of the best one
    last_checkpoint-140.*               weights, optimizer, averages, step counter
    training_state.json                 where the run stood at each last_checkpoint

`training/checkpoint_writer.py` writes it. Serving needs the first four only.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
import re
import typing

import gin

import checkpoint_loading
from food_data import embedding_store, framing, image_placement

if typing.TYPE_CHECKING:
    import agent_wrapper

FORMAT_VERSION = 1
METADATA_FILE = "metadata.json"
CONFIG_FILE = "config.gin"
EMBEDDINGS_DIR = "embeddings"
BEST_STEM = "best_checkpoint"
LAST_STEM = "last_checkpoint"
# Bindings that directories of earlier versions hold, of what made no difference to the answers.
_RETIRED = re.compile(r"^FilmEfficientNet\.lean_training = .*\n", re.MULTILINE)


class CheckpointDirectoryError(ValueError):
    """The directory does not hold what serving needs."""


@dataclasses.dataclass(frozen=True)
class LoadedCheckpoint:
    """What `load` found.

    Attributes:
        agent: with the weights of the checkpoint.
        embeddings: the instructions it was trained with.
        metadata: the contents of metadata.json.
        version: name of the checkpoint, such as 'best_checkpoint-120'.
    """

    agent: agent_wrapper.Agent
    embeddings: embedding_store.EmbeddingStore
    metadata: dict[str, object]
    version: str


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
            f"checkpoint; found {found or 'nothing'}."
        )
    try:
        contents = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise CheckpointDirectoryError(f"{path}: expected JSON, got {error}.") from error
    version = contents.get("format_version") if isinstance(contents, dict) else None
    if version != FORMAT_VERSION:
        raise CheckpointDirectoryError(
            f"{path}: expected format_version {FORMAT_VERSION}, got {version}."
        )
    _check_fields(path, contents)
    return contents


def framing_of(metadata: dict[str, object]) -> framing.Framing:
    """How the checkpoint of a metadata.json looks at photos; once, if it does not say."""
    return framing.Framing(**metadata.get("framing", {}))


def weights_digest(directory: str | os.PathLike[str]) -> str:
    """SHA-256 that tells the weights of a directory from all others.

    It is that of the checkpoint's index, which holds a checksum of every tensor.

    Raises:
        FileNotFoundError, CheckpointDirectoryError: if there is no checkpoint.
    """
    directory = pathlib.Path(directory)
    path = directory / f"{read_metadata(directory)['checkpoint']}.index"
    if not path.is_file():
        raise FileNotFoundError(f"{directory}: expected {path.name}, which metadata.json names.")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load(
    directory: str | os.PathLike[str],
    config_file: str | os.PathLike[str] | None = None,
    loss_type: str | None = None,
) -> LoadedCheckpoint:
    """Builds the agent that a directory describes and fills it with its checkpoint.

    The gin configuration of the process is replaced by the directory's. Gin can run code: load only
    directories that you trust.

    Args:
        directory: as `checkpoint_writer.CheckpointWriter` leaves it.
        config_file: gin file in the place of the directory's; None for that one.
        loss_type: in the place of the one in the configuration; None for that one. Weights that do
            not fit what the two describe are an error.

    Returns:
        Agent, embeddings and metadata.

    Raises:
        FileNotFoundError: if the directory or a part of it is absent.
        CheckpointDirectoryError: if metadata.json or config.gin is not what it should be.
        checkpoint_loading.CheckpointLoadError: if the weights do not fit.
    """
    directory = pathlib.Path(directory)
    contents = read_metadata(directory)
    # Here, because TensorFlow takes seconds. Augmentation only so that gin knows its parameters,
    # which config.gin may bind.
    from food_data import augmentation  # noqa: F401
    from training import agent_factory

    _configure(directory / CONFIG_FILE if config_file is None else pathlib.Path(config_file))
    if loss_type is not None:
        gin.bind_parameter("TransformerNetwork.loss_type", loss_type)
    # Where training began is of no use here, and the file need not exist on this machine.
    gin.bind_parameter("EfficientNetEncoder.imagenet_weights_file", None)
    embeddings = embedding_store.EmbeddingStore.load(directory / EMBEDDINGS_DIR)
    agent = agent_factory.create_agent()
    checkpoint_loading.custom_load_checkpoint(agent, directory / contents["checkpoint"])
    return LoadedCheckpoint(agent, embeddings, contents, contents["checkpoint"])


def _check_fields(path: pathlib.Path, contents: dict[str, object]) -> None:
    """What serving reads of metadata.json has to be there."""
    way_out = "Copy the directory again from where train.py wrote it."
    checkpoint = contents.get("checkpoint")
    if not isinstance(checkpoint, str):
        raise CheckpointDirectoryError(
            f"{path}: expected 'checkpoint' to be a name such as '{BEST_STEM}-120', got "
            f"{checkpoint!r}. {way_out}"
        )
    resize = contents.get("resize", "nothing")
    if resize not in (None, *image_placement.MODES):
        raise CheckpointDirectoryError(
            f"{path}: expected 'resize' to be one of {', '.join(image_placement.MODES)}, or null "
            f"if the data set did not say; got {resize!r}. {way_out}"
        )
    try:
        framing_of(contents)
    except (TypeError, ValueError) as error:
        raise CheckpointDirectoryError(
            f"{path}: 'framing': {error} Got {contents['framing']!r}. {way_out}"
        ) from error


def _configure(config: pathlib.Path) -> None:
    """Puts the configuration of a file in the place of that of the process."""
    if not config.is_file():
        raise CheckpointDirectoryError(f"{config.parent}: expected {config.name}, found none.")
    gin.clear_config()
    try:
        gin.parse_config(_RETIRED.sub("", config.read_text()))
    except (OSError, ValueError, SyntaxError) as error:
        raise CheckpointDirectoryError(f"{config}: gin cannot read it: {error}") from error
