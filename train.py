"""Trains a model on a data set; keeps the best checkpoint, and one to go on from.

    python build_dataset.py synthetic --num_plates 400 --seed 0 --output_file plates.npz
    python train.py --config_file configs/small.gin --dataset_file plates.npz \
        --split_file plates_split.npz --checkpoint_dir runs/plates

Every value of the model is a gin binding; a flag that was given overrides the binding.

Exit code 0: trained; 1: a setting, a file, the disk or a number stopped it, with the reason on
stderr; 2: a wrong flag; 75: SIGTERM or SIGUSR1 came and all is saved, or another worker of the
cluster was lost: run the same command with --resume_checkpoint auto.
"""

from __future__ import annotations

import keras2  # noqa: F401

import argparse
import os
import re
import sys
import typing

from absl import logging

import checkpoint_directory
import model_card
from training import devices, flags, stop_signals

# TensorFlow takes seconds: functions import what needs it, once the flags are read, so that --help
# and a wrong flag do not wait.
if typing.TYPE_CHECKING:
    from training import training_loop


def run(args: argparse.Namespace, workers: training_loop.Workers) -> None:
    """Everything: check, configure, read, build, load, train."""
    # All of them before gin reads its file, because it has to know what it may bind.
    from training import episodes, reports, run_setup, training_loop

    if args.data_dir is not None:
        episodes.run(args, workers)
        return
    setup = run_setup.prepare(args)
    data, settings, reporter = setup.data, setup.settings, None
    if args.dry_run:
        for key, value in next(iter(data.batches(data.split.train_idx, args.batch_size))).items():
            print(f"first batch     {key} {value.dtype.name} {list(value.shape)}")
        num_train, num_val = map(len, data.split)
        learning = sum(v.shape.num_elements() for v in setup.agent.network.used_trainable_variables)
        steps = settings.num_epochs * settings.steps(num_train)
        print(f"samples         {num_train} train, {num_val} val; {learning:,} parameters learn")
        print(f"steps           {steps} in all, {setup.agent.steps_done} done")
        print("dry run         everything is ready; nothing was trained or written")
        return
    # Nothing is written before every worker knows whether it goes on with a run.
    workers.wait()
    with workers.only_run(args.checkpoint_dir):
        writer = checkpoint_directory.CheckpointWriter(
            args.checkpoint_dir,
            setup.agent,
            setup.embeddings,
            setup.metadata,
            args.max_checkpoints,
            setup.must_match,
            writes=workers.is_chief,
        )
        if workers.is_chief:
            first_epoch = 1 if setup.state is None else setup.state.epoch + 1
            reporter = reports.RunReporter(args.checkpoint_dir, data, first_epoch)
        ended = training_loop.TrainingLoop(setup, writer, reporter, workers).run()
        if reporter is None:
            return
        print(f"training loss   {ended.first_train_loss:.4f} -> {ended.last_train_loss:.4f}")
        if reporter.baseline:
            found, baseline = (of["centroid_mae"] for of in (ended.best.metrics, reporter.baseline))
            print(f"centroid_mae    {found:.4f} on {len(data.split.val_idx)} validation samples;")
            print(f"                {baseline:.4f} of the mean of the training labels")
        print(f"best checkpoint {writer.directory / ended.best.checkpoint}")
        model_card.write(args.checkpoint_dir)


def main(arguments: list[str] | None = None) -> int:
    """The command line; see the module for exit codes."""
    logging.set_verbosity(logging.INFO)
    args = flags.parse(arguments, __doc__)
    import tensorflow as tf

    from training import training_loop

    try:
        flags.check_flags(args)
        if args.cluster is None:
            workers, strategy = training_loop.Workers(), devices.strategy()
        else:
            cluster = devices.slurm_cluster(os.environ)
            workers = training_loop.Workers(cluster.index, len(cluster.addresses))
            if not workers.is_chief:
                logging.set_verbosity(logging.WARNING)
            strategy = devices.worker_strategy(cluster)
        # All of it, because variables are made and changed on every device.
        with workers.signals, strategy.scope(), devices.precision(args.mixed_precision):
            run(args, workers)
    except stop_signals.Preempted as signal:
        print(f"train.py: {signal}: saved; --resume_checkpoint auto goes on", file=sys.stderr)
        return stop_signals.EXIT_CODE
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        # What TensorFlow says when a message to another worker fails.
        text = "another worker was lost; what was saved is whole; --resume_checkpoint auto goes on"
        print(f"train.py: {text}: {error.message[-300:]}", file=sys.stderr)
        return stop_signals.EXIT_CODE
    except (
        *(ValueError, LookupError, OSError, ArithmeticError),
        tf.errors.InvalidArgumentError,
    ) as error:
        reason, found = str(error), re.search(r"SequenceAgent: .* not finite[^\n\]']*", str(error))
        if found is not None:
            reason = (
                f"{found.group()}. Nothing has changed since the step before: look at the data, "
                "lower the learning rate, or set --gradient_clip_norm."
            )
        print(f"train.py: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
