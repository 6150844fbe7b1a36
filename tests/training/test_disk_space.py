"""Whether there is room, before a run begins."""

from __future__ import annotations

import collections
import shutil

import pytest
import tensorflow as tf

from training import checkpoint_files, disk_space

Network = collections.namedtuple("Network", "variables")
Agent = collections.namedtuple("Agent", "network optimizer")
# 4 MB of weights, 8 MB of moments.
AGENT = Agent(Network([tf.Variable(tf.zeros(10**6))]), Network([tf.Variable(tf.zeros(2 * 10**6))]))


def test_needed_by_hand():
    """Four of 12 MB to go on from, three of 4 MB to serve, and the margin."""
    expected = 4 * 12_000_000 + 3 * 4_000_000 + disk_space.MARGIN_BYTES
    assert disk_space.needed_bytes(AGENT, 3) == expected


def _with_free(monkeypatch, num_bytes):
    usage = shutil.disk_usage("/")._replace(free=num_bytes)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)


def test_room_is_counted_with_what_is_there_already(tmp_path, monkeypatch):
    needed = disk_space.needed_bytes(AGENT, 1)
    _with_free(monkeypatch, needed - 1_000_000)
    with pytest.raises(OSError, match=r"expected 70 MB free .*got 69 MB.*--max_checkpoints"):
        disk_space.check(tmp_path, AGENT, 1)
    checkpoint = tf.train.Checkpoint(variable=tf.Variable(tf.zeros(10**6)))
    checkpoint_files.save(checkpoint, tmp_path / "last_checkpoint-1")
    disk_space.check(tmp_path, AGENT, 1)


def test_makes_the_directory_and_leaves_nothing_in_it(tmp_path, monkeypatch):
    _with_free(monkeypatch, 10**12)
    disk_space.check(tmp_path / "runs" / "new", AGENT, 3)
    assert not list((tmp_path / "runs" / "new").iterdir())


def test_a_file_in_its_place(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(OSError, match="cannot be written"):
        disk_space.check(tmp_path / "run", AGENT, 3)
