"""evaluate.py on a checkpoint directory that train.py wrote."""

import json
import pathlib

import numpy as np
import pytest

import evaluate
from food_data import splits
from tests import training_fixtures


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return training_fixtures.write_squares(tmp_path_factory.mktemp("evaluate"))


def _arguments(checkpoint_dir, files, *more):
    return ["--checkpoint_dir", checkpoint_dir, "--dataset_file", str(files[0]), *more]


def test_table_and_json_say_the_same(small_checkpoint_dir, files, tmp_path, capsys):
    output = tmp_path / "new" / "table.json"
    arguments = _arguments(small_checkpoint_dir, files, "--output_file", str(output))
    assert evaluate.main(arguments) == 0
    found = json.loads(output.read_text())
    printed = capsys.readouterr().out
    assert found["num_samples"] == len(splits.read_split(files[1], 24).val_idx)
    assert list(found["answers"]) == [
        "model",
        "model, instruction swapped",
        "mean of the training labels",
        "centre of the picture",
    ]
    assert f"{found['answers']['model']['centroid_mae']:.4f}" in printed


def test_best_checkpoint_gives_the_error_that_training_wrote_down(small_checkpoint_dir, files):
    found = evaluate.run(evaluate.parse_arguments(_arguments(small_checkpoint_dir, files)))
    metadata = json.loads(pathlib.Path(small_checkpoint_dir, "metadata.json").read_text())
    # Training measures unclipped answers; this tiny model's lie inside the picture.
    np.testing.assert_allclose(
        found["model"]["centroid_mae"], metadata["metrics"]["centroid_mae"], rtol=1e-4
    )


def test_all_samples_need_no_split(small_checkpoint_dir, tmp_path):
    path, split = training_fixtures.write_squares(tmp_path)
    split.unlink()
    found = evaluate.run(
        evaluate.parse_arguments(
            _arguments(small_checkpoint_dir, [path], "--split", "all", "--batch_size", "5")
        )
    )
    assert "mean of the training labels" not in found


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--batch_size", "0"], "expected at least 1, got 0"),
        (["--split_file", "absent.npz"], "absent.npz"),
    ],
)
def test_bad_flags(small_checkpoint_dir, files, more, message, capsys):
    assert evaluate.main(_arguments(small_checkpoint_dir, files, *more)) == 1
    assert message in capsys.readouterr().err
