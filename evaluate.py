"""Says how good the answers of a checkpoint are, beside answers that need no model.

    python evaluate.py --checkpoint_dir runs/plates --dataset_file plates.npz \\
        --split_file plates_split.npz --split val

Prints a table. Rates need a data set with masks: `hit_rate` is the share of midpoints on the food
that the instruction names, `nearest_item_rate` the share nearest to it where a picture has several
foods. The row "instruction swapped" asks for any food of the same picture, by lot, and judges by
the sample's own: a model that listens to the instruction falls to `nearest_item_chance`.

Exit code 0: evaluated; 1: something was wrong, with the reason on stderr.
"""

from __future__ import annotations

import argparse
import functools
import json
import pathlib
import sys

import numpy as np
import tqdm

import checkpoint_directory
from evaluation import answer_table, answers
from food_data import atomic_files, npz_dataset, splits


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The flags."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--checkpoint_dir", required=True, help="what train.py wrote")
    add("--dataset_file", required=True, help=".npz, see build_dataset.py")
    add("--split_file", help="unless given: beside the data set, if there is one")
    add("--split", choices=("train", "val", "all"), default="val", help="which samples")
    add("--batch_size", type=int, default=32)
    add("--seed", type=int, default=0, help="of the lot that swaps instructions")
    add("--output_file", type=pathlib.Path, help="the table as JSON, every metric in it")
    return parser.parse_args(arguments)


def select_samples(
    args: argparse.Namespace, dataset: npz_dataset.FoodDataset
) -> tuple[np.ndarray, np.ndarray | None]:
    """The samples that are asked, and the labels that training knew (None without a split).

    Raises:
        FileNotFoundError: if there is no split file and --split is not 'all'.
        ValueError: if the split has no such samples.
    """
    path = pathlib.Path(args.split_file or splits.split_path(args.dataset_file))
    if args.split == "all" and args.split_file is None:
        return np.arange(len(dataset)), None
    split = splits.read_split(path, len(dataset))
    labels = np.asarray(dataset.actions)[split.train_idx]
    wanted = {"train": split.train_idx, "val": split.val_idx, "all": np.arange(len(dataset))}
    if not len(wanted[args.split]):
        raise ValueError(f"{path}: expected at least one {args.split} sample, got none.")
    return wanted[args.split], labels


def run(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Loads, asks, measures. Returns {kind of answer: {metric: value}}."""
    if args.batch_size < 1:
        raise ValueError(f"--batch_size: expected at least 1, got {args.batch_size}.")
    dataset = npz_dataset.read_npz(args.dataset_file)
    indices, train_labels = select_samples(args, dataset)
    agent = checkpoint_directory.load(args.checkpoint_dir).agent
    bar = functools.partial(tqdm.tqdm, unit="batch", leave=False, disable=None)
    ask = functools.partial(
        answers.model_answers, agent, dataset, indices, batch_size=args.batch_size, progress=bar
    )
    kinds = {"model": ask()}
    if dataset.sources is not None:
        swapped = answers.swapped_instructions(dataset, indices, args.seed)
        kinds["model, instruction swapped"] = ask(instructions=swapped)
    kinds |= answers.constant_answers(train_labels, len(indices))
    found = answer_table.answer_metrics(kinds, dataset, indices)
    print(f"{args.dataset_file}, {args.split}: {len(indices)} samples")
    print(answer_table.format_table(found))
    if args.output_file is not None:
        args.output_file.parent.mkdir(parents=True, exist_ok=True)
        contents = {"split": args.split, "num_samples": len(indices)}
        contents["answers"] = answer_table.without_unknown(found)
        with atomic_files.replace_file(args.output_file) as file:
            file.write((json.dumps(contents, indent=1) + "\n").encode())
    return found


def main(arguments: list[str] | None = None) -> int:
    """The command line; see the module for exit codes."""
    args = parse_arguments(arguments)
    try:
        run(args)
    except (ValueError, LookupError, OSError) as error:
        print(f"evaluate.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
