"""Asks a server, or a model in this process, about every picture of a folder.

    python batch_api_inference.py --api_url http://127.0.0.1:8080 --input_dir plates \\
        --output_file answers.json --action skewering --food_type strawberry
    python batch_api_inference.py --checkpoint_dir runs/first --input_dir plates ...

Writes answers.jsonl while it asks, in the end answers.json and answers.csv beside it, and with
--overlay_dir each picture with its answer. A picture that cannot be used is reported and left out.
Other files are counted. evaluate.py asks about labelled pictures and measures the answers.

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
from collections.abc import Sequence

from absl import flags as absl_flags
from absl import logging

import api_client
import folder_inference
from food_data import framing
from training import stop_signals

SOME_FAILED = 3
_DEFAULT_URL = "http://127.0.0.1:8080"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument_group("files").add_argument
    add("--input_dir", type=_path, help="folder with the pictures")
    add("--recursive", action="store_true", help="and the folders in it")
    add("--output_file", type=_path, required=True, help=".json; the others lie beside it")
    add("--overlay_dir", type=_path, help="folder for every picture with its answer drawn")
    group = parser.add_argument_group("who is asked")
    add = group.add_argument
    who = group.add_mutually_exclusive_group()
    who.add_argument("--api_url", help=f"a server ({_DEFAULT_URL})")
    who.add_argument("--checkpoint_dir", type=_path, help="the model in this process, instead")
    add("--api_key", help=f"better in the environment, as {api_client.API_KEY_VARIABLE}")
    add("--timeout_s", type=float, default=60.0, help="longest wait for an answer (%(default)s)")
    engines = ("auto", "tensorflow", "onnxruntime")
    add("--engine", choices=engines, default="auto", help="what runs it; auto: the fastest on CPUs")
    trust_help = "let gin run what its config.gin says; only literals are read else"
    add("--trust_config", action="store_true", help=trust_help)
    asked = parser.add_argument_group("what is asked")
    add = asked.add_argument
    add("--action", help="such as skewering")
    add("--food_type", help="such as strawberry")
    add("--text", help="the instruction in words, instead of the two, or to be echoed")
    add("--num_samples", type=int, default=16, help="with dropout (%(default)s); 0: one without")
    add("--seed", type=int, help="makes the samples repeatable")
    add("--dropout_scope", choices=("head", "full"), default="head", help="(%(default)s)")
    add("--resize", choices=("stretch", "letterbox", "crop"), help="unless given: as in training")
    framing.add_flags(asked)
    add = parser.add_argument_group("long runs").add_argument
    add("--workers", type=int, default=4, help="questions at a time (%(default)s)")
    add("--resume", action="store_true", help="go on with a run that was killed")
    add("--num_shards", type=int, default=1, help="share the folder out, for job arrays")
    add("--shard_index", type=int, help="which shard this is, from 0")
    add("--merge", type=_path, nargs="+", help="--output_file of every shard")
    return parser


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The flags; ends the program with code 2 if they do not fit together."""
    parser = _parser()
    flags = parser.parse_args(arguments)
    folder, index, shards = flags.input_dir, flags.shard_index, flags.num_shards
    for wrong, expected in (
        (flags.output_file.suffix != ".json", "--output_file: expected a name that ends in .json"),
        (not (folder or flags.merge), "--input_dir: expected the folder with the pictures"),
        (folder and not folder.is_dir(), f"--input_dir: expected a folder, {folder} is none"),
        (not 0 <= flags.num_samples <= 64, "--num_samples: expected 0 to 64"),
        (not 0 <= (flags.seed or 0) < 2**31, "--seed: expected 0 to 2,147,483,647"),
        (flags.workers < 1, "--workers: expected 1 or more"),
        (
            index not in range(shards) and (index is not None or shards > 1),
            f"--shard_index: expected one from 0 below --num_shards ({shards}), got {index}",
        ),
        (
            not (flags.action and flags.food_type or flags.text or flags.merge),
            "expected --action and --food_type, or --text",
        ),
    ):
        if wrong:
            parser.error(expected)
    if flags.checkpoint_dir is None and flags.api_url is None:
        flags.api_url = _DEFAULT_URL
    return flags


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

                def open_policy() -> api_client.Policy:
                    if loaded:
                        return loaded
                    client = api_client.FoodAcquisitionClient(
                        args.api_url, api_key=args.api_key, timeout_s=args.timeout_s
                    )
                    client.sleep = signals.sleep
                    return client

                document = folder_inference.run(args, open_policy, signals)
        except stop_signals.Preempted as stopped:
            print(f"Ended by {stopped}; --resume goes on.", file=sys.stderr)
            return stop_signals.EXIT_CODE
        except (api_client.ApiError, OSError, ValueError, LookupError) as error:
            print(f"batch_api_inference.py: {error}", file=sys.stderr)
            return 2 if isinstance(error, folder_inference.JournalError) else 1
    summary = document["summary"]
    print(f"{summary['answered']} of {summary['questions']} pictures answered: {args.output_file}")
    if summary["failed"]:
        kinds = (f"{count} {kind}" for kind, count in summary["failed_by_kind"].items())
        print(f"failed: {', '.join(kinds)}")
    if summary.get("folder", {}).get("left_out"):
        print(f"left out: {folder_inference.describe_left_out(summary['folder']['left_out'])}")
    if len(summary["model_versions"]) > 1:
        versions = ", ".join(summary["model_versions"])
        print(f"The model was swapped during the run; answers are of {versions}.")
    for name, said in (
        ("ask_human", "better ask a person about {} (column ask_human)"),
        ("not_trained", "the model was not trained on what {} ask (column trained)"),
    ):
        if summary.get(name):
            print(said.format(summary[name]))
    if summary["failed"]:
        return SOME_FAILED if summary["answered"] else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
