"""train.py as a program: flags over bindings, what it leaves, what it refuses."""

from __future__ import annotations

import errno
import json
import os
import pathlib
import shutil
import signal
import types

import gin
import pytest
import tensorflow as tf

import checkpoint_directory
import checkpoint_loading
import train
import utils
from tests import small_model, tiny_training, training_fixtures
from training import agent_factory, run_setup, train_steps

# Each of them builds and trains networks: seconds, not milliseconds.
pytestmark = pytest.mark.slow

pytest_plugins = ["tests.training_fixtures"]


@pytest.fixture
def arguments(squares_files, tmp_path, tiny_gin):
    """Flags of a run that works."""
    return training_fixtures.arguments(tmp_path, *squares_files)


def test_what_a_run_leaves(small_checkpoint_dir):
    metadata = checkpoint_directory.read_metadata(small_checkpoint_dir)
    assert metadata["num_train"] == 18
    assert metadata["num_val"] == 6
    assert metadata["resize"] == "stretch"
    assert metadata["loss_type"] == "smooth_l1"
    assert len(metadata["dataset_fingerprint"]) == 64
    assert metadata["trained_pairs"] == [["skewering", "banana"]]
    assert pathlib.Path(small_checkpoint_dir, "first_batch.png").is_file()


@pytest.mark.slow
def test_fine_tuning_starts_from_the_given_weights(
    arguments, small_checkpoint_dir, tmp_path, capsys
):
    flags = ["--pretrained_checkpoint", small_checkpoint_dir, "--freeze_efficientnet"]
    assert train.main([*arguments, *flags]) == 0
    printed = capsys.readouterr().out
    assert "training loss" in printed
    assert "predicting always the training labels' mean" in printed
    ours, theirs = (
        checkpoint_directory.load(directory).agent.network.parts()["efficientnet"].variables
        for directory in (tmp_path / "run", small_checkpoint_dir)
    )
    for mine, pretrained in zip(ours, theirs):
        assert (mine.numpy() == pretrained.numpy()).all()


def test_fine_tuning_refuses_what_means_something_else(small_checkpoint_dir, tiny_gin, tmp_path):
    """Weights fit whatever the tokens of a model mean."""
    agent = agent_factory.create_agent()
    directory = tmp_path / "other"
    shutil.copytree(small_checkpoint_dir, directory)
    metadata = json.loads((directory / "metadata.json").read_text())
    assert metadata["action_coding"] == "endpoints"
    text = json.dumps({**metadata, "action_coding": "midpoint_extent"})
    (directory / "metadata.json").write_text(text)
    for load in (utils.load_pretrained_checkpoint, utils.load_resume_checkpoint):
        with pytest.raises(checkpoint_loading.CheckpointLoadError, match="got one with 'midpoint_"):
            load(agent, directory)
    # Directories from before there was a choice do not name it; the head may be another.
    del metadata["action_coding"]
    (directory / "metadata.json").write_text(json.dumps(metadata))
    with small_model.gin_bindings(*training_fixtures.TINY_CONFIG.splitlines()):
        gin.bind_parameter("TransformerNetwork.loss_type", "cross_entropy")
        agent = agent_factory.create_agent()
    report = utils.load_pretrained_checkpoint(agent, directory)
    assert {info.name.split("/")[2] for info in report.left_at_init} == {"_action_token_emb"}


def test_what_is_frozen_does_not_learn(tiny_gin):
    agent = agent_factory.create_agent()
    parts = agent.network.parts()
    assert utils.apply_freezing_logic(agent, True, False, True) == ["efficientnet", "transformer"]
    assert parts["tokenlearner"].trainable_variables
    assert not parts["efficientnet"].trainable_variables + parts["transformer"].trainable_variables
    assert agent.network._regression_output.trainable_variables
    # Augmented pictures pass through it in training, and move no statistic of BatchNorm.
    before = small_model.values(parts["efficientnet"].variables)
    agent.network.outputs(small_model.observation(0, 2, 1, side=236), training=True)
    assert small_model.same(before, small_model.values(parts["efficientnet"].variables))
    agent.build_optimizer()
    with pytest.raises(ValueError, match="expected a new optimizer"):
        utils.apply_freezing_logic(agent)
    gin.bind_parameter("TransformerNetwork.loss_type", "cross_entropy")
    with pytest.raises(ValueError, match="nothing is left to learn"):
        utils.apply_freezing_logic(agent_factory.create_agent(), True, True, True)


def test_the_same_seed_gives_the_same_weights_and_gin_sets_the_rest(tiny_gin):
    first = agent_factory.create_agent()
    values = small_model.values(first.network.variables)
    gin.bind_parameter("gradient_accumulation.steps", 4)
    gin.bind_parameter("create_optimizer.learning_rate", 0.25)
    gin.bind_parameter("create_optimizer.trunk_learning_rate_scale", 0.5)
    again = agent_factory.create_agent()
    assert small_model.same(values, small_model.values(again.network.variables))
    assert again.sequence_agent._accumulation_steps == 4
    assert float(again.optimizer.learning_rate) == 0.25
    # The trunk is what an ImageNet file fills: all of the EfficientNet but FiLM.
    net, kinds = again.network.parts()["efficientnet"].net, {}
    for layer in net.layers_with_weights():
        learning = {v._unique_id in again.optimizer._trunk for v in layer.trainable_variables}
        kinds.setdefault(type(layer).__name__, set()).update(learning)
    assert kinds.pop("FilmConditioning") == {False}
    assert kinds.pop("ImageNormalization") == set()
    assert set(map(tuple, kinds.values())) == {(True,)}
    gin.bind_parameter("run_seed.seed", 1)
    other = agent_factory.create_agent()
    assert not small_model.same(values, small_model.values(other.network.variables))


