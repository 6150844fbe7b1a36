"""evaluate.py on a checkpoint directory that train.py wrote."""

import dataclasses
import json

import cv2
import numpy as np
import pytest

import calibrate
import checkpoint_directory
import evaluate
from evaluation import metrics
from food_data import npz_dataset, pipeline, splits
from tests import training_fixtures
from tests.evaluation.agents import _loaded, load_once  # noqa: F401
from training import training_loop

# Each of them builds and trains networks: seconds, not milliseconds.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("load_once")]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return training_fixtures.write_squares(tmp_path_factory.mktemp("evaluate"))


def _arguments(checkpoint_dir, files, *more):
    return ["--checkpoint_dir", checkpoint_dir, "--dataset_file", str(files[0]), *more]


def test_everything_there_is_and_validation_says_the_same(
    small_checkpoint_dir, files, tmp_path, capsys
):
    output, folder = tmp_path / "new" / "table.json", tmp_path / "report"
    more = ["--output_file", str(output), "--report_dir", str(folder)]
    more += ["--uncertainty", "mc_dropout:head:2", "--compare", small_checkpoint_dir]
    assert evaluate.main(_arguments(small_checkpoint_dir, files, *more)) == 0
    found, printed = json.loads(output.read_text()), capsys.readouterr().out
    data, split = npz_dataset.read_npz(files[0]), splits.read_split(files[1], 24)
    assert found["data"]["num_samples"] == len(split.val_idx)
    interval = found["errors"]["model"]["centroid_mae"]
    assert "{mean:.4f} [{low:.4f}, {high:.4f}]".format(**interval) in printed
    assert (found["settings"]["batch_size"], found["settings"]["report_dir"]) == (32, str(folder))
    assert [row["label"] for row in found["uncertainty"]] == ["mc_dropout head 2"]
    difference = found["comparison"]["columns"]["centroid_mae"]
    assert (difference["mean"], difference["low"], difference["high"]) == (0, 0, 0)
    assert (folder / "report.html").is_file()
    # Errors are those of the answers that serving clips.
    contents = checkpoint_directory.read_contents(small_checkpoint_dir)
    agent = checkpoint_directory.load(contents).agent
    batches = pipeline.create_npz_dataset(data, split.val_idx, 4)
    _, unclipped = training_loop.validate_step_with_metrics(agent, batches)
    expected = metrics.compute_bbox_metrics(np.clip(unclipped, 0, 1), data.actions[split.val_idx])
    np.testing.assert_allclose(interval["mean"], expected["centroid_mae"], rtol=1e-4)


def test_a_data_set_without_a_split_and_labels_of_another(small_checkpoint_dir, files, tmp_path):
    path = tmp_path / "new.npz"
    npz_dataset.write_npz(path, training_fixtures.squares(4, seed=5))
    arguments = _arguments(small_checkpoint_dir, [path], "--split", "all")
    found = evaluate.run(evaluate.parse_arguments([*arguments, "--batch_size", "3"]))
    assert "mean of the training labels" not in found["errors"]
    arguments += ["--train_dataset_file", str(files[0])]
    found = evaluate.run(evaluate.parse_arguments(arguments))
    assert "mean of action and food" in found["errors"]


def test_annotated_photographs(small_checkpoint_dir, tmp_path, capsys):
    """They become square as the checkpoint knows it, unless the flags say otherwise; the split is
    all of them. The labelled midpoint is at (50, 25) of 200 x 100 pixels."""
    assert cv2.imwrite(str(tmp_path / "plate.png"), np.full((100, 200, 3), 90, np.uint8))
    path = tmp_path / "motions.csv"
    path.write_text("image,food,action,x1,y1,x2,y2\nplate.png,banana,skewering,0,25,100,25\n")
    flags = ["--annotation_format", "csv", "--annotations", str(path), "--units", "pixels"]
    for more, expected in (([], 0.25), (["--resize", "letterbox"], (0.25 + 0.125) / 2)):
        arguments = ["--checkpoint_dir", small_checkpoint_dir, *flags, *more]
        found = evaluate.run(evaluate.parse_arguments(arguments))["errors"]
        centre = found["centre of the picture"]["centroid_mae"]["mean"]
        assert centre == pytest.approx(expected, abs=0.01)
        assert "motions.csv, all: 1 samples" in capsys.readouterr().out


def test_samples_that_do_not_fit_the_checkpoint(small_checkpoint_dir, tmp_path, capsys, caplog):
    data = training_fixtures.squares(4)
    others = data.embeddings[:, ::-1].copy()
    for name, changed in (("size", {"resize": "crop"}), ("other", {"embeddings": others})):
        path = tmp_path / f"{name}.npz"
        npz_dataset.write_npz(path, dataclasses.replace(data, **changed))
        arguments = _arguments(small_checkpoint_dir, [path], "--split", "all")
        assert evaluate.main(arguments) == (name == "other")
    assert "made square by 'crop', those of" in caplog.text
    assert "got others for 1 instructions: skewering banana (cosine" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--split_file", "absent.npz"], "absent.npz"),
        (["--absent_food"], "a known food that a picture does not show, got none"),
        (["--uncertainty", "token_distribution"], "expected a model with loss_type"),
        (["--output_file", f"{__file__}/a/table.json"], "--output_file: expected a folder to"),
        (["--report_dir", "gs://bucket/report"], "--report_dir: expected a path on this machine"),
    ],
)
def test_bad_flags(small_checkpoint_dir, files, more, message, capsys):
    assert evaluate.main(_arguments(small_checkpoint_dir, files, *more)) == 1
    assert message in capsys.readouterr().err


def test_flags_of_nothing(capsys):
    for program, *more in (
        (evaluate, "--batch_size", "0"),
        (evaluate, "--units", "pixels"),
        (calibrate, "--fraction", "1.5"),
    ):
        with pytest.raises(SystemExit, match="2"):
            program.main(_arguments("runs", ["plates.npz"], *more))
        assert more[0] in capsys.readouterr().err
