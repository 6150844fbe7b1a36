"""calibrate.py on a checkpoint directory that train.py wrote, and evaluate.py after it."""

import shutil

import numpy as np
import pytest

import calibrate
import evaluate
from evaluation import uncertainty
from food_data import npz_dataset, splits
from tests import training_fixtures
from tests.evaluation.agents import _loaded, load_once  # noqa: F401

# Each of them builds networks: seconds, not milliseconds.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("load_once")]

# The small checkpoint regresses coordinates and has no dropout: no answer is doubted more.
SOURCE = ("--source", "mc_dropout:head:2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """squares.npz, which trained the small checkpoint, and new.npz, which did not."""
    folder = tmp_path_factory.mktemp("calibrate")
    training_fixtures.write_squares(folder)
    npz_dataset.write_npz(folder / "new.npz", training_fixtures.squares(48, seed=1))
    splits.write_split(folder / "new_split.npz", splits.Split(np.arange(4), np.arange(4, 48)))
    return folder


@pytest.fixture
def run_dir(small_checkpoint_dir, tmp_path):
    return shutil.copytree(small_checkpoint_dir, tmp_path / "run")


def _flags(run_dir, folder, *more, name="new"):
    data = ["--dataset_file", str(folder / f"{name}.npz"), "--batch_size", "16"]
    return ["--checkpoint_dir", str(run_dir), *data, *more]


def _written(run_dir):
    return uncertainty.read_calibration((run_dir / uncertainty.FILE_NAME).read_text(), "")


def test_what_calibrated_does_not_test(folder, run_dir, capsys):
    path, more = run_dir / "uncertainty.json", (*SOURCE, "--floor_error_rate", "1")
    assert calibrate.main(_flags(run_dir, folder, *more)) == 0, capsys.readouterr().err
    printed = capsys.readouterr().out
    assert "mc_dropout, midpoint_spread, fitted on 22 samples of 22 pictures" in printed
    assert "On the 22 samples whose pictures did not calibrate:" in printed
    first = path.read_bytes()
    assert calibrate.main(_flags(run_dir, folder, *more)) == 0
    assert path.read_bytes() == first
    arguments = _flags(run_dir, folder)
    document = evaluate.run(evaluate.parse_arguments(arguments))
    assert "22 samples left out, whose pictures calibrated" in capsys.readouterr().out
    assert document["data"]["num_samples"] == 22
    assert document["calibration"]["intervals"]["disc_coverage"]["n"] == 22
    # Answers of other passes were not calibrated.
    document = evaluate.run(evaluate.parse_arguments([*arguments, "--passes", "fast"]))
    assert (document["data"]["num_samples"], document["calibration"]) == (44, None)


def test_a_useless_model_is_named_and_has_an_exit_code_of_its_own(folder, run_dir, capsys):
    """It learned for one epoch: nearly every midpoint is off by more than 5 %."""
    assert calibrate.main(_flags(run_dir, folder, *SOURCE)) == 3
    said = capsys.readouterr()
    assert "BELOW THE FLOOR" in said.err and "expected at most 25.0%" in said.err
    assert "it misses its floor: servers ask about every answer" in said.out
    asking = _written(run_dir).asking
    assert not asking.meets_floor and asking.expected_error_rate > 0.25


def test_all_samples_may_calibrate(folder, run_dir, capsys):
    more = ["--split", "all", "--fraction", "1", "--target_query_rate", "0.1"]
    more += ["--error_limit", "0.7", "--coverage", "0.8", "--floor_error_rate", "0.9"]
    assert calibrate.main(_flags(run_dir, folder, *SOURCE, *more)) == 0, capsys.readouterr().err
    assert "nothing is left to test on" in capsys.readouterr().out
    found = _written(run_dir)
    assert found.fitted_on.num_calibration_samples == 48
    assert (found.asking.target_rate, found.asking.error_limit) == (0.1, 0.7)
    assert found.regions.coverage == 0.8


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("squares", ["--split", "all"], "expected samples that did not train"),
        ("squares", [], "needs at least 9 calibration samples"),
        ("absent", [], "absent"),
    ],
)
def test_what_is_refused_leaves_the_file_as_it_was(folder, run_dir, capsys, name, more, message):
    path = run_dir / "uncertainty.json"
    path.write_text("before")
    assert calibrate.main(_flags(run_dir, folder, *SOURCE, *more, name=name)) == 1
    assert message in capsys.readouterr().err
    assert path.read_text() == "before"
