"""The command to_tfrecord of build_dataset.py: an .npz as a folder of shards."""

from __future__ import annotations

import argparse
import functools
import pathlib

import tqdm

from food_data import npz_dataset, splits


def add_parser(subparsers: argparse._SubParsersAction) -> list[argparse.ArgumentParser]:
    """Adds the command; `arguments.run(arguments)` gives the exit code.

    Returns:
        Its parser.
    """
    parser = subparsers.add_parser(
        "to_tfrecord", help="write a data set as shards, for train.py --data_dir"
    )
    parser.set_defaults(run=_run)
    parser.add_argument("file", type=pathlib.Path, help="the .npz")
    parser.add_argument("output_dir", type=pathlib.Path, help="a new folder")
    parser.add_argument("--samples_per_shard", type=int, default=512, help="at most; 512 are 86 MB")
    parser.add_argument(
        "--split_file", type=pathlib.Path, help="default: FILE_split.npz; drawn if there is none"
    )
    parser.add_argument("--validation_fraction", type=float, default=0.2, help="of a drawn split")
    parser.add_argument("--seed", type=int, default=0, help="of the split and the shards")
    return [parser]


def _run(arguments: argparse.Namespace) -> int:
    # Needs TensorFlow, which takes seconds to load and which no other command waits for.
    from food_data import tfrecord_writer

    dataset = npz_dataset.read_npz(arguments.file)
    split_file = arguments.split_file or splits.split_path(arguments.file)
    if arguments.split_file or split_file.is_file():
        split = splits.read_split(split_file, len(dataset))
        print(f"split: {split_file}")
    else:
        split = splits.make_split(dataset, arguments.validation_fraction, arguments.seed)
        print(f"split: drawn with seed {arguments.seed}")
    index = tfrecord_writer.write_tfrecords(
        dataset,
        split,
        arguments.output_dir,
        arguments.samples_per_shard,
        arguments.seed,
        functools.partial(tqdm.tqdm, unit="shard", disable=None),
    )
    for side in ("train", "val"):
        count = len(index.shards(side))
        print(f"{arguments.output_dir}: {side}: {index.num_samples(side)} samples, {count} shards")
    return 0
