"""What every command that makes a data set shares: its flags, and writing data set and split."""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Callable

from food_data import npz_dataset, preview, splits

EMBEDDINGS_DIR = pathlib.Path(__file__).resolve().parents[2] / "embeddings"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds --output_file and what belongs to it."""
    parser.add_argument("--output_file", type=pathlib.Path, required=True, help="the .npz")
    parser.add_argument("--embeddings_dir", default=EMBEDDINGS_DIR)
    parser.add_argument("--validation_fraction", type=float, default=0.2, help="of the samples")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn")
    parser.add_argument("--preview_file", type=pathlib.Path, help="a picture of the first samples")
    parser.add_argument("--preview_samples", type=int, default=48)
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")


def run(
    arguments: argparse.Namespace,
    build: Callable[[argparse.Namespace], npz_dataset.FoodDataset | None],
) -> int:
    """Makes a data set and writes it with its split, and a preview if one is wanted.

    Args:
        arguments: of a parser that `add_flags` has seen.
        build: gives the data set; or None, after writing `arguments.output_file` itself.

    Returns:
        The exit code, 0.

    Raises:
        OSError, ValueError, LookupError: if something is wrong, before or after the work.
    """
    _check(arguments)
    dataset = build(arguments)
    if dataset is not None:
        # Before anything is written, in case it cannot be split.
        split = splits.make_split(dataset, arguments.validation_fraction, arguments.seed)
        npz_dataset.write_npz(arguments.output_file, dataset)
    else:
        dataset = npz_dataset.read_npz(arguments.output_file)
        split = splits.make_split(dataset, arguments.validation_fraction, arguments.seed)
    split_file = splits.split_path(arguments.output_file)
    splits.write_split(split_file, split)
    print(f"{arguments.output_file}: {len(dataset)} samples")
    print(f"{split_file}: {len(split.train_idx)} train, {len(split.val_idx)} validate")
    if arguments.preview_file:
        preview.write_contact_sheet(arguments.preview_file, dataset, arguments.preview_samples)
        print(f"{arguments.preview_file}: a picture of the first samples")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Fails before the work rather than after it."""
    if arguments.output_file.suffix != ".npz":
        raise ValueError(f"--output_file: expected a name in .npz, got {arguments.output_file}.")
    splits.check_fraction(arguments.validation_fraction)
    outputs = [arguments.output_file, splits.split_path(arguments.output_file)]
    if arguments.preview_file:
        preview.check_extension(arguments.preview_file)
        outputs.append(arguments.preview_file)
    check_new(outputs, arguments.overwrite)


def check_new(outputs: list[pathlib.Path], overwrite: bool) -> None:
    """Makes the folders of files that are to be written.

    Args:
        outputs: the files.
        overwrite: they may exist.

    Raises:
        FileExistsError: if one exists and must not.
    """
    present = [str(path) for path in outputs if path.exists()]
    if present and not overwrite:
        raise FileExistsError(f"{', '.join(present)} exist; --overwrite replaces them.")
    for path in outputs:
        path.parent.mkdir(parents=True, exist_ok=True)
