"""`python api_client.py` against a real server."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from serving import client_command_line
from tests import serving_stubs

ROOT = pathlib.Path(__file__).parents[2]
ASK = ["--action", "Skewer", "--food_type", "strawberries"]


@pytest.fixture
def plate(tmp_path):
    path = tmp_path / "plate.png"
    picture = serving_stubs.marker_picture(200, 100, (50, 30), (150, 80))
    path.write_bytes(serving_stubs.file_bytes(picture))
    return path


@pytest.fixture
def arguments(stub_server_url, plate):
    return ["--api_url", stub_server_url, "--image", str(plate), *ASK]


def test_prints_the_answer_and_draws_it(arguments, tmp_path, capsys):
    drawn = tmp_path / "answer.png"
    assert client_command_line.main([*arguments, "--save_picture", str(drawn)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["pixels"]["end_x"] == pytest.approx(150, abs=0.5)
    assert printed["food_type"] == "strawberry"
    assert "content" not in printed
    picture = np.asarray(Image.open(drawn))
    assert tuple(picture[30, 50]) == (0, 255, 0)
    assert tuple(picture[55, 100]) == (255, 0, 0)


def test_prints_samples(arguments, capsys):
    more = ["--num_samples", "3", "--seed", "4", "--dropout_scope", "full", "--text", "eat"]
    assert client_command_line.main([*arguments, *more]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert np.shape(printed["predictions"]) == (3, 4)
    assert (printed["seed"], printed["dropout_scope"], printed["input_text"]) == (4, "full", "eat")


def test_says_what_failed_and_exits_1(arguments, tmp_path, capsys):
    absent = ["--image", str(tmp_path / "absent.jpg")]
    assert client_command_line.main([*arguments, *absent]) == 1
    assert "absent.jpg" in capsys.readouterr().err
    assert client_command_line.main([*arguments, "--food_type", "plutonium"]) == 1
    assert "api_client: 422: " in capsys.readouterr().err
    assert client_command_line.main([*arguments, "--save_picture", str(tmp_path / "a.xyz")]) == 1
    assert "api_client: unknown file extension: .xyz" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "expected --action and --food_type, or --text"),
        (["--action", "skewering"], "expected --action and --food_type, or --text"),
        ([*ASK, "--seed", "1"], "--seed and --dropout_scope are for samples"),
        ([*ASK, "--dropout_scope", "head"], "--seed and --dropout_scope are for samples"),
        ([*ASK, "--num_samples", "many"], "invalid int value: 'many'"),
    ],
)
def test_wrong_flags_exit_2(flags, message, capsys):
    with pytest.raises(SystemExit) as ended:
        client_command_line.parse_arguments(["--image", "a.jpg", *flags])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_text_alone_is_a_question():
    assert client_command_line.parse_arguments(["--image", "a", "--text", "eat"]).text == "eat"


@pytest.mark.slow
def test_the_program_itself(arguments):
    command = [sys.executable, "api_client.py", *arguments]
    printed = json.loads(subprocess.check_output(command, cwd=ROOT, text=True))
    assert printed["food_type"] == "strawberry"
