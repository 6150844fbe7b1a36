"""Opening and reading checkpoints, whole and damaged."""

from __future__ import annotations

import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

from checkpoints import errors, tensor_file
from tests import checkpoint_files as files
from tests.golden import make_checkpoint

INDEX, DATA = ".index", ".data-00000-of-00001"
NAME = f"{files.NETWORK}/_transformer/_token_emb/bias"


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> str:
    """Two variables, with an object graph."""
    rows = [[files.key("_transformer/_token_emb/bias"), [300], "float32"], ["count", [], "int64"]]
    prefix = str(tmp_path_factory.mktemp("good") / "ckpt")
    make_checkpoint.write(rows, prefix)
    return prefix


@pytest.fixture
def copy(good, tmp_path) -> str:
    """The same, to be damaged."""
    for suffix in (INDEX, DATA):
        shutil.copy(good + suffix, tmp_path)
    return str(tmp_path / "ckpt")


def _rewrite(path: str, change) -> None:
    pathlib.Path(path).write_bytes(change(bytearray(pathlib.Path(path).read_bytes())))


def test_names_have_no_suffix(good):
    tensors = tensor_file.TensorFile(good).tensors
    assert list(tensors) == ["_CHECKPOINTABLE_OBJECT_GRAPH", NAME, "count"]
    assert tensors[NAME] == tensor_file.TensorInfo(NAME, (300,), "float32")
    assert tensors["count"] == tensor_file.TensorInfo("count", (), "int64")
    assert tensor_file.key_of(NAME) == f"{NAME}/.ATTRIBUTES/VARIABLE_VALUE"


def test_only_variables_are_variables(good):
    file = tensor_file.TensorFile(good)
    assert file.is_variable(NAME)
    assert not file.is_variable("_CHECKPOINTABLE_OBJECT_GRAPH")


def test_read_gives_what_was_written(good):
    expected = tf.train.load_checkpoint(good).get_tensor(tensor_file.key_of(NAME))
    np.testing.assert_array_equal(tensor_file.TensorFile(good).read(NAME), expected)


@pytest.mark.parametrize(
    "info, parameters, text",
    [
        (tensor_file.TensorInfo("a", (), "int64"), 1, "int64 []"),
        (tensor_file.TensorInfo("a", (3, 0), "float32"), 0, "float32 [3, 0]"),
        (tensor_file.TensorInfo("a", (3, 5), "float32"), 15, "float32 [3, 5]"),
    ],
)
def test_tensor_info(info, parameters, text):
    assert (info.num_parameters, info.type_text) == (parameters, text)


@pytest.mark.parametrize("suffix", [INDEX, DATA])
def test_git_lfs_pointer(copy, suffix):
    pathlib.Path(copy + suffix).write_text(files.LFS_POINTER)
    with pytest.raises(errors.GitLfsPointerError, match=f"ckpt{suffix} is a Git LFS pointer.*pull"):
        tensor_file.TensorFile(copy)


@pytest.mark.parametrize("num_bytes", [1, 4, 100, 1000])
def test_data_cut_off(copy, num_bytes):
    size = pathlib.Path(copy + DATA).stat().st_size
    _rewrite(copy + DATA, lambda content: content[:-num_bytes])
    with pytest.raises(
        errors.IncompleteCheckpointError, match=f"cut off.*holds {size - num_bytes:,}"
    ):
        tensor_file.TensorFile(copy)


def test_data_cut_off_names_the_exact_size(copy):
    size = pathlib.Path(copy + DATA).stat().st_size
    _rewrite(copy + DATA, lambda content: content[:-1])
    with pytest.raises(errors.IncompleteCheckpointError, match=f"3 entries of {size:,} bytes"):
        tensor_file.TensorFile(copy)


def test_empty_data_file(copy):
    _rewrite(copy + DATA, lambda _: b"")
    with pytest.raises(errors.IncompleteCheckpointError, match="holds 0"):
        tensor_file.TensorFile(copy)


def test_no_data_file(copy):
    pathlib.Path(copy + DATA).unlink()
    with pytest.raises(errors.IncompleteCheckpointError, match="no data file"):
        tensor_file.TensorFile(copy)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: b"",
        lambda content: content[:40],
        lambda content: content[:-1],
        lambda content: b"hello " * 100,
        lambda content: content[:60] + b"\xff\xff\xff\xff" + content[64:],
    ],
    ids=["empty", "short", "one byte short", "text", "overwritten"],
)
def test_damaged_index(copy, change):
    _rewrite(copy + INDEX, change)
    with pytest.raises(errors.CorruptedCheckpointError, match=r"ckpt.index, which is damaged"):
        tensor_file.TensorFile(copy)


def test_damaged_values_are_found_when_they_are_read(copy):
    _rewrite(copy + DATA, lambda content: content[:-600] + b"\x01\x02\x03\x04" + content[-596:])
    file = tensor_file.TensorFile(copy)
    with pytest.raises(
        errors.CorruptedCheckpointError, match=f"{NAME} in .*Checksum does not match"
    ):
        file.read(NAME)


def test_index_of_another_checkpoint(copy, tmp_path):
    other = files.write_values(tmp_path / "other", {"a": np.zeros(2000, np.float32)})
    shutil.copy(other + INDEX, copy + INDEX)
    with pytest.raises(errors.IncompleteCheckpointError, match="8,000 bytes"):
        tensor_file.TensorFile(copy)
