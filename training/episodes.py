"""RT-1 learns from a robot's episodes: `train.py --data_dir` (arXiv 2212.06817, section 5.2).

    python train.py --config_file configs/rt1main.gin --data_dir fractal20220817_data \
        --checkpoint_dir runs/robot --batch_size 8 --num_epochs 1

A sample is a window: the last T steps up to one step of an episode. Example: an episode of 8 steps
with T = 6 has 8 windows; the third has the steps 0 0 0 0 1 2, of which the first three only fill
the window and do not count.

Every `--checkpoint_every_steps` (1000), at the end and at a signal `ckpt-<step>` is written with
optimizer and step, under RT-1's own names. `--resume_checkpoint auto` goes on from the newest one,
or a name from that one, to the same bits: the order of the windows depends on seed and epoch alone.
"""

from __future__ import annotations

import keras2  # noqa: F401

import argparse
import pathlib
from collections.abc import Iterator, Mapping, Sequence

import gin
import numpy as np
import tensorflow as tf
from absl import logging
from tf_agents.trajectories import time_step, trajectory

import agent_wrapper
import checkpoint_files
import checkpoint_loading
import policy_specs
from food_data import pipeline, rlds
from training import flags, reports, run_setup, training_loop

CHECKPOINT_EVERY_STEPS = 1000
_KEYS = (policy_specs.IMAGE_KEY, policy_specs.EMBEDDING_KEY)


