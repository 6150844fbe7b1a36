"""The command line, run as a user runs it, on pictures that the tests draw."""

from __future__ import annotations

import collections
import json
import pathlib
import re
import textwrap

import cv2
import numpy as np
import pytest

import build_dataset
from food_data import annotations, npz_dataset, splits

PROJECT = pathlib.Path(build_dataset.__file__).parent
REAL_FOOD = PROJECT.parent / "shared" / "data" / "real_food"


@pytest.fixture
def annotations_file(tmp_path):
    """Six grey pictures of 64 x 48, each with a banana, a tomato and a kiwi."""
    folder = tmp_path / "plates"
    folder.mkdir()
    objects = [
        {"label": "banana", "axis_start": [15.5, 11.5], "axis_end": [47.5, 35.5]},
        {"label": "tomato", "axis_start": [20, 20], "axis_end": [30, 20]},
        {"label": "kiwi", "axis_start": [20, 20], "axis_end": [30, 20]},
    ]
    images = []
    for i in range(6):
        cv2.imwrite(str(folder / f"{i}.png"), np.full((48, 64, 3), 40 * i, np.uint8))
        images.append({"file": f"{i}.png", "width": 64, "height": 48, "objects": objects})
    (folder / "annotations.json").write_text(json.dumps({"images": images}))
    (tmp_path / "map.json").write_text('{"tomato": "cherry_tomato"}')
    return folder / "annotations.json"


@pytest.fixture
def run(annotations_file, tmp_path, capsys):
    """Runs `from_annotations` with some arguments changed; gives exit code, output and errors."""

    def call(*more, **changes):
        options = {
            "annotations": annotations_file,
            "action": "skewering",
            "resize": "stretch",
            "output_file": tmp_path / "out" / "plates.npz",
            **changes,
        }
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        code = build_dataset.main(["from_annotations", *words, *map(str, more)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_data_set_split_preview_and_table(run, tmp_path):
    sheet = tmp_path / "sheet.png"
    code, out, _ = run("--label_map", tmp_path / "map.json", "--preview_file", sheet)
    assert code == 0
    dataset = npz_dataset.read_npz(tmp_path / "out" / "plates.npz")
    assert len(dataset) == 12
    # 15.5 and 11.5 are pixel numbers: the points (16, 12) and (48, 36) of 64 x 48.
    np.testing.assert_allclose(dataset.actions[0], [0.25, 0.25, 0.75, 0.75], atol=1e-6)
    assert dataset.images[2].mean() == 40
    assert dataset.resize == "stretch"
    split = splits.read_split(tmp_path / "out" / "plates_split.npz", 12)
    assert len(split.val_idx) == 2
    assert not set(dataset.sources[split.train_idx]) & set(dataset.sources[split.val_idx])
    assert cv2.imread(str(sheet)).shape == (2 * 236, 6 * 236, 3)
    table = [line.split() for line in out.splitlines()]
    assert ["samples", "cherry_tomato", "6"] in table
    assert ["samples", "TOTAL", "12"] in table
    assert ["left", "out:", "unknown", "food", "kiwi", "6"] in table


def test_nothing_is_overwritten_unasked(run, tmp_path):
    assert run()[0] == 0
    before = (tmp_path / "out" / "plates.npz").read_bytes()
    code, _, err = run(resize="letterbox")
    assert code == 1
    assert "plates.npz, " in err
    assert "--overwrite replaces them" in err
    assert (tmp_path / "out" / "plates.npz").read_bytes() == before
    assert run("--overwrite", resize="letterbox")[0] == 0
    assert npz_dataset.read_npz(tmp_path / "out" / "plates.npz").resize == "letterbox"


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"annotations": "absent.json"}, "Expected annotations (.json) at absent.json"),
        ({"action": "stabbing"}, "Unknown action 'stabbing'. Known: scooping, skewering, twirling"),
        ({"embeddings_dir": "absent"}, "No embeddings directory absent"),
        ({"label_map": "absent.json"}, "No label map absent.json"),
        (
            {"validation_fraction": "1.5"},
            "validation_fraction: expected 0 <= fraction < 1, got 1.5",
        ),
        ({"output_file": "plates"}, "--output_file: expected a name in .npz, got plates"),
        (
            {"preview_file": "sheet.txt"},
            "Expected a preview file that ends in .jpg or .png, got sh",
        ),
        ({"output_file": "gs://bucket/a.npz"}, "--output_file: expected a path of this machine"),
        (
            {"output_file": "/proc/a.npz"},
            "--output_file: expected a folder to write into, got /proc",
        ),
    ],
)
def test_wrong_arguments_are_one_line_and_write_nothing(run, tmp_path, changes, message):
    code, _, err = run(**changes)
    assert code == 1
    assert f"error: {message}" in err
    assert not list(tmp_path.glob("out/*"))


