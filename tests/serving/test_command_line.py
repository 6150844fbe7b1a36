"""What the servers' programs do first; `tests/test_api_batch_server.py` runs them."""

from __future__ import annotations

import json

import pytest

from serving import command_line


def test_flags_are_those_of_server_flags():
    flags = command_line.parse_arguments("A server.", ["--port", "0"], {"CHECKPOINT_PATH": "a"})
    assert (flags.port, flags.checkpoint_dir) == (0, "a")


def test_a_checkpoint_directory_that_is_none_ends_the_program(tmp_path):
    with pytest.raises(SystemExit, match="expected a directory that train.py wrote, got .*absent"):
        command_line.load_predictor(str(tmp_path / "absent"))


@pytest.mark.parametrize("lacking", ["checkpoint", "resize"])
def test_metadata_without_a_field_ends_the_program_with_a_message(lacking, tmp_path):
    contents = {"format_version": 1, "checkpoint": "best_checkpoint-1", "resize": "crop"}
    del contents[lacking]
    (tmp_path / "metadata.json").write_text(json.dumps(contents))
    message = f"cannot be loaded: .*metadata.json: expected '{lacking}' to be .*Copy the directory"
    with pytest.raises(SystemExit, match=message):
        command_line.load_predictor(str(tmp_path))


def test_no_checkpoint_directory_means_no_predictor():
    assert command_line.load_predictor(None) is None
