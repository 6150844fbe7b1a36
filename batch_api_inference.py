"""Asks a server, or a model in this process, about every picture of a folder.

    python batch_api_inference.py --api_url http://127.0.0.1:8080 --input_dir plates \\
        --output_file results.json --action skewering --food_type strawberry
    python batch_api_inference.py --checkpoint_dir runs/first --input_dir plates ...
    python batch_api_inference.py --checkpoint_dir runs/first --tfrecord_dir shards --split val \\
        --output_file results.json

The third asks about each sample of the TFRecords that build_dataset.py to_tfrecord wrote, with its
own embedding, and scores the answers by its label.

Writes, beside results.json: results.csv, results_variances.png (how far the samples of each answer
lie apart), results_sheet.png (pictures with their answers), and with --overlay_dir each picture
with its answer. A picture that cannot be used is reported and left out. Several foods are asked
about with --labels, which also scores the answers.

A run that was killed goes on with --resume: what results.journal.jsonl holds is not asked again.
Large folders are shared out with --num_shards N --shard_index I, each shard with an --output_file
of its own, and put together with --merge shard*.json --output_file all.json.

Exit code 0: every question has its answer; 3: some have none (see failed_images); 1: nothing could
be done, the reason is on stderr; 2: wrong flags; 75: ended by SIGTERM or SIGUSR1, --resume goes on.
"""

from __future__ import annotations

import keras2  # noqa: F401

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags as absl_flags
from absl import logging

import api_client
from folder_inference import flags, journal, outputs, run, stopping

SOME_FAILED = 3


def exit_code(document: Mapping[str, Any]) -> int:
    """0 if all questions were answered, 3 if some, 1 if there were some and none was."""
    if not document["failed_images"]:
        return 0
    return SOME_FAILED if document["results"] else 1


def text(document: Mapping[str, Any], paths: outputs.Paths) -> str:
    """What a person wants to know at the end."""
    summary = document["summary"]
    lines = [f"{summary['answered']} of {summary['questions']} questions answered: {paths.json}"]
    kinds = summary["failed_by_kind"].items()
    if kinds:
        lines.append("failed: " + ", ".join(f"{count} {kind}" for kind, count in kinds))
    if len(summary["model_versions"]) > 1:
        versions = ", ".join(summary["model_versions"])
        lines.append(f"The model was swapped during the run; answers are of {versions}.")
    if "ask_human" in summary:
        lines.append(f"better ask a person about {summary['ask_human']} (column ask_human)")
    for name in ("answers", "centre of the picture"):
        means = summary.get("scores", {}).get(name, {})
        figures = [f"{key} {value:.4g}" for key, value in means.items() if value is not None]
        if figures:
            lines.append(f"{name}: {', '.join(figures)}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; see the module for exit codes."""
    args = flags.parse_arguments(__doc__, arguments)
    logging.set_verbosity(logging.INFO)
    logging.use_absl_handler()
    # The flags are argparse's; absl would warn that it has not seen them.
    absl_flags.FLAGS.mark_as_parsed()
    with stopping.StopSignals() as signals:
        try:
            document = (run.merge if args.merge else run.run)(args, signals)
        except stopping.Stopped as stopped:
            print(f"Ended by {stopped}; --resume goes on.", file=sys.stderr)  # noqa: T201
            return stopping.EXIT_CODE
        except journal.JournalError as error:
            print(f"batch_api_inference.py: {error}", file=sys.stderr)  # noqa: T201
            return 2
        except (api_client.ApiError, OSError, ValueError, LookupError) as error:
            print(f"batch_api_inference.py: {error}", file=sys.stderr)  # noqa: T201
            return 1
    print(text(document, outputs.Paths(args.output_file)))  # noqa: T201
    return exit_code(document)


if __name__ == "__main__":
    sys.exit(main())
