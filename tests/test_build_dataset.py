"""The command line, run as a user runs it, on pictures that the tests draw."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import cv2
import numpy as np
import pytest

import build_dataset
from food_data import npz_dataset, splits

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


def test_without_the_label_map_the_tomatoes_are_named_and_left_out(run, tmp_path):
    code, out, _ = run()
    assert code == 0
    table = [line.split() for line in out.splitlines()]
    assert ["left", "out:", "unknown", "food", "tomato", "6"] in table
    assert len(npz_dataset.read_npz(tmp_path / "out" / "plates.npz")) == 6


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
        ({"annotations": "absent.json"}, "No annotation file"),
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
    ],
)
def test_wrong_arguments_are_one_line_and_write_nothing(run, tmp_path, changes, message):
    code, _, err = run(**changes)
    assert code == 1
    assert f"error: {message}" in err
    assert not list(tmp_path.glob("out/*"))


def test_a_broken_picture_is_named_or_skipped(run, annotations_file, tmp_path):
    (annotations_file.parent / "3.png").write_bytes(b"not a picture")
    code, _, err = run()
    assert code == 1
    assert "3.png: Expected a picture" in err
    code, out, _ = run("--skip_unreadable")
    assert code == 0
    assert "3.png: Expected a picture" in out
    assert len(npz_dataset.read_npz(tmp_path / "out" / "plates.npz")) == 5


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


@pytest.fixture(scope="module")
def plates(tmp_path_factory):
    """A file of a few plates, and its split beside it."""
    file = tmp_path_factory.mktemp("plates") / "plates.npz"
    arguments = ["synthetic", "--num_plates", "4", "--workers", "1", "--output_file", str(file)]
    assert build_dataset.main(arguments) == 0
    return file


def test_check_show_and_to_tfrecord_take_what_synthetic_makes(plates, tmp_path, capsys):
    assert build_dataset.main(["check", str(plates)]) == 0
    assert "0 errors" in capsys.readouterr().out
    sheet, records = tmp_path / "sheet.png", tmp_path / "records"
    assert build_dataset.main(["show", str(plates), "--output_file", str(sheet)]) == 0
    assert cv2.imread(str(sheet)) is not None
    arguments = ["to_tfrecord", str(plates), str(records), "--samples_per_shard", "3"]
    assert build_dataset.main(arguments) == 0
    assert (records / "index.json").is_file()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["check", "absent.npz"], "error: No data set absent.npz"),
        (["show", "absent.npz", "--output_file", "{folder}/a.png"], "error: No data set absent"),
        (["to_tfrecord", "absent.npz", "{folder}"], "error: No data set absent.npz"),
        (["from_csv", "--annotations", "a.csv", "--resize", "crop"], "required: --units"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, capsys, arguments, message):
    words = [word.replace("{folder}", str(tmp_path)) for word in arguments]
    try:
        code = build_dataset.main(words)
    except SystemExit as error:
        code = error.code
    assert code
    assert message in capsys.readouterr().err


def test_synthetic_needs_a_plate(tmp_path, capsys):
    arguments = ["synthetic", "--num_plates", "0", "--output_file", str(tmp_path / "a.npz")]
    assert build_dataset.main(arguments) == 1
    assert "got 0 plates" in capsys.readouterr().err


@pytest.mark.slow
def test_the_program_itself_says_how_it_is_used():
    result = subprocess.run(
        [sys.executable, "build_dataset.py", "from_annotations", "--help"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0
    assert "--label_map" in result.stdout


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
