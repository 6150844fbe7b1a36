"""Which data files belong to a checkpoint."""

from __future__ import annotations

import numpy as np
import pytest

from checkpoints import data_files, errors


def _touch(directory, *suffixes):
    for suffix in suffixes:
        (directory / f"ckpt{suffix}").touch()


def test_all_shards_in_order(tmp_path):
    _touch(tmp_path, *(f".data-0000{index}-of-00003" for index in (2, 0, 1)))
    found = [path.name[-14:] for path in data_files.shards(tmp_path / "ckpt")]
    assert found == ["00000-of-00003", "00001-of-00003", "00002-of-00003"]


def test_files_of_other_checkpoints_do_not_count(tmp_path):
    _touch(tmp_path, ".data-00000-of-00001", "-1.data-00000-of-00001", ".data-00000-of-00001.tmp")
    assert data_files.shards(tmp_path / "ckpt") == [tmp_path / "ckpt.data-00000-of-00001"]


def test_missing_shard_is_named(tmp_path):
    _touch(tmp_path, ".data-00000-of-00003", ".data-00002-of-00003")
    message = "has 2 of 3 data files; missing: ckpt.data-00001-of-00003. Copy"
    with pytest.raises(errors.IncompleteCheckpointError, match=message):
        data_files.shards(tmp_path / "ckpt")


def test_no_data_at_all(tmp_path):
    message = "no data file beside it .expected ckpt.data-00000-of-00001"
    with pytest.raises(errors.IncompleteCheckpointError, match=message):
        data_files.shards(tmp_path / "ckpt")


def test_a_whole_set_beats_the_rest_of_another(tmp_path):
    _touch(tmp_path, ".data-00000-of-00001", ".data-00001-of-00002")
    assert data_files.shards(tmp_path / "ckpt") == [tmp_path / "ckpt.data-00000-of-00001"]


@pytest.mark.parametrize(
    "lengths, expected",
    [([0], 5), ([127], 127 + 1 + 4), ([128], 128 + 2 + 4), ([297], 303), ([1, 2], 3 + 2 + 4)],
)
def test_string_bytes(lengths, expected):
    values = np.array([b"x" * length for length in lengths], dtype=object)
    assert data_files.string_bytes(values) == expected
