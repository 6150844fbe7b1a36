"""Arguments and the table of names; tests/test_checkpoint_loading.py runs the program."""

from __future__ import annotations

import numpy as np
import pytest

from checkpoints import command_line, tensor_file
from tests import checkpoint_files as files


def test_table(tmp_path):
    values = {
        "agent/net/a/.ATTRIBUTES/VARIABLE_VALUE": np.zeros((300, 4), np.float32),
        "agent/net/long/.ATTRIBUTES/VARIABLE_VALUE": np.zeros((), np.int64),
        "graph": np.array("text"),
    }
    file = tensor_file.TensorFile(files.write_values(tmp_path / "ckpt", values))
    lines = command_line.table(file).splitlines()
    assert [line.split() for line in lines[:3]] == [
        ["agent/net/a", "float32", "[300,", "4]", "1,200"],
        ["agent/net/long", "int64", "[]", "1"],
        ["graph", "string", "[]"],
    ]
    assert lines[3] == f"Checkpoint {tmp_path / 'ckpt'}: 3 entries"
    assert [line.split() for line in lines[4:]] == [
        ["agent/net", "2", "entries", "1,201", "parameters"],
        ["graph", "1", "entries", "0", "parameters"],
    ]


def test_patterns_and_bindings_may_be_repeated():
    args = command_line.parse(
        ["--checkpoint_path", "x", "--allow_missing", "*/a", "--allow_missing", "*/b"]
    )
    assert args.allow_missing == ["*/a", "*/b"]
    assert (args.allow_unexpected, args.gin_bindings, args.list) == ([], [], False)


def test_two_command_lines_do_not_share_lists():
    command_line.parse(["--checkpoint_path", "x", "--gin_bindings", "a = 1"])
    assert command_line.parse(["--checkpoint_path", "x"]).gin_bindings == []


def test_checkpoint_path_is_required(capsys):
    with pytest.raises(SystemExit):
        command_line.parse([])
    assert "--checkpoint_path" in capsys.readouterr().err


def test_peak_memory_is_that_of_a_process_with_tensorflow():
    assert 100 < command_line.peak_memory_mib() < 100_000