def test_synthetic_plates_are_the_same_for_the_same_seed(tmp_path, capsys):
    prints = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        arguments = ["synthetic", "--num_plates", "4", "--workers", "1", "--seed", str(seed)]
        file = tmp_path / f"{name}.npz"
        assert build_dataset.main([*arguments, "--output_file", str(file)]) == 0
        prints.append(npz_dataset.dataset_fingerprint(file))
        dataset = npz_dataset.read_npz(file)
        split = splits.read_split(tmp_path / f"{name}_split.npz", len(dataset))
        assert len(split.train_idx) + len(split.val_idx) == len(dataset)
    assert prints[0] == prints[1] != prints[2]
    assert "a.npz: " in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, message",
    [
        (["check", "absent.npz"], "error: No data set absent.npz"),
        (["show", "absent.npz", "--output_file", "a.png"], "error: No data set absent"),
        (["from_csv", "--annotations", "a.csv", "--resize", "crop"], "required: --units"),
        (["from_coco", "--annotations", "a.json"], "required: --resize"),
        (
            ["synthetic", "--num_plates", "0", "--output_file", "a.npz"],
            "got 0 plates",
        ),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    try:
        code = build_dataset.main(words)
    except SystemExit as error:
        code = error.code
    assert code
    assert message in capsys.readouterr().err


def test_check_and_show(tmp_path, capsys):
    from food_data import drawing

    file, sheet = tmp_path / "a.npz", tmp_path / "sheet.png"
    generator = np.random.default_rng(0)
    embeddings = np.zeros((3, 512), np.float32)
    embeddings[:, 0] = 1
    data = npz_dataset.FoodDataset(
        generator.integers(0, 256, (3, 236, 236, 3), np.uint8),
        np.full((3, 4), [0.2, 0.5, 0.8, 0.5], np.float32),
        embeddings,
        sources=np.array(["a", "b", "a"]),
    )
    npz_dataset.write_npz(file, data)
    assert build_dataset.main(["check", str(file)]) == 0
    assert "no split file" in capsys.readouterr().out
    splits.write_split(tmp_path / "good.npz", splits.Split(np.array([0, 2]), np.array([1])))
    splits.write_split(tmp_path / "a_split.npz", splits.Split(np.array([0, 1]), np.array([2])))
    assert build_dataset.main(["check", str(file)]) == 1
    assert "error: split: expected no picture on both sides" in capsys.readouterr().out
    assert build_dataset.main(["check", str(file), "--split_file", f"{tmp_path}/good.npz"]) == 0
    show = ["show", str(file), "--samples_per_class", "2", "--output_file", str(sheet)]
    assert build_dataset.main(show) == 0
    read = cv2.cvtColor(cv2.imread(str(sheet)), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(read, drawing.class_sheet(data, 2))
    assert build_dataset.main(show) == 1
    assert "--overwrite replaces them" in capsys.readouterr().err
    text = ["show", str(file), "--output_file", "a.txt"]
    assert build_dataset.main(text) == 1


def drawn(folder, name, number, seed, **changes):
    embeddings = np.zeros((number, 512), np.float32)
    embeddings[:, 0] = 1
    arrays = {
        "images": np.zeros((number, 236, 236, 3), np.uint8)
        + np.arange(number, dtype=np.uint8)[:, None, None, None],
        "actions": np.zeros((number, 4), np.float32),
        "embeddings": embeddings,
        "action_names": np.array(["skewering"] * number),
        "food_types": np.array(["banana"] * number),
        "sources": np.array([f"synthetic/seed_{seed}/plate_{i}" for i in range(number)]),
        "resize": "crop",
    }
    npz_dataset.write_npz(folder / name, npz_dataset.FoodDataset(**{**arrays, **changes}))
    return str(folder / name)


def test_merge(tmp_path, capsys):
    masks = np.full((3, *npz_dataset.PACKED_SHAPE), 7, np.uint8)
    first = drawn(tmp_path, "0.npz", 3, 0, masks=masks)
    both = ["--output_file", str(tmp_path / "both.npz")]
    assert build_dataset.main(["merge", first, drawn(tmp_path, "1.npz", 2, 1), *both]) == 0
    merged = npz_dataset.read_npz(tmp_path / "both.npz")
    assert merged.images[:, 5, 5, 0].tolist() == [0, 1, 2, 0, 1]
    assert merged.sources[3] == "synthetic/seed_1/plate_0"
    assert merged.masks[:, 0, 0].tolist() == [7, 7, 7, 0, 0]
    assert merged.resize == "crop"
    assert len(splits.read_split(tmp_path / "both_split.npz", 5).val_idx) == 1
    for changes, message in (
        ({}, "plate_0 is in .*0.npz and in .*2.npz: draw them with different seeds"),
        ({"resize": "letterbox"}, "square by 'crop' as in .*0.npz, got 'letterbox'"),
        ({"food_types": None}, "2.npz: expected food_types, which a merged file needs"),
    ):
        other = drawn(tmp_path, "2.npz", 2, 0, **changes)
        assert build_dataset.main(["merge", first, other, *both, "--overwrite"]) == 1
        assert re.search(message, capsys.readouterr().err)


BAR = [[16, 12], [48, 12], [48, 16], [16, 16]]  # Columns 16..47 and rows 12..15 of 64 x 48.
# Of 128 pixels in four rows the 1st percentile is still a centre of the first column.
BAR_AXIS = np.array([16.5 / 64, 14 / 48, 47.5 / 64, 14 / 48])
# A box has the middle 98% of its side.
BOX_AXIS = np.array([16.32 / 64, 14 / 48, 47.68 / 64, 14 / 48])


@pytest.fixture
def read(tmp_path, capsys):
    """Runs a command on two photos; gives the data set and what was printed."""
    for i in range(2):
        pixels = np.full((48, 64, 3), 40 * i, np.uint8)
        pixels[12:16, 16:48] = 200
        cv2.imwrite(str(tmp_path / f"{i}.png"), pixels)

    def call(command, name, content, *words):
        (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content))
        options = ["--annotations", f"{tmp_path}/{name}", "--resize", "stretch", "--overwrite"]
        options += ["--validation_fraction", "0", "--output_file", f"{tmp_path}/out.npz"]
        code = build_dataset.main([command, *options, *map(str, words)])
        printed = capsys.readouterr()
        assert code == 0 or printed.err.startswith("error: ")
        return npz_dataset.read_npz(tmp_path / "out.npz") if code == 0 else None, str(printed)

    return call


def coco(*entries):
    images = [{"id": i, "file_name": f"{i}.png", "width": 64, "height": 48} for i in range(2)]
    categories = [{"id": 1, "name": "banana", "keypoints": ["a", "b"]}, {"id": 2, "name": "car"}]
    categories.append({"id": 3, "name": "twirl spaghetti"})
    entries = [{"image_id": 1, "category_id": 1, **entry} for entry in entries]
    return {"images": images, "categories": categories, "annotations": entries}


POLYGON, BOX = {"segmentation": [np.ravel(BAR).tolist()]}, {"bbox": [16, 12, 32, 4]}


def test_from_coco_with_boxes_masks_crowds_and_other_things(read):
    content = coco(
        {**POLYGON, "image_id": 0},
        BOX,
        {**BOX, "iscrowd": 1},
        {**BOX, "category_id": 2},
        {**POLYGON, "category_id": 3},
        {},
    )
    dataset, out = read("from_coco", "a.json", content, "--action", "skewer")
    middle = np.array([24.25, 14, 39.75, 14]) / [64, 48, 64, 48]
    np.testing.assert_allclose(dataset.actions, [BAR_AXIS, BOX_AXIS, middle], atol=1e-6)
    assert dataset.action_names.tolist() == ["skewering", "skewering", "twirling"]
    assert dataset.food_types.tolist() == ["banana", "banana", "spaghetti"]
    assert dataset.images[1][68, 118].tolist() == [200] * 3
    for line in (
        "start and end from a box: 1 objects",
        "start and end from a mask: 2 objects",
        "left out: is a crowd banana 1",
        "left out: unknown food car 1",
        "left out: has no axis banana 1",
        "samples TOTAL 3",
    ):
        assert line in re.sub(" +", " ", out)


def test_from_coco_rules_keypoints_and_absent_pictures(read, tmp_path):
    (tmp_path / "rules.json").write_text('{"twirling": {"part": 1.0}}')
    twirled = coco({**POLYGON, "action": "twirling"})
    file = ("--mask_rules", tmp_path / "rules.json")
    dataset, _ = read("from_coco", "a.json", twirled, *file)
    np.testing.assert_allclose(dataset.actions, [BAR_AXIS], atol=1e-6)
    changed = (*file, "--mask_rule", "twirling.direction=left")
    dataset, _ = read("from_coco", "a.json", twirled, *changed)
    np.testing.assert_allclose(dataset.actions, [BAR_AXIS[[2, 3, 0, 1]]], atol=1e-6)
    points, skewer = coco({"keypoints": [15.5, 11.5, 2, 47.5, 35.5, 2]}), ("--action", "skewer")
    dataset, _ = read("from_coco", "a.json", points, *skewer, "--keypoints", "b", "a")
    np.testing.assert_allclose(dataset.actions, [[0.75, 0.75, 0.25, 0.25]], atol=1e-6)
    (tmp_path / "1.png").unlink()
    some = coco({**BOX, "image_id": 0}, BOX)
    assert "1 of 2 pictures are absent" in read("from_coco", "a.json", some, *skewer)[1]
    dataset, out = read("from_coco", "a.json", some, *skewer, "--skip_unreadable")
    assert (len(dataset), "picture unreadable" in out) == (1, True)
    car = coco({**BOX, "image_id": 0}, {**BOX, "category_id": 2})
    assert len(read("from_coco", "a.json", car, *skewer)[0]) == 1


def test_the_other_formats(read, tmp_path):
    shapes = [{"label": "Bananas", "points": BAR, "shape_type": "polygon"}]
    content = {"imagePath": "0.png", "imageWidth": 64, "imageHeight": 48, "shapes": shapes}
    dataset, _ = read("from_labelme", "0.json", content, "--action", "scooping")
    np.testing.assert_allclose(dataset.actions, [BAR_AXIS], atol=1e-6)
    edges = zip(("xmin", "ymin", "xmax", "ymax"), (17, 13, 48, 16))
    box = "".join(f"<{name}>{edge}</{name}>" for name, edge in edges)
    voc = (
        "<annotation><filename>0.png</filename>"
        f"<object><name>banana</name><bndbox>{box}</bndbox></object></annotation>"
    )
    dataset, _ = read("from_voc", "0.xml", voc, "--action", "skewering")
    np.testing.assert_allclose(dataset.actions, [BOX_AXIS], atol=1e-6)
    assert "has only a box" in read("from_voc", "0.xml", voc, "--action", "skewer", "--no_boxes")[1]
    table = "image,action,food,x1,y1,x2,y2\n0.png,scoop,rice,16,12,48,36\n1.png,,tomato,0,0,64,48"
    (tmp_path / "map.json").write_text('{"tomato": "cherry_tomato"}')
    options = ["--units", "pixels", "--label_map", tmp_path / "map.json"]
    dataset, _ = read("from_csv", "a.csv", table, *options, "--action", "skewering")
    np.testing.assert_allclose(dataset.actions, [[0.25, 0.25, 0.75, 0.75], [0, 0, 1, 1]])
    assert dataset.action_names.tolist() == ["scooping", "skewering"]
    assert "1.png: tomato: expected an action" in read("from_csv", "a.csv", table, *options)[1]
    fork, angles = "image,food,x,y,angle\n0.png,grape,0.5,0.5,{}\n", ["--action", "skewering"]
    angles += ["--units", "normalised", "--length", "0.5", "--angle_convention", "spanet"]
    dataset, _ = read("from_spanet", "a.csv", fork.format(270), *angles)
    np.testing.assert_allclose(dataset.actions, [[20 / 64, 0.5, 44 / 64, 0.5]], atol=1e-6)
    dataset, _ = read("from_spanet", "a.csv", fork.format(270), *angles, "--keep_direction")
    np.testing.assert_allclose(dataset.actions, [[44 / 64, 0.5, 20 / 64, 0.5]], atol=1e-6)


CVAT = """<annotations><image name="0.png" width="64" height="48"><box label="banana" xtl="27"
ytl="4" xbr="37" ybr="44" rotation="90"/></image></annotations>"""


def test_turned_boxes_and_what_is_read_differently_is_said(read, tmp_path):
    """A box of 10 x 40 that stands upright and is turned by 90 degrees lies: 98 % of its 40."""
    lies = [12.4 / 64, 0.5, 51.6 / 64, 0.5]
    dataset, _ = read("from_cvat", "a.xml", CVAT, "--action", "skewering")
    np.testing.assert_allclose(dataset.actions, [lies], atol=1e-6)
    turned = {"bbox": [27, 4, 10, 40], "attributes": {"rotation": 90, "angle": 3}}
    crowd = {**POLYGON, "iscrowd": 1, "attributes": {"occluded": False}}
    wrong = {**BOX, "segmentation": [[1, 2, 3, 4]]}
    dataset, out = read("from_coco", "a.json", coco(turned, crowd, wrong), "--action", "skewer")
    np.testing.assert_allclose(dataset.actions, [lies, BAR_AXIS, BOX_AXIS], atol=1e-6)
    for line in (
        "attributes.angle not read: 1, first",
        "masks with iscrowd",
        "fewer than 3 points: 1",
    ):
        assert line in out
    (tmp_path / "classes.txt").write_text("banana\n")
    dataset, _ = read(
        "from_yolo", "0.txt", "0 0.5 0.2916667 0.5 0.0833333", "--action", "skewering"
    )
    np.testing.assert_allclose(dataset.actions, [BOX_AXIS], atol=1e-6)


def test_unknown_foods_are_listed_with_the_known_ones_and_the_command_that_adds_one(read):
    labels = coco(BOX, {**BOX, "category_id": 2})
    _, out = read("from_coco", "a.json", labels, "--action", "skewering")
    known = (
        "Unknown foods: car. Known: .*banana, .*--label_map.*build_embeddings.py add --food car`"
    )
    assert re.search(known, out)
    _, out = read("from_coco", "a.json", coco({**BOX, "category_id": 2}), "--action", "skewer")
    assert re.search(f"No sample is left.*unknown food.*{known}", out)


def test_versions_of_a_photo_are_on_one_side_of_the_split(tmp_path, capsys):
    images, boxes = [], []
    for photo in range(8):
        for version in range(3):
            name = f"IMG_{photo}_jpg.rf.{photo}{version}ab.jpg"
            cv2.imwrite(str(tmp_path / name), np.full((48, 64, 3), 8 * photo + version, np.uint8))
            images.append({"id": len(images), "file_name": name, "width": 64, "height": 48})
            boxes.append({"image_id": len(boxes), "category_id": 1, **BOX})
    content = {"images": images, "categories": [{"id": 1, "name": "banana"}], "annotations": boxes}
    (tmp_path / "a.json").write_text(json.dumps(content))
    words = ["from_coco", "--annotations", f"{tmp_path}/a.json", "--action", "skewering"]
    words += ["--resize", "stretch", "--output_file", f"{tmp_path}/a.npz", "--overwrite"]
    for more, together in (
        ([], 3),
        (["--group_pattern", "none"], 1),
        (["--group_pattern", "_[0-3]_"], 3),
    ):
        assert build_dataset.main([*words, *more]) == 0
        sources = npz_dataset.read_npz(tmp_path / "a.npz").sources
        validates = splits.read_split(tmp_path / "a_split.npz", 24).val_idx
        photos = collections.Counter(re.search("IMG_.", source)[0] for source in sources[validates])
        assert set(photos.values()) == {3} or together == 1
    assert build_dataset.main([*words, "--group_pattern", "IMG"]) == 1
    assert "at least 2 pictures to split, got 1" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        build_dataset.main([*words, "--group_pattern", "("])
    assert "no regular expression" in capsys.readouterr().err


def test_the_examples_of_the_documentation(tmp_path, monkeypatch, capsys):
    """Tables and our JSON as the documentation prints them, about drawn photos of 640 x 480."""
    monkeypatch.chdir(tmp_path)
    text = (PROJECT / "docs" / "data_sources.md").read_text(encoding="utf-8")
    tables = [block for block in re.findall("(?:^    .+\n)+", text, re.M) if "image," in block[:12]]
    files = ["a.csv", "points.csv", "annotations.json"]
    for file, block in zip(files, [*tables, annotations.__doc__.split("\n\n")[1]]):
        pathlib.Path(file).write_text(textwrap.dedent(block))
    (tmp_path / "images").mkdir()
    for name in ("1.jpg", "setc_01020_grape_2.jpg", "images/1.jpg"):
        cv2.imwrite(name, np.full((480, 640, 3), 90, np.uint8))
    spanet = re.search(r"python build_dataset.py (from_spanet .*?sp.npz)", text, re.S)[1]
    common = "--action skewering --resize letterbox --output_file data/a.npz"
    for command in (
        f"from_csv --annotations a.csv --units pixels {common}",
        spanet.replace("\\\n", " "),
        f"from_annotations --annotations annotations.json --overwrite {common}",
    ):
        words = [*command.split(), "--validation_fraction", "0"]
        assert build_dataset.main(words) == 0, capsys.readouterr().err


@pytest.fixture
def record(tmp_path):
    """Writes what a server records of one request, about a photo of 200 x 100 pixels."""

    def call(name, photo=0, correction=None, food="banana", resize="letterbox", **changes):
        folder = tmp_path / "records" / "2026-11-22" / name
        folder.mkdir(parents=True)
        pixels = np.full((100, 200, 3), photo, np.uint8)
        cv2.imwrite(str(folder / "image.png"), pixels)
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

    def call(*words):
        options = ["--output_file", str(tmp_path / "r.npz"), "--overwrite"]
        options += ["--validation_fraction", "0", *words]
        code = build_dataset.main(["from_recordings", str(tmp_path / "records"), *options])
        printed = str(capsys.readouterr())
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
    assert "5 recordings; 1 corrected samples, 2 of the model's own answers, 2 left out" in out
    dataset, _ = recorded("--only_corrected", "--resize", "stretch")
    np.testing.assert_allclose(dataset.actions, [[0, 0, 1, 0]], atol=1e-6)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"resize": "crop"}, "got 1 with crop, 1 with letterbox. Choose one"),
        ({"resize": None}, "got 1 with None, 1 with letterbox"),
        ({"action": None}, "expected the strings action and food_type"),
        ({"image_width": None}, "expected image_width and image_height"),
        ({"image_width": 201}, "expected 201 x 100 pixels"),
        ({"prediction": None}, "start_x: expected a number"),
    ],
)
def test_recordings_that_are_wrong_are_named(record, recorded, change, message):
    record("1", photo=5)
    record("2", **change)
    assert message in recorded()[1]
    assert "no recording is left of 2" in recorded("--only_corrected")[1]


@pytest.mark.skipif(not REAL_FOOD.is_dir(), reason="needs ../shared/data/real_food")
def test_the_real_photographs(tmp_path, capsys):
    """All 96 axes are used; two bananas are longer than the side of the square crop."""
    files = [str(path) for path in sorted(REAL_FOOD.glob("*/annotations.json"))]
    arguments = ["from_annotations", "--annotations", *files, "--action", "skewering"]
    arguments += ["--label_map", str(PROJECT / "configs" / "real_food_label_map.json")]
    for resize, number in (("letterbox", 96), ("crop", 94)):
        file = tmp_path / f"{resize}.npz"
        options = ["--resize", resize, "--output_file", str(file)]
        assert build_dataset.main([*arguments, *options]) == 0, capsys.readouterr().err
        assert len(npz_dataset.read_npz(file)) == number
