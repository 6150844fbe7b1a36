"""Flags, the environment in their place, and what they become."""

from __future__ import annotations

import argparse
import os
import pathlib
import re

import pytest

from serving import server_flags


def parse(arguments=(), **environment):
    parser = argparse.ArgumentParser()
    server_flags.add(parser, environment)
    return parser.parse_args(arguments)


def test_defaults_are_this_computer_only_and_no_model():
    flags = parse()
    assert (flags.host, flags.port) == ("127.0.0.1", 8080)
    assert flags.checkpoint_dir is None and flags.port_file is None
    settings = server_flags.settings_of(flags, {})
    assert settings.checkpoint_root is None and settings.engine == "auto"


def test_environment_gives_defaults_and_flags_win():
    environment = {
        "PORT": "5000",
        "CHECKPOINT_PATH": "/runs/a",
        "CONFIG_FILE": "a.gin",
        "LOSS_TYPE": "l1",
    }
    flags = parse(**environment)
    assert (flags.port, flags.checkpoint_dir) == (5000, "/runs/a")
    assert (flags.config_file, flags.loss_type) == ("a.gin", "l1")
    given = ["--port", "0", "--checkpoint_dir", "b", "--port_file", "p", "--config_file", "b.gin"]
    flags = parse([*given, "--loss_type", "smooth_l1"], **environment)
    assert (flags.port, flags.checkpoint_dir, flags.port_file) == (0, "b", pathlib.Path("p"))
    assert (flags.config_file, flags.loss_type) == ("b.gin", "smooth_l1")


def test_empty_environment_variables_count_as_unset():
    flags = parse(PORT="", CHECKPOINT_PATH="", CONFIG_FILE="", LOSS_TYPE="")
    assert (flags.port, flags.checkpoint_dir) == (8080, None)
    assert (flags.config_file, flags.loss_type) == (None, None)


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        ([], {"PORT": "http"}, "argument --port: invalid .* value: 'http'"),
        (["--port", "65536"], {}, "argument --port: expected 0 to 65535, got 65536"),
        (["--max_waiting", "0"], {}, "argument --max_waiting: expected 1 or more, got 0"),
        (["--deadline_s", "nan"], {}, "argument --deadline_s: expected more than 0 seconds"),
        (["--engine", "fast"], {}, "argument --engine: invalid choice: 'fast'"),
    ],
)
def test_bad_values_are_named(arguments, environment, message, capsys):
    with pytest.raises(SystemExit) as caught:
        parse(arguments, **environment)
    assert caught.value.code == 2
    printed = capsys.readouterr().err
    assert re.search(message, printed), printed


def test_flags_become_settings(tmp_path):
    (tmp_path / "keys").write_text("robot:0123456789abcdef\n")
    (tmp_path / "keys").chmod(0o600)
    flags = parse(
        [
            *("--checkpoint_root", str(tmp_path), "--record_dir", str(tmp_path / "records")),
            *("--api_key_file", str(tmp_path / "keys"), "--cors_origin", "https://a.example"),
            *("--cors_origin", "https://b.example", "--requests_per_minute", "60"),
            *("--max_waiting", "3", "--max_batch", "2", "--max_pixels", "100"),
            *("--max_body_bytes", "1000", "--deadline_s", "2.5", "--engine", "tensorflow"),
        ]
    )
    settings = server_flags.settings_of(flags, {"API_KEYS": "page:fedcba9876543210"})
    assert settings.checkpoint_root == tmp_path
    assert settings.record_dir == tmp_path / "records" and settings.record_dir.is_dir()
    assert dict(settings.api_keys) == {"robot": "0123456789abcdef", "page": "fedcba9876543210"}
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert (settings.requests_per_minute, settings.deadline_s) == (60, 2.5)
    assert (settings.max_waiting, settings.max_batch) == (3, 2)
    assert (settings.max_pixels, settings.max_body_bytes) == (100, 1000)
    assert settings.engine == "tensorflow"


def test_folders_and_files_that_are_not_there_end_the_program(tmp_path):
    absent = str(tmp_path / "absent")
    for flag in ("--checkpoint_root", "--api_key_file"):
        with pytest.raises(SystemExit, match=f"{flag}: .*absent"):
            server_flags.settings_of(parse([flag, absent]), {})
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match="--record_dir: .* cannot be made"):
        server_flags.settings_of(parse(["--record_dir", str(tmp_path / "file" / "x")]), {})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to_ends_the_program(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(SystemExit, match="--record_dir: .* cannot be written to"):
        server_flags.settings_of(parse(["--record_dir", str(tmp_path)]), {})
