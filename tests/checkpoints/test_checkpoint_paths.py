"""What a path means, and what is said when there is nothing there."""

from __future__ import annotations

import os
import pathlib

import h5py
import pytest
import tensorflow as tf

from checkpoints import checkpoint_paths, errors
from tests import checkpoint_files as files


def _touch(directory: pathlib.Path, *names: str) -> None:
    """Empty checkpoints, each newer than the one before."""
    directory.mkdir(parents=True, exist_ok=True)
    for age, name in enumerate(names):
        for suffix in (".index", ".data-00000-of-00001"):
            path = directory / f"{name}{suffix}"
            path.touch()
            os.utime(path, (1_000_000 + age, 1_000_000 + age))


def _state(directory: pathlib.Path, latest: str) -> None:
    (directory / "checkpoint").write_text(f'model_checkpoint_path: "{latest}"\n')


@pytest.mark.parametrize("name", ["ckpt-10", "ckpt-10.index", "ckpt-10.data-00000-of-00001"])
def test_a_prefix_or_one_of_its_files(tmp_path, name):
    _touch(tmp_path, "ckpt-10", "ckpt-20")
    assert checkpoint_paths.resolve_prefix(tmp_path / name) == str(tmp_path / "ckpt-10")


def test_a_relative_prefix_stays_relative(tmp_path, monkeypatch):
    _touch(tmp_path / "runs", "ckpt-1")
    monkeypatch.chdir(tmp_path / "runs")
    assert checkpoint_paths.resolve_prefix("ckpt-1") == "ckpt-1"
    assert checkpoint_paths.resolve_prefix(".") == "ckpt-1"


def test_a_directory_means_what_its_state_file_names(tmp_path):
    _touch(tmp_path, "ckpt-10", "ckpt-20", "best_checkpoint-3")
    _state(tmp_path, "ckpt-10")
    assert checkpoint_paths.resolve_prefix(tmp_path) == str(tmp_path / "ckpt-10")


def test_a_real_checkpoint_manager(tmp_path):
    manager = tf.train.CheckpointManager(tf.train.Checkpoint(v=tf.Variable(1.0)), tmp_path, 5)
    for number in (8, 9, 10):
        manager.save(number)
    assert checkpoint_paths.resolve_prefix(tmp_path) == str(tmp_path / "ckpt-10")


def test_a_copied_directory_means_its_own_files(tmp_path):
    """Its state file holds the absolute path of the original, which still exists."""
    _touch(tmp_path / "original", "ckpt-1")
    _touch(tmp_path / "copy", "ckpt-1")
    _state(tmp_path / "copy", str(tmp_path / "original" / "ckpt-1"))
    assert checkpoint_paths.resolve_prefix(tmp_path / "copy") == str(tmp_path / "copy" / "ckpt-1")


def test_without_a_state_file_the_highest_number_counts_and_not_the_spelling(tmp_path):
    _touch(tmp_path, "ckpt-100", "ckpt-20", "ckpt-9")  # ckpt-9 is the newest file
    assert checkpoint_paths.resolve_prefix(tmp_path) == str(tmp_path / "ckpt-100")


def test_without_a_state_file_the_newest_of_several_stems(tmp_path):
    _touch(tmp_path, "ckpt-100", "best_checkpoint", "ckpt-20")
    assert checkpoint_paths.resolve_prefix(tmp_path) == str(tmp_path / "best_checkpoint")


def test_a_stem_means_its_highest_number(tmp_path):
    _touch(tmp_path, "best_checkpoint-12", "best_checkpoint-7", "best_checkpoint_old-99", "ckpt-50")
    found = checkpoint_paths.resolve_prefix(tmp_path / "best_checkpoint")
    assert found == str(tmp_path / "best_checkpoint-12")


def test_a_stem_that_is_a_prefix_itself_comes_first(tmp_path):
    _touch(tmp_path, "best_checkpoint", "best_checkpoint-12")
    found = checkpoint_paths.resolve_prefix(tmp_path / "best_checkpoint")
    assert found == str(tmp_path / "best_checkpoint")


