"""Files that are given in place of a checkpoint."""

from __future__ import annotations

import types

import pytest
import tensorflow as tf

from checkpoints import errors, file_kinds
from film_efficientnet import imagenet_weights
from tests import checkpoint_files as files


def test_pointer_error_gives_the_command_and_both_sizes(tmp_path):
    path = tmp_path / "ckpt-1.data-00000-of-00001"
    path.write_text(files.LFS_POINTER)
    message = "Git LFS pointer: expected 424,087,531 bytes, got 134 bytes .*`git lfs pull`"
    with pytest.raises(errors.GitLfsPointerError, match=message):
        file_kinds.check_is_no_pointer(path)


def test_pointer_without_a_size(tmp_path):
    path = tmp_path / "x"
    path.write_text(files.LFS_POINTER.splitlines()[0])
    with pytest.raises(errors.GitLfsPointerError, match="expected the real file, got 42 bytes"):
        file_kinds.check_is_no_pointer(path)


def test_other_content_is_no_pointer(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"\x00version https://git-lfs")
    file_kinds.check_is_no_pointer(path)


def test_pointer_given_directly(tmp_path):
    path = tmp_path / "efficientnetb3.h5"
    path.write_text(files.LFS_POINTER)
    with pytest.raises(errors.GitLfsPointerError):
        file_kinds.check_is_no_other_kind(path)


def test_any_other_file_is_refused(tmp_path):
    path = tmp_path / "plates.npz"
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(
        errors.WrongFileKindError, match="expected the prefix .* got the file .*npz"
    ):
        file_kinds.check_is_no_other_kind(path)


@pytest.mark.parametrize("name", ["ckpt-1.index", "ckpt-1.data-00000-of-00001", "absent"])
def test_files_of_a_checkpoint_pass(tmp_path, name):
    (tmp_path / "ckpt-1.index").touch()
    (tmp_path / "ckpt-1.data-00000-of-00001").touch()
    file_kinds.check_is_no_other_kind(tmp_path / name)


def test_a_prefix_with_a_file_of_its_name_passes(tmp_path):
    (tmp_path / "model").touch()
    (tmp_path / "model.index").touch()
    file_kinds.check_is_no_other_kind(tmp_path / "model")


# The reverse: a checkpoint where ImageNet weights are expected.


@pytest.mark.parametrize("suffix", ["", ".index", ".data-00000-of-00001"])
def test_a_checkpoint_given_for_an_h5_names_the_function_that_loads_it(tmp_path, suffix):
    prefix = tf.train.Checkpoint(v=tf.Variable(1.0)).write(str(tmp_path / "ckpt"))
    error = ValueError if suffix else FileNotFoundError
    net = types.SimpleNamespace(block_names=[])
    with pytest.raises(error, match="use checkpoint_loading"):
        imagenet_weights.load_imagenet_weights(net, prefix + suffix)
