"""Flags over bindings."""

from __future__ import annotations

import gin
import pytest

from training import agent_factory, flags

pytest_plugins = ["tests.training_fixtures"]


@pytest.fixture
def config(tmp_path, tiny_gin):
    path = tmp_path / "tiny.gin"
    path.write_text("create_optimizer.learning_rate = 3e-3\n")
    return ["--config_file", str(path)]


@pytest.mark.parametrize(
    ("flag", "value", "expected"),
    [
        ("loss_type", "l1", "l1"),
        ("image_size", "128", 128),
        ("image_size", "0", None),
        ("seed", "7", 7),
        ("learning_rate", "0.5", 0.5),
        ("schedule", "cosine", "cosine"),
        ("warmup_steps", "3", 3),
        ("weight_decay", "0.1", 0.1),
        ("gradient_clip_norm", "2", 2.0),
        ("ema_decay", "0.9", 0.9),
        ("accumulation_steps", "2", 2),
    ],
)
def test_a_flag_overrides_when_given_and_only_then(config, flag, value, expected):
    parameter = flags.OVERRIDES[flag]
    flags.configure(flags.parse([*config, "--gin_bindings", f"{parameter} = {expected!r}"]))
    assert gin.query_parameter(parameter) == expected
    flags.configure(flags.parse(config))
    assert flags.bound(parameter, "default") == (3e-3 if flag == "learning_rate" else "default")
    flags.configure(flags.parse([*config, f"--{flag}", value]))
    assert gin.query_parameter(parameter) == expected


def test_every_override_has_a_flag():
    args = flags.parse([])
    assert all(getattr(args, name) is None for name in flags.OVERRIDES)


def test_defaults_of_the_issue():
    args = flags.parse([])
    assert args.config_file == "configs/transformer_mixin.gin"
    assert (args.batch_size, args.num_epochs, args.selection_metric) == (16, 30, "centroid_mae")


def test_total_steps_are_the_runs_unless_bound(config):
    flags.configure(flags.parse(config))
    flags.bind_total_steps(40)
    assert flags.bound("create_optimizer.total_steps", None) is None
    flags.configure(flags.parse([*config, "--schedule", "cosine"]))
    flags.bind_total_steps(40)
    assert gin.query_parameter("create_optimizer.total_steps") == 40
    flags.bind_total_steps(50)
    assert gin.query_parameter("create_optimizer.total_steps") == 40


def test_seed_flag_reaches_the_run(config):
    flags.configure(flags.parse([*config, "--seed", "6"]))
    assert agent_factory.run_seed() == 6


def test_a_flag_that_does_not_exist_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as error:
        flags.parse(["--batchsize", "3"])
    assert error.value.code == 2


@pytest.mark.parametrize(
    ("given", "rate"),
    [
        ([], 3e-3),
        (["--base_batch_size", "16"], 12e-3),
        (["--base_batch_size", "16", "--learning_rate", "0.1"], 0.4),
    ],
)
def test_the_learning_rate_grows_with_the_batch(config, given, rate):
    args = flags.parse([*config, "--batch_size", "64", *given])
    flags.configure(args)
    flags.scale_learning_rate(args)
    assert gin.query_parameter("create_optimizer.learning_rate") == pytest.approx(rate)


def test_the_default_learning_rate_grows_too(tmp_path):
    (tmp_path / "empty.gin").write_text("")
    given = ["--config_file", str(tmp_path / "empty.gin"), "--batch_size", "32"]
    args = flags.parse([*given, "--base_batch_size", "16"])
    flags.configure(args)
    flags.scale_learning_rate(args)
    assert gin.query_parameter("create_optimizer.learning_rate") == pytest.approx(2e-4)