def test_room_is_asked_for_before_it_begins(tmp_path, monkeypatch):
    """4 MB of weights, 8 MB of moments: two of 12 MB to go on from, three of 4 MB to serve."""
    network, optimizer = (
        types.SimpleNamespace(variables=[tf.Variable(tf.zeros(size))])
        for size in (10**6, 2 * 10**6)
    )
    agent = types.SimpleNamespace(network=network, optimizer=optimizer)
    needed = 2 * 12_000_000 + 3 * 4_000_000 + 32 * 2**20
    usage = shutil.disk_usage("/")._replace(free=needed - 1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    run = tmp_path / "runs" / "new"
    with pytest.raises(OSError, match=r"expected 70 MB free .*got 69 MB.*--max_checkpoints"):
        run_setup.check_disk(run, agent, 1)
    # What is there already will be replaced.
    (run / "last_checkpoint-1.index").write_bytes(bytes(1_000_000))
    run_setup.check_disk(run, agent, 1)
    assert len(list(run.iterdir())) == 1
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="expected a folder to write into"):
        run_setup.check_disk(tmp_path / "file", agent, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--num_epochs", "0"], "--num_epochs: expected at least 1, got 0"),
        (["--dataset_file", "absent.npz"], "No data set absent.npz"),
        (["--embeddings_dir", "absent"], "No embeddings directory absent"),
        (["--pretrained_checkpoint", "absent/rt1"], "absent"),
        (["--gin_bindings", "NoSuchThing.x = 3"], "NoSuchThing"),
    ],
)
def test_refusals(arguments, changes, message, capsys, tmp_path):
    assert train.main([*arguments, *changes]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run" / "metadata.json").exists()


def test_a_second_run_in_the_directory_is_refused(arguments, tmp_path, capsys):
    with checkpoint_directory.only_run(tmp_path / "run"):
        assert train.main(arguments) == 1
    assert "expected a directory that no other run writes to" in capsys.readouterr().err
    names = [path.name for path in (tmp_path / "run").iterdir()]
    assert names == [checkpoint_directory.LOCK_FILE]


def test_a_dry_run_reads_and_builds_and_writes_nothing(arguments, tmp_path, capsys):
    (tmp_path / "squares_split.npz").unlink()
    before = sorted(tmp_path.rglob("*"))
    assert train.main([*arguments, "--dry_run", "--validation_fraction", "0.25"]) == 0
    assert sorted(tmp_path.rglob("*")) == before
    printed = capsys.readouterr().out
    assert "18 train, 6 val" in printed
    assert "first batch     image uint8 [6, 236, 236, 3]" in printed


@pytest.mark.slow
def test_a_signal_saves_and_asks_for_a_requeue(arguments, tmp_path, monkeypatch, capsys):
    """The run that goes on, from a crash and from a signal, ends as one that nobody disturbed;
    without traces, for speed."""
    more = ["--steps_per_epoch", "3", "--resume_checkpoint", "auto"]
    more += ["--checkpoint_every_steps", "1", "--ema_decay", "0.9", "--schedule", "cosine"]
    undisturbed = ["--checkpoint_dir", str(tmp_path / "undisturbed")]
    step = train_steps.train_step

    def crashing(agent, *arguments):
        if agent.steps_done == 1:
            raise KeyboardInterrupt
        return step(agent, *arguments)

    def signalled(*arguments):
        os.kill(os.getpid(), signal.SIGUSR1)
        return step(*arguments)

    tf.config.run_functions_eagerly(True)
    try:
        assert train.main([*arguments, *more, *undisturbed]) == 0
        monkeypatch.setattr(train_steps, "train_step", crashing)
        with pytest.raises(KeyboardInterrupt):
            train.main([*arguments, *more])
        monkeypatch.setattr(train_steps, "train_step", signalled)
        assert train.main([*arguments, *more]) == 75
        assert "SIGUSR1: saved; --resume_checkpoint auto" in capsys.readouterr().err
        monkeypatch.setattr(train_steps, "train_step", step)
        assert train.main([*arguments, *more]) == 0
        # A third time there is nothing left to do.
        assert train.main([*arguments, *more]) == 0
    finally:
        tf.config.run_functions_eagerly(False)
    equal, number = tiny_training.same_arrays(tmp_path / "run", tmp_path / "undisturbed")
    assert equal == number > 100


@pytest.mark.slow
def test_a_run_goes_on_with_its_own_settings_only(small_checkpoint_dir, arguments, capsys):
    changes = ["--checkpoint_dir", small_checkpoint_dir, "--resume_checkpoint", "auto"]
    assert train.main([*arguments, *changes, "--batch_size", "3"]) == 1
    assert "batch_size: was 6, now 3" in capsys.readouterr().err
    assert train.main([*arguments, *changes, "--learning_rate", "0.5"]) == 1
    assert "create_optimizer.learning_rate: was '0.003', now '0.5'" in capsys.readouterr().err


def test_a_full_disk_is_told_with_the_way_out():
    told = train._reason(OSError(errno.ENOSPC, "No space left on device", "loss_log.csv"))
    assert "No space left on device: 'loss_log.csv'" in told
    assert "make room, then go on with --resume_checkpoint auto" in told
    assert train._reason(OSError(errno.EACCES, "Permission denied")).endswith("Permission denied")
