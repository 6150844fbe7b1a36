"""evaluate.py on a checkpoint directory that train.py wrote."""

import json

import numpy as np
import pytest

import checkpoint_directory
import evaluate
import metrics
from food_data import npz_dataset, pipeline, splits
from tests import training_fixtures
from training import train_steps

# Each of them builds and trains networks: seconds, not milliseconds.
pytestmark = pytest.mark.slow


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


def test_errors_are_those_of_the_answers_that_serving_clips(small_checkpoint_dir, files):
    found = evaluate.run(evaluate.parse_arguments(_arguments(small_checkpoint_dir, files)))
    agent = checkpoint_directory.load(small_checkpoint_dir).agent
    data, split = npz_dataset.read_npz(files[0]), splits.read_split(files[1], 24)
    batches = pipeline.create_npz_dataset(data, split.val_idx, 4)
    _, unclipped = train_steps.validate_step_with_metrics(agent, batches)
    expected = metrics.compute_bbox_metrics(np.clip(unclipped, 0, 1), data.actions[split.val_idx])
    np.testing.assert_allclose(found["model"]["centroid_mae"], expected["centroid_mae"], rtol=1e-4)


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
