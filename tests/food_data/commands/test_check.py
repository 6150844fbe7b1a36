import argparse

import numpy as np
import pytest

from food_data import npz_dataset, splits
from food_data.commands import check


@pytest.fixture
def run(capsys):
    """Runs the command; gives exit code and output."""

    def call(*words):
        parser = argparse.ArgumentParser()
        check.add_parser(parser.add_subparsers())
        arguments = parser.parse_args(["check", *map(str, words)])
        return arguments.run(arguments), capsys.readouterr().out

    return call


def test_errors_are_printed_and_give_exit_code_1(run, make_dataset, tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 3), np.uint8))
    code, out = run(tmp_path / "a.npz")
    assert code == 1
    assert "error: expected the arrays" in out
    assert "no split file" in out


def test_warnings_alone_are_no_failure(run, make_dataset, tmp_path):
    npz_dataset.write_npz(tmp_path / "a.npz", make_dataset(2))
    code, out = run(tmp_path / "a.npz")
    assert code == 0
    assert "warning: images: 2 samples (0, 1) show nothing but one colour." in out


def test_the_split_beside_the_file_or_the_one_named_is_checked(run, make_dataset, tmp_path):
    dataset = make_dataset(3, sources=np.array(["a", "b", "a"]))
    npz_dataset.write_npz(tmp_path / "a.npz", dataset)
    splits.write_split(tmp_path / "good.npz", splits.Split(np.array([0, 2]), np.array([1])))
    splits.write_split(tmp_path / "a_split.npz", splits.Split(np.array([0, 1]), np.array([2])))
    code, out = run(tmp_path / "a.npz")
    assert code == 1
    assert "a_split.npz" in out
    assert run(tmp_path / "a.npz", "--split_file", tmp_path / "good.npz")[0] == 0
