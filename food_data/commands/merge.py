"""The command merge of build_dataset.py: several data sets as one, with a new split.

python build_dataset.py merge data/plates.npz data/day_1.npz --output_file data/both.npz
"""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Sequence

import numpy as np

from food_data import npz_dataset, npz_writer

_BLOCK = 64


def add_parser(subparsers: argparse._SubParsersAction) -> list[argparse.ArgumentParser]:
    """Adds the command; `arguments.build(arguments)` writes the data set.

    Returns:
        Its parser, which lacks the flags of `output.add_flags`.
    """
    parser = subparsers.add_parser("merge", help="from other data sets")
    parser.set_defaults(build=_build)
    parser.add_argument("files", nargs="+", type=pathlib.Path, metavar="A.npz")
    return [parser]


def _build(arguments: argparse.Namespace) -> None:
    datasets = [npz_dataset.read_npz(file) for file in arguments.files]
    _check(arguments.files, datasets)
    number = sum(map(len, datasets))
    with npz_writer.NpzStreamWriter(arguments.output_file) as writer:
        with writer.stream("images", (number, *npz_dataset.IMAGE_SHAPE), np.uint8) as images:
            for dataset in datasets:
                for start in range(0, len(dataset), _BLOCK):
                    images.append(np.asarray(dataset.images[start : start + _BLOCK]))
        for name in ("actions", "embeddings", *npz_dataset.NAME_ARRAYS):
            writer.write(name, np.concatenate([getattr(dataset, name) for dataset in datasets]))
        if any(dataset.masks is not None for dataset in datasets):
            writer.write("masks", np.concatenate([_masks(dataset) for dataset in datasets]))
        writer.write("resize", np.array(datasets[0].resize))
        writer.write("format_version", np.array(npz_dataset.FORMAT_VERSION))


def _check(files: Sequence[pathlib.Path], datasets: Sequence[npz_dataset.FoodDataset]) -> None:
    """Raises ValueError if the data sets cannot be told apart or do not fit together."""
    seen: dict[str, pathlib.Path] = {}
    for file, dataset in zip(files, datasets):
        absent = [name for name in npz_dataset.NAME_ARRAYS if getattr(dataset, name) is None]
        if absent:
            raise ValueError(f"{file}: expected {', '.join(absent)}, which a merged file needs.")
        if dataset.resize != datasets[0].resize:
            raise ValueError(
                f"{file}: expected pictures made square by {datasets[0].resize!r} as in "
                f"{files[0]}, got {dataset.resize!r}."
            )
        for source in set(dataset.sources.tolist()):
            drawn = source.startswith("synthetic/") or "#" in source
            if drawn and seen.setdefault(source, file) != file:
                raise ValueError(
                    f"{source} is in {seen[source]} and in {file}: draw them with different seeds."
                )


def _masks(dataset: npz_dataset.FoodDataset) -> np.ndarray:
    if dataset.masks is None:
        return np.zeros((len(dataset), *npz_dataset.PACKED_SHAPE), np.uint8)
    return np.asarray(dataset.masks)
