"""What the command makes of photographs is tested in tests/test_build_dataset.py."""

import argparse
import json

import cv2
import numpy as np
import pytest

from food_data.commands import from_annotations, output


@pytest.fixture
def parse():
    def call(*words):
        parser = argparse.ArgumentParser()
        (command,) = from_annotations.add_parser(parser.add_subparsers())
        output.add_flags(command)
        return parser.parse_args(["from_annotations", *map(str, words)])

    return call


def test_the_flags_make_the_data_set_with_masks(parse, tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((40, 60, 3), np.uint8))
    mask = np.zeros((40, 60), np.uint8)
    mask[10:30, 20:40] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    objects = [
        {"label": "b", "axis_start": [20, 20], "axis_end": [39, 20], "mask": "mask.png"},
        {"label": "b", "axis_start": [20, 22], "axis_end": [39, 22], "action": "scooping"},
    ]
    content = {"images": [{"file": "a.png", "objects": objects}]}
    (tmp_path / "a.json").write_text(json.dumps(content))
    (tmp_path / "map.json").write_text('{"b": "banana"}')
    words = ["--annotations", tmp_path / "a.json", "--action", "skewering", "--resize", "stretch"]
    arguments = parse(*words, "--label_map", tmp_path / "map.json", "--output_file", "unused.npz")
    dataset = arguments.build(arguments)
    assert dataset.action_names.tolist() == ["skewering", "scooping"]
    # A third of 60 columns and half of 40 rows: 79 columns and 118 rows of 236.
    assert np.unpackbits(dataset.masks[0]).sum() == pytest.approx(79 * 118, rel=0.02)
    assert "TOTAL" in capsys.readouterr().out


def test_resize_has_no_default(parse, capsys):
    with pytest.raises(SystemExit):
        parse("--annotations", "a.json", "--action", "skewering", "--output_file", "a.npz")
    assert "--resize" in capsys.readouterr().err
