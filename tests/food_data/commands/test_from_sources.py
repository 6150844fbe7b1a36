"""The five commands, run on pictures that the tests draw; all name the same bar."""

from __future__ import annotations

import argparse
import json
import pathlib

import numpy as np
import pytest
from PIL import Image

from food_data.commands import from_sources

PROJECT = pathlib.Path(from_sources.__file__).resolve().parents[2]
BAR = [[16, 12], [48, 12], [48, 16], [16, 16]]  # Columns 16..47 and rows 12..15 of 64 x 48.
# Of 128 pixels in four rows the 1st percentile is still a centre of the first column.
BAR_AXIS = np.array([16.5 / 64, 14 / 48, 47.5 / 64, 14 / 48])
# A box has the middle 98% of its side.
BOX_AXIS = np.array([16.32 / 64, 14 / 48, 47.68 / 64, 14 / 48])


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(2):
        pixels = np.full((48, 64, 3), 40 * i, np.uint8)
        pixels[12:16, 16:48] = 200
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


def write_coco(path, *more, **changes):
    bar = {"image_id": 0, "category_id": 1, "segmentation": [np.ravel(BAR).tolist()], **changes}
    images = [{"id": i, "file_name": f"{i}.png", "width": 64, "height": 48} for i in range(2)]
    categories = [{"id": 1, "name": "banana"}, {"id": 2, "name": "car"}]
    categories.append({"id": 3, "name": "twirl spaghetti"})
    content = {"images": images, "categories": categories, "annotations": [bar, *more]}
    path.write_text(json.dumps(content))


@pytest.fixture
def run(photos, tmp_path, capsys):
    """Runs a command; gives the data set, and what was printed."""

    def call(command, *words, resize="stretch"):
        parser = argparse.ArgumentParser()
        parsers = from_sources.add_parser(parser.add_subparsers())
        for one in parsers:
            one.add_argument("--embeddings_dir", default=PROJECT / "embeddings")
        arguments = parser.parse_args(
            [command, "--annotations", str(photos), "--resize", resize, *map(str, words)]
        )
        return arguments.build(arguments), capsys.readouterr().out

    return call


def test_coco_with_boxes_masks_crowds_and_other_things(run, photos):
    write_coco(
        photos / "a.json",
        {"image_id": 1, "category_id": 1, "bbox": [16, 12, 32, 4]},
        {"image_id": 1, "category_id": 1, "bbox": [16, 12, 32, 4], "iscrowd": 1},
        {"image_id": 1, "category_id": 2, "bbox": [16, 12, 32, 4]},
        {"image_id": 1, "category_id": 3, "segmentation": [np.ravel(BAR).tolist()]},
        {"image_id": 1, "category_id": 1},
    )
    dataset, out = run("from_coco", "--action", "skewer")
    middle = np.array([24.25, 14, 39.75, 14]) / [64, 48, 64, 48]
    np.testing.assert_allclose(dataset.actions, [BAR_AXIS, BOX_AXIS, middle], atol=1e-6)
    assert dataset.action_names.tolist() == ["skewering", "skewering", "twirling"]
    assert dataset.food_types.tolist() == ["banana", "banana", "spaghetti"]
    assert dataset.images[1][68, 118].tolist() == [200, 200, 200]
    assert dataset.images[1][0, 0].tolist() == [40, 40, 40]
    table = [" ".join(line.split()) for line in out.splitlines()]
    for line in (
        "start and end from a box: 1 objects",
        "start and end from a mask: 2 objects",
        "left out: is a crowd banana 1",
        "left out: unknown food car 1",
        "left out: has no axis banana 1",
        "samples TOTAL 3",
    ):
        assert line in table


def test_rules_from_a_file_and_on_the_command_line(run, photos, tmp_path):
    write_coco(photos / "a.json", action="twirling")
    (tmp_path / "rules.json").write_text('{"twirling": {"part": 1.0}}')
    dataset, _ = run("from_coco", "--mask_rules", tmp_path / "rules.json")
    np.testing.assert_allclose(dataset.actions, [BAR_AXIS], atol=1e-6)
    dataset, _ = run(
        "from_coco",
        *("--mask_rules", tmp_path / "rules.json"),
        *("--mask_rule", "twirling.direction=left"),
    )
    np.testing.assert_allclose(dataset.actions, [BAR_AXIS[[2, 3, 0, 1]]], atol=1e-6)