def test_special_characters_of_patterns_in_a_name(tmp_path):
    _touch(tmp_path / "run[1]*", "ckpt[2]-3")
    found = checkpoint_paths.resolve_prefix(tmp_path / "run[1]*" / "ckpt[2]")
    assert found == str(tmp_path / "run[1]*" / "ckpt[2]-3")


def _not_found(path: object, message: str) -> None:
    with pytest.raises(errors.CheckpointNotFoundError, match=message) as caught:
        checkpoint_paths.resolve_prefix(path)
    assert isinstance(caught.value, FileNotFoundError)
    assert isinstance(caught.value, errors.CheckpointLoadError)


def test_absent_file_lists_what_is_there_and_near_names(tmp_path):
    _touch(tmp_path, "best_checkpoint-12", "ckpt-50")
    _not_found(
        tmp_path / "best_chekpoint",
        "expected best_chekpoint.index .* Checkpoints in it: best_checkpoint-12, ckpt-50. "
        "Did you mean best_checkpoint or best_checkpoint-12",
    )


def test_absent_number_does_not_fall_back_to_another(tmp_path):
    _touch(tmp_path, "ckpt-50", "ckpt-60")
    _not_found(tmp_path / "ckpt-70", "no checkpoint .*ckpt-70 .*Did you mean ckpt-[56]0")


def test_absent_directory_names_the_last_that_exists(tmp_path):
    (tmp_path / "runs" / "7").mkdir(parents=True)
    _not_found(
        tmp_path / "runs" / "8" / "models" / "ckpt",
        rf"no directory .*8/models. The last that exists is {tmp_path}/runs. It holds: 7/",
    )


def test_directory_without_checkpoints_lists_its_content(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "config.gin").touch()
    _not_found(tmp_path, r"a directory with a checkpoint .* It holds: config.gin, logs/\.")


def test_empty_directory(tmp_path):
    _not_found(tmp_path, "It holds: nothing")


def test_long_listings_are_cut(tmp_path):
    _touch(tmp_path, *(f"ckpt-{number:02}" for number in range(30)))
    _not_found(tmp_path / "model", "ckpt-11 and 18 more")


def test_state_file_that_names_an_absent_checkpoint(tmp_path):
    _touch(tmp_path, "ckpt-10")
    _state(tmp_path, "ckpt-20")
    _not_found(
        tmp_path, "names 'ckpt-20', but there is no ckpt-20.index. Checkpoints in it: ckpt-1"
    )


def test_data_without_index(tmp_path):
    _touch(tmp_path, "ckpt-10")
    (tmp_path / "ckpt-10.index").unlink()
    for name in ("ckpt-10", "ckpt-10.data-00000-of-00001"):
        _not_found(tmp_path / name, "a data file but no ckpt-10.index; .* Copy the index file too")


def test_empty_path():
    _not_found("", "expected a path, got an empty one")


def test_an_h5_file_is_told_what_loads_it(tmp_path):
    path = tmp_path / "efficientnetb3.h5"
    with h5py.File(path, "w") as file:
        file["weight"] = [1.0]
    with pytest.raises(errors.WrongFileKindError, match=r"HDF5 file .*load_imagenet_weights"):
        checkpoint_paths.resolve_prefix(path)


def test_a_saved_model_is_told_so(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path / "exported"))
    with pytest.raises(errors.WrongFileKindError, match="got the SavedModel .*exported"):
        checkpoint_paths.resolve_prefix(tmp_path / "exported")


def test_a_pointer_in_place_of_the_state_file_is_not_read_as_one(tmp_path):
    _touch(tmp_path, "ckpt-10")
    (tmp_path / "checkpoint").write_text(files.LFS_POINTER)
    assert checkpoint_paths.resolve_prefix(tmp_path) == str(tmp_path / "ckpt-10")
