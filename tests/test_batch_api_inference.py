"""The program: what it says, its exit codes, and kills."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import batch_api_inference
from tests import serving_stubs
from tests.folder_inference import records as answer_records
from tests.folder_inference import stub_server

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture
def server():
    with stub_server.running() as contract:
        yield contract


@pytest.fixture
def arguments(server, tmp_path):
    for number in range(3):
        stub_server.solid(tmp_path / "in" / f"{number}.png", (40 * number, 0, 100))
    paths = ["--input_dir", str(tmp_path / "in"), "--output_file", str(tmp_path / "r.json")]
    return [*paths, "--api_url", server.url, "--action", "skewering", "--food_type", "grape"]


def test_everything_is_written_and_the_code_is_0(arguments, tmp_path, capsys):
    more = ["--overlay_dir", str(tmp_path / "drawn"), "--num_samples", "4"]
    assert batch_api_inference.main([*arguments, *more]) == 0
    assert capsys.readouterr().out == f"3 of 3 questions answered: {tmp_path / 'r.json'}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "drawn",
        "in",
        "r.csv",
        "r.journal.jsonl",
        "r.json",
        "r_sheet.png",
        "r_variances.png",
    ]
    document = json.loads((tmp_path / "r.json").read_text())
    assert list(document) == ["results", "failed_images", "summary"]
    assert document["results"][0]["statistics"]["num_samples"] == 4


def test_some_failed_is_3_and_all_failed_is_1(arguments, tmp_path, capsys):
    (tmp_path / "in" / "empty.jpg").touch()
    arguments += ["--num_samples", "0", "--sheet_images", "0"]
    assert batch_api_inference.main(arguments) == 3
    assert "failed: 1 unreadable" in capsys.readouterr().out
    for path in (tmp_path / "in").glob("*.png"):
        path.write_bytes(b"no picture")
    assert batch_api_inference.main(arguments) == 1
    assert "0 of 4 questions answered" in capsys.readouterr().out


def test_nothing_to_do_is_1(arguments, tmp_path, server, capsys):
    (tmp_path / "none").mkdir()
    assert batch_api_inference.main([*arguments, "--input_dir", str(tmp_path / "none")]) == 1
    assert "has no pictures" in capsys.readouterr().err
    assert batch_api_inference.main([*arguments, "--merge", str(tmp_path / "absent.json")]) == 1
    assert "absent.json" in capsys.readouterr().err
    server.version = None
    assert batch_api_inference.main(arguments) == 1
    assert "has no model" in capsys.readouterr().err


def test_wrong_flags_are_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        batch_api_inference.main([*arguments, "--num_samples", "65"])
    assert ended.value.code == 2
    arguments += ["--num_samples", "0", "--sheet_images", "0"]
    assert batch_api_inference.main(arguments) == 0
    assert batch_api_inference.main([*arguments, "--resume", "--seed", "1"]) == 2
    assert "other settings (seed: the journal has None, now 1)" in capsys.readouterr().err


def test_scores_and_swapped_models_are_said():
    means = {"n": 2, "centroid_mae": 0.05, "hit_rate": None}
    summary = {
        "answered": 2,
        "questions": 2,
        "failed_by_kind": {},
        "model_versions": {"v1": 1, "v2": 1},
        "ask_human": 1,
        "scores": {"answers": means, "centre of the picture": {"n": 2, "centroid_mae": 0.2}},
    }
    paths = batch_api_inference.outputs.Paths(pathlib.Path("r.json"))
    assert batch_api_inference.text({"summary": summary}, paths).splitlines() == [
        "2 of 2 questions answered: r.json",
        "The model was swapped during the run; answers are of v1, v2.",
        "better ask a person about 1 (column ask_human)",
        "answers: n 2, centroid_mae 0.05",
        "centre of the picture: n 2, centroid_mae 0.2",
    ]


@pytest.mark.parametrize("samples", ["0", "3"])
def test_against_the_real_application(samples, stub_server_url, tmp_path):
    picture = serving_stubs.marker_picture(200, 100, (50, 30), (150, 80))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(serving_stubs.file_bytes(picture))
    (tmp_path / "in" / "b.jpg").write_bytes(b"no picture")
    arguments = ["--input_dir", str(tmp_path / "in"), "--output_file", str(tmp_path / "r.json")]
    arguments += ["--action", "Skewer", "--food_type", "strawberries", "--num_samples", samples]
    assert batch_api_inference.main([*arguments, "--api_url", stub_server_url]) == 3
    document = json.loads((tmp_path / "r.json").read_text())
    (one,) = document["results"]
    name = "prediction_pixels" if samples == "0" else "mean_prediction_pixels"
    assert one[name]["end_x"] == pytest.approx(150, abs=0.5 if samples == "0" else 8)
    assert (one["action"], one["food_type"]) == ("skewering", "strawberry")
    assert (one["input_action"], one["input_food_type"]) == ("Skewer", "strawberries")
    assert document["failed_images"][0]["kind"] == "refused"
    row = (tmp_path / "r.csv").read_text().splitlines()[1]
    assert row.startswith("a.png,skewering,strawberry,0.2")


def start(arguments):
    command = [sys.executable, "batch_api_inference.py", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def wait_for_answers(server, process, number):
    give_up = time.monotonic() + 60
    while len(server.bodies) < number:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < give_up, "the program did not ask"
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 75)])
def test_a_killed_run_asks_nothing_twice_that_was_answered(
    number, code, arguments, server, tmp_path
):
    for index in range(30):
        stub_server.solid(tmp_path / "in" / f"{index}.png", (index, 0, 0))
    server.delay_s = 0.05
    arguments += ["--num_samples", "0", "--sheet_images", "0", "--workers", "2"]
    process = start(arguments)
    wait_for_answers(server, process, 10)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert not (tmp_path / "r.json").exists()
    journalled = (tmp_path / "r.journal.jsonl").read_bytes().count(b'"answer"')
    assert journalled >= 8
    # Let the server take note of what was on its way.
    time.sleep(0.2)
    on_their_way = len(server.bodies) - journalled
    assert 0 <= on_their_way <= 2
    assert batch_api_inference.main([*arguments, "--resume"]) == 0
    assert json.loads((tmp_path / "r.json").read_text())["summary"]["answered"] == 30
    assert len(server.bodies) == 30 + on_their_way
    assert len(server.counts()) == 30
    if number == signal.SIGTERM:
        assert on_their_way == 0


@pytest.mark.slow
def test_needs_no_tensorflow():
    program = "import sys, batch_api_inference; print('tensorflow' in sys.modules)"
    found = subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, text=True)
    assert found.strip() == "False"


@pytest.mark.slow
def test_a_real_checkpoint_answers_as_its_server(small_checkpoint_dir, tmp_path, monkeypatch):
    """In the program's process, in its server, and asked by itself: the same bits."""
    from folder_inference import local_model
    from food_data import splits, tfrecord_writer
    from serving import app, predictor
    from tests import training_fixtures

    data = training_fixtures.squares(3)
    (tmp_path / "in").mkdir()
    for number, image in enumerate(data.images):
        path = tmp_path / "in" / f"{number}.png"
        path.write_bytes(serving_stubs.file_bytes(image))
    asked = ["--input_dir", str(tmp_path / "in"), "--action", "skewering", "--food_type", "banana"]
    model = ["--checkpoint_dir", small_checkpoint_dir, "--engine", "tensorflow"]
    sampled = ["--num_samples", "3", "--seed", "4", "--sheet_images", "0"]
    here = answers_of(tmp_path / "here.json", *asked, *sampled, *model)

    loaded = predictor.Predictor.from_checkpoint(small_checkpoint_dir, "tensorflow")
    with serving_stubs.serve(app.create_app(loaded)) as url:
        there = answers_of(tmp_path / "there.json", *asked, *sampled, "--api_url", url)
    assert [one["predictions"] for one in here] == [one["predictions"] for one in there]
    assert here[0]["predictions"] != here[1]["predictions"]
    assert here[0]["model_version"] == there[0]["model_version"]

    split = splits.Split(np.zeros(0, np.int64), np.arange(3))
    tfrecord_writer.write_tfrecords(data, split, tmp_path / "records", 2)
    records = ["--tfrecord_dir", str(tmp_path / "records"), "--num_samples", "0"]
    # Not loaded a third time.
    monkeypatch.setattr(local_model, "load", lambda *_: local_model.LocalModel(loaded))
    found = answers_of(tmp_path / "samples.json", *records, *model)
    motions = [[one["prediction"][name] for name in answer_records.NAMES] for one in found]
    expected = loaded.model.forward(data.images, data.embeddings)
    assert motions == np.asarray(expected, np.float64).tolist()


def answers_of(path, *arguments):
    assert batch_api_inference.main(["--output_file", str(path), *arguments]) == 0
    return json.loads(path.read_text())["results"]
