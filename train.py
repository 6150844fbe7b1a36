"""Trains a model on an .npz data set and keeps the best checkpoint by centroid MAE.

    python build_dataset.py synthetic --num_plates 400 --seed 0 --output_file plates.npz
    python train.py --config_file configs/small.gin --dataset_file plates.npz \
        --split_file plates_split.npz --checkpoint_dir runs/plates

Every value of the model is a gin binding; a flag that was given overrides the binding. Exit code 0:
trained;
1: a setting, a file or a number stopped it, with the reason on stderr.
"""

from __future__ import annotations

import argparse
import pathlib
import sys

import gin
import tensorflow as tf
from absl import logging

import checkpoint_directory
import utils
from food_data import embedding_store, npz_dataset, splits
from training import agent_factory, loss_log, training_loop


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The flags; those that override gin bindings are None unless they were given."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--config_file", default="configs/transformer_mixin.gin", help="gin file of the model")
    add("--gin_bindings", nargs="*", default=[], help="such as 'Transformer.num_layers = 4'")
    add("--dataset_file", required=True, help=".npz, see build_dataset.py")
    add("--split_file", help="train_idx, val_idx; drawn by --seed and saved there if it is absent")
    add("--validation_fraction", type=float, default=0.2, help="of a split that is drawn")
    add("--checkpoint_dir", required=True, help="where everything of this run goes")
    add("--embeddings_dir", default="embeddings", help="instruction embeddings to serve with")
    add("--pretrained_checkpoint", help="weights to fine-tune from: prefix, directory or stem")
    add("--batch_size", type=int, default=16)
    add("--num_epochs", type=int, default=30)
    add("--loss_type", choices=("cross_entropy", "l1", "smooth_l1"), help="overrides gin")
    add("--learning_rate", type=float, help="overrides gin")
    add("--seed", type=int, help="of weights, dropout and order of samples; overrides gin")
    for part in ("efficientnet", "tokenlearner", "transformer"):
        add(f"--freeze_{part}", action="store_true", help=f"the {part} does not learn")
    return parser.parse_args(arguments)


def configure(args: argparse.Namespace) -> None:
    """Reads the gin file and the bindings, then what flags override."""
    gin.clear_config()
    gin.parse_config_files_and_bindings(
        [args.config_file], args.gin_bindings, finalize_config=False
    )
    overrides = {
        "TransformerNetwork.loss_type": args.loss_type,
        "create_optimizer.learning_rate": args.learning_rate,
        "run_seed.seed": args.seed,
    }
    for name, value in overrides.items():
        if value is not None:
            gin.bind_parameter(name, value)
    gin.finalize()


def check_arguments(args: argparse.Namespace) -> None:
    """Refuses what cannot work before anything is built.

    Raises:
        ValueError: for a number out of range, or an output directory that holds another run.
        FileNotFoundError: if the configuration is absent.
    """
    for name in ("batch_size", "num_epochs"):
        if getattr(args, name) < 1:
            raise ValueError(f"--{name}: expected at least 1, got {getattr(args, name)}.")
    if not pathlib.Path(args.config_file).is_file():
        raise FileNotFoundError(f"--config_file: no file {args.config_file}.")
    metadata = pathlib.Path(args.checkpoint_dir, checkpoint_directory.METADATA_FILE)
    if metadata.is_file():
        raise ValueError(
            f"--checkpoint_dir: expected a new directory, {args.checkpoint_dir} holds another run. "
            "Give another one, or move the old run away."
        )


def read_data(args: argparse.Namespace, seed: int) -> training_loop.RunData:
    """The data set, and its split: read, or drawn by the seed and saved."""
    dataset = npz_dataset.read_npz(args.dataset_file)
    path = pathlib.Path(args.split_file or splits.split_path(args.dataset_file))
    if not path.is_file():
        splits.write_split(path, splits.make_split(dataset, args.validation_fraction, seed))
        logging.info("split: drawn with seed %d, saved to %s", seed, path)
    return training_loop.RunData(dataset, splits.read_split(path, len(dataset)))


def run(args: argparse.Namespace) -> training_loop.Summary:
    """Everything: configure, read, build, load, train."""
    check_arguments(args)
    configure(args)
    seed = agent_factory.run_seed()
    data = read_data(args, seed)
    embeddings = embedding_store.EmbeddingStore.load(args.embeddings_dir)
    agent = utils.create_agent()
    utils.apply_freezing_logic(
        agent, args.freeze_efficientnet, args.freeze_tokenlearner, args.freeze_transformer
    )
    if args.pretrained_checkpoint is not None:
        utils.load_pretrained_checkpoint(agent, args.pretrained_checkpoint)
    writer = checkpoint_directory.CheckpointWriter(
        args.checkpoint_dir, agent, embeddings, _run_metadata(args, data, seed)
    )
    log = loss_log.LossLog(pathlib.Path(args.checkpoint_dir, "loss_log.csv"))
    summary = training_loop.train(agent, data, writer, log, args.num_epochs, args.batch_size, seed)
    _report(summary, data)
    return summary


def _run_metadata(
    args: argparse.Namespace, data: training_loop.RunData, seed: int
) -> dict[str, object]:
    return {
        "resize": data.dataset.resize,
        "dataset": pathlib.Path(args.dataset_file).name,
        "dataset_fingerprint": npz_dataset.dataset_fingerprint(data.dataset),
        "num_train": len(data.split.train_idx),
        "num_val": len(data.split.val_idx),
        "batch_size": args.batch_size,
        "num_epochs": args.num_epochs,
        "seed": seed,
    }


def _report(summary: training_loop.Summary, data: training_loop.RunData) -> None:
    metric = training_loop.SELECTION_METRIC
    print(f"training loss   {summary.first_train_loss:.4f} -> {summary.last_train_loss:.4f}")
    parts = (
        ("train", data.split.train_idx, summary.train_metrics),
        ("val", data.split.val_idx, summary.best_metrics),
    )
    for name, indices, found in parts:
        baseline = data.baseline(indices)[metric]
        print(
            f"{metric}    {name:5} {found[metric]:.4f} on {len(indices)} samples; "
            f"predicting always the training labels' mean: {baseline:.4f}"
        )
    print(f"best checkpoint {summary.best_checkpoint}")


def main(arguments: list[str] | None = None) -> int:
    """The command line; see the module for exit codes."""
    logging.set_verbosity(logging.INFO)
    args = parse_arguments(arguments)
    try:
        run(args)
    except (ValueError, LookupError, OSError, tf.errors.InvalidArgumentError) as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
