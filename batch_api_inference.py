"""Asks a server, or a model in this process, about every picture of a folder.

    python batch_api_inference.py --api_url http://127.0.0.1:8080 --input_dir plates \\
        --output_file answers.json --action skewering --food_type strawberry
    python batch_api_inference.py --checkpoint_dir runs/first --input_dir plates ...
    python batch_api_inference.py --checkpoint_dir runs/first --split val \\
        --dataset_file plates.npz --output_file answers.json

The third asks about each sample of one side of a data set's split, with its own embedding. Pictures
with several foods are asked about with --labels, which say what is asked about which picture; how
good the answers are is what evaluate.py measures.

Writes answers.jsonl while it asks, and in the end beside it answers.json, answers.csv,
answers_sheet.png (pictures with their answers), and with --overlay_dir each picture with its
answer. A picture that cannot be used is reported and left out. Other files are counted.

A run that was killed goes on with --resume: what answers.jsonl holds is not asked again. Large
folders are shared out with --num_shards N --shard_index I, each shard with an --output_file of its
own, and put together with --merge shard*.json --output_file all.json.

Exit code 0: every question has its answer; 3: some have none (see failed_images); 1: nothing could
be done, the reason is on stderr; 2: wrong flags; 75: ended by SIGTERM or SIGUSR1, --resume goes on.
"""

from __future__ import annotations

import keras2  # noqa: F401

import argparse
import pathlib
import sys
from collections.abc import Callable, Sequence

from absl import flags as absl_flags
from absl import logging

import api_client
import folder_inference
from food_data import framing
from training import stop_signals

SOME_FAILED = 3
_DEFAULT_URL = "http://127.0.0.1:8080"
# What samples of a data set bring along themselves.
_OF_FOLDERS = ("input_dir", "action", "food_type", "text", "labels", "label_map", "resize")


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The flags; ends the program with code 2 if they do not fit together."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument_group("files").add_argument
    add("--input_dir", type=_path, help="folder with the pictures")
    add("--dataset_file", type=_path, help=".npz of build_dataset.py, instead")
    add("--split_file", type=_path, help="of it; unless given, the one beside it")
    add("--split", choices=("train", "val"), default="val", help="its side (%(default)s)")
    add("--recursive", action="store_true", help="and the folders in it")
    add("--pattern", default="*", help="only paths like this: '*/images/*.jpg' (all pictures)")
    add("--output_file", type=_path, required=True, help=".json; the others lie beside it")
    add("--overlay_dir", type=_path, help="folder for every picture with its answer drawn")
    count = _number(0)
    add("--sheet_images", type=count, default=60, help="pictures on the sheet (%(default)s)")
    add = parser.add_argument_group("who is asked").add_argument
    add("--api_url", help=f"a server ({_DEFAULT_URL})")
    add("--api_key", help=f"better in the environment, as {api_client.API_KEY_VARIABLE}")
    add("--timeout_s", type=float, default=60.0, help="longest wait for an answer (%(default)s)")
    add("--checkpoint_dir", type=_path, help="the model in this process, instead")
    engines = ("auto", "tensorflow", "onnxruntime")
    add("--engine", choices=engines, default="auto", help="what runs it; auto: the fastest on CPUs")
    trust_help = "let gin run what its config.gin says; only literals are read else"
    add("--trust_config", action="store_true", help=trust_help)
    asked = parser.add_argument_group("what is asked")
    add = asked.add_argument
    add("--action", help="such as skewering; without it, the labels say")
    add("--food_type", help="such as strawberry; without it, the labels say")
    add("--labels", type=_path, nargs="+", help=".csv or annotations .json: ask about these")
    add("--label_units", choices=("pixels", "normalised"), default="pixels", help="of a .csv")
    add("--label_map", type=_path, help="JSON of label -> food")
    add("--text", help="the instruction in words, instead of the two, or to be echoed")
    count = _number(0, 64)
    add("--num_samples", type=count, default=16, help="with dropout (%(default)s); 0: one without")
    add("--seed", type=_number(0, 2**31 - 1), help="makes the samples repeatable")
    add("--dropout_scope", choices=("head", "full"), default="head", help="(%(default)s)")
    add("--resize", choices=("stretch", "letterbox", "crop"), help="unless given: as in training")
    framing.add_flags(asked)
    add = parser.add_argument_group("long runs").add_argument
    add("--workers", type=_number(1), default=4, help="questions at a time (%(default)s)")
    add("--resume", action="store_true", help="go on with a run that was killed")
    add("--num_shards", type=_number(1), default=1, help="share the folder out, for job arrays")
    add("--shard_index", type=int, help="which shard this is, from 0")
    add("--merge", type=_path, nargs="+", help="--output_file of every shard")
    flags = parser.parse_args(arguments)
    directory, index, num_shards = flags.checkpoint_dir, flags.shard_index, flags.num_shards
    if flags.output_file.suffix != ".json":
        parser.error(f"--output_file: expected a name that ends in .json, got {flags.output_file}")
    if flags.input_dir is not None and not flags.input_dir.is_dir():
        parser.error(f"--input_dir: expected a folder, got {flags.input_dir}, which is none")
    for path in flags.labels or ():
        if not path.is_file() or path.suffix.lower() not in (".csv", ".json"):
            parser.error(f"--labels: expected a file in .csv or .json, got {path}")
    if directory is not None and (flags.api_url or flags.api_key):
        parser.error("--checkpoint_dir: expected no --api_url and no --api_key beside it")
    if (num_shards > 1 or index is not None) and index not in range(num_shards):
        parser.error(f"--shard_index: expected 0 to {num_shards - 1}, got {index}")
    if flags.dataset_file is not None:
        beside = [f"--{name}" for name in _OF_FOLDERS if getattr(flags, name) is not None]
        if beside:
            text = "its samples say what is asked; leave out"
            parser.error(f"--dataset_file: {text} {', '.join(beside)}")
        if directory is None and not flags.merge:
            parser.error(
                "--dataset_file: expected --checkpoint_dir too; servers take no embeddings"
            )
    elif not flags.merge:
        if flags.input_dir is None:
            parser.error("--input_dir: expected the folder with the pictures, or a --dataset_file")
        if flags.food_type and not flags.action:
            parser.error("--food_type: expected --action too")
        if flags.action and not flags.food_type and not flags.labels:
            parser.error("--action: expected --food_type too, or --labels that name foods")
        if not (flags.action or flags.text or flags.labels):
            parser.error(
                "expected --action and --food_type, --text, or --labels that say what is asked"
            )
    if directory is not None:
        import checkpoint_directory  # Here, because who asks a server does without.

        try:
            flags.checkpoint_dir = checkpoint_directory.locate(directory)
        except (OSError, ValueError) as error:
            parser.error(f"--checkpoint_dir: expected a directory that train.py wrote. {error}")
    elif flags.api_url is None:
        flags.api_url = _DEFAULT_URL
    return flags


