"""Trains a model on a data set; keeps the best checkpoint, and one to go on from.

    python build_dataset.py synthetic --num_plates 400 --seed 0 --output_file plates.npz
    python train.py --config_file configs/small.gin --dataset_file plates.npz \
        --split_file plates_split.npz --checkpoint_dir runs/plates

Every value of the model is a gin binding; a flag that was given overrides the binding.

Exit code 0: trained; 1: a setting, a file, the disk or a number stopped it, with the reason on
stderr; 2: a flag that does not exist; 75: SIGTERM or SIGUSR1 came and all is saved, or another
worker of the cluster was lost: run the same command with --resume_checkpoint auto.
"""

from __future__ import annotations

import keras2  # noqa: F401

import argparse
import contextlib
import errno
import os
import sys
import typing

from absl import logging

import checkpoint_directory
import model_card
from training import devices, flags, stop_signals

# TensorFlow takes seconds: functions import what needs it, once the flags are read, so that --help
# and a wrong flag do not wait.
if typing.TYPE_CHECKING:
    import tensorflow as tf

    from training import run_setup, training_loop


def run(
    args: argparse.Namespace, signals: stop_signals.StopSignals, together: devices.Workers
) -> None:
    """Everything: check, configure, read, build, load, train."""
    # All of them before `prepare`, because gin has to know what it may bind.
    from training import reports, run_setup, training_loop

    if args.data_dir is not None:
        flags.check_flags(args)
        from training import episodes

        episodes.run(args, signals, together)
        return
    setup = run_setup.prepare(args)
    if args.dry_run:
        _print_dry_run(setup)
        return
    # Nothing is written before every worker knows whether it goes on with a run.
    together.wait()
    # The chief writes checkpoints and reports, where no other run does; others write nothing.
    is_chief, only_run, reporter = together.is_chief, contextlib.nullcontext(), None
    if is_chief:
        only_run = checkpoint_directory.only_run(args.checkpoint_dir)
    with only_run:
        writer = checkpoint_directory.CheckpointWriter(
            args.checkpoint_dir,
            setup.agent,
            setup.embeddings,
            setup.metadata,
            args.max_checkpoints,
            setup.must_match,
            writes=is_chief,
        )
        if is_chief:
            first_epoch = 1 if setup.state is None else setup.state.epoch + 1
            reporter = reports.RunReporter(
                args.checkpoint_dir, setup.data, first_epoch, setup.settings.selection_metric
            )
        summary = training_loop.TrainingLoop(
            setup.agent,
            setup.data,
            writer,
            reporter,
            setup.settings,
            signals,
            setup.state,
            setup.augmentation,
            together,
        ).run()
        if is_chief:
            _print_summary(summary, setup)
            model_card.write(args.checkpoint_dir)


def _print_dry_run(setup: run_setup.RunSetup) -> None:
    agent, data = setup.agent, setup.data
    batch = next(iter(data.training_batches(setup.settings.batch_size)))
    for key, value in batch.items():
        print(f"first batch     {key} {value.dtype.name} {list(value.shape)}")
    learning = sum(v.shape.num_elements() for v in agent.network.used_trainable_variables)
    print(f"samples         {len(data.split.train_idx)} train, {len(data.split.val_idx)} val")
    print(f"parameters      {learning:,} of them learn")
    print(f"steps           {setup.total_steps} in all, {agent.steps_done} done")
    print("dry run         everything is ready; nothing was trained or written")


def _print_summary(summary: training_loop.Summary, setup: run_setup.RunSetup) -> None:
    data, metric = setup.data, "centroid_mae"
    num_train = setup.settings.summary_samples(len(data.split.train_idx))
    print(f"training loss   {summary.first_train_loss:.4f} -> {summary.last_train_loss:.4f}")
    parts = (
        ("train", data.split.train_idx[:num_train], summary.train_metrics),
        ("val", data.split.val_idx, summary.best_metrics),
    )
    for name, indices, found in parts:
        if metric in found:
            baseline = data.baseline(indices)[metric]
            print(
                f"{metric}    {name:5} {found[metric]:.4f} on {len(indices)} samples; "
                f"predicting always the training labels' mean: {baseline:.4f}"
            )
    print(f"best checkpoint {summary.best_checkpoint}")


def main(arguments: list[str] | None = None) -> int:
    """The command line; see the module for exit codes."""
    logging.set_verbosity(logging.INFO)
    args = flags.parse(arguments, __doc__)
    import tensorflow as tf

    try:
        strategy, together = _strategy(args)
        # All of it, because variables are made and changed on every device.
        with (
            stop_signals.StopSignals() as signals,
            strategy.scope(),
            devices.precision(args.mixed_precision),
        ):
            run(args, signals, together)
    except stop_signals.Preempted as signal:
        print(f"train.py: {signal}: saved; --resume_checkpoint auto goes on", file=sys.stderr)
        return stop_signals.EXIT_CODE
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        # What TensorFlow says when a message to another worker fails.
        lines = [line.strip() for line in error.message.splitlines() if "Collective" in line]
        print(
            f"train.py: another worker was lost: {(lines or [''])[-1][:200]} What was saved is "
            "whole; --resume_checkpoint auto goes on",
            file=sys.stderr,
        )
        return stop_signals.EXIT_CODE
    except (
        ValueError,
        LookupError,
        OSError,
        ArithmeticError,
        tf.errors.InvalidArgumentError,
    ) as error:
        print(f"train.py: {_reason(error)}", file=sys.stderr)
        return 1
    return 0


def _strategy(args: argparse.Namespace) -> tuple[tf.distribute.Strategy, devices.Workers]:
    """What to build under, and this process's place among those that train together."""
    if args.cluster is None:
        return devices.strategy(args.num_devices), devices.Workers()
    cluster = devices.slurm_cluster(os.environ)
    if cluster.index:
        # One of them is enough to follow.
        logging.set_verbosity(logging.WARNING)
    strategy = devices.worker_strategy(cluster, args.collectives)
    return strategy, devices.Workers(cluster.index, len(cluster.addresses))


def _reason(error: Exception) -> str:
    """What went wrong, and the way out where the error itself does not know it."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return (
            f"{error}. The checkpoints in --checkpoint_dir are whole: make room, then go on with "
            "--resume_checkpoint auto."
        )
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
