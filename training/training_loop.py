"""The epochs of a run: train, validate, keep the best checkpoint by centroid MAE, log."""

from __future__ import annotations

import dataclasses
import pathlib
import time

import numpy as np
import tensorflow as tf
import tqdm
from absl import logging

import agent_wrapper
import checkpoint_directory
import checkpoint_loading
import metrics
from food_data import npz_dataset, pipeline, splits
from training import loss_log, train_steps

SELECTION_METRIC = "centroid_mae"


@dataclasses.dataclass(frozen=True)
class RunData:
    """The samples of a run, read once and shared by all that follows.

    Attributes:
        dataset: all N samples.
        split: which of them train and which validate.
    """

    dataset: npz_dataset.FoodDataset
    split: splits.Split

    def baseline(self, indices: np.ndarray) -> dict[str, float]:
        """Errors of the mean of the training labels as the answer to every sample of `indices`."""
        labels = self.dataset.actions
        return metrics.mean_predictor_metrics(labels[self.split.train_idx], labels[indices])


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a run came to.

    Attributes:
        best_metrics: of the best checkpoint, on the validation samples.
        train_metrics: of the best checkpoint, on the training samples.
        best_checkpoint: its prefix.
        first_train_loss: mean over the first epoch.
        last_train_loss: mean over the last epoch.
    """

    best_metrics: dict[str, float]
    train_metrics: dict[str, float]
    best_checkpoint: pathlib.Path
    first_train_loss: float
    last_train_loss: float


def _train_epoch(
    agent: agent_wrapper.Agent, batches: tf.data.Dataset, num_batches: int, label: str
) -> float:
    """Mean loss over the epoch's samples."""
    losses, sizes = [], []
    # On a terminal a bar; elsewhere nothing, the epoch's line says it all.
    with tqdm.tqdm(batches, label, num_batches, unit="batch", leave=False, disable=None) as bar:
        for batch in bar:
            result = train_steps.train_step(agent, batch)
            losses.append(result["loss"])
            sizes.append(len(batch["bbox"]))
            bar.set_postfix(loss=f"{result['loss']:.4f}")
    return float(np.average(losses, weights=sizes))


def train(
    agent: agent_wrapper.Agent,
    data: RunData,
    writer: checkpoint_directory.CheckpointWriter,
    log: loss_log.LossLog,
    num_epochs: int,
    batch_size: int,
    seed: int,
) -> Summary:
    """Runs all epochs. Holds the data set once, and a few batches.

    Args:
        agent: is trained; in the end it has the weights of the best checkpoint.
        data: its samples.
        writer: of the best checkpoint.
        log: gets a row for each epoch.
        num_epochs: passes over the training samples, at least 1.
        batch_size: B; the last batch of an epoch may be smaller.
        seed: of the order of the samples.

    Returns:
        The summary.

    Raises:
        tf.errors.InvalidArgumentError: for a loss or gradient that is not finite.
    """
    train_idx, val_idx = data.split.train_idx, data.split.val_idx
    batches = pipeline.create_npz_dataset(data.dataset, train_idx, batch_size, shuffle_seed=seed)
    val_batches = pipeline.create_npz_dataset(data.dataset, val_idx, batch_size)
    num_batches = -(-len(train_idx) // batch_size)
    best, best_checkpoint, train_losses = None, None, []
    for epoch in range(1, num_epochs + 1):
        label, start = f"epoch {epoch}/{num_epochs}", time.monotonic()
        train_losses.append(_train_epoch(agent, batches, num_batches, label))
        images_per_s = round(len(train_idx) / (time.monotonic() - start), 1)
        val, _ = train_steps.validate_step_with_metrics(agent, val_batches)
        if best is None or val[SELECTION_METRIC] < best[SELECTION_METRIC]:
            best, best_checkpoint = val, writer.write(val, epoch=epoch)
            label += " (best)"
        row = {"epoch": epoch, "train_loss": train_losses[-1], "val_loss": val["loss"]}
        log.append({**val, **row, "images_per_s": images_per_s})
        logging.info(
            f"{label}: train loss {train_losses[-1]:.4f}, validation loss {val['loss']:.4f}, "
            f"centroid MAE {val[SELECTION_METRIC]:.4f}, {images_per_s} images/s"
        )
    checkpoint_loading.custom_load_checkpoint(agent, best_checkpoint)
    train_batches = pipeline.create_npz_dataset(data.dataset, train_idx, batch_size)
    train_metrics, _ = train_steps.validate_step_with_metrics(agent, train_batches)
    return Summary(best, train_metrics, best_checkpoint, train_losses[0], train_losses[-1])
