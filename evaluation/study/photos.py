"""What evaluate.py and calibrate.py ask about: a data set, or photographs with annotations.

The converters of build_dataset.py read them, with the same flags:

    evaluate.py --checkpoint_dir runs/first --annotation_format coco --annotations instances.json \\
        --images_dir photos --action skewering

Pictures become square as those that the checkpoint was trained with, and instructions get the
checkpoint's embeddings, as serving does it; `--resize` and `--embeddings_dir` say otherwise.
Photographs are looked at as often as the checkpoint says (`framing`). The pictures of a data set
are too small for crops, and are looked at once; `--passes` says otherwise.
"""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Mapping, Sequence

import checkpoint_directory
from food_data import commands, framing, npz_dataset

FORMATS = ("annotations", "coco", "labelme", "voc", "csv", "spanet")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds --dataset_file or --annotations, --annotation_format, --passes and --accurate."""
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--dataset_file", type=pathlib.Path, help=".npz, see build_dataset.py")
    data.add_argument("--annotations", nargs="+", metavar="FILE", help="of photographs")
    parser.add_argument("--annotation_format", choices=FORMATS, default="annotations")
    framing.add_flags(parser)


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """The flags; those of the annotations' converter, as a list, in `converter_flags`."""
    args, args.converter_flags = parser.parse_known_args(arguments)
    if args.converter_flags and args.annotations is None:
        parser.error(f"unrecognized arguments: {' '.join(args.converter_flags)}")
    return args


def read(args: argparse.Namespace, metadata: Mapping[str, object]) -> npz_dataset.FoodDataset:
    """The data set, or that of the photographs; raises what `build` and `read_npz` raise.

    Args:
        args: of `parse`, with `checkpoint_dir`.
        metadata: of the checkpoint.
    """
    if args.annotations is None:
        return npz_dataset.read_npz(args.dataset_file)
    flags = ["--annotations", *args.annotations, *args.converter_flags]
    return build(args.annotation_format, flags, args.checkpoint_dir, metadata)


def framing_of(args: argparse.Namespace, metadata: Mapping[str, object]) -> framing.Framing:
    """How the checkpoint of a metadata.json looks at what `read` gives."""
    passes = args.passes or (None if args.annotations else "one")
    return checkpoint_directory.framing_of(metadata).instead(passes)


def build(
    annotation_format: str,
    flags: Sequence[str],
    checkpoint_dir: pathlib.Path,
    metadata: Mapping[str, object],
) -> npz_dataset.FoodDataset:
    """Reads annotations and pictures.

    Args:
        annotation_format: of `FORMATS`; 'annotations' are files of our own format.
        flags: of the command from_... of build_dataset.py, such as --annotations.
        checkpoint_dir: gives the embeddings.
        metadata: of the checkpoint, gives the way pictures become square.

    Returns:
        The data set, in memory.

    Raises:
        ValueError: if the checkpoint does not say how pictures become square and no flag does, or
            annotations are not as they should be.
        OSError: if a file is absent or unreadable.
    """
    parser = argparse.ArgumentParser(prog="evaluate.py --annotation_format")
    subparsers = parser.add_subparsers()
    for command in commands.add_photo_commands(subparsers):
        command.add_argument(
            "--embeddings_dir",
            default=pathlib.Path(checkpoint_dir) / checkpoint_directory.EMBEDDINGS_DIR,
        )
    command = [f"from_{annotation_format}", *flags]
    if not any(flag.split("=")[0] == "--resize" for flag in flags):
        resize = metadata.get("resize")
        if resize is None:
            raise ValueError(
                f"{checkpoint_dir}: expected to learn how its pictures became square, got nothing: "
                "its data set did not say. Give --resize."
            )
        command += ["--resize", str(resize)]
    arguments = parser.parse_args(command)
    return arguments.build(arguments)
