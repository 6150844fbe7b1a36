"""What a run is going to ask, found out before it asks anything."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import typing
from collections.abc import Callable, Sequence
from typing import Any

from folder_inference import answerers, flags, labels, outputs, picture_files, questions

if typing.TYPE_CHECKING:
    from folder_inference import samples as tfrecord_samples

Ask = Callable[[Sequence[str]], "list[questions.Question]"]


class NothingToDoError(ValueError):
    """A folder without pictures, a server without a model, labels that name nothing."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run is going to ask.

    Attributes:
        asked: the questions of this shard, in order.
        labels: picture -> objects.
        settings: of all questions, with the model's version and the shard, for the journal.
        notes: for the summary.
    """

    asked: list[questions.Question]
    labels: labels.Labels
    settings: dict[str, Any]
    notes: dict[str, Any]


def make_plan(args: argparse.Namespace, answerer: answerers.Answerer, paths: outputs.Paths) -> Plan:
    """Looks at the folder, at who answers, and at the labels.

    Args:
        args: as `flags.parse_arguments` gives them.
        answerer: will be asked.
        paths: of the outputs, which are no input.

    Raises:
        NothingToDoError: see there.
        api_client.ApiError: if the server cannot be asked.
        OSError, ValueError: if the folder or a label file cannot be read.
    """
    content = _content(args, paths)
    version = answerer.model_version()
    if version is None:
        raise NothingToDoError(f"{args.api_url} has no model. Start it with --checkpoint_dir.")
    settings = flags.settings_of(args)
    labelled, notes = _labels(args, answerer)

    def ask(names: Sequence[str]) -> list[questions.Question]:
        return questions.make_questions(names, settings, labelled)

    pictures, shard = _shard(args, content.pictures, ask)
    asked = ask(pictures)
    if not asked and not shard:
        raise NothingToDoError(f"The labels say nothing about the {len(pictures)} pictures.")
    notes["folder"] = {
        "pictures": len(pictures),
        "other_files": content.others,
        "without_question": len(set(pictures) - {one.image for one in asked}),
    }
    return _plan(args, asked, labelled, {"model_version": version}, {**notes, **shard})


def make_sample_plan(
    args: argparse.Namespace,
    answerer: answerers.Answerer,
    samples: tfrecord_samples.TfrecordSamples,
) -> Plan:
    """Each sample is asked about what it is labelled with.

    Args:
        args: as `flags.parse_arguments` gives them.
        answerer: will be asked.
        samples: of one side of a split.
    """

    def ask(names: Sequence[str]) -> list[questions.Question]:
        return [samples.question(name) for name in names]

    names, shard = _shard(args, samples.names, ask)
    labelled = {name: samples.labelled(name) for name in names}
    data = {"split": samples.split, "dataset": samples.fingerprint}
    notes = {"tfrecords": {**data, "samples": len(samples.names)}, **shard}
    identity = {"model_version": answerer.model_version(), **data}
    return _plan(args, ask(names), labelled, identity, notes)


def _plan(
    args: argparse.Namespace,
    asked: list[questions.Question],
    labelled: labels.Labels,
    identity: dict[str, Any],
    notes: dict[str, Any],
) -> Plan:
    """With what tells this run from others, for the journal."""
    place = [args.shard_index, args.num_shards] if "shard" in notes else None
    settings = {**flags.settings_of(args).to_dict(), **identity, "shard": place}
    return Plan(asked, labelled, settings, notes)


def _content(args: argparse.Namespace, paths: outputs.Paths) -> picture_files.FolderContent:
    content = picture_files.find_pictures(args.input_dir, args.recursive, paths.all(), args.pattern)
    if not content.pictures:
        hint = "" if args.recursive else " --recursive looks into its folders."
        raise NothingToDoError(
            f"{args.input_dir} has no pictures ({', '.join(picture_files.ENDINGS)}), but "
            f"{content.others} other files.{hint}"
        )
    return content


def _shard(
    args: argparse.Namespace, pictures: Sequence[str], ask: Ask
) -> tuple[Sequence[str], dict[str, Any]]:
    """This shard's pictures, and the note that `merging` reads; {} without shards."""
    if args.num_shards == 1 and args.shard_index is None:
        return pictures, {}
    everything = [one.key for one in ask(pictures)]
    note = {
        "index": args.shard_index,
        "num_shards": args.num_shards,
        "questions_in_folder": len(everything),
        "folder_sha256": hashlib.sha256(json.dumps(everything).encode()).hexdigest(),
    }
    return picture_files.shard(pictures, args.num_shards, args.shard_index), {"shard": note}


def _labels(
    args: argparse.Namespace, answerer: answerers.Answerer
) -> tuple[labels.Labels, dict[str, Any]]:
    if not args.labels:
        return {}, {}
    found, report = labels.read_labels(
        args.labels,
        args.input_dir,
        answerer.combinations(),
        action=args.action,
        label_map=labels.read_label_map(args.label_map) if args.label_map else None,
        units=args.label_units,
    )
    return found, {"labels": report.to_dict()}
