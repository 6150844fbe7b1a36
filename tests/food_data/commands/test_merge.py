import argparse

import numpy as np
import pytest

from food_data import npz_dataset
from food_data.commands import merge, output


def run(tmp_path, *datasets):
    """Merges data sets; gives the merged one."""
    files = []
    for i, dataset in enumerate(datasets):
        files.append(str(tmp_path / f"{i}.npz"))
        npz_dataset.write_npz(files[-1], dataset)
    parser = argparse.ArgumentParser()
    (command,) = merge.add_parser(parser.add_subparsers())
    output.add_flags(command)
    target = tmp_path / "both.npz"
    arguments = parser.parse_args(["merge", *files, "--output_file", str(target), "--overwrite"])
    assert output.run(arguments, arguments.build) == 0
    return npz_dataset.read_npz(target)


def test_all_samples_in_order_and_unknown_masks_are_empty(tmp_path, make_dataset):
    masks = np.full((3, *npz_dataset.PACKED_SHAPE), 7, np.uint8)
    both = run(
        tmp_path, make_dataset(3, resize="crop", masks=masks), make_dataset(2, resize="crop")
    )
    assert both.images[:, 5, 5, 0].tolist() == [0, 1, 2, 0, 1]
    assert both.sources.tolist() == ["day_1/0.jpg", "day_1/1.jpg", "day_1/2.jpg"] + [
        "day_1/0.jpg",
        "day_1/1.jpg",
    ]
    assert both.masks[:, 0, 0].tolist() == [7, 7, 7, 0, 0]
    assert both.resize == "crop"


def test_what_cannot_be_merged(tmp_path, make_dataset):
    drawn = make_dataset(2, sources=np.array(["synthetic/seed_0/plate_0"] * 2), resize="letterbox")
    with pytest.raises(ValueError, match="plate_0 is in .*0.npz and in .*1.npz: draw them with"):
        run(tmp_path, drawn, drawn)
    with pytest.raises(ValueError, match="square by 'crop' as in .*0.npz, got 'letterbox'"):
        run(tmp_path, make_dataset(2, resize="crop"), drawn)
