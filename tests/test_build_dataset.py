"""The command line, run as a user runs it, on pictures that the tests draw."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
import textwrap

import cv2
import numpy as np
import pytest

import build_dataset
from food_data import drawing, npz_dataset, splits

PROJECT = pathlib.Path(build_dataset.__file__).parent
REAL_FOOD = PROJECT.parent / "shared" / "data" / "real_food"
BAR = [[16, 12], [48, 12], [48, 16], [16, 16]]  # Columns 16..47 and rows 12..15 of 64 x 48.
# Of 128 pixels in four rows the 1st percentile is still a centre of the first column.
BAR_AXIS = np.array([16.5 / 64, 14 / 48, 47.5 / 64, 14 / 48])
# A box has the middle 98% of its side.
BOX_AXIS = np.array([16.32 / 64, 14 / 48, 47.68 / 64, 14 / 48])
POLYGON, BOX = {"segmentation": [np.ravel(BAR).tolist()]}, {"bbox": [16, 12, 32, 4]}


@pytest.fixture
def read(tmp_path, capsys):
    """Runs a command on photos of 64 x 48; gives the data set, or None, and what was printed."""
    for i in range(6):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((48, 64, 3), 40 * i, np.uint8))

    def call(command, name, content, *words, **changes):
        (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content))
        options = {"annotations": tmp_path / name, "resize": "stretch", "validation_fraction": 0}
        options |= {"output_file": tmp_path / "out" / "a.npz", "action": "skewer", **changes}
        flags = [word for flag, value in options.items() for word in (f"--{flag}", str(value))]
        code = build_dataset.main([command, *flags, *map(str, words)])
        printed = capsys.readouterr()
        assert code == 0 or printed.err.startswith("error: ")
        dataset = npz_dataset.read_npz(options["output_file"]) if code == 0 else None
        return dataset, re.sub(" +", " ", printed.out + printed.err)

    return call


def ours(number=6):
    objects = [
        {"label": "banana", "axis_start": [15.5, 11.5], "axis_end": [47.5, 35.5]},
        {"label": "tomato", "axis_start": [20, 20], "axis_end": [30, 20]},
        {"label": "kiwi", "axis_start": [20, 20], "axis_end": [30, 20]},
    ]
    return {"images": [{"file": f"{i}.png", "objects": objects} for i in range(number)]}


def test_data_set_split_preview_and_table(read, tmp_path):
    (tmp_path / "map.json").write_text('{"tomato": "cherry_tomato"}')
    options = ("--label_map", tmp_path / "map.json", "--preview_file", tmp_path / "sheet.png")
    changes = {"validation_fraction": 0.2}
    dataset, out = read("from_annotations", "a.json", ours(), *options, **changes)
    assert len(dataset) == 12
    # 15.5 and 11.5 are pixel numbers: the points (16, 12) and (48, 36) of 64 x 48.
    np.testing.assert_allclose(dataset.actions[0], [0.25, 0.25, 0.75, 0.75], atol=1e-6)
    assert (dataset.images[2].mean(), dataset.resize) == (40, "stretch")
    split = splits.read_split(tmp_path / "out" / "a_split.npz", 12)
    assert len(split.val_idx) == 2
    assert not set(dataset.sources[split.train_idx]) & set(dataset.sources[split.val_idx])
    assert cv2.imread(str(tmp_path / "sheet.png")) is not None
    for line in ("motion stated in the file cherry_tomato 6", "left out: unknown food kiwi 6"):
        assert line in out
    assert re.search(
        "Unknown foods: kiwi. Known: .*banana.*--label_map.*add --food kiwi", out, re.S
    )
    before = (tmp_path / "out" / "a.npz").read_bytes()
    _, out = read("from_annotations", "a.json", ours(), resize="letterbox")
    assert "a.npz, " in out
    assert "--overwrite replaces them" in out
    assert (tmp_path / "out" / "a.npz").read_bytes() == before
    dataset, _ = read("from_annotations", "a.json", ours(), "--overwrite", resize="letterbox")
    assert dataset.resize == "letterbox"


@pytest.mark.parametrize("changes, message", [
    ({"annotations": "absent.json"}, "error: Expected annotations (.json) at absent.json"),
    ({"action": "stabbing"}, "0.png: banana: Unknown action 'stabbing'. Known: scooping"),
    ({"embeddings_dir": "absent"}, "error: No embeddings directory absent"),
    ({"label_map": "absent.json"}, "error: No label map absent.json"),
    ({"images_dir": "absent"}, "error: --images_dir: no folder absent"),
    ({"validation_fraction": 1.5}, "validation_fraction: expected 0 <= 1.5 < 1"),
    ({"output_file": "plates"}, "error: --output_file: expected a name in .npz, got plates"),
    ({"preview_file": "a.txt"}, "error: Expected a name that ends in .jpg or .png, got a.txt"),
    ({"output_file": "gs://bucket/a.npz"}, "--output_file: expected a path on this machine"),
    ({"output_file": "/proc/a.npz"}, "--output_file: expected a folder to write into, got /pr"),
])  # fmt: skip
def test_wrong_arguments_are_one_line_and_write_nothing(read, tmp_path, changes, message):
    assert message in read("from_annotations", "a.json", ours(1), **changes)[1]
    assert not list(tmp_path.glob("out/*"))


def test_synthetic_plates(tmp_path):
    words = f"synthetic --num_plates 2 --workers 1 --seed 7 --output_file {tmp_path}/a.npz"
    assert build_dataset.main(words.split()) == 0
    dataset = npz_dataset.read_npz(tmp_path / "a.npz")
    assert set(dataset.sources) == {"synthetic/seed_7/plate_0", "synthetic/seed_7/plate_1"}
    assert len(splits.read_split(tmp_path / "a_split.npz", len(dataset)).train_idx)


def coco(*entries):
    images = [{"id": i, "file_name": f"{i}.png", "width": 64, "height": 48} for i in range(2)]
    categories = [{"id": 1, "name": "banana", "keypoints": ["end", "start"]}]
    categories += [{"id": 2, "name": "car"}, {"id": 3, "name": "twirl spaghetti"}]
    entries = [{"image_id": 1, "category_id": 1, **entry} for entry in entries]
    return {"images": images, "categories": categories, "annotations": entries}


def test_check_and_show(read, tmp_path, capsys):
    data, _ = read("from_coco", "a.json", coco({**BOX, "image_id": 0}, BOX, POLYGON))
    file = str(tmp_path / "out" / "a.npz")
    splits.write_split(tmp_path / "bad.npz", splits.Split(np.array([0, 1]), np.array([2])))
    assert build_dataset.main(["check", file]) == 0
    assert "a_split.npz" in capsys.readouterr().out
    assert build_dataset.main(["check", file, "--split_file", f"{tmp_path}/bad.npz"]) == 1
    assert "error: split: expected no picture on both sides" in capsys.readouterr().out
    show = ["show", file, "--output_file", f"{tmp_path}/sheet.png"]
    assert build_dataset.main(show) == 0
    sheet = cv2.cvtColor(cv2.imread(f"{tmp_path}/sheet.png"), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(sheet, drawing.class_sheet(data, 6))
    assert build_dataset.main(show) == 1
    assert "--overwrite replaces them" in capsys.readouterr().err


def test_merge(read, tmp_path, capsys):
    one, _ = read("from_coco", "a.json", coco(POLYGON), output_file=tmp_path / "0.npz")
    other, _ = read("from_annotations", "a.json", ours(2), output_file=tmp_path / "1.npz")
    words = f"merge {tmp_path}/0.npz {tmp_path}/1.npz --overwrite --output_file {tmp_path}/2.npz"
    assert build_dataset.main(words.split()) == 0
    merged = npz_dataset.read_npz(tmp_path / "2.npz")
    np.testing.assert_array_equal(merged.images, np.concatenate([one.images, other.images]))
    assert merged.sources.tolist() == [*one.sources, *other.sources]
    np.testing.assert_array_equal(merged.masks, [*one.masks, *np.zeros_like(merged.masks[1:])])
    assert len(splits.read_split(tmp_path / "2_split.npz", 3).val_idx) == 1
    for changes, message in (
        ({"resize": "crop"}, "1.npz: expected names, .* by 'stretch' as in .*0.npz, got 'crop'"),
        ({"food_types": None}, "1.npz: expected names, .* got 'stretch' without food_types"),
    ):
        npz_dataset.write_npz(tmp_path / "1.npz", dataclasses.replace(other, **changes))
        assert build_dataset.main(words.split()) == 1
        assert re.search(message, capsys.readouterr().err)


def test_from_coco_with_boxes_masks_crowds_and_other_things(read):
    content = coco(
        {**POLYGON, "image_id": 0},
        BOX,
        {**BOX, "iscrowd": 1},
        {**BOX, "category_id": 2},
        {**POLYGON, "category_id": 3},
        {**BOX, "segmentation": [[1, 2, 3, 4]], "image_id": 0},
        {},
        {"keypoints": [15.5, 11.5, 2, 47.5, 35.5, 2]},
    )
    dataset, out = read("from_coco", "a.json", content)
    middle = np.array([24.25, 14, 39.75, 14]) / [64, 48, 64, 48]
    axes = [BAR_AXIS, BOX_AXIS, BOX_AXIS, middle, [0.75, 0.75, 0.25, 0.25]]
    np.testing.assert_allclose(dataset.actions, axes, atol=1e-6)
    assert dataset.action_names.tolist() == ["skewering"] * 3 + ["twirling", "skewering"]
    assert dataset.food_types.tolist() == ["banana"] * 3 + ["spaghetti", "banana"]
    for line in (
        "samples: motion from a box banana 2", "samples: motion from a mask spaghetti 1",
        "samples TOTAL 5", "polygon not read: 1, first", "left out: is a crowd banana 1",
        "left out: unknown food car 1", "left out: has no axis banana 1",
    ):  # fmt: skip
        assert line in out
    _, out = read("from_coco", "a.json", coco({**BOX, "category_id": 2}), "--overwrite")
    assert re.search("No sample is left.*unknown food.*Unknown foods: car", out, re.S)


def test_from_coco_rules_and_absent_pictures(read, tmp_path):
    rules = ("--mask_rule", "skewering.direction=left")
    dataset, _ = read("from_coco", "a.json", coco(POLYGON), *rules)
    np.testing.assert_allclose(dataset.actions, [BAR_AXIS[[2, 3, 0, 1]]], atol=1e-6)
    (tmp_path / "1.png").unlink()
    some = coco({**BOX, "image_id": 0}, BOX)
    _, out = read("from_coco", "a.json", some, "--overwrite")
    assert re.search("1.png: .*No such file.* Did you mean 5.png or .*--images_dir says", out)
    dataset, out = read("from_coco", "a.json", some, "--skip_unreadable", "--overwrite")
    assert (len(dataset), "picture unreadable" in out) == (1, True)


VOC = """<annotation><filename>0.png</filename><object><name>banana</name><bndbox><xmin>17</xmin>
<ymin>13</ymin><xmax>48</xmax><ymax>16</ymax></bndbox></object></annotation>"""
CVAT = """<annotations><image name="0.png" width="64" height="48"><box label="banana" xtl="27"
ytl="4" xbr="37" ybr="44" rotation="90"/></image></annotations>"""
LABELME = {"imagePath": "0.png", "shapes": [{"label": "Bananas", "points": BAR}]}
TABLE = "image,food,x1,y1,x2,y2\n0.png,pea,16,12,48,36\n1.png,rice,0,0,64,48"


@pytest.mark.parametrize("command, name, content, expected, flags", [
    ("from_labelme", "0.json", LABELME, BAR_AXIS, {}),
    ("from_voc", "0.xml", VOC, BOX_AXIS, {}),
    # A box of 10 x 40 that stands upright and is turned by 90 degrees lies: 98 % of its 40.
    ("from_cvat", "0.xml", CVAT, [12.4 / 64, 0.5, 51.6 / 64, 0.5], {}),
    ("from_yolo", "0.txt", "0 0.5 0.2916667 0.5 0.0833333", BOX_AXIS, {}),
    ("from_csv", "0.csv", TABLE, [0.25, 0.25, 0.75, 0.75], {"units": "pixels"}),
])  # fmt: skip
def test_the_other_formats(read, tmp_path, command, name, content, expected, flags):
    (tmp_path / "map.json").write_text('{"pea": "banana"}')
    (tmp_path / "classes.txt").write_text("banana\n")
    dataset, _ = read(command, name, content, label_map=tmp_path / "map.json", **flags)
    np.testing.assert_allclose(dataset.actions[0], expected, atol=1e-6)
    assert dataset.food_types[0] == "banana"


def test_versions_of_a_photo_are_on_one_side_of_the_split(read, tmp_path):
    names = [f"IMG_{i}_jpg.rf.{i}{version}ab.jpg" for i in range(5) for version in range(3)]
    for i, name in enumerate(names):
        cv2.imwrite(str(tmp_path / name), np.full((48, 64, 3), 8 * i, np.uint8))
    images = {"images": [{**one, "file": name} for one, name in zip(ours(15)["images"], names)]}
    for pattern, parts in (("absent", {3}), ("none", {1, 2}), ("_[0-3]_", {3})):
        changes = {"validation_fraction": 0.2, "group_pattern": pattern}
        dataset, _ = read("from_annotations", "a.json", images, "--overwrite", **changes)
        validates = splits.read_split(tmp_path / "out" / "a_split.npz", 15).val_idx
        photos = [re.search("IMG_.", source)[0] for source in dataset.sources[validates]]
        assert {photos.count(one) for one in photos} <= parts


def test_the_examples_of_the_documentation(tmp_path, monkeypatch, capsys):
    """Our JSON and a table as the documentation prints them, about drawn photos of 640 x 480."""
    monkeypatch.chdir(tmp_path)
    text = (PROJECT / "docs" / "data_sources.md").read_text(encoding="utf-8")
    blocks = map(textwrap.dedent, re.findall("(?:^    .+\n)+", text, re.M))
    own, table = (one for one in blocks if one.startswith(("image,", '{"images"')))
    pathlib.Path("images").mkdir()
    for name in ("1.jpg", "images/1.jpg"):
        cv2.imwrite(name, np.full((480, 640, 3), 90, np.uint8))
    common = "--validation_fraction 0 --action skewering --resize letterbox --output_file"
    for command, block, file in (("from_annotations", own, "a.json"), ("from_csv", table, "a.csv")):
        pathlib.Path(file).write_text(block)
        words = f"{command} --annotations {file} {common} {file}.npz".split()
        words += ["--units", "pixels"] if command == "from_csv" else []
        assert build_dataset.main(words) == 0, capsys.readouterr().err


@pytest.fixture
def record(tmp_path):
    """Writes what a server records of one request, about a photo of 200 x 100 pixels."""

    def call(name, photo=0, correction=None, food="banana", resize="letterbox", **changes):
        folder = tmp_path / "records" / "2026-11-22" / name
        folder.mkdir(parents=True)
        cv2.imwrite(str(folder / "image.png"), np.full((100, 200, 3), photo, np.uint8))
        motion = {"start_x": 0.25, "start_y": 0.5, "end_x": 0.75, "end_y": 0.5}
        answer = {"prediction": motion, "image_width": 200, "image_height": 100}
        answer.update(action="skewering", food_type=food, resize=resize)
        (folder / "request.json").write_text(json.dumps({"recorded_at": name}))
        (folder / "answer.json").write_text(json.dumps({**answer, **changes}))
        if correction is not None:
            fields = dict(zip(motion, correction)) | {"corrected_at": name}
            (folder / "correction.json").write_text(json.dumps(fields))

    return call


@pytest.fixture
def recorded(tmp_path, capsys):
    """Runs from_recordings; gives the data set and what was printed."""

    def call(*flags):
        words = f"from_recordings {tmp_path}/records --validation_fraction 0 --overwrite"
        words = [*words.split(), "--output_file", f"{tmp_path}/r.npz", *flags]
        code, printed = build_dataset.main(words), str(capsys.readouterr())
        return npz_dataset.read_npz(tmp_path / "r.npz") if code == 0 else None, printed

    return call


def test_recordings_one_sample_of_each_photo_and_instruction(record, recorded):
    record("1", correction=(0, 0, 1, 1))
    record("2", correction=(0, 0, 1, 0))
    record("3")  # The same photo and instruction again: the last correction counts.
    record("4", food="grape")
    record("5", photo=9)
    dataset, out = recorded()
    # The corners of the photo in a letterbox: rows 59 and 177 of 236.
    answered = [0.25, 0.5, 0.75, 0.5]
    np.testing.assert_allclose(dataset.actions, [[0, 0.25, 1, 0.25], answered, answered], atol=1e-6)
    assert dataset.food_types.tolist() == ["banana", "grape", "banana"]
    assert dataset.sources.tolist()[0] == dataset.sources.tolist()[1]
    assert dataset.sources[0].startswith("records/2026-11-22/")
    assert "records: 1 corrected, 2 of the model's own, 2 left out" in out
    dataset, _ = recorded("--only_corrected", "--resize", "stretch")
    np.testing.assert_allclose(dataset.actions, [[0, 0, 1, 0]], atol=1e-6)


@pytest.mark.parametrize("change, message", [
    ({"resize": "crop"}, "--resize, or data that say one; they say letterbox, crop"),
    ({"action": None}, "expected action and food_type in the answer, got (None"),
    ({"image_width": None}, "expected image_width and image_height"),
    ({"image_width": 201}, "expected (201, 100) pixels"),
    ({"prediction": None}, "start_x: expected a number"),
])  # fmt: skip
def test_recordings_that_are_wrong_are_named(record, recorded, change, message):
    record("1", photo=5)
    record("2", **change)
    assert message in recorded()[1]
    assert "no recording is left of 2" in recorded("--only_corrected")[1]


@pytest.mark.skipif(not REAL_FOOD.is_dir(), reason="needs ../shared/data/real_food")
def test_the_real_photographs(tmp_path, capsys):
    """94 of 96 axes are used: two bananas are longer than the side of the square crop."""
    words = f"from_annotations --action skewering --resize crop --output_file {tmp_path}/a.npz"
    words += f" --label_map {PROJECT}/configs/real_food_label_map.json --annotations"
    files = map(str, REAL_FOOD.glob("*/annotations.json"))
    assert build_dataset.main([*words.split(), *files]) == 0, capsys.readouterr().err
    assert len(npz_dataset.read_npz(tmp_path / "a.npz")) == 94
