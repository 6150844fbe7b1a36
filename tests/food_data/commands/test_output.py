import argparse
import pathlib

import cv2
import numpy as np
import pytest

from food_data import npz_dataset, splits
from food_data.commands import output


@pytest.fixture
def arguments(tmp_path):
    """Parses the shared flags; the file is out/a.npz."""

    def parse(*words):
        parser = argparse.ArgumentParser()
        output.add_flags(parser)
        return parser.parse_args(["--output_file", str(tmp_path / "out" / "a.npz"), *words])

    return parse


def test_data_set_split_and_preview_are_written(make_dataset, arguments, tmp_path, capsys):
    words = ["--validation_fraction", "0.5", "--seed", "3", "--preview_samples", "1"]
    words += ["--preview_file", str(tmp_path / "sheet.png")]
    parsed = arguments(*words)
    assert output.run(parsed, lambda same: make_dataset(10) if same is parsed else None) == 0
    dataset = npz_dataset.read_npz(tmp_path / "out" / "a.npz")
    split = splits.read_split(tmp_path / "out" / "a_split.npz", 10)
    expected = splits.make_split(dataset, 0.5, 3)
    np.testing.assert_array_equal(split.val_idx, expected.val_idx)
    assert cv2.imread(str(tmp_path / "sheet.png")).shape == (236, 6 * 236, 3)
    assert "a.npz: 10 samples" in capsys.readouterr().out


def test_a_command_may_write_the_data_set_itself(make_dataset, arguments, tmp_path):
    def build(parsed):
        npz_dataset.write_npz(parsed.output_file, make_dataset(4))

    assert output.run(arguments(), build) == 0
    assert splits.read_split(tmp_path / "out" / "a_split.npz", 4).val_idx.size == 1


@pytest.mark.parametrize(
    "words, message",
    [
        (["--validation_fraction", "1.5"], "expected 0 <= fraction < 1, got 1.5"),
        (["--preview_file", "sheet.txt"], "ends in .jpg or .png, got sheet.txt"),
        (["--output_file", "plates"], "--output_file: expected a name in .npz, got plates"),
    ],
)
def test_wrong_flags_fail_before_the_work(arguments, words, message):
    def build(parsed):
        raise AssertionError("should not be built")

    with pytest.raises(ValueError, match=message):
        output.run(arguments(*words), build)


def test_nothing_is_overwritten_unasked(make_dataset, arguments, tmp_path):
    assert output.run(arguments(), lambda _: make_dataset(4)) == 0
    with pytest.raises(FileExistsError, match="a.npz, .*a_split.npz exist; --overwrite"):
        output.run(arguments(), lambda _: make_dataset(6))
    assert len(npz_dataset.read_npz(tmp_path / "out" / "a.npz")) == 4
    assert output.run(arguments("--overwrite"), lambda _: make_dataset(6)) == 0
    assert len(npz_dataset.read_npz(tmp_path / "out" / "a.npz")) == 6


def test_a_data_set_that_cannot_be_split_is_not_written(make_dataset, arguments, tmp_path):
    with pytest.raises(ValueError, match="at least 2 pictures to split, got 1"):
        output.run(arguments(), lambda _: make_dataset(1))
    assert not list((tmp_path / "out").iterdir())


def test_embeddings_are_those_of_the_project():
    assert (pathlib.Path(output.EMBEDDINGS_DIR) / "manifest.json").is_file()
