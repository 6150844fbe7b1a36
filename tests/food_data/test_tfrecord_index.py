import dataclasses
import json
import re

import pytest

from food_data import tfrecord_index


@pytest.fixture
def index(tmp_path):
    """An index of two shards of 3 and 5 bytes, which are there."""
    (tmp_path / "train-0.tfrecord").write_bytes(b"123")
    (tmp_path / "val-0.tfrecord").write_bytes(b"12345")
    index = tfrecord_index.Index(
        train=(tfrecord_index.Shard("train-0.tfrecord", 7, 3),),
        val=(tfrecord_index.Shard("val-0.tfrecord", 2, 5),),
        fingerprint="abc",
        resize=None,
        has_masks=True,
        action_names=("skewering",),
        food_types=(),
    )
    tfrecord_index.write_index(tmp_path, index)
    return index


def test_round_trip(index, tmp_path):
    read = tfrecord_index.read_index(tmp_path)
    assert read == index
    assert (read.num_samples("train"), read.num_samples("val")) == (7, 2)
    assert read.shards("val")[0].file == "val-0.tfrecord"


def test_other_sides_are_refused(index):
    with pytest.raises(ValueError, match="split: expected one of train, val; got 'test'"):
        index.shards("test")


def test_a_folder_without_an_index_is_not_complete(tmp_path):
    with pytest.raises(FileNotFoundError, match="No index.json in .*to_tfrecord"):
        tfrecord_index.read_index(tmp_path)


def test_an_absent_and_a_truncated_shard_are_named(index, tmp_path):
    (tmp_path / "val-0.tfrecord").write_bytes(b"1234")
    with pytest.raises(ValueError, match="val-0.tfrecord: expected 5 bytes, got 4"):
        tfrecord_index.read_index(tmp_path)
    (tmp_path / "train-0.tfrecord").unlink()
    with pytest.raises(FileNotFoundError, match="names train-0.tfrecord, which is absent"):
        tfrecord_index.read_index(tmp_path)


@pytest.mark.parametrize("change", ["text", "version", "lacks", "more"])
def test_other_files_are_refused(index, tmp_path, change):
    content = {"format_version": 1, **dataclasses.asdict(index)}
    if change == "version":
        content["format_version"] = 2
    elif change == "lacks":
        del content["fingerprint"]
    else:
        content["other"] = 1
    text = "text" if change == "text" else json.dumps(content)
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(ValueError, match=re.escape("index.json is not an index of TFRecords: ")):
        tfrecord_index.read_index(tmp_path)
