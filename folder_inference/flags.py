"""The flags of `batch_api_inference.py`, and what they mean together."""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Sequence

import api_client
from folder_inference import questions

_MAX_SAMPLES = 64
_DEFAULT_URL = "http://127.0.0.1:8080"
# What samples of TFRecords bring along themselves.
_OF_FOLDERS = ("input_dir", "action", "food_type", "text", "labels", "label_map", "resize")


def parse_arguments(
    description: str | None, arguments: Sequence[str] | None = None
) -> argparse.Namespace:
    """Reads the flags; ends the program with code 2 if they do not fit together.

    Args:
        description: the beginning of --help.
        arguments: the command line without the program's name; None takes that of the process.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    _add_input_and_output(parser)
    _add_asking(parser)
    _add_sharing_out(parser)
    flags = parser.parse_args(arguments)
    checks = (_wrong_files, _wrong_model, _wrong_question, _wrong_number)
    for wrong in filter(None, (check(flags) for check in checks)):
        parser.error(wrong)
    if flags.checkpoint_dir is None and flags.api_url is None:
        flags.api_url = _DEFAULT_URL
    return flags


def settings_of(flags: argparse.Namespace) -> questions.Settings:
    """What all questions have in common."""
    return questions.Settings(
        action=flags.action,
        food_type=flags.food_type,
        text=flags.text,
        num_samples=flags.num_samples,
        seed=flags.seed,
        dropout_scope=flags.dropout_scope,
        resize=flags.resize,
        passes=flags.passes,
    )


def _add_input_and_output(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("files").add_argument
    add("--input_dir", type=pathlib.Path, help="folder with the pictures")
    add("--tfrecord_dir", type=pathlib.Path, help="of build_dataset.py to_tfrecord, instead")
    add("--split", choices=("train", "val"), default="val", help="of it (%(default)s)")
    add("--recursive", action="store_true", help="and the folders in it")
    add("--pattern", default="*", help="only paths like this: '*/images/*.jpg' (all pictures)")
    add("--output_file", type=pathlib.Path, required=True, help=".json; the others lie beside it")
    add("--overlay_dir", type=pathlib.Path, help="folder for every picture with its answer drawn")
    add("--sheet_images", type=int, default=60, help="pictures on the contact sheet (%(default)s)")
    add("--labels", type=pathlib.Path, nargs="+", help=".csv or annotations .json, for scores")
    add("--label_units", choices=("pixels", "normalised"), default="pixels", help="of a .csv")
    add("--label_map", type=pathlib.Path, help="JSON of label -> food")


def _add_asking(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("who is asked").add_argument
    add("--api_url", help=f"a server ({_DEFAULT_URL})")
    add("--api_key", help=f"better in the environment, as {api_client.API_KEY_VARIABLE}")
    add("--timeout_s", type=float, default=60.0, help="longest wait for an answer (%(default)s)")
    add("--checkpoint_dir", type=pathlib.Path, help="the model in this process, instead")
    engines = ("auto", "tensorflow", "onnxruntime")
    add("--engine", choices=engines, default="auto", help="what runs it; auto: the fastest on CPUs")
    add = parser.add_argument_group("what is asked").add_argument
    add("--action", help="such as skewering; without it, the labels say")
    add("--food_type", help="such as strawberry; without it, the labels say")
    add("--text", help="the instruction in words, instead of the two, or to be echoed")
    add("--num_samples", type=int, default=16, help="with dropout (%(default)s); 0: one without")
    add("--seed", type=int, help="makes the samples repeatable")
    add("--dropout_scope", choices=("head", "full"), default="head", help="(%(default)s)")
    add("--resize", choices=("stretch", "letterbox", "crop"), help="unless given: as in training")
    passes = ("one", "fast", "accurate")
    add("--passes", choices=passes, help="looks at a photo; unless given: as the checkpoint says")
    add("--accurate", dest="passes", action="store_const", const="accurate", help=argparse.SUPPRESS)


def _add_sharing_out(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("long runs").add_argument
    add("--workers", type=int, default=4, help="questions at a time (%(default)s)")
    add("--resume", action="store_true", help="go on with a run that was killed")
    add("--num_shards", type=int, default=1, help="share the folder out, for job arrays")
    add("--shard_index", type=int, help="which shard this is, from 0")
    add("--merge", type=pathlib.Path, nargs="+", help="JSON of every shard: puts them together")


def _wrong_files(flags: argparse.Namespace) -> str | None:
    if flags.output_file.suffix != ".json":
        return f"--output_file: expected a name that ends in .json, got {flags.output_file}"
    if flags.input_dir is None and flags.tfrecord_dir is None and not flags.merge:
        return "--input_dir: expected the folder with the pictures, or a --tfrecord_dir"
    if flags.input_dir is not None and not flags.input_dir.is_dir():
        return f"--input_dir: expected a folder, got {flags.input_dir}, which is none"
    absent = [str(path) for path in flags.labels or () if not path.is_file()]
    if absent:
        return f"--labels: there is no file {', '.join(absent)}"
    return None


def _wrong_model(flags: argparse.Namespace) -> str | None:
    directory = flags.checkpoint_dir
    if directory is not None and (flags.api_url or flags.api_key):
        return "--checkpoint_dir: expected no --api_url and no --api_key beside it"
    if directory is not None and not directory.is_dir():
        return f"--checkpoint_dir: expected a directory that train.py wrote, got {directory}"
    if flags.tfrecord_dir is None:
        return None
    beside = [f"--{name}" for name in _OF_FOLDERS if getattr(flags, name) is not None]
    if beside:
        return f"--tfrecord_dir: its samples say what is asked; leave out {', '.join(beside)}"
    if directory is None and not flags.merge:
        return "--tfrecord_dir: expected --checkpoint_dir too; servers take no embeddings"
    return None


def _wrong_question(flags: argparse.Namespace) -> str | None:
    if flags.merge or flags.tfrecord_dir is not None:
        return None
    if flags.food_type and not flags.action:
        return "--food_type: expected --action too"
    if flags.action and not flags.food_type and not flags.labels:
        return "--action: expected --food_type too, or --labels that name foods"
    if not (flags.action or flags.text or flags.labels):
        return "expected --action and --food_type, --text, or --labels that say what is asked"
    if flags.labels and flags.text and not flags.food_type:
        return "--labels: a --text alone does not say which labels it means; name the food too"
    return None


def _wrong_number(flags: argparse.Namespace) -> str | None:
    if not 0 <= flags.num_samples <= _MAX_SAMPLES:
        return f"--num_samples: expected 0 to {_MAX_SAMPLES}, got {flags.num_samples}"
    if flags.seed is not None and not 0 <= flags.seed < 2**31:
        return f"--seed: expected 0 to 2**31 - 1, got {flags.seed}"
    if flags.workers < 1:
        return f"--workers: expected 1 or more, got {flags.workers}"
    if flags.sheet_images < 0:
        return f"--sheet_images: expected 0 or more, got {flags.sheet_images}"
    if flags.num_shards < 1:
        return f"--num_shards: expected 1 or more, got {flags.num_shards}"
    index = flags.shard_index
    if (flags.num_shards > 1 or index is not None) and not 0 <= (
        -1 if index is None else index
    ) < flags.num_shards:
        return f"--shard_index: expected 0 to {flags.num_shards - 1}, got {index}"
    return None
