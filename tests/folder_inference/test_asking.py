"""Questions go to a real server, from several threads."""

from __future__ import annotations

import threading

import pytest

import api_client
from folder_inference import answerers, asking, journal, pictures, questions
from tests.folder_inference import stub_server

SETTINGS = questions.Settings("skewering", "grape", num_samples=2, seed=1)


@pytest.fixture
def server():
    with stub_server.running() as contract:
        yield contract


@pytest.fixture
def log(tmp_path):
    with journal.open_journal(tmp_path / "j.jsonl", {}, resume=False) as opened:
        yield opened


def asker(server, tmp_path, log, settings=SETTINGS):
    client = api_client.FoodAcquisitionClient(server.url, retries=1, backoff_s=0.01)
    source = pictures.FolderPictures(tmp_path)
    return asking.Asker(answerers.ServerAnswerer(client), source, settings, log)


def question(name="a.png"):
    return questions.Question(name, "skewering", "grape")


def entries(log, tmp_path):
    return len((tmp_path / "j.jsonl").read_text().splitlines()) - 1


def test_samples_with_the_questions_seed(server, tmp_path, log):
    stub_server.solid(tmp_path / "a.png")
    outcome = asker(server, tmp_path, log).ask(question())
    assert outcome.answer["mean_prediction"]["end_x"] == pytest.approx(0.8)
    assert outcome.client_ms > 0
    (body,) = server.bodies
    del body["image"]
    assert body == {
        "action": "skewering",
        "food_type": "grape",
        "batch_size": 2,
        "dropout_scope": "head",
        "seed": question().seed(1),
    }
    assert entries(log, tmp_path) == 1


def test_one_answer_without_dropout(server, tmp_path, log):
    stub_server.solid(tmp_path / "a.png")
    settings = questions.Settings("skewering", "grape", "eat", num_samples=0, resize="crop")
    outcome = asker(server, tmp_path, log, settings).ask(question())
    assert outcome.answer["prediction"]["end_x"] == pytest.approx(0.8)
    (body,) = server.bodies
    assert set(body) == {"image", "action", "food_type", "text", "resize"}


def test_files_that_cannot_be_read_are_not_sent(server, tmp_path, log):
    (tmp_path / "empty.png").touch()
    one = asker(server, tmp_path, log)
    assert one.ask(question("empty.png")).failure.error == "The file is empty: 0 bytes."
    absent = one.ask(question("absent.png")).failure
    assert (absent.kind, absent.error) == (
        "unreadable",
        "The file cannot be read: No such file or directory.",
    )
    assert server.bodies == []
    assert entries(log, tmp_path) == 0


def test_refusals_are_journalled_and_silence_is_not(server, tmp_path, log):
    (tmp_path / "a.png").write_bytes(b"no picture")
    one = asker(server, tmp_path, log)
    refused = one.ask(question()).failure
    assert (refused.kind, refused.status, refused.request_id) == ("refused", 422, "broken")
    assert entries(log, tmp_path) == 1
    server.refuse["/predict_batch"] = (500, "The server failed.")
    assert one.ask(question()).failure.kind == "unanswered"
    assert entries(log, tmp_path) == 1


def test_all_questions_each_once(server, tmp_path, log):
    names = [f"{number}.png" for number in range(12)]
    for number, name in enumerate(names):
        stub_server.solid(tmp_path / name, (20 * number, 0, 0))
    asked = [question(name) for name in names]
    stop = threading.Event()
    found = list(asking.ask_all(asked, lambda: asker(server, tmp_path, log), 3, stop))
    assert sorted(one.question.image for one in found) == sorted(names)
    for one in found:
        red = 20 * int(one.question.image[:-4]) / 255
        assert one.answer["mean_prediction"]["end_x"] == pytest.approx(red)
    assert sorted(server.counts().values()) == [1] * 12
    assert list(asking.ask_all([], lambda: asker(server, tmp_path, log), 3, stop)) == []


def test_stopping_finishes_what_is_on_its_way(server, tmp_path, log):
    server.delay_s = 0.05
    asked = [question(f"{number}.png") for number in range(50)]
    for number, one in enumerate(asked):
        stub_server.solid(tmp_path / one.image, (number, 0, 0))
    stop, found = threading.Event(), []
    for outcome in asking.ask_all(asked, lambda: asker(server, tmp_path, log), 2, stop):
        found.append(outcome)
        stop.set()
    assert 1 <= len(found) <= 6
    assert len(found) == len(server.bodies) == entries(log, tmp_path)


def test_a_journal_that_cannot_be_written_ends_the_run(server, tmp_path):
    class FullDisk:
        def append(self, entry):
            raise OSError(28, "No space left on device")

    asked = [question(f"{number}.png") for number in range(50)]
    for one in asked:
        stub_server.solid(tmp_path / one.image)
    with pytest.raises(OSError, match="No space left"):
        list(
            asking.ask_all(asked, lambda: asker(server, tmp_path, FullDisk()), 2, threading.Event())
        )
    assert len(server.bodies) <= 4
