"""The epochs of a run: train, validate, keep the best checkpoint, and one to go on from.

The order is what makes a run exact after a kill at any moment: the state is saved last, so that
what was done after it is done again, with the same result.

A batch is what `food_data.pipeline` yields: {'image': uint8 [B, H, W, 3],
'natural_language_embedding': float32 [B, D], 'bbox': float32 [B, 4]}, or features of a frozen
EfficientNet (`run_setup.FeatureCache`) in the place of images.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import time
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import tensorflow as tf
import tqdm
from absl import logging
from tf_agents.trajectories import time_step, trajectory

import agent_wrapper
import checkpoint_directory
import policy_specs
from evaluation import metrics
from training import reports, run_setup, stop_signals

LOG_EVERY_S = 30
Batch = Mapping[str, tf.Tensor]


# One batch.


def to_trajectory(batch: Batch) -> trajectory.Trajectory:
    """A batch as trajectories [B, 1, ...] of one step that counts."""
    batch_size = tf.shape(batch[policy_specs.ACTION_KEY])[0]
    steps = {key: value[:, tf.newaxis] for key, value in batch.items()}
    action = {policy_specs.ACTION_KEY: steps.pop(policy_specs.ACTION_KEY)}
    first = tf.fill((batch_size, 1), time_step.StepType.FIRST)
    zeros = tf.zeros((batch_size, 1), tf.float32)
    return trajectory.Trajectory(first, steps, action, (), first, zeros, zeros)


def train_step(
    agent: agent_wrapper.Agent, batch: Batch, weight: float | None = None
) -> dict[str, float]:
    """One gradient step; `weight` is that of each sample beside those of other workers.

    Returns {'loss', 'gradient_norm', and what the loss function reports}, before the step. Raises
    tf.errors.InvalidArgumentError for a loss or gradient that is not finite; nothing has changed.
    """
    experience = to_trajectory(batch)
    weights = () if weight is None else (tf.fill(tf.shape(experience.step_type)[:1], weight),)
    info = agent.train_function(experience, *weights)
    return {name: float(value) for name, value in {"loss": info.loss, **info.extra}.items()}


def predict_step(agent: agent_wrapper.Agent, batch: Batch) -> tuple[float, np.ndarray]:
    """The loss of a batch and its predictions, float32 [B, 4], not clipped, without dropout and
    with BatchNorm's moving statistics; nothing in the agent changes."""
    info = agent.loss_function(to_trajectory(batch))
    actions = agent.network.actions(info.extra["outputs"][:, -1])
    return float(info.loss), actions[policy_specs.ACTION_KEY].numpy()


def validate_step_with_metrics(
    agent: agent_wrapper.Agent, dataset: Iterable[Batch]
) -> tuple[dict[str, float], np.ndarray]:
    """Means over all samples of the batches, 'loss' and those of `metrics.compute_bbox_metrics`,
    and predictions [N, 4]; nothing in the agent changes. Raises ValueError if there is no batch or
    a prediction is not finite."""
    parts = [
        (*predict_step(agent, batch), batch[policy_specs.ACTION_KEY].numpy()) for batch in dataset
    ]
    if not parts:
        raise ValueError("validate_step_with_metrics: expected at least one batch, got none.")
    losses, answers, labels = zip(*parts)
    loss = float(np.average(losses, weights=[len(part) for part in answers]))
    answers = np.concatenate(answers)
    return {"loss": loss, **metrics.compute_bbox_metrics(answers, np.concatenate(labels))}, answers


@contextlib.contextmanager
def averaged_weights(agent: agent_wrapper.Agent) -> Iterator[None]:
    """Inside, the network has the optimizer's averages, if there are any; afterwards its own
    weights again, of which it holds a copy. BatchNorm's statistics are averages already."""
    averages = agent.optimizer.averages or ()
    variables = agent.network.used_trainable_variables
    own = [tf.identity(variable) for variable, _ in zip(variables, averages)]
    for variable, average in zip(variables, averages):
        variable.assign(average)
    try:
        yield
    finally:
        for variable, value in zip(variables, own):
            variable.assign(value)


# All of them.


