"""The command check of build_dataset.py: is a data set fit for training?"""

from __future__ import annotations

import argparse
import functools
import pathlib

import tqdm

from food_data import dataset_check, splits


def add_parser(subparsers: argparse._SubParsersAction) -> list[argparse.ArgumentParser]:
    """Adds the command; `arguments.run(arguments)` gives the exit code.

    Returns:
        Its parser.
    """
    parser = subparsers.add_parser(
        "check", help="look for errors in a data set; exit code 1 if there are any"
    )
    parser.set_defaults(run=_run)
    parser.add_argument("file", type=pathlib.Path, help="the .npz")
    parser.add_argument(
        "--split_file", type=pathlib.Path, help="default: FILE_split.npz, if there is one"
    )
    return [parser]


def _run(arguments: argparse.Namespace) -> int:
    split_file = arguments.split_file
    if split_file is None and splits.split_path(arguments.file).is_file():
        split_file = splits.split_path(arguments.file)
    progress = functools.partial(tqdm.tqdm, unit="chunk", disable=None, leave=False)
    report = dataset_check.check_file(arguments.file, split_file, progress)
    print(f"{arguments.file}, {'no split file' if split_file is None else split_file}\n")
    print(report.text)
    return 1 if report.errors else 0
