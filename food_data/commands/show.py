"""The command show of build_dataset.py: a sheet of samples with arrows, by action and food."""

from __future__ import annotations

import argparse
import pathlib

from food_data import class_sheet, npz_dataset, preview
from food_data.commands import output


def add_parser(subparsers: argparse._SubParsersAction) -> list[argparse.ArgumentParser]:
    """Adds the command; `arguments.run(arguments)` gives the exit code.

    Returns:
        Its parser.
    """
    parser = subparsers.add_parser("show", help="draw samples of each action and food")
    parser.set_defaults(run=_run)
    parser.add_argument("file", type=pathlib.Path, help="the .npz")
    parser.add_argument("--output_file", type=pathlib.Path, required=True, help="a .jpg or .png")
    parser.add_argument("--samples_per_class", type=int, default=6)
    parser.add_argument("--overwrite", action="store_true", help="replace a file that exists")
    return [parser]


def _run(arguments: argparse.Namespace) -> int:
    preview.check_extension(arguments.output_file)
    output.check_new([arguments.output_file], arguments.overwrite)
    dataset = npz_dataset.read_npz(arguments.file)
    sheet = class_sheet.class_sheet(dataset, arguments.samples_per_class)
    preview.write_picture(arguments.output_file, sheet)
    print(f"{arguments.output_file}: {sheet.shape[1]} x {sheet.shape[0]} pixels")
    return 0
