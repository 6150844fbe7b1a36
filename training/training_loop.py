"""The epochs of a run: train, validate, keep the best checkpoint, and one to go on from.

The order is what makes a run exact after a kill at any moment: the state is saved last, so that
what was done after it is done again, with the same result.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import pathlib
import re
import time
from collections.abc import Iterator, Mapping

import numpy as np
import tensorflow as tf
from absl import logging

import agent_wrapper
import checkpoint_directory
import checkpoint_loading
import sequence_agent
from food_data import atomic_files, pipeline
from training import devices, reports, run_data, stop_signals, train_steps

# Enough to see by how much the errors on what was learned are smaller; an epoch would take minutes.
_SUMMARY_SAMPLES = 2048
_NOT_FINITE = re.compile(
    f"({sequence_agent.LOSS_NOT_FINITE}|{sequence_agent.GRADIENT_NOT_FINITE})[^\n\\]']*"
)


class NonFiniteError(ArithmeticError):
    """Training came to a NaN or an infinity; the weights are those from before the step."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Of a run, beside what gin holds."""

    num_epochs: int
    batch_size: int  # over all workers; the last batch of a pass over the samples may be smaller
    seed: int = 0  # of the order of the samples and of their augmentation
    steps_per_epoch: int | None = None  # between two validations; None: one pass over the samples
    selection_metric: str = "centroid_mae"  # its smallest value makes the best checkpoint
    checkpoint_every_steps: int | None = None  # save also within an epoch, to go on from
    early_stopping_epochs: int | None = None  # end after so many without a new best

    def batches_per_pass(self, num_samples: int) -> int:
        """Of all training samples."""
        return -(-num_samples // self.batch_size)

    def steps(self, num_samples: int) -> int:
        """Of one epoch."""
        return self.steps_per_epoch or self.batches_per_pass(num_samples)

    def size_of_batch(self, step: int, num_samples: int) -> int:
        """Samples of the batch that a step of the run, from 0, gets over all workers."""
        first = step % self.batches_per_pass(num_samples) * self.batch_size
        return min(self.batch_size, num_samples - first)

    def summary_samples(self, num_samples: int) -> int:
        """Training samples that the summary at the end is computed on: whole batches, the first."""
        batches = -(-_SUMMARY_SAMPLES // self.batch_size)
        return min(num_samples, batches * self.batch_size)


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a run came to."""

    best_metrics: dict[str, float]  # on the validation samples; without any, of training
    train_metrics: dict[str, float]  # of the best, on training samples; only the chief has them
    best_checkpoint: pathlib.Path  # its prefix
    first_train_loss: float  # mean over the first epoch
    last_train_loss: float  # mean over the last epoch
    num_epochs: int  # that were run, before a resume included


class TrainingLoop:
    """One run. Holds the data set once, and a few batches."""

    def __init__(
        self,
        agent: agent_wrapper.Agent,
        data: run_data.RunData,
        writer: checkpoint_directory.CheckpointWriter,
        reporter: reports.RunReporter | None,
        settings: Settings,
        signals: stop_signals.StopSignals | None = None,
        state: checkpoint_directory.TrainingState | None = None,
        augmentation: pipeline.Augmentation | None = None,
        together: devices.Workers | None = None,
    ):
        """Makes the input pipeline; nothing is read yet."""
        self._agent, self._data, self._writer, self._reporter = agent, data, writer, reporter
        self._settings, self._metric = settings, settings.selection_metric
        self._signals = signals or stop_signals.StopSignals()
        self._workers = together or devices.Workers()
        self._is_new = state is None
        self._state = state or checkpoint_directory.TrainingState()
        num_samples = len(data.split.train_idx)
        self._steps = settings.steps(num_samples)
        # 5 batches a pass, 12 steps done: pass 2 from its batch 2 on, then pass 3, and so on.
        done = self._state.epoch * self._steps + self._state.step
        first_epoch, first_batch = divmod(done, settings.batches_per_pass(num_samples))
        batches = data.training_batches(
            settings.batch_size,
            shuffle_seed=settings.seed,
            first_epoch=first_epoch,
            first_batch=first_batch,
            augmentation=augmentation,
            shard=(self._workers.index, self._workers.count),
        )
        self._batches = itertools.chain.from_iterable(itertools.repeat(batches))

    def run(self) -> Summary:
        """Runs all epochs that are left; in the end the agent has the best weights."""
        if self._is_new:
            self._agent.build_optimizer()
            # A run killed in its first epoch goes on too, and a disk that fails does it now.
            self._writer.write_training_state(self._state)
        try:
            while not self._is_over():
                self._train_epoch()
                self._end_epoch()
        except stop_signals.Preempted as signal:
            prefix = self._writer.write_training_state(self._state)
            logging.warning("%s: saved %s", signal, prefix)
            # The first worker to end lets Slurm end the others, while the chief may still write.
            self._workers.wait()
            raise
        return self._summary()

    def _is_over(self) -> bool:
        state, patience = self._state, self._settings.early_stopping_epochs
        idle = 0 if state.best is None else state.epoch - state.best.epoch
        if patience is not None and idle >= patience:
            logging.info("early stopping: no better %s for %d epochs", self._metric, idle)
            return True
        return state.epoch >= self._settings.num_epochs

    def _train_epoch(self) -> None:
        """The steps of an epoch that are left."""
        every = self._settings.checkpoint_every_steps
        label = f"epoch {self._state.epoch + 1}/{self._settings.num_epochs}"
        with reports.progress(self._steps, self._state.step, label) as update:
            while self._state.step < self._steps:
                self._workers.check(self._signals)
                update(self._train_step())
                if every is not None and self._agent.steps_done % every == 0:
                    self._writer.write_training_state(self._state)

    def _train_step(self) -> float:
        """The loss of the step."""
        start, state = time.monotonic(), self._state
        batch = next(self._batches)
        step = self._agent.steps_done
        num_samples = self._settings.size_of_batch(
            state.epoch * self._steps + state.step, len(self._data.split.train_idx)
        )
        weight = None if self._workers.count == 1 else self._workers.batch_weight(num_samples)
        if step == 0 and self._reporter is not None:
            self._reporter.first_batch(batch)
        try:
            result = train_steps.train_step(self._agent, batch, weight)
        except tf.errors.InvalidArgumentError as error:
            found = _NOT_FINITE.search(error.message)
            if found is None:
                raise
            raise self._non_finite(found.group(), batch, step) from error
        loss, seconds = result.pop("loss"), time.monotonic() - start
        self._state = dataclasses.replace(
            state,
            step=state.step + 1,
            loss_sum=state.loss_sum + loss * num_samples,
            num_samples=state.num_samples + num_samples,
            seconds=state.seconds + seconds,
        )
        if self._reporter is not None:
            self._reporter.step(step + 1, loss, result, num_samples / seconds)
        return loss

    def _non_finite(self, found: str, batch: train_steps.Batch, step: int) -> NonFiniteError:
        """What to raise; the batch is kept, that of another worker than the first beside it."""
        suffix = f"_worker_{self._workers.index}" if self._workers.index else ""
        path = self._writer.directory / f"nonfinite_batch_step_{step}{suffix}.npz"
        try:
            with atomic_files.replace_file(path) as file:
                np.savez(file, **{key: value.numpy() for key, value in batch.items()})
            where = f"The batch is in {path}."
        except OSError as problem:
            where = f"The batch could not be written to {path}: {problem}."
        return NonFiniteError(
            f"{found}. {where} Expected finite numbers: look at the batch, lower the learning "
            "rate, or set --gradient_clip_norm. Nothing has changed since the step before."
        )

    def _end_epoch(self) -> None:
        """Validates, keeps the best, logs, and saves a state from which the next epoch begins."""
        state, epoch, start = self._state, self._state.epoch + 1, time.monotonic()
        train_loss = state.loss_sum / state.num_samples
        with averaged_weights(self._agent):
            found, predictions = {"train_loss": train_loss}, np.zeros((0, 4), np.float32)
            if len(self._data.split.val_idx):
                found, predictions = self._validate()
            best = self._best(found, epoch)
        row = {
            "val_loss": float("nan"),
            **found,
            "epoch": epoch,
            "train_loss": train_loss,
            "learning_rate": float(self._agent.optimizer.learning_rate.numpy()),
            "images_per_s": round(state.num_samples / state.seconds, 1),
            "seconds": round(state.seconds + time.monotonic() - start, 2),
        }
        if self._reporter is not None:
            self._reporter.epoch(epoch, row, predictions)
        shown = ", ".join(
            f"{name} {row[name]:.4f}"
            for name in ("train_loss", "val_loss", self._metric)
            if name in row
        )
        note = " (best)" if best.epoch == epoch else ""
        logging.info("epoch %d%s: %s, %s images/s", epoch, note, shown, row["images_per_s"])
        self._state = checkpoint_directory.TrainingState(
            epoch=epoch,
            first_train_loss=train_loss if epoch == 1 else state.first_train_loss,
            last_train_loss=train_loss,
            best=best,
        )
        self._writer.write_training_state(self._state)

    def _validate(self) -> tuple[dict[str, float], np.ndarray]:
        """Errors and predictions on the validation samples, the same on every worker.

        Holds 13 numbers for each sample, and one batch.
        """
        data, batch_size, indices = self._data, self._settings.batch_size, self._data.split.val_idx
        if self._workers.count == 1:
            batches = self._signals.checked(data.validation_batches(batch_size))
            found, answers = train_steps.validate_step_with_metrics(self._agent, batches)
            return {"val_loss": found.pop("loss"), **found}, answers
        # Answers, doubt, deviations, and the sum of a batch's losses in its first sample's row.
        rows = np.zeros((len(indices), 10), np.float32)
        own = self._workers.own_part(len(indices))
        first = own.start
        if own.stop > own.start:
            for batch in data.validation_batches(batch_size, own):
                part = train_steps.predict_with_doubt(self._agent, batch)
                into = rows[first : first + len(part.answers)]
                into[:, :9] = np.column_stack([part.answers, part.doubt, part.std])
                into[0, 9] = part.loss * len(into)
                first += len(into)
        rows = self._workers.sum(rows)
        loss = float(rows[:, 9].sum() / len(indices))
        whole = train_steps.Prediction(loss, rows[:, :4], rows[:, 4], rows[:, 5:9])
        found = train_steps.summary(whole, np.asarray(data.dataset.actions)[indices])
        return {"val_loss": found.pop("loss"), **found}, whole.answers

    def _best(self, found: Mapping[str, float], epoch: int) -> checkpoint_directory.Best:
        """Writes the checkpoint that counts if this one is better than all before.

        Without validation there is no telling; the newest counts.
        """
        best, value = self._state.best, found.get(self._metric, -float(epoch))
        if best is not None and not value < best.value:
            return best
        prefix = self._writer.write(found, epoch=epoch)
        return checkpoint_directory.Best(value, epoch, prefix.name, dict(found))

    def _summary(self) -> Summary:
        state = self._state
        prefix = self._writer.directory / state.best.checkpoint
        # Until the chief has written it.
        self._workers.wait()
        checkpoint_loading.custom_load_checkpoint(self._agent, prefix)
        found = {}
        if self._workers.is_chief:
            num_samples = self._settings.summary_samples(len(self._data.split.train_idx))
            batches = self._data.training_batches(self._settings.batch_size)
            batches = batches.take(self._settings.batches_per_pass(num_samples))
            found, _ = train_steps.validate_step_with_metrics(self._agent, batches)
        summary = Summary(
            state.best.metrics,
            found,
            prefix,
            state.first_train_loss,
            state.last_train_loss,
            state.epoch,
        )
        if self._reporter is not None:
            self._reporter.finish({**dataclasses.asdict(summary), "best_checkpoint": str(prefix)})
        # A worker that ended meanwhile would look like one that was lost.
        self._workers.wait()
        return summary


@contextlib.contextmanager
def averaged_weights(agent: agent_wrapper.Agent) -> Iterator[None]:
    """Inside, the network has the optimizer's averages; afterwards its own weights again.

    Nothing happens without `create_optimizer.ema_decay`. BatchNorm's statistics are averages
    already and stay. Holds a second copy of the weights.
    """
    averages = getattr(agent.optimizer, "averages", None)
    if averages is None:
        yield
        return
    variables = agent.network.used_trainable_variables
    own = [tf.identity(variable) for variable in variables]
    for variable, average in zip(variables, averages):
        variable.assign(average)
    try:
        yield
    finally:
        for variable, value in zip(variables, own):
            variable.assign(value)
