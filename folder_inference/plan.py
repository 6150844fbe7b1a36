"""What a run is going to ask, found out before it asks anything."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import api_client
from folder_inference import flags, labels, outputs, picture_files, questions


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


def make_plan(
    args: argparse.Namespace, client: api_client.FoodAcquisitionClient, paths: outputs.Paths
) -> Plan:
    """Looks at the folder, the server and the labels.

    Args:
        args: as `flags.parse_arguments` gives them.
        client: of the server.
        paths: of the outputs, which are no input.

    Raises:
        NothingToDoError: see there.
        api_client.ApiError: if the server cannot be asked.
        OSError, ValueError: if the folder or a label file cannot be read.
    """
    content = _content(args, paths)
    version = client.health().get("model_version")
    if version is None:
        raise NothingToDoError(f"{args.api_url} has no model. Start it with --checkpoint_dir.")
    settings = flags.settings_of(args)
    labelled, notes = _labels(args, client)
    pictures, shard = _shard(args, content.pictures, settings, labelled)
    asked = questions.make_questions(pictures, settings, labelled)
    if not asked and not shard:
        raise NothingToDoError(f"The labels say nothing about the {len(pictures)} pictures.")
    notes["folder"] = {
        "pictures": len(pictures),
        "other_files": content.others,
        "without_question": len(set(pictures) - {one.image for one in asked}),
    }
    if shard:
        notes["shard"] = shard
    place = [args.shard_index, args.num_shards] if shard else None
    identity = {**settings.to_dict(), "model_version": version, "shard": place}
    return Plan(asked, labelled, identity, notes)


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
    args: argparse.Namespace,
    pictures: Sequence[str],
    settings: questions.Settings,
    labelled: labels.Labels,
) -> tuple[Sequence[str], dict[str, Any]]:
    """This shard's pictures, and what `merging` wants to know about it; {} without shards."""
    if args.num_shards == 1 and args.shard_index is None:
        return pictures, {}
    everything = [one.key for one in questions.make_questions(pictures, settings, labelled)]
    return picture_files.shard(pictures, args.num_shards, args.shard_index), {
        "index": args.shard_index,
        "num_shards": args.num_shards,
        "questions_in_folder": len(everything),
        "folder_sha256": hashlib.sha256(json.dumps(everything).encode()).hexdigest(),
    }


def _labels(
    args: argparse.Namespace, client: api_client.FoodAcquisitionClient
) -> tuple[labels.Labels, dict[str, Any]]:
    if not args.labels:
        return {}, {}
    found, report = labels.read_labels(
        args.labels,
        args.input_dir,
        client.available_combinations(),
        action=args.action,
        label_map=labels.read_label_map(args.label_map) if args.label_map else None,
        units=args.label_units,
    )
    return found, {"labels": report.to_dict()}
