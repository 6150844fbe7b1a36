"""The flags of train.py: how those that were given override gin bindings, and what is refused
before anything is built."""

from __future__ import annotations

import argparse
import difflib
import pathlib

import gin
from absl import logging

import checkpoint_directory
import checkpoint_files
from food_data import atomic_files

# --resume_checkpoint auto: the run in --checkpoint_dir if there is one, else a new one.
AUTO = "auto"
FROZEN = ("freeze_efficientnet", "freeze_tokenlearner", "freeze_transformer")
# Flag -> the gin parameter that it overrides.
OVERRIDES = {
    "loss_type": "TransformerNetwork.loss_type",
    "image_size": "EfficientNetEncoder.image_size",
    "seed": "run_seed.seed",
    "learning_rate": "create_optimizer.learning_rate",
    "schedule": "create_optimizer.schedule",
    "warmup_steps": "create_optimizer.warmup_steps",
    "weight_decay": "create_optimizer.weight_decay",
    "gradient_clip_norm": "create_optimizer.gradient_clip_norm",
    "ema_decay": "create_optimizer.ema_decay",
    "accumulation_steps": "gradient_accumulation.steps",
}
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

_PATHS = (
    "checkpoint_dir",
    "config_file",
    "dataset_file",
    "data_dir",
    "embeddings_dir",
    "pretrained_checkpoint",
    "resume_checkpoint",
    "split_file",
)


