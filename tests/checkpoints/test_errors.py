"""Callers catch one class, or the built-in that fits."""

from __future__ import annotations

import pytest

from checkpoints import errors

ALL = [value for value in vars(errors).values() if isinstance(value, type)]


@pytest.mark.parametrize("error", ALL)
def test_all_are_load_errors(error):
    assert issubclass(error, errors.CheckpointLoadError)
    assert issubclass(error, ValueError)


def test_absence_is_a_file_not_found_error():
    with pytest.raises(FileNotFoundError, match="no ckpt"):
        raise errors.CheckpointNotFoundError("no ckpt")


def test_mismatch_carries_its_report():
    report = object()
    assert errors.NoOverlapError("text", report).report is report
