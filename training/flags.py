"""The flags of train.py: how those that were given override gin bindings, and what is refused
before anything is built."""

from __future__ import annotations

import argparse
import pathlib

import gin
from absl import logging

import checkpoint_directory
import checkpoint_files
from food_data import atomic_files

# --resume_checkpoint auto: the run in --checkpoint_dir if there is one, else a new one.
AUTO = "auto"
FROZEN = ("freeze_efficientnet", "freeze_tokenlearner", "freeze_transformer")
# Flag -> the gin parameter that it overrides, its type, what it means.
OVERRIDES = {
    "loss_type": ("TransformerNetwork.loss_type", str, "cross_entropy, l1 or smooth_l1"),
    "seed": ("run_seed.seed", int, "of weights, dropout, order of samples, augmentation"),
    "learning_rate": ("create_optimizer.learning_rate", float, "the largest"),
    "schedule": ("create_optimizer.schedule", str, "constant or cosine"),
    "warmup_steps": ("create_optimizer.warmup_steps", int, "of a linear rise"),
    "weight_decay": ("create_optimizer.weight_decay", float, "decoupled, of kernels"),
    "gradient_clip_norm": ("create_optimizer.gradient_clip_norm", float, "the largest"),
    "ema_decay": ("create_optimizer.ema_decay", float, "0.999: averaged weights are served"),
    "accumulation_steps": ("gradient_accumulation.steps", int, "micro-batches of a batch"),
}
SELECTION_METRICS = (
    *("val_loss", "bbox_mse", "bbox_mae", "centroid_mse", "centroid_mae", "skewer_mse"),
    *("skewer_mae", "angle_mse_deg", "angle_mae_deg", "angle_mae_mod180_deg"),
)
_PATHS = (
    *("checkpoint_dir", "config_file", "dataset_file", "data_dir", "embeddings_dir"),
    *("pretrained_checkpoint", "resume_checkpoint", "split_file"),
)


