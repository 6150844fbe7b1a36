"""Contradictions are refused before anything is built."""

from __future__ import annotations

import gin
import pytest

from training import flag_checks, flags

pytest_plugins = ["tests.training_fixtures"]
pytestmark = pytest.mark.usefixtures("tiny_gin")


@pytest.fixture
def base(tmp_path):
    """Flags that are fine; nothing that they name is read."""
    config = tmp_path / "tiny.gin"
    config.write_text("")
    return [
        *("--config_file", str(config), "--dataset_file", "a.npz"),
        *("--checkpoint_dir", str(tmp_path / "run")),
    ]


def test_flags_that_are_fine(base):
    flag_checks.check_flags(flags.parse(base))
    flag_checks.check_flags(flags.parse([*base, "--resume_checkpoint", "auto"]))


@pytest.mark.parametrize("name", flag_checks._AT_LEAST_ONE)
def test_numbers_below_one(base, name):
    with pytest.raises(ValueError, match=f"--{name}: expected at least 1, got 0"):
        flag_checks.check_flags(flags.parse([*base, f"--{name}", "0"]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--image_size", "-1"], "--image_size: expected pixels"),
        (["--mixed_precision", "float16"], "--mixed_precision: expected bfloat16, got float16"),
        (["--selection_metric", "centroid"], "Did you mean centroid_m[as]e"),
    ],
)
def test_contradictions(base, changes, message):
    with pytest.raises(ValueError, match=message):
        flag_checks.check_flags(flags.parse([*base, *changes]))


def test_data_and_directory_must_be_given(base):
    with pytest.raises(ValueError, match="--dataset_file: expected an .npz"):
        flag_checks.check_flags(flags.parse([*base[:2], *base[4:]]))
    with pytest.raises(ValueError, match="--checkpoint_dir: expected the directory of the run"):
        flag_checks.check_flags(flags.parse(base[:4]))


def test_a_configuration_that_is_absent(base):
    with pytest.raises(FileNotFoundError, match=r"--config_file: no file absent\.gin"):
        flag_checks.check_flags(flags.parse([*base, "--config_file", "absent.gin"]))


def test_where_a_run_begins(base, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    resume = ["--resume_checkpoint", str(other)]
    with pytest.raises(ValueError, match="a run goes on in its own directory"):
        flag_checks.check_flags(flags.parse([*base, *resume]))
    with pytest.raises(ValueError, match="expected one of them, got both"):
        weights = ["--pretrained_checkpoint", "rt1main"]
        flag_checks.check_flags(flags.parse([*base, *resume, *weights]))
    args = flags.parse([*base[:4], *resume])
    flag_checks.check_flags(args)
    assert args.checkpoint_dir == str(other)
    args = flags.parse([*base[:4], "--resume_checkpoint", str(other / "last_checkpoint-3")])
    flag_checks.check_flags(args)
    assert args.checkpoint_dir == str(other)


@pytest.mark.parametrize("name", ["metadata.json", "training_state.json"])
def test_a_directory_that_holds_a_run(base, tmp_path, name):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text("{}")
    with pytest.raises(ValueError, match="holds another run.*--resume_checkpoint auto"):
        flag_checks.check_flags(flags.parse(base))
    weights = ["--pretrained_checkpoint", "rt1main", "--resume_checkpoint", "auto"]
    flag_checks.check_flags(flags.parse([*base, *weights]))


@pytest.mark.parametrize(
    ("changes", "bindings", "message"),
    [
        (["--batch_size", "6"], "gradient_accumulation.steps = 4", "got 6 samples in 4"),
        (
            ["--freeze_efficientnet", "--freeze_tokenlearner", "--freeze_transformer"],
            'TransformerNetwork.loss_type = "cross_entropy"',
            "expected something that learns",
        ),
        (["--batch_size", "1", "--num_devices", "2"], "", "each of 2 devices, got 1"),
    ],
)
def test_settings_that_contradict_each_other(base, changes, bindings, message):
    gin.parse_config(bindings)
    with pytest.raises(ValueError, match=message):
        flag_checks.check_settings(flags.parse([*base, *changes]))


def test_what_the_data_does_not_allow(base):
    args = flags.parse([*base, "--early_stopping_epochs", "2"])
    flag_checks.check_with_data(args, num_validation=1, total_steps=10)
    with pytest.raises(ValueError, match="--early_stopping_epochs: expected validation samples"):
        flag_checks.check_with_data(args, num_validation=0, total_steps=10)
    gin.parse_config('create_optimizer.schedule = "cosine"\ncreate_optimizer.warmup_steps = 10')
    with pytest.raises(ValueError, match="fewer than the 10 steps of the run, got 10"):
        flag_checks.check_with_data(args, num_validation=1, total_steps=10)
    flag_checks.check_with_data(args, num_validation=1, total_steps=11)