def test_keypoints_of_other_names(run, photos):
    write_coco(photos / "a.json", keypoints=[15.5, 11.5, 2, 47.5, 35.5, 2])
    path = photos / "a.json"
    path.write_text(path.read_text().replace('"banana"', '"banana", "keypoints": ["a", "b"]'))
    dataset, out = run("from_coco", "--action", "skewering", "--keypoints", "b", "a")
    np.testing.assert_allclose(dataset.actions, [[0.75, 0.75, 0.25, 0.25]], atol=1e-6)
    assert "start and end stated in the file: 1 objects" in out


def test_labelme(run, photos):
    shapes = [{"label": "Bananas", "points": BAR, "shape_type": "polygon"}]
    content = {"imagePath": "0.png", "imageWidth": 64, "imageHeight": 48, "shapes": shapes}
    (photos / "0.json").write_text(json.dumps(content))
    dataset, _ = run("from_labelme", "--action", "scooping")
    np.testing.assert_allclose(dataset.actions, [BAR_AXIS], atol=1e-6)
    assert dataset.food_types.tolist() == ["banana"]


def test_voc_and_leaving_boxes_out(run, photos):
    edges = zip(("xmin", "ymin", "xmax", "ymax"), (17, 13, 48, 16))
    box = "".join(f"<{name}>{edge}</{name}>" for name, edge in edges)
    (photos / "0.xml").write_text(
        "<annotation><filename>0.png</filename>"
        f"<object><name>banana</name><bndbox>{box}</bndbox></object></annotation>"
    )
    dataset, _ = run("from_voc", "--action", "skewering")
    np.testing.assert_allclose(dataset.actions, [BOX_AXIS], atol=1e-6)
    with pytest.raises(ValueError, match="No sample is left. .*has only a box"):
        run("from_voc", "--action", "skewering", "--no_boxes")


def test_csv_with_actions_of_its_own_and_a_label_map(run, photos, tmp_path):
    lines = ["image,action,food,x1,y1,x2,y2", "0.png,scoop,rice,16,12,48,36"]
    lines += ["1.png,,tomato,0,0,64,48"]
    (photos / "a.csv").write_text("\n".join(lines))
    (tmp_path / "map.json").write_text('{"tomato": "cherry_tomato"}')
    options = ["--units", "pixels", "--action", "skewering"]
    dataset, _ = run("from_csv", *options, "--label_map", tmp_path / "map.json")
    np.testing.assert_allclose(dataset.actions, [[0.25, 0.25, 0.75, 0.75], [0, 0, 1, 1]])
    assert dataset.action_names.tolist() == ["scooping", "skewering"]
    assert dataset.food_types.tolist() == ["rice", "cherry_tomato"]
    with pytest.raises(ValueError, match="1.png: tomato: expected an action, got none"):
        run("from_csv", "--units", "pixels")


def test_spanet(run, photos):
    (photos / "a.csv").write_text("image,food,x,y,angle\n0.png,grape,0.5,0.5,90\n")
    options = ["--action", "skewering", "--units", "normalised", "--length", "0.5"]
    dataset, _ = run("from_spanet", *options, "--angle_convention", "spanet")
    np.testing.assert_allclose(dataset.actions, [[20 / 64, 0.5, 44 / 64, 0.5]], atol=1e-6)
    left = ["--angle_convention", "spanet", "--keep_direction"]
    (photos / "a.csv").write_text("image,food,x,y,angle\n0.png,grape,0.5,0.5,270\n")
    dataset, _ = run("from_spanet", *options, *left)
    np.testing.assert_allclose(dataset.actions, [[44 / 64, 0.5, 20 / 64, 0.5]], atol=1e-6)


def test_what_is_not_guessed_must_be_said(run, photos):
    for command, words in (
        ("from_csv", []),
        ("from_spanet", ["--units", "pixels", "--length", "0.2"]),
        ("from_spanet", ["--units", "pixels", "--angle_convention", "image"]),
    ):
        with pytest.raises(SystemExit):
            run(command, *words)


def test_absent_pictures_are_named_or_left_out(run, photos, tmp_path):
    other = {"image_id": 1, "category_id": 1, "bbox": [16, 12, 32, 4]}
    car = {"image_id": 1, "category_id": 2, "bbox": [16, 12, 32, 4]}
    write_coco(photos / "a.json", car)
    (photos / "1.png").rename(tmp_path / "1.png")
    dataset, _ = run("from_coco", "--action", "skewering")  # Nobody needs the picture of a car.
    assert len(dataset) == 1
    write_coco(photos / "a.json", other)
    with pytest.raises(FileNotFoundError, match="1 of 2 pictures are absent, .*1.png. Say where"):
        run("from_coco", "--action", "skewering")
    dataset, out = run("from_coco", "--action", "skewering", "--skip_unreadable")
    assert len(dataset) == 1
    assert "picture unreadable" in out