def _positive(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, got {text}")
    return int(text)


def parse(arguments: list[str] | None = None, description: str | None = None) -> argparse.Namespace:
    """The flags; those that override gin bindings are None unless they were given."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    group = parser.add_argument_group("files")
    add = group.add_argument
    add("--config_file", default="configs/transformer_mixin.gin", help="gin file of the model")
    add("--gin_bindings", nargs="*", default=[], help="such as 'Transformer.num_layers = 4'")
    data = group.add_mutually_exclusive_group(required=True).add_argument
    data("--dataset_file", help=".npz, or folder of shards, see build_dataset.py")
    data("--data_dir", help="a robot's episodes (RLDS), for RT-1; in the place of --dataset_file")
    add("--split_file", help="train_idx, val_idx; drawn by --seed and saved there if it is absent")
    add("--validation_fraction", type=float, default=0.2, help="of a split that is drawn")
    add("--checkpoint_dir", help="where everything of this run goes")
    add("--embeddings_dir", default="embeddings", help="instruction embeddings to serve with")
    help_text = f"weights to fine-tune from: prefix, folder. {checkpoint_files.PUBLIC_CHECKPOINTS}"
    add("--pretrained_checkpoint", help=help_text)
    help_text = "its directory or a last_checkpoint prefix; 'auto': --checkpoint_dir, if it is one"
    add("--resume_checkpoint", help=f"a run to go on with: {help_text}")
    add("--max_checkpoints", type=_positive, default=3, help="kept to go on from, beside the best")
    add("--checkpoint_every_steps", type=_positive, help="save also within an epoch")

    group = parser.add_argument_group("length of the run")
    add = group.add_argument
    add("--batch_size", type=_positive, default=16, help="over all devices and workers")
    add("--num_epochs", type=_positive, default=30)
    add("--steps_per_epoch", type=_positive, help="between two validations; one pass unless given")
    add("--selection_metric", choices=SELECTION_METRICS, default="centroid_mae")
    add("--early_stopping_epochs", type=_positive, help="end after so many without a new best")
    add("--cluster", choices=("slurm",), help="srun's tasks train together: docs/scaling.md")
    add("--dry_run", action="store_true", help="check, read and build everything; no step")

    add = parser.add_argument_group("model and learning; most override gin").add_argument
    for flag, (parameter, kind, meaning) in OVERRIDES.items():
        add(f"--{flag}", type=kind, help=f"{meaning} ({parameter})")
    help_text = "the learning rate is meant for batches of this size, and grows in proportion with"
    add("--base_batch_size", type=_positive, help=f"{help_text} --batch_size (arXiv 1706.02677)")
    add("--mixed_precision", choices=("bfloat16",), help="products in 16 bits, weights in 32")
    help_text = "of a frozen EfficientNet, if pictures are not augmented"
    add("--feature_cache", choices=("memory", "off"), default="memory", help=help_text)
    for name in FROZEN:
        add(f"--{name}", action="store_true", help=f"the {name[len('freeze_') :]} does not learn")
    return parser.parse_args(arguments)


def check_flags(args: argparse.Namespace) -> None:
    """Where the run goes, which may follow from the run that goes on, and where it begins."""
    for name in _PATHS:
        atomic_files.check_local(getattr(args, name), f"--{name}")
    given, resumed = args.resume_checkpoint, None
    if given not in (None, AUTO):
        resumed = pathlib.Path(given)
        resumed = resumed if resumed.is_dir() else resumed.parent
        args.checkpoint_dir = args.checkpoint_dir or str(resumed)
    if args.checkpoint_dir is None:
        raise ValueError("--checkpoint_dir: expected the directory of the run, got none.")
    directory = pathlib.Path(args.checkpoint_dir)
    if pathlib.Path(f"{directory}.index").is_file():
        raise ValueError(
            f"--checkpoint_dir: expected a directory, got the checkpoint {directory}. Give it as "
            "--pretrained_checkpoint, or go on with its run: --resume_checkpoint."
        )
    holds_run = checkpoint_directory.holds_run(directory) or any(directory.glob("ckpt-*.index"))
    if given is None and holds_run:
        raise ValueError(
            f"--checkpoint_dir: expected a new directory, {directory} holds another run. Give "
            "another one, or go on with it: --resume_checkpoint auto."
        )
    weights = args.pretrained_checkpoint
    if resumed is not None and (weights or resumed.resolve() != directory.resolve()):
        raise ValueError(
            "--resume_checkpoint: a run goes on in its own directory with its own weights: "
            f"expected --checkpoint_dir {resumed} and no --pretrained_checkpoint, got {directory} "
            f"and {weights}."
        )


def configure(args: argparse.Namespace) -> None:
    """Reads the gin file and the bindings, then what flags override."""
    gin.clear_config()
    gin.parse_config_files_and_bindings(
        [args.config_file], args.gin_bindings, finalize_config=False
    )
    for flag, (parameter, _, _) in OVERRIDES.items():
        if getattr(args, flag) is not None:
            gin.bind_parameter(parameter, getattr(args, flag))
    gin.finalize()


def configure_for_data(args: argparse.Namespace, total_steps: int, has_validation: bool) -> None:
    """Tells a cosine schedule how long the run is, and scales the learning rate for the batch."""
    from training import optimizer  # With TensorFlow, for which --help does not wait.

    if args.early_stopping_epochs is not None and not has_validation:
        raise ValueError("--early_stopping_epochs: expected validation samples, got none.")

    def bound(parameter: str, default: object) -> object:
        try:
            return gin.query_parameter(f"create_optimizer.{parameter}")
        except ValueError:
            return default

    with gin.unlock_config():
        if args.base_batch_size is not None:
            rate = bound("learning_rate", optimizer.DEFAULT_LEARNING_RATE)
            rate = rate * args.batch_size / args.base_batch_size
            logging.info("learning rate: %g, for batches of %d", rate, args.batch_size)
            gin.bind_parameter("create_optimizer.learning_rate", rate)
        if bound("schedule", "constant") == "cosine":
            total_steps = bound("total_steps", None) or total_steps
            gin.bind_parameter("create_optimizer.total_steps", total_steps)