def parse(arguments: list[str] | None = None, description: str | None = None) -> argparse.Namespace:
    """The flags; those that override gin bindings are None unless they were given."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument_group("files").add_argument
    add("--config_file", default="configs/transformer_mixin.gin", help="gin file of the model")
    add("--gin_bindings", nargs="*", default=[], help="such as 'Transformer.num_layers = 4'")
    add("--dataset_file", help=".npz, or folder of shards, see build_dataset.py")
    add("--data_dir", help="a robot's episodes (RLDS), for RT-1; in the place of --dataset_file")
    add("--split_file", help="train_idx, val_idx; drawn by --seed and saved there if it is absent")
    add("--validation_fraction", type=float, default=0.2, help="of a split that is drawn")
    add("--checkpoint_dir", help="where everything of this run goes")
    add("--embeddings_dir", default="embeddings", help="instruction embeddings to serve with")
    add(
        "--pretrained_checkpoint",
        help="weights to fine-tune from: prefix, directory or stem. "
        + checkpoint_files.PUBLIC_CHECKPOINTS,
    )
    add(
        "--resume_checkpoint",
        help="a run to go on with: its directory or a last_checkpoint prefix; 'auto': the run in "
        "--checkpoint_dir if there is one, else a new one",
    )
    add("--max_checkpoints", type=int, default=3, help="kept to go on from, beside the best")
    add("--checkpoint_every_steps", type=int, help="save also within an epoch")

    add = parser.add_argument_group("length of the run").add_argument
    batch_help = "samples for each step of the optimizer, over all devices and workers"
    add("--batch_size", type=int, default=16, help=batch_help)
    add("--num_epochs", type=int, default=30)
    add("--steps_per_epoch", type=int, help="between two validations; one pass unless given")
    add("--selection_metric", default="centroid_mae", help="its smallest value is the best")
    add("--early_stopping_epochs", type=int, help="end after so many without a new best")
    add("--num_devices", type=int, help="GPUs (or CPU devices) to use; all GPUs unless given")
    cluster_help = "the tasks of a job step (srun) train together; see docs/cluster.md"
    add("--cluster", choices=("slurm",), help=cluster_help)
    collectives_help = "how workers of a cluster add up gradients"
    collectives = ("auto", "ring", "nccl")
    add("--collectives", choices=collectives, default="auto", help=collectives_help)
    add("--dry_run", action="store_true", help="check, read and build everything; no step")

    add = parser.add_argument_group("model and learning; each overrides gin").add_argument
    add("--loss_type", choices=("cross_entropy", "l1", "smooth_l1"))
    add("--image_size", type=int, help="pixels that the encoder resizes to; 0 keeps the picture's")
    add("--seed", type=int, help="of weights, dropout, order of samples, augmentation")
    add("--learning_rate", type=float)
    add(
        "--base_batch_size",
        type=int,
        help="the learning rate is meant for batches of this size, and grows in proportion with "
        "--batch_size (arXiv 1706.02677); unless given, it is taken as it is",
    )
    add("--schedule", choices=("constant", "cosine"))
    add("--warmup_steps", type=int)
    add("--weight_decay", type=float, help="decoupled, of kernels")
    add("--gradient_clip_norm", type=float)
    add("--ema_decay", type=float, help="validate and serve averaged weights; 0.999 for example")
    add("--accumulation_steps", type=int, help="micro-batches that a batch is computed in")
    add(
        "--mixed_precision",
        choices=("bfloat16", "float16"),
        help="bfloat16: products in 16 bits, weights in 32; float16 is refused, and why",
    )
    add(
        "--feature_cache",
        choices=("memory", "disk", "off"),
        default="memory",
        help="where the features of a frozen EfficientNet are kept, if pictures are not augmented",
    )
    for name in FROZEN:
        add(f"--{name}", action="store_true", help=f"the {name[len('freeze_') :]} does not learn")
    return parser.parse_args(arguments)


def check_flags(args: argparse.Namespace) -> None:
    """What the flags alone tell; --checkpoint_dir may follow from --resume_checkpoint."""
    for name in _PATHS:
        atomic_files.check_local(getattr(args, name), f"--{name}")
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
    if (args.dataset_file is None) == (args.data_dir is None):
        got = "none" if args.data_dir is None else "--data_dir too"
        raise ValueError(f"--dataset_file: expected an .npz, see build_dataset.py; got {got}.")
    if args.selection_metric not in SELECTION_METRICS:
        near = difflib.get_close_matches(args.selection_metric, SELECTION_METRICS, n=1)
        raise ValueError(
            f"--selection_metric: expected one of {', '.join(SELECTION_METRICS)}; got "
            f"{args.selection_metric!r}.{f' Did you mean {near[0]}?' if near else ''}"
        )
    # Where the run goes, and where it begins.
    given = args.resume_checkpoint
    if args.checkpoint_dir is None:
        if given is None or given == AUTO:
            raise ValueError("--checkpoint_dir: expected the directory of the run, got none.")
        path = pathlib.Path(given)
        args.checkpoint_dir = str(path if path.is_dir() else path.parent)
    if pathlib.Path(f"{args.checkpoint_dir}.index").is_file():
        raise ValueError(
            f"--checkpoint_dir: expected a directory, got the checkpoint {args.checkpoint_dir}. To "
            "start from its weights use --pretrained_checkpoint, to go on with its run "
            f"--resume_checkpoint {pathlib.Path(args.checkpoint_dir).parent}."
        )
    if given is None:
        if checkpoint_directory.holds_run(args.checkpoint_dir):
            raise ValueError(
                f"--checkpoint_dir: expected a new directory, {args.checkpoint_dir} holds another "
                f"run. Give another one, or go on with it: --resume_checkpoint auto."
            )
        return
    if given == AUTO:
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


def configure(args: argparse.Namespace) -> None:
    """Reads the gin file and the bindings, then what flags override."""
    gin.clear_config()
    gin.parse_config_files_and_bindings(
        [args.config_file], args.gin_bindings, finalize_config=False
    )
    for flag, parameter in OVERRIDES.items():
        value = getattr(args, flag)
        if value is not None:
            # Size 0 stands for none.
            gin.bind_parameter(parameter, None if flag == "image_size" and not value else value)
    gin.finalize()
    steps = _bound("gradient_accumulation.steps", 1)
    if args.batch_size % steps:
        raise ValueError(
            f"--batch_size and --accumulation_steps: expected micro-batches of equal size, got "
            f"{args.batch_size} samples in {steps}."
        )
    loss_type = _bound("TransformerNetwork.loss_type", "smooth_l1")
    if all(getattr(args, name) for name in FROZEN) and loss_type == "cross_entropy":
        raise ValueError(
            "--freeze_efficientnet, --freeze_tokenlearner and --freeze_transformer: expected "
            "something that learns; with cross_entropy there is no other head."
        )
    if args.num_devices is not None and args.batch_size < args.num_devices:
        raise ValueError(
            f"--batch_size: expected at least one sample for each of {args.num_devices} devices, "
            f"got {args.batch_size}."
        )


def configure_for_data(
    args: argparse.Namespace, num_validation: int, total_steps: int, default_learning_rate: float
) -> None:
    """Tells a cosine schedule how long the run is, and scales the learning rate for the batch."""
    if args.early_stopping_epochs is not None and not num_validation:
        raise ValueError(
            "--early_stopping_epochs: expected validation samples to tell by, got a split without."
        )
    with gin.unlock_config():
        if args.base_batch_size is not None:
            parameter = "create_optimizer.learning_rate"
            rate = _bound(parameter, default_learning_rate)
            scaled = rate * args.batch_size / args.base_batch_size
            message = "learning rate: %g for batches of %d is %g for %d"
            logging.info(message, rate, args.base_batch_size, scaled, args.batch_size)
            gin.bind_parameter(parameter, scaled)
        if _bound("create_optimizer.schedule", "constant") == "cosine":
            parameter = "create_optimizer.total_steps"
            total_steps = _bound(parameter, None) or total_steps
            gin.bind_parameter(parameter, total_steps)
            warmup = _bound("create_optimizer.warmup_steps", 0)
            if warmup >= total_steps:
                raise ValueError(
                    f"--warmup_steps: expected fewer than the {total_steps} steps of the run, got "
                    f"{warmup}."
                )


def _bound(parameter: str, default: object) -> object:
    """What gin binds a parameter to; `default` if it does not."""
    try:
        return gin.query_parameter(parameter)
    except ValueError:
        return default
