"""The flags of train.py, and how those that were given override gin bindings."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import gin
from absl import logging

from training import resume

_Add = Callable[..., argparse.Action]
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


def parse(arguments: list[str] | None = None, description: str | None = None) -> argparse.Namespace:
    """The flags; those that override gin bindings are None unless they were given.

    Args:
        arguments: without the program's name; `sys.argv` unless given.
        description: of the program.

    Returns:
        A namespace.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    _add_files(parser.add_argument_group("files").add_argument)
    _add_run(parser.add_argument_group("length of the run").add_argument)
    _add_learning(parser.add_argument_group("model and learning; each overrides gin").add_argument)
    return parser.parse_args(arguments)


def _add_files(add: _Add) -> None:
    add("--config_file", default="configs/transformer_mixin.gin", help="gin file of the model")
    add("--gin_bindings", nargs="*", default=[], help="such as 'Transformer.num_layers = 4'")
    add("--dataset_file", help=".npz, see build_dataset.py")
    add("--split_file", help="train_idx, val_idx; drawn by --seed and saved there if it is absent")
    add("--validation_fraction", type=float, default=0.2, help="of a split that is drawn")
    add("--checkpoint_dir", help="where everything of this run goes")
    add("--embeddings_dir", default="embeddings", help="instruction embeddings to serve with")
    add("--pretrained_checkpoint", help="weights to fine-tune from: prefix, directory or stem")
    add(
        "--resume_checkpoint",
        help="a run to go on with: its directory or a last_checkpoint prefix; 'auto': the run in "
        "--checkpoint_dir if there is one, else a new one",
    )
    add("--max_checkpoints", type=int, default=3, help="kept to go on from, beside the best")
    add("--checkpoint_every_steps", type=int, help="save also within an epoch")


def _add_run(add: _Add) -> None:
    add(
        "--batch_size",
        type=int,
        default=16,
        help="samples for each step of the optimizer, over all devices and workers",
    )
    add("--num_epochs", type=int, default=30)
    add("--steps_per_epoch", type=int, help="between two validations; one pass unless given")
    add("--selection_metric", default="centroid_mae", help="its smallest value is the best")
    add("--early_stopping_epochs", type=int, help="end after so many without a new best")
    add("--num_devices", type=int, help="GPUs (or CPU devices) to use; all GPUs unless given")
    add(
        "--cluster",
        choices=("slurm",),
        help="the tasks of a job step (srun) train together; see docs/cluster.md",
    )
    add(
        "--collectives",
        choices=("auto", "ring", "nccl"),
        default="auto",
        help="how workers of a cluster add up gradients",
    )
    add("--dry_run", action="store_true", help="check, read and build everything; no step")


def _add_learning(add: _Add) -> None:
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
    for part in ("efficientnet", "tokenlearner", "transformer"):
        add(f"--freeze_{part}", action="store_true", help=f"the {part} does not learn")


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


def bind_total_steps(total_steps: int) -> None:
    """Tells a cosine schedule how long the run is, unless a binding has."""
    schedule = bound("create_optimizer.schedule", "constant")
    if schedule == "cosine" and bound("create_optimizer.total_steps", None) is None:
        with gin.unlock_config():
            gin.bind_parameter("create_optimizer.total_steps", total_steps)


def bind_no_imagenet_weights() -> None:
    """Where a checkpoint follows, the file that a network starts from is of no use, or absent."""
    with gin.unlock_config():
        gin.bind_parameter("EfficientNetEncoder.imagenet_weights_file", None)


def scale_learning_rate(args: argparse.Namespace) -> None:
    """Rebinds the learning rate for --batch_size, if --base_batch_size was given."""
    if args.base_batch_size is None:
        return
    # Here, because it imports TensorFlow, which takes seconds, and --help should not.
    from training import agent_factory

    parameter = "create_optimizer.learning_rate"
    rate = bound(parameter, agent_factory.DEFAULT_LEARNING_RATE)
    scaled = rate * args.batch_size / args.base_batch_size
    logging.info(
        "learning rate: %g for batches of %d is %g for %d",
        rate,
        args.base_batch_size,
        scaled,
        args.batch_size,
    )
    with gin.unlock_config():
        gin.bind_parameter(parameter, scaled)


def bound(parameter: str, default: object) -> object:
    """What gin binds a parameter to; `default` if it does not."""
    try:
        return gin.query_parameter(parameter)
    except ValueError:
        return default


def is_auto(args: argparse.Namespace) -> bool:
    """Whether --resume_checkpoint leaves it to the directory."""
    return args.resume_checkpoint == resume.AUTO
