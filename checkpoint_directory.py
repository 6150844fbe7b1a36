"""A checkpoint directory: everything that serving needs, in one folder.

    best_checkpoint-120.index, .data-*  weights, optimizer, step counter (TensorFlow checkpoint)
    checkpoint                          TensorFlow's note of which one is the latest
    metadata.json                       which one counts, metrics, data set, versions, dropout
    config.gin                          the gin configuration in force when the agent was built
    embeddings/                         the instruction embeddings, with their manifest

A new checkpoint is written before metadata.json names it, and the old one stays until the next, so
that a run killed at any moment leaves a directory that loads.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import platform
from importlib import metadata as package_metadata

import gin
import tensorflow as tf
from absl import logging

import agent_wrapper
import checkpoint_loading
import policy_specs
from food_data import atomic_files, embedding_store
from training import agent_factory

FORMAT_VERSION = 1
METADATA_FILE = "metadata.json"
CONFIG_FILE = "config.gin"
EMBEDDINGS_DIR = "embeddings"
CHECKPOINT_NAME = "best_checkpoint"
_PACKAGES = ("tensorflow", "tensorflow-cpu", "tf-agents", "keras", "numpy", "gin-config")


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


def package_versions() -> dict[str, str]:
    """{package: version} of what a checkpoint depends on, Python included."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = package_metadata.version(package)
        except package_metadata.PackageNotFoundError:
            logging.debug("%s is not installed", package)
    return versions


class CheckpointWriter:
    """Writes the checkpoints of a run into a directory."""

    def __init__(
        self,
        directory: str | os.PathLike[str],
        agent: agent_wrapper.Agent,
        embeddings: embedding_store.EmbeddingStore,
        run_metadata: dict[str, object],
    ):
        """Writes what does not change in a run: gin configuration and embeddings.

        Args:
            directory: made if it is absent.
            agent: what is saved.
            embeddings: the instructions, all of them.
            run_metadata: goes into metadata.json as it is; must hold 'resize'.
        """
        self._directory = pathlib.Path(directory)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._agent = agent
        self._manager = tf.train.CheckpointManager(
            agent.checkpoint(), str(directory), max_to_keep=2, checkpoint_name=CHECKPOINT_NAME
        )
        self._metadata = {
            "format_version": FORMAT_VERSION,
            "image_size": policy_specs.IMAGE_SIZE,
            "loss_type": agent.network.loss_type,
            "dropout_settings": dataclasses.asdict(agent.dropout_settings),
            "versions": package_versions(),
            **run_metadata,
        }
        with atomic_files.replace_file(self._directory / CONFIG_FILE) as file:
            file.write(gin.operative_config_str().encode())
        embeddings.save(self._directory / EMBEDDINGS_DIR)

    def write(self, metrics: dict[str, float], **more: object) -> pathlib.Path:
        """Saves the agent as it is now and makes it the checkpoint that counts.

        Args:
            metrics: of this checkpoint, written to metadata.json.
            **more: further entries of metadata.json.

        Returns:
            The prefix of the checkpoint.
        """
        step = int(self._agent.global_step)
        prefix = pathlib.Path(self._manager.save(checkpoint_number=step))
        contents = {
            **self._metadata,
            "checkpoint": prefix.name,
            "global_step": step,
            "metrics": metrics,
            **more,
        }
        with atomic_files.replace_file(self._directory / METADATA_FILE) as file:
            file.write((json.dumps(contents, indent=1) + "\n").encode())
        return prefix


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
    return contents


def load(directory: str | os.PathLike[str]) -> LoadedCheckpoint:
    """Builds the agent that a directory describes and fills it with its checkpoint.

    The gin configuration of the process is replaced by the directory's. Gin can run code: load only
    directories that you trust.

    Args:
        directory: as `CheckpointWriter` leaves it.

    Returns:
        Agent, embeddings and metadata.

    Raises:
        FileNotFoundError: if the directory or a part of it is absent.
        CheckpointDirectoryError: if metadata.json or config.gin is not what it should be.
        checkpoint_loading.CheckpointLoadError: if the weights do not fit.
    """
    directory = pathlib.Path(directory)
    contents = read_metadata(directory)
    config = directory / CONFIG_FILE
    if not config.is_file():
        raise CheckpointDirectoryError(f"{directory}: expected {CONFIG_FILE}, found none.")
    gin.clear_config()
    try:
        gin.parse_config(config.read_text())
    except (ValueError, SyntaxError) as error:
        raise CheckpointDirectoryError(f"{config}: gin cannot read it: {error}") from error
    # Where training began is of no use here, and the file need not exist on this machine.
    gin.bind_parameter("EfficientNetEncoder.imagenet_weights_file", None)
    embeddings = embedding_store.EmbeddingStore.load(directory / EMBEDDINGS_DIR)
    agent = agent_factory.create_agent()
    checkpoint_loading.custom_load_checkpoint(agent, directory / contents["checkpoint"])
    return LoadedCheckpoint(agent, embeddings, contents, contents["checkpoint"])