@dataclasses.dataclass(frozen=True)
class Workers:
    """This process among those that train together; alone unless told otherwise.

    A step is a message from everyone to everyone, so all do the same steps in the same order: what
    one decided by itself (after a signal that only it got), the others would wait for in vain.
    Decisions are made together, here. Worker 0 is the chief, which alone writes.
    """

    index: int = 0
    count: int = 1
    signals: stop_signals.StopSignals = dataclasses.field(default_factory=stop_signals.StopSignals)

    @property
    def is_chief(self) -> bool:
        """Whether this one writes."""
        return self.index == 0

    def only_run(self, directory: str) -> contextlib.AbstractContextManager[None]:
        """Keeps other runs out of the directory."""
        if self.is_chief:
            return checkpoint_directory.only_run(directory)
        return contextlib.nullcontext()

    def own_part(self, num_items: int) -> slice:
        """Which of N items are this one's: parts of equal size, or one more; may be empty."""
        first, stop = (number * num_items // self.count for number in (self.index, self.index + 1))
        return slice(first, stop)

    def sum(self, values: np.ndarray) -> np.ndarray:
        """The sum over all workers, float32; every worker has to call it, with the same shape."""
        if self.count == 1:
            return values
        return _sum_over_workers(np.asarray(values, np.float32)).numpy()

    def wait(self) -> None:
        """Until every worker has come here."""
        self.sum(np.zeros(1))

    def check(self) -> None:
        """Raises `stop_signals.Preempted` in all of them, after the same step, if one got a signal.
        Between two steps only: while they validate, each has a different number of batches."""
        told = self.signals.received
        received = self.sum(np.array([told == one for one in stop_signals.SIGNALS]))
        for signal, how_many in zip(stop_signals.SIGNALS, received):
            if how_many:
                raise stop_signals.Preempted(signal.name)


@tf.function(autograph=False, reduce_retracing=True)
def _sum_over_workers(values: tf.Tensor) -> tf.Tensor:
    strategy = tf.distribute.get_strategy()
    num_local = len(strategy.extended.worker_devices)

    def of_replica(values: tf.Tensor) -> tf.Tensor:
        context = tf.distribute.get_replica_context()
        # A worker with several GPUs speaks once.
        is_first = tf.equal(context.replica_id_in_sync_group % num_local, 0)
        values = tf.where(is_first, values, tf.zeros_like(values))
        return context.all_reduce(tf.distribute.ReduceOp.SUM, values)

    return strategy.experimental_local_results(strategy.run(of_replica, args=(values,)))[0]


class TrainingLoop:
    """One run. Holds the data set once, and a few batches."""

    def __init__(
        self,
        setup: run_setup.RunSetup,
        writer: checkpoint_directory.CheckpointWriter,
        reporter: reports.RunReporter | None = None,
        workers: Workers | None = None,
    ):
        """Makes the input pipeline; nothing is read yet. Only the chief has a reporter."""
        self._agent, self._data, self._settings = setup.agent, setup.data, setup.settings
        self._writer, self._reporter = writer, reporter
        self._workers = workers or Workers()
        self._is_new = setup.state is None
        self._state = setup.state or checkpoint_directory.TrainingState()
        self._num_samples = len(setup.data.split.train_idx)
        self._steps = setup.settings.steps(self._num_samples)
        self._per_pass = setup.settings.batches_per_pass(self._num_samples)
        # 5 batches a pass, 12 steps done: pass 2 from its batch 2 on, then pass 3, and so on.
        first_epoch, first_batch = divmod(self._steps_done, self._per_pass)
        batches = setup.data.batches(
            setup.data.split.train_idx,
            setup.settings.batch_size,
            shuffle_seed=setup.settings.seed,
            first_epoch=first_epoch,
            first_batch=first_batch,
            augmentation=setup.augmentation,
            shard=(self._workers.index, self._workers.count),
        )
        self._batches = itertools.chain.from_iterable(itertools.repeat(batches))

    @property
    def _steps_done(self) -> int:
        return self._state.epoch * self._steps + self._state.step

    def run(self) -> checkpoint_directory.TrainingState:
        """Runs all epochs that are left; how it ended."""
        settings = self._settings
        if self._is_new:
            # A run killed in its first epoch goes on too, and a disk that fails does it now.
            self._writer.write_training_state(self._state)
        if self._reporter is not None and self._agent.steps_done == 0:
            batch = next(self._batches)
            self._reporter.first_batch(batch)
            self._batches = itertools.chain([batch], self._batches)
        try:
            while self._state.epoch < settings.num_epochs:
                best, patience = self._state.best, settings.early_stopping_epochs
                if best and patience and self._state.epoch - best.epoch >= patience:
                    logging.info("early stopping: none better than epoch %d", best.epoch)
                    break
                self._train_epoch()
                self._end_epoch()
        except stop_signals.Preempted as signal:
            prefix = self._writer.write_training_state(self._state)
            logging.warning("%s: saved %s", signal, prefix)
            # The first worker to end lets Slurm end the others, while the chief may still write.
            self._workers.wait()
            raise
        # A worker that ended before would look like one that was lost.
        self._workers.wait()
        return self._state

    def _train_epoch(self) -> None:
        """The steps of an epoch that are left."""
        every, first = self._settings.checkpoint_every_steps, self._state.step
        # On a terminal; elsewhere the log says where the run is.
        how = {"initial": first, "total": self._steps, "leave": False, "disable": None}
        label = f"epoch {self._state.epoch + 1}"
        bar = tqdm.tqdm(range(first, self._steps), label, unit="step", **how)
        for _ in bar:
            self._workers.check()
            self._train_step()
            bar.set_postfix(loss=self._state.loss_sum / self._state.num_samples, refresh=False)
            if every is not None and self._agent.steps_done % every == 0:
                self._writer.write_training_state(self._state)

    def _train_step(self) -> None:
        start, state, workers = time.monotonic(), self._state, self._workers
        batch = next(self._batches)
        # Of the whole batch, of which a worker has a part; the last one of a pass may be smaller.
        size = self._settings.batch_size
        size = min(size, self._num_samples - self._steps_done % self._per_pass * size)
        weight = None
        if workers.count > 1:
            # With fewer samples than workers those without one are given the first, so that all
            # take the same steps; who has it shares its weight.
            num_sharing = 1 + max(0, workers.count - size)
            weight = 1.0 if 0 < workers.index < size else 1.0 / num_sharing
        result = train_step(self._agent, batch, weight)
        loss, seconds = result.pop("loss"), time.monotonic() - start
        self._state = dataclasses.replace(
            state,
            step=state.step + 1,
            loss_sum=state.loss_sum + loss * size,
            num_samples=state.num_samples + size,
            seconds=state.seconds + seconds,
        )
        if self._reporter is not None:
            self._reporter.step(self._agent.steps_done, loss, result, size / seconds)
        logging.log_every_n_seconds(
            logging.INFO,
            "epoch %d: step %d of %d, loss %.4f, %.1f images/s",
            LOG_EVERY_S,
            *(state.epoch + 1, state.step + 1, self._steps, loss, size / seconds),
        )

    def _end_epoch(self) -> None:
        """Validates, keeps the best, logs, and saves a state from which the next epoch begins."""
        state, epoch, start = self._state, self._state.epoch + 1, time.monotonic()
        train_loss, metric = state.loss_sum / state.num_samples, self._settings.selection_metric
        with averaged_weights(self._agent):
            found, predictions = {"train_loss": train_loss}, np.zeros((0, 4), np.float32)
            if len(self._data.split.val_idx):
                found, predictions = self._validate()
            # Without validation there is no telling; the newest counts.
            best, value = state.best, found.get(metric, -float(epoch))
            if best is None or value < best.value:
                prefix = self._writer.write(found, epoch=epoch)
                best = checkpoint_directory.Best(value, epoch, prefix.name, dict(found))
        row = {
            **found,
            "epoch": epoch,
            "train_loss": train_loss,
            "learning_rate": float(self._agent.optimizer.learning_rate.numpy()),
            "images_per_s": round(state.num_samples / state.seconds, 1),
            "seconds": round(state.seconds + time.monotonic() - start, 2),
        }
        if self._reporter is not None:
            self._reporter.epoch(self._agent.steps_done, row, predictions)
        names = dict.fromkeys(("train_loss", "val_loss", metric))
        shown = ", ".join(f"{name} {row[name]:.4f}" for name in names if name in row)
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
        """Errors and predictions on the validation samples, the same on every worker."""
        data, size, indices = self._data, self._settings.batch_size, self._data.split.val_idx
        if self._workers.count == 1:
            batches = self._workers.signals.checked(data.batches(indices, size))
            found, answers = validate_step_with_metrics(self._agent, batches)
            return {"val_loss": found.pop("loss"), **found}, answers
        # Answers, and the loss, the same for all samples of a worker.
        rows, own = np.zeros((len(indices), 5), np.float32), self._workers.own_part(len(indices))
        if own.stop > own.start:
            batches = data.batches(indices[own], size)
            found, rows[own, :4] = validate_step_with_metrics(self._agent, batches)
            rows[own, 4] = found["loss"]
        rows = self._workers.sum(rows)
        answers, loss = rows[:, :4], float(rows[:, 4].mean())
        labels = np.asarray(data.dataset.actions)[indices]
        return {"val_loss": loss, **metrics.compute_bbox_metrics(answers, labels)}, answers
