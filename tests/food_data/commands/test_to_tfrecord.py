import argparse

import numpy as np
import pytest

from food_data import npz_dataset, splits, tfrecord_index
from food_data.commands import to_tfrecord


@pytest.fixture
def run(make_dataset, tmp_path):
    """Runs the command on a data set of ten samples; gives the index."""
    npz_dataset.write_npz(tmp_path / "a.npz", make_dataset(10))

    def call(name, *words):
        parser = argparse.ArgumentParser()
        to_tfrecord.add_parser(parser.add_subparsers())
        folder = tmp_path / name
        words = ["to_tfrecord", str(tmp_path / "a.npz"), str(folder), *map(str, words)]
        arguments = parser.parse_args(words)
        assert arguments.run(arguments) == 0
        return tfrecord_index.read_index(folder), tfrecord_index.read_labels(folder, "val")

    return call


def test_the_split_beside_the_file_is_used_or_the_one_named_or_one_is_drawn(run, tmp_path, capsys):
    drawn = [
        run(name, "--seed", seed)[1]["samples"].tolist() for name, seed in (("a", 1), ("b", 2))
    ]
    assert len(drawn[0]) == 2
    assert set(drawn[0]) != set(drawn[1])
    splits.write_split(tmp_path / "a_split.npz", splits.Split(np.arange(9), np.array([9])))
    assert run("c")[1]["samples"].tolist() == [9]
    named = tmp_path / "named.npz"
    splits.write_split(named, splits.Split(np.arange(1, 10), np.array([0])))
    assert run("d", "--split_file", named)[1]["samples"].tolist() == [0]
    assert "named.npz" in capsys.readouterr().out


def test_fraction_and_samples_per_shard(run):
    index, _ = run("a", "--validation_fraction", "0.5", "--samples_per_shard", "2")
    assert [shard.num_samples for shard in index.val] == [2, 2, 1]


def test_a_split_file_that_is_named_must_be_there(run, tmp_path):
    with pytest.raises(FileNotFoundError, match="No split file .*absent.npz"):
        run("a", "--split_file", tmp_path / "absent.npz")
