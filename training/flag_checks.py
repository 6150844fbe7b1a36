"""Flags that contradict each other or are out of range, refused before anything is built."""

from __future__ import annotations

import argparse
import difflib
import pathlib

from training import flags, resume

SELECTION_METRICS = (
    "val_loss",
    "bbox_mse",
    "bbox_mae",
    "centroid_mse",
    "centroid_mae",
    "skewer_mse",
    "skewer_mae",
    "angle_mse_deg",
    "angle_mae_deg",
    "angle_mae_mod180_deg",
)
_AT_LEAST_ONE = (
    "base_batch_size",
    "batch_size",
    "num_epochs",
    "steps_per_epoch",
    "accumulation_steps",
    "early_stopping_epochs",
    "checkpoint_every_steps",
    "max_checkpoints",
    "num_devices",
)


def check_flags(args: argparse.Namespace) -> None:
    """What can be told from the flags alone.

    Raises:
        ValueError: for a number out of range, or flags that exclude each other.
        FileNotFoundError: if the configuration is absent.
    """
    for name in _AT_LEAST_ONE:
        value = getattr(args, name)
        if value is not None and value < 1:
            raise ValueError(f"--{name}: expected at least 1, got {value}.")
    if args.image_size is not None and args.image_size < 0:
        raise ValueError(
            f"--image_size: expected pixels, or 0 to keep them; got {args.image_size}."
        )
    if not pathlib.Path(args.config_file).is_file():
        raise FileNotFoundError(f"--config_file: no file {args.config_file}.")
    if args.mixed_precision == "float16":
        raise ValueError(
            "--mixed_precision: expected bfloat16, got float16, whose range is so small that the "
            "loss would have to be scaled. Use bfloat16, or float32 on hardware without it."
        )
    if args.cluster is not None and args.num_devices is not None:
        raise ValueError(
            "--num_devices: expected none with --cluster, whose workers use the GPUs that Slurm "
            f"gives them; got {args.num_devices}."
        )
    if args.dataset_file is None:
        raise ValueError("--dataset_file: expected an .npz, see build_dataset.py; got none.")
    _check_directories(args)
    if args.selection_metric not in SELECTION_METRICS:
        near = difflib.get_close_matches(args.selection_metric, SELECTION_METRICS, n=1)
        raise ValueError(
            f"--selection_metric: expected one of {', '.join(SELECTION_METRICS)}; got "
            f"{args.selection_metric!r}.{f' Did you mean {near[0]}?' if near else ''}"
        )


def _check_directories(args: argparse.Namespace) -> None:
    """Where the run goes, and where it begins."""
    given = args.resume_checkpoint
    if args.checkpoint_dir is None:
        if given is None or flags.is_auto(args):
            raise ValueError("--checkpoint_dir: expected the directory of the run, got none.")
        path = pathlib.Path(given)
        args.checkpoint_dir = str(path if path.is_dir() else path.parent)
    if given is None:
        if resume.holds_run(args.checkpoint_dir):
            raise ValueError(
                f"--checkpoint_dir: expected a new directory, {args.checkpoint_dir} holds another "
                f"run. Give another one, or go on with it: --resume_checkpoint auto."
            )
        return
    if flags.is_auto(args):
        return
    if args.pretrained_checkpoint is not None:
        raise ValueError(
            "--pretrained_checkpoint and --resume_checkpoint: expected one of them, got both. The "
            "first begins a new run with weights, the second goes on with a run. (With "
            "--resume_checkpoint auto the weights are for the new run only.)"
        )
    path = pathlib.Path(given)
    directory = path if path.is_dir() else path.parent
    if directory.resolve() != pathlib.Path(args.checkpoint_dir).resolve():
        raise ValueError(
            f"--resume_checkpoint: a run goes on in its own directory: expected --checkpoint_dir "
            f"{directory}, got {args.checkpoint_dir}. For a new run with these weights use "
            "--pretrained_checkpoint; to keep the old one, copy its directory first."
        )


def check_settings(args: argparse.Namespace) -> None:
    """What the gin bindings have a say in; after `flags.configure`.

    Raises:
        ValueError: for settings that contradict each other.
    """
    steps = flags.bound("gradient_accumulation.steps", 1)
    if args.batch_size % steps:
        raise ValueError(
            f"--batch_size and --accumulation_steps: expected micro-batches of equal size, got "
            f"{args.batch_size} samples in {steps}."
        )
    loss_type = flags.bound("TransformerNetwork.loss_type", "smooth_l1")
    frozen = args.freeze_efficientnet, args.freeze_tokenlearner, args.freeze_transformer
    if all(frozen) and loss_type == "cross_entropy":
        raise ValueError(
            "--freeze_efficientnet, --freeze_tokenlearner and --freeze_transformer: expected "
            "something that learns; with cross_entropy there is no other head."
        )
    if args.num_devices is not None and args.batch_size < args.num_devices:
        raise ValueError(
            f"--batch_size: expected at least one sample for each of {args.num_devices} devices, "
            f"got {args.batch_size}."
        )


def check_with_data(args: argparse.Namespace, num_validation: int, total_steps: int) -> None:
    """What depends on the size of the data set.

    Args:
        args: the flags.
        num_validation: samples.
        total_steps: of the whole run.

    Raises:
        ValueError: for settings that contradict the data.
    """
    if args.early_stopping_epochs is not None and not num_validation:
        raise ValueError(
            "--early_stopping_epochs: expected validation samples to tell by, got a split without."
        )
    warmup = flags.bound("create_optimizer.warmup_steps", 0)
    if flags.bound("create_optimizer.schedule", "constant") == "cosine":
        total_steps = flags.bound("create_optimizer.total_steps", None) or total_steps
        if warmup >= total_steps:
            raise ValueError(
                f"--warmup_steps: expected fewer than the {total_steps} steps of the run, got "
                f"{warmup}."
            )
