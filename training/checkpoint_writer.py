"""Writes what a checkpoint directory holds; `checkpoint_directory.py` says what that is.

A new checkpoint is written before metadata.json or training_state.json names it, and the old one
stays until then, so that a run killed at any moment leaves a directory that loads and resumes.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import platform
import typing
from collections.abc import Mapping
from importlib import metadata as package_metadata

import gin
from absl import logging

import checkpoint_directory
import policy_specs
from food_data import atomic_files, embedding_store
from training import checkpoint_files, training_state

if typing.TYPE_CHECKING:
    import agent_wrapper

# One more than is needed: a server may have read metadata.json just before it changed.
_BEST_KEPT = 2
_PACKAGES = ("tensorflow", "tensorflow-cpu", "tf-agents", "tf-keras", "numpy", "gin-config")


def package_versions() -> dict[str, str]:
    """{package: version} of what a checkpoint depends on, Python included."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = package_metadata.version(package)
        except package_metadata.PackageNotFoundError:
            logging.debug("%s is not installed", package)
    return versions


class NoWriter:
    """In the place of a `CheckpointWriter` where another worker writes: names, but no files."""

    def __init__(self, directory: str | os.PathLike[str], agent: agent_wrapper.Agent):
        """Notes whose checkpoints would be written where."""
        self.directory, self._agent = pathlib.Path(directory), agent

    def write(self, metrics: Mapping[str, float], **more: object) -> pathlib.Path:
        """The prefix that the chief gives this checkpoint."""
        return self.directory / f"{checkpoint_directory.BEST_STEM}-{self._agent.steps_done}"

    def write_training_state(self, state: training_state.TrainingState) -> pathlib.Path:
        """The prefix that the chief gives this checkpoint."""
        return self.directory / f"{checkpoint_directory.LAST_STEM}-{self._agent.steps_done}"


class CheckpointWriter:
    """Writes the checkpoints of a run into a directory."""

    def __init__(
        self,
        directory: str | os.PathLike[str],
        agent: agent_wrapper.Agent,
        embeddings: embedding_store.EmbeddingStore,
        run_metadata: dict[str, object],
        max_checkpoints: int = 3,
        settings: Mapping[str, object] | None = None,
    ):
        """Writes what does not change in a run: gin configuration and embeddings.

        Args:
            directory: made if it is absent.
            agent: what is saved.
            embeddings: the instructions, all of them.
            run_metadata: goes into metadata.json as it is; must hold 'resize'.
            max_checkpoints: how many of those to go on from are kept, at least 1.
            settings: goes into training_state.json, to be compared when the run goes on.
        """
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        checkpoint_files.remove_leftovers(self.directory)
        self._agent = agent
        self._max_checkpoints = max_checkpoints
        self._settings = dict(settings or {})
        self._metadata = {
            "format_version": checkpoint_directory.FORMAT_VERSION,
            "image_size": policy_specs.IMAGE_SIZE,
            "loss_type": agent.network.loss_type,
            "action_coding": agent.action_coding,
            "dropout_settings": dataclasses.asdict(agent.dropout_settings),
            "versions": package_versions(),
            **run_metadata,
        }
        self._replace(checkpoint_directory.CONFIG_FILE, gin.operative_config_str())
        embeddings.save(self.directory / checkpoint_directory.EMBEDDINGS_DIR)

    def write(self, metrics: Mapping[str, float], **more: object) -> pathlib.Path:
        """Saves the weights as they are now and makes them the checkpoint that counts.

        Args:
            metrics: of this checkpoint, written to metadata.json.
            **more: further entries of metadata.json.

        Returns:
            The prefix of the checkpoint.

        Raises:
            checkpoint_files.CheckpointWriteError: if there is no room; the one before still counts.
        """
        step = self._agent.steps_done
        stem = checkpoint_directory.BEST_STEM
        prefix = self.directory / f"{stem}-{step}"
        checkpoint_files.save(self._agent.weights_checkpoint(), prefix)
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
        checkpoint_files.keep_newest(self.directory, stem, _BEST_KEPT, also=[prefix.name])
        return prefix

    def write_training_state(self, state: training_state.TrainingState) -> pathlib.Path:
        """Saves everything, to go on from here.

        Args:
            state: where the run stands.

        Returns:
            The prefix of the checkpoint.

        Raises:
            checkpoint_files.CheckpointWriteError: if there is no room; the one before still counts.
        """
        stem = checkpoint_directory.LAST_STEM
        prefix = self.directory / f"{stem}-{self._agent.steps_done}"
        checkpoint_files.save(self._agent.checkpoint(), prefix)
        kept = [other.name for other in checkpoint_files.numbered(self.directory, stem)]
        kept = kept[: kept.index(prefix.name) + 1][-self._max_checkpoints :]
        states = {**self._stored_states(), prefix.name: state}
        training_state.StateFile(
            prefix.name, self._settings, {name: states[name] for name in kept if name in states}
        ).write(self.directory)
        checkpoint_files.keep_only(self.directory, stem, kept)
        return prefix

    def _stored_states(self) -> Mapping[str, training_state.TrainingState]:
        if not (self.directory / training_state.STATE_FILE).is_file():
            return {}
        return training_state.StateFile.read(self.directory).states

    def _replace(self, name: str, text: str) -> None:
        with atomic_files.replace_file(self.directory / name) as file:
            file.write(text.encode())