class Windows:
    """The windows of episodes by number, as trajectories [T, ...]."""

    def __init__(
        self,
        episodes: rlds.Episodes,
        lengths: Sequence[int],
        length: int,
        observation: Mapping[str, tf.TensorSpec],
        actions: Mapping[str, tf.TensorSpec],
    ) -> None:
        """Of `length` steps; `lengths` are the steps of each episode. ValueError names what of the
        specs the episodes do not have."""
        self._episodes, self.length, self._actions = episodes, length, list(actions)
        # What is read of each step, in this order: images are files, all else arrays.
        self._specs = {f"steps/observation/{key}": observation[key] for key in _KEYS}
        self._specs |= {f"steps/action/{key}": spec for key, spec in actions.items()}
        features, wrong = episodes.features, []
        for name, spec in self._specs.items():
            found = list(features[name].shape) if name in features else None
            if found != list(spec.shape):
                wrong.append(f"{name}: expected {list(spec.shape)}, got {found or 'none'}")
        if wrong:
            raise ValueError(
                f"--data_dir {episodes.folder}: {'; '.join(wrong)}. Bind Agent.action_space and "
                "observation_spec.image_height, .image_width to fit the data."
            )
        # int64 [N, 2]: episode and the last step of each window.
        numbers = np.repeat(np.arange(len(lengths)), lengths)
        steps = np.concatenate([np.arange(length) for length in lengths])
        self.places = np.stack([numbers, steps], axis=1)

    def read(self, samples: np.ndarray) -> list[np.ndarray]:
        """Windows [B]: images uint8 [B, T, H, W, 3], embeddings, each action of the spec, and which
        steps count, bool [B, T]."""
        rows = []
        for number, last in self.places[samples].tolist():
            episode, row = self._episodes[number], []
            steps = np.arange(last - self.length + 1, last + 1)
            wanted, places = np.unique(np.maximum(steps, 0), return_inverse=True)
            for name, spec in self._specs.items():
                values = episode[name]
                if name.endswith(f"/{policy_specs.IMAGE_KEY}"):
                    values = rlds.decode_images([values[step] for step in wanted], spec.shape)
                    row.append(values[places])
                else:
                    row.append(values[wanted[places]].astype(spec.dtype.as_numpy_dtype))
            rows.append([*row, steps >= 0])
        return [np.stack(column) for column in zip(*rows)]

    def batches(
        self, batch_size: int, seed: int, first_batch: int = 0, shard: tuple[int, int] = (0, 1)
    ) -> Iterator[trajectory.Trajectory]:
        """Endless batches of whole size; those of epoch e are in the order that seed and e say.

        `shard` is (index, count): worker `index` of `count` gets the windows index, index + count,
        ... of each batch.
        """
        per_epoch, (index, count) = len(self.places) // batch_size, shard
        if not per_epoch or batch_size % count:
            raise ValueError(
                f"--batch_size: expected a multiple of {count}, the number of workers, and at most "
                f"the {len(self.places)} windows of the data set, got {batch_size}."
            )

        def orders() -> Iterator[np.ndarray]:
            number = first_batch
            while True:
                epoch, batch = divmod(number, per_epoch)
                order = pipeline.epoch_order(np.arange(len(self.places)), seed, epoch)
                for start in range(batch * batch_size, per_epoch * batch_size, batch_size):
                    yield order[start : start + batch_size][index::count]
                    number += 1

        specs = list(self._specs.values())
        dtypes = [tf.uint8, *(spec.dtype for spec in specs[1:]), tf.bool]
        shapes = [*(spec.shape for spec in specs), ()]

        def read(samples: tf.Tensor) -> tuple[tf.Tensor, ...]:
            found = tf.numpy_function(self.read, [samples], dtypes, stateful=False)
            for tensor, shape in zip(found, shapes):
                tensor.set_shape((batch_size // count, self.length, *shape))
            return tuple(found)

        signature = tf.TensorSpec((batch_size // count,), tf.int64)
        dataset = tf.data.Dataset.from_generator(orders, output_signature=signature)
        dataset = dataset.map(read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        for *values, counts in dataset.prefetch(4):
            observation, action = dict(zip(_KEYS, values)), dict(zip(self._actions, values[2:]))
            # The loss leaves out steps of type LAST.
            types = tf.where(counts, time_step.StepType.MID, time_step.StepType.LAST)
            zeros = tf.zeros(tf.shape(counts), tf.float32)
            yield trajectory.Trajectory(types, observation, action, (), types, zeros, zeros)


def run(args: argparse.Namespace, workers: training_loop.Workers) -> None:
    """Everything: configure, read, build, load, train."""
    directory = pathlib.Path(args.checkpoint_dir)
    start = tf.train.latest_checkpoint(str(directory))
    if args.resume_checkpoint not in (None, flags.AUTO):
        start = checkpoint_files.resolve_prefix(args.resume_checkpoint)
    flags.configure(args)
    episodes = rlds.Episodes(args.data_dir)
    lengths = [len(episodes[number]["steps/is_first"]) for number in range(len(episodes))]
    steps_per_epoch = args.steps_per_epoch or sum(lengths) // args.batch_size
    total_steps = args.num_epochs * max(steps_per_epoch, 1)
    flags.configure_for_data(args, total_steps, has_validation=False)
    agent = run_setup.create_agent()
    specs = agent.sequence_agent.time_step_spec.observation, agent.sequence_agent.action_spec
    windows = Windows(episodes, lengths, agent.network.time_sequence_length, *specs)
    run_setup.apply_freezing_logic(agent, *(getattr(args, name) for name in flags.FROZEN))
    if start is None and args.pretrained_checkpoint is not None:
        checkpoint_loading.custom_load_checkpoint(agent, args.pretrained_checkpoint)
    agent.build_optimizer()
    if start is not None:
        run_setup.load_resume_checkpoint(agent, start)
    told = (len(lengths), len(windows.places), windows.length, agent.steps_done, total_steps)
    logging.info("%d episodes, %d windows of %d steps; %d of %d training steps done", *told)
    if args.dry_run:
        logging.info("dry run: everything is ready; nothing was trained or written")
        return
    with workers.only_run(args.checkpoint_dir):
        _train(agent, windows, args, total_steps, workers)


def _train(
    agent: agent_wrapper.Agent,
    windows: Windows,
    args: argparse.Namespace,
    total_steps: int,
    workers: training_loop.Workers,
) -> None:
    """The steps that are left, with checkpoints and the log."""
    directory, saved, rows = pathlib.Path(args.checkpoint_dir), agent.steps_done, []
    directory.mkdir(parents=True, exist_ok=True)
    manager = tf.train.CheckpointManager(agent.checkpoint(), str(directory), args.max_checkpoints)
    if workers.is_chief:
        (directory / "config.gin").write_text(gin.config_str(), encoding="utf-8")
    shard = workers.index, workers.count
    batches = windows.batches(args.batch_size, run_setup.run_seed(), agent.steps_done, shard)
    every = args.checkpoint_every_steps or CHECKPOINT_EVERY_STEPS
    log = reports.CsvLog(directory / "loss_log.csv", ("step", "loss"), agent.steps_done + 1)
    try:
        while agent.steps_done < total_steps:
            workers.check()
            loss = float(agent.train_function(next(batches)).loss)
            rows.append({"step": agent.steps_done, "loss": loss})
            told = (agent.steps_done, total_steps, loss)
            logging.log_every_n_seconds(
                logging.INFO, "step %d of %d, loss %.4f", training_loop.LOG_EVERY_S, *told
            )
            if agent.steps_done % every == 0 and workers.is_chief:
                manager.save(agent.steps_done)
                saved = agent.steps_done
    finally:
        if workers.is_chief:
            log.append(*rows)
            if saved != agent.steps_done:
                manager.save(agent.steps_done)
    workers.wait()
