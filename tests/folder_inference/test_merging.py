"""Shards make a whole, or are refused."""

from __future__ import annotations

import copy
import json

import pytest

from folder_inference import merging, outcomes, questions, results
from tests.folder_inference import records


@pytest.fixture
def shards(tmp_path):
    """Two shards of three pictures, the second of which failed."""
    failed = results.failed_record(
        questions.Question("b.jpg", "skewering", "banana"),
        outcomes.Failure("refused", 422, "no picture"),
    )
    parts = [([records.record("a.jpg"), records.record("c.jpg")], []), ([], [failed])]
    documents = []
    for index, (answered, failures) in enumerate(parts):
        summary = results.summary(answered, failures)
        summary["settings"] = {"seed": 1, "model_version": "v1", "shard": [index, 2]}
        summary["shard"] = {
            "index": index,
            "num_shards": 2,
            "questions_in_folder": 3,
            "folder_sha256": "f",
        }
        documents.append({"results": answered, "failed_images": failures, "summary": summary})
    return documents


def merge(tmp_path, *documents):
    files = []
    for number, document in enumerate(documents):
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text(json.dumps(document))
    return merging.merge(files)


@pytest.mark.parametrize("order", [1, -1])
def test_a_whole(order, shards, tmp_path):
    merged = merge(tmp_path, *shards[::order])
    assert [one["image"] for one in merged["results"]] == ["a.jpg", "c.jpg"]
    assert [one["image"] for one in merged["failed_images"]] == ["b.jpg"]
    summary = merged["summary"]
    assert (summary["questions"], summary["answered"]) == (3, 2)
    assert summary["settings"] == {"seed": 1, "model_version": "v1", "shard": None}
    assert summary["merged"] == ["0.json", "1.json"]
    assert "scores" not in summary


def test_missing_shard(shards, tmp_path):
    with pytest.raises(merging.MergeError, match="Expected 2 shards, got 1; missing: 1"):
        merge(tmp_path, shards[0])


def test_a_shard_twice(shards, tmp_path):
    with pytest.raises(merging.MergeError, match="overlap: both are shard 0"):
        merge(tmp_path, shards[0], shards[0])
    with pytest.raises(merging.MergeError, match="got a file twice"):
        merging.merge([tmp_path / "0.json", tmp_path / "0.json"])


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("settings", "seed", 2),
        ("settings", "model_version", "v2"),
        ("shard", "folder_sha256", "g"),
        ("shard", "num_shards", 3),
    ],
)
def test_shards_of_different_runs(part, name, value, shards, tmp_path):
    shards[1]["summary"][part][name] = value
    with pytest.raises(merging.MergeError, match="of different runs"):
        merge(tmp_path, *shards)


def test_an_unfinished_shard(shards, tmp_path):
    entry = shards[1]["failed_images"][0]
    entry["kind"] = results.NOT_ASKED
    shards[1]["summary"].update(results.summary([], [entry]))
    with pytest.raises(merging.MergeError, match="was not finished"):
        merge(tmp_path, *shards)


def test_a_question_of_two_shards(shards, tmp_path):
    other = copy.deepcopy(shards[0]["results"][0])
    shards[1]["results"].append(other)
    with pytest.raises(merging.MergeError, match=r"a.jpg skewering banana is in two"):
        merge(tmp_path, *shards)


def test_a_question_that_is_lost(shards, tmp_path):
    del shards[0]["results"][0]
    with pytest.raises(merging.MergeError, match="Expected 3 questions in all shards, got 2"):
        merge(tmp_path, *shards)


@pytest.mark.parametrize("document", [{}, [], {"summary": {}}, {"summary": {"shard": None}}])
def test_what_is_no_shard(document, tmp_path):
    with pytest.raises(merging.MergeError, match="0.json: expected what a run with --num_shards"):
        merge(tmp_path, document)
