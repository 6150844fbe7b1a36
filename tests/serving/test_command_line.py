"""The servers' flags; `tests/test_api_batch_server.py` runs the programs."""

from __future__ import annotations

import pathlib
import re

import pytest

from serving import command_line


def parse(arguments=(), **environment):
    return command_line.parse_arguments("A server.", arguments, environment)


def test_defaults_are_this_computer_only_and_no_model():
    flags = parse()
    assert (flags.host, flags.port, flags.threads) == ("127.0.0.1", 8080, 4)
    assert flags.checkpoint_dir is None and flags.port_file is None


def test_environment_gives_defaults_and_flags_win():
    flags = parse(PORT="5000", CHECKPOINT_PATH="/runs/a")
    assert (flags.port, flags.checkpoint_dir) == (5000, "/runs/a")
    flags = parse(
        ["--port", "0", "--checkpoint_dir", "b", "--port_file", "p"],
        PORT="5000",
        CHECKPOINT_PATH="a",
    )
    assert (flags.port, flags.checkpoint_dir, flags.port_file) == (0, "b", pathlib.Path("p"))


def test_empty_environment_variables_count_as_unset():
    flags = parse(PORT="", CHECKPOINT_PATH="")
    assert (flags.port, flags.checkpoint_dir) == (8080, None)


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        ([], {"PORT": "http"}, "argument --port: invalid .* value: 'http'"),
        (["--port", "65536"], {}, "argument --port: expected 0 to 65535, got 65536"),
        (["--threads", "0"], {}, "argument --threads: expected 1 or more, got 0"),
    ],
)
def test_bad_values_are_named(arguments, environment, message, capsys):
    with pytest.raises(SystemExit) as caught:
        parse(arguments, **environment)
    assert caught.value.code == 2
    printed = capsys.readouterr().err
    assert re.search(message, printed), printed


def test_a_checkpoint_directory_that_is_none_ends_the_program(tmp_path):
    with pytest.raises(SystemExit, match="expected a directory that train.py wrote, got .*absent"):
        command_line.load_predictor(str(tmp_path / "absent"))


def test_no_checkpoint_directory_means_no_predictor():
    assert command_line.load_predictor(None) is None
