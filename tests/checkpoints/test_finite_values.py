"""Values that are not numbers."""

from __future__ import annotations

import numpy as np
import pytest

from checkpoints import errors, finite_values, tensor_file
from tests import checkpoint_files as files


def _file(directory, **values) -> tensor_file.TensorFile:
    return tensor_file.TensorFile(files.write_values(directory / "ckpt", values))


def test_reads_in_the_order_of_the_names(tmp_path):
    file = _file(tmp_path, a=np.float32([1, 2]), b=np.int64(3), c=np.float32(4))
    values = finite_values.read(file, ["b", "a"])
    assert list(values) == ["b", "a"]
    np.testing.assert_array_equal(values["a"], [1, 2])
    assert values["b"].dtype == np.int64


def test_counts_and_names_what_is_not_finite(tmp_path):
    file = _file(
        tmp_path, a=np.float32([1, np.nan, np.inf]), b=np.float32(1), c=np.float32(-np.inf)
    )
    message = r"2 variables: a \(2 of 3\), c \(1 of 1\). The run"
    with pytest.raises(errors.NonFiniteValuesError, match=message):
        finite_values.read(file, ["a", "b", "c"])
    assert list(finite_values.read(file, ["b"])) == ["b"]


def test_long_lists_are_cut(tmp_path):
    names = [f"v{index}" for index in range(8)]
    file = _file(tmp_path, **dict.fromkeys(names, np.float32(np.nan)))
    with pytest.raises(errors.NonFiniteValuesError, match=r"v4 \(1 of 1\) and 3 more"):
        finite_values.read(file, names)