def _number(lowest: int, highest: int | None = None) -> Callable[[str], int]:
    """The type of a flag that is a whole number."""

    def parse(text: str) -> int:
        value = int(text) if text.removeprefix("-").isdecimal() else lowest - 1
        if value < lowest or value > (highest or value):
            upper = "or more" if highest is None else f"to {highest}"
            raise argparse.ArgumentTypeError(f"expected {lowest} {upper}, got {text}")
        return value

    return parse


def _path(text: str) -> pathlib.Path:
    """The type of a flag that is a path."""
    if "://" in text:
        raise argparse.ArgumentTypeError(f"expected a path here, got {text}; copy or mount it")
    return pathlib.Path(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; see the module for exit codes."""
    args = parse_arguments(arguments)
    logging.set_verbosity(logging.INFO)
    logging.use_absl_handler()
    # The flags are argparse's; absl would warn that it has not seen them.
    absl_flags.FLAGS.mark_as_parsed()
    with stop_signals.StopSignals() as signals:
        try:
            if args.merge:
                document = folder_inference.merge(args, signals)
            else:
                loaded = None
                if args.checkpoint_dir is not None:
                    import policy  # TensorFlow takes seconds to import; a server needs none here.

                    how = (args.engine, args.trust_config)
                    loaded = policy.CheckpointPolicy.load(args.checkpoint_dir, *how)

                def open_policy(sleep: Callable[[float], None]) -> api_client.Policy:
                    how = {"api_key": args.api_key, "timeout_s": args.timeout_s, "sleep": sleep}
                    return loaded or api_client.FoodAcquisitionClient(args.api_url, **how)

                document = folder_inference.run(args, open_policy, signals)
        except stop_signals.Preempted as stopped:
            print(f"Ended by {stopped}; --resume goes on.", file=sys.stderr)
            return stop_signals.EXIT_CODE
        except (api_client.ApiError, OSError, ValueError, LookupError) as error:
            print(f"batch_api_inference.py: {error}", file=sys.stderr)
            return 2 if isinstance(error, folder_inference.JournalError) else 1
    summary = document["summary"]
    print(f"{summary['answered']} of {summary['questions']} questions answered: {args.output_file}")
    if summary["failed"]:
        kinds = (f"{count} {kind}" for kind, count in summary["failed_by_kind"].items())
        print(f"failed: {', '.join(kinds)}")
    if summary.get("folder", {}).get("left_out"):
        print(f"left out: {folder_inference.describe_left_out(summary['folder']['left_out'])}")
    if len(summary["model_versions"]) > 1:
        versions = ", ".join(summary["model_versions"])
        print(f"The model was swapped during the run; answers are of {versions}.")
    if "ask_human" in summary:
        print(f"better ask a person about {summary['ask_human']} (column ask_human)")
    if summary.get("not_trained"):
        print(f"the model was not trained on what {summary['not_trained']} ask (column trained)")
    if summary["failed"]:
        return SOME_FAILED if summary["answered"] else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
