"""evaluate.py and calibrate.py on a checkpoint directory that train.py wrote."""

import dataclasses
import json
import shutil

import cv2
import numpy as np
import pytest

import calibrate
import checkpoint_directory
import evaluate
from evaluation import metrics, uncertainty
from food_data import npz_dataset, pipeline, splits
from tests import training_fixtures
from training import training_loop

# Most of them build networks: seconds, not milliseconds.
pytestmark = pytest.mark.slow
# The small checkpoint regresses coordinates and has no dropout: no answer is doubted more.
SOURCE = ("--source", "mc_dropout:head:2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """squares.npz, which trained the small checkpoint, and new.npz, which did not."""
    folder = tmp_path_factory.mktemp("evaluate")
    training_fixtures.write_squares(folder)
    npz_dataset.write_npz(folder / "new.npz", training_fixtures.squares(48, seed=1))
    splits.write_split(folder / "new_split.npz", splits.Split(np.arange(4), np.arange(4, 48)))
    return folder


@pytest.fixture(scope="module")
def _loaded():
    return {}


@pytest.fixture(autouse=True)
def _load_once(monkeypatch, _loaded):
    """The checkpoint is loaded, and traced, once."""
    load = checkpoint_directory.load

    def known(contents, **settings):
        digest = contents.weights_sha256
        if digest not in _loaded:
            _loaded[digest] = load(contents, **settings)
        return _loaded[digest]

    monkeypatch.setattr(checkpoint_directory, "load", known)


@pytest.fixture
def run_dir(small_checkpoint_dir, tmp_path):
    return shutil.copytree(small_checkpoint_dir, tmp_path / "run")


def _flags(checkpoint_dir, dataset_file, *more):
    return ["--checkpoint_dir", str(checkpoint_dir), "--dataset_file", str(dataset_file), *more]


def _evaluated(*arguments):
    return evaluate.run(evaluate.parse_arguments(_flags(*arguments)))


def test_everything_there_is_and_validation_says_the_same(
    small_checkpoint_dir, folder, tmp_path, capsys
):
    output, page = tmp_path / "new" / "table.json", tmp_path / "report"
    more = ["--output_file", str(output), "--report_dir", str(page)]
    more += ["--uncertainty", "mc_dropout:head:2", "--compare", small_checkpoint_dir]
    assert evaluate.main(_flags(small_checkpoint_dir, folder / "squares.npz", *more)) == 0
    found, printed = json.loads(output.read_text()), capsys.readouterr().out
    data = npz_dataset.read_npz(folder / "squares.npz")
    rows = splits.read_split(folder / "squares_split.npz", 24).val_idx
    assert found["data"]["num_samples"] == len(rows)
    interval = found["errors"]["model"]["centroid_mae"]
    assert "{mean:.4f} [{low:.4f}, {high:.4f}]".format(**interval) in printed
    assert (found["settings"]["batch_size"], found["settings"]["report_dir"]) == (32, str(page))
    assert [row["label"] for row in found["uncertainty"]] == ["mc_dropout head 2"]
    difference = found["comparison"]["columns"]["centroid_mae"]
    assert (difference["mean"], difference["low"], difference["high"]) == (0, 0, 0)
    assert (page / "report.html").is_file()
    # Errors are those of the answers that serving clips.
    contents = checkpoint_directory.read_contents(small_checkpoint_dir)
    agent = checkpoint_directory.load(contents).agent
    batches = pipeline.create_npz_dataset(data, rows, 4)
    _, unclipped = training_loop.validate_step_with_metrics(agent, batches)
    expected = metrics.compute_bbox_metrics(np.clip(unclipped, 0, 1), data.actions[rows])
    np.testing.assert_allclose(interval["mean"], expected["centroid_mae"], rtol=1e-4)


def test_a_data_set_without_a_split_and_labels_of_another(small_checkpoint_dir, folder, tmp_path):
    path = tmp_path / "new.npz"
    npz_dataset.write_npz(path, training_fixtures.squares(4, seed=5))
    arguments = small_checkpoint_dir, path, "--split", "all", "--batch_size", "3"
    assert "mean of the training labels" not in _evaluated(*arguments)["errors"]
    found = _evaluated(*arguments, "--train_dataset_file", str(folder / "squares.npz"))
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
        arguments = _flags(small_checkpoint_dir, path, "--split", "all")
        assert evaluate.main(arguments) == (name == "other")
    assert "made square by 'crop', those of" in caplog.text
    assert "got others for 1 instructions: skewering banana (cosine" in capsys.readouterr().err


def test_what_calibrated_does_not_test(folder, run_dir, capsys):
    path, more = run_dir / "uncertainty.json", (*SOURCE, "--floor_error_rate", "1")
    for _ in range(2):
        assert calibrate.main(_flags(run_dir, folder / "new.npz", *more)) == 0
    printed = capsys.readouterr().out
    first, again = printed[: len(printed) // 2], printed[len(printed) // 2 :]
    assert first == again and path.is_file()
    assert "mc_dropout, midpoint_spread, fitted on 22 samples of 22 pictures" in printed
    assert "On the 22 samples whose pictures did not calibrate:" in printed
    document = _evaluated(run_dir, folder / "new.npz")
    assert "22 samples left out, whose pictures calibrated" in capsys.readouterr().out
    assert document["data"]["num_samples"] == 22
    assert document["calibration"]["intervals"]["disc_coverage"]["n"] == 22
    # Answers of other passes were not calibrated.
    document = _evaluated(run_dir, folder / "new.npz", "--passes", "fast")
    assert (document["data"]["num_samples"], document["calibration"]) == (44, None)


def test_a_useless_model_is_named_and_has_an_exit_code_of_its_own(folder, run_dir, capsys):
    """It learned for one epoch: nearly every midpoint is off by more than 5 %."""
    assert calibrate.main(_flags(run_dir, folder / "new.npz", *SOURCE)) == 3
    said = capsys.readouterr()
    assert "BELOW THE FLOOR" in said.err and "expected at most 25.0%" in said.err
    assert "it misses its floor: servers ask about every answer" in said.out
    assert '"meets_floor": false' in (run_dir / uncertainty.FILE_NAME).read_text()


def test_all_samples_may_calibrate(folder, run_dir, capsys):
    more = ["--split", "all", "--fraction", "1", "--target_query_rate", "0.1", "--passes", "fast"]
    more += ["--error_limit", "0.7", "--coverage", "0.8", "--floor_error_rate", "0.9", *SOURCE]
    assert calibrate.main(_flags(run_dir, folder / "new.npz", *more)) == 0
    assert "nothing is left to test on" in capsys.readouterr().out
    contents = checkpoint_directory.read_contents(run_dir)
    found = uncertainty.calibration_of(contents)
    fitted_on, asking = found.fitted_on, found.asking
    assert (fitted_on.source, fitted_on.scope, fitted_on.num_samples) == ("mc_dropout", "head", 2)
    assert (fitted_on.score, fitted_on.passes) == ("midpoint_spread", "fast")
    assert fitted_on.num_calibration_samples == len(fitted_on.picture_ids) == 48
    assert (asking.target_rate, asking.error_limit, asking.angle_limit) == (0.1, 0.7, None)
    assert (found.regions.coverage, found.regions.sector) == (0.8, None)


@pytest.mark.parametrize(
    ("program", "name", "more", "message"),
    [
        (calibrate, "squares", ["--split", "all"], "expected samples that did not train"),
        (calibrate, "squares", [], "needs at least 9 calibration samples"),
        (calibrate, "absent", [], "absent"),
        (evaluate, "squares", ["--split_file", "absent.npz"], "absent.npz"),
        (evaluate, "squares", ["--absent_food"], "food that a picture does not show, got none"),
        (evaluate, "squares", ["--uncertainty", "token_distribution"], "a model with loss_type"),
        (evaluate, "squares", ["--output_file", f"{__file__}/a/b.json"], "--output_file: expected"),
        (evaluate, "squares", ["--report_dir", "gs://b/c"], "--report_dir: expected a path on"),
    ],
)
def test_what_is_refused_leaves_a_calibration_as_it_was(
    folder, run_dir, capsys, program, name, more, message
):
    path = run_dir / "uncertainty.json"
    if program is calibrate:
        path.write_text("before")
        more = [*SOURCE, *more]
    assert program.main(_flags(run_dir, folder / f"{name}.npz", *more)) == 1
    assert message in capsys.readouterr().err
    assert program is evaluate or path.read_text() == "before"


@pytest.mark.parametrize(
    ("program", "flag", "value"),
    [(evaluate, "--batch_size", "0"), (evaluate, "--units", "pixels")]
    + [(calibrate, "--fraction", "1.5")],
)
def test_wrong_flags(program, flag, value, capsys):
    with pytest.raises(SystemExit, match="2"):
        program.main(_flags("runs", "plates.npz", flag, value))
    assert flag in capsys.readouterr().err
