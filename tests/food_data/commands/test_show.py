import argparse

import cv2
import numpy as np
import pytest

from food_data import class_sheet, npz_dataset
from food_data.commands import show


@pytest.fixture
def run(make_dataset, tmp_path):
    """Runs the command on a data set of five samples."""
    npz_dataset.write_npz(tmp_path / "a.npz", make_dataset(5))

    def call(*words):
        parser = argparse.ArgumentParser()
        show.add_parser(parser.add_subparsers())
        arguments = parser.parse_args(["show", str(tmp_path / "a.npz"), *map(str, words)])
        return arguments.run(arguments)

    return call


def test_the_file_is_the_sheet(run, make_dataset, tmp_path):
    sheet = tmp_path / "new" / "sheet.png"
    assert run("--output_file", sheet, "--samples_per_class", "3") == 0
    expected = class_sheet.class_sheet(make_dataset(5), 3)
    found = cv2.cvtColor(cv2.imread(str(sheet)), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(found, expected)


def test_nothing_is_overwritten_unasked(run, tmp_path):
    sheet = tmp_path / "sheet.jpg"
    sheet.write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="sheet.jpg exist; --overwrite"):
        run("--output_file", sheet)
    assert run("--output_file", sheet, "--overwrite") == 0
    assert cv2.imread(str(sheet)) is not None


def test_other_kinds_of_file_are_refused(run, tmp_path):
    with pytest.raises(ValueError, match="ends in .jpg or .png"):
        run("--output_file", tmp_path / "sheet.npz")
