"""Puts the results of all shards together, as if one run had asked everything.

Refused are a shard that is there twice or missing, a shard that was not finished, shards of other
settings or of another folder, and a question that two of them have.
"""

from __future__ import annotations

import collections
import pathlib
from collections.abc import Sequence
from typing import Any

from folder_inference import results, scoring
from food_data import annotations


class MergeError(ValueError):
    """Shards that do not make a whole."""


def merge(files: Sequence[pathlib.Path]) -> dict[str, Any]:
    """Reads the JSON of every shard.

    Args:
        files: one of each shard, in any order.

    Returns:
        What `batch_api_inference.py` writes as JSON, entries in the order of one run.

    Raises:
        OSError: if a file is absent.
        MergeError: see the module; names the files.
    """
    shards = {file: _read(file) for file in files}
    if len(shards) < len(files):
        raise MergeError("Expected each shard once, got a file twice.")
    _check_shards(shards)
    documents = list(shards.values())
    answered = sorted((one for d in documents for one in d["results"]), key=_answered_key)
    failed = sorted((one for d in documents for one in d["failed_images"]), key=_failed_key)
    _check_questions(documents, [*map(_answered_key, answered), *map(_failed_key, failed)])
    summaries = [document["summary"] for document in documents]
    summary = results.summary(answered, failed)
    summary["settings"] = {**summaries[0]["settings"], "shard": None}
    summary["merged"] = sorted(file.name for file in files)
    if all("scores" in one for one in summaries):
        summary["scores"] = scoring.combined([one["scores"] for one in summaries])
    return {"results": answered, "failed_images": failed, "summary": summary}


def _read(file: pathlib.Path) -> dict[str, Any]:
    document = annotations.read_json(file, "results of a shard")
    try:
        if document["summary"]["shard"]["num_shards"] >= 1:
            return document
    except (KeyError, TypeError):
        pass
    raise MergeError(f"{file}: expected what a run with --num_shards wrote, got something else.")


def _check_shards(shards: dict[pathlib.Path, dict[str, Any]]) -> None:
    first_file = next(iter(shards))
    first = shards[first_file]["summary"]
    seen: dict[int, pathlib.Path] = {}
    for file, document in shards.items():
        summary = document["summary"]
        if _common(summary) != _common(first):
            raise MergeError(
                f"{file} and {first_file} are of different runs: {_common(summary)} and "
                f"{_common(first)}."
            )
        index = summary["shard"]["index"]
        if index in seen:
            raise MergeError(f"{seen[index]} and {file} overlap: both are shard {index}.")
        seen[index] = file
        unfinished = {results.NOT_ASKED} & set(summary["failed_by_kind"])
        if unfinished:
            raise MergeError(f"{file} was not finished. Run its shard again with --resume.")
    missing = sorted(set(range(first["shard"]["num_shards"])) - set(seen))
    if missing:
        raise MergeError(
            f"Expected {first['shard']['num_shards']} shards, got {len(seen)}; missing: "
            f"{', '.join(map(str, missing))}."
        )


def _common(summary: dict[str, Any]) -> dict[str, Any]:
    """What all shards of a run have in common."""
    of_shard = {name: value for name, value in summary["shard"].items() if name != "index"}
    settings = {name: value for name, value in summary["settings"].items() if name != "shard"}
    return {**settings, **of_shard}


def _check_questions(documents: list[dict[str, Any]], keys: list[tuple[str, ...]]) -> None:
    twice = [key for key, count in collections.Counter(keys).items() if count > 1]
    if twice:
        raise MergeError(f"The shards overlap: {' '.join(twice[0])} is in two of them.")
    expected = documents[0]["summary"]["shard"]["questions_in_folder"]
    if len(keys) != expected:
        raise MergeError(f"Expected {expected} questions in all shards, got {len(keys)}.")


def _answered_key(record: dict[str, Any]) -> tuple[str, ...]:
    return record["image"], record["input_action"] or "", record["input_food_type"] or ""


def _failed_key(record: dict[str, Any]) -> tuple[str, ...]:
    return record["image"], record["action"] or "", record["food_type"] or ""
