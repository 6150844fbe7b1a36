from __future__ import annotations

import concurrent.futures
import datetime
import errno
import json
import os
import pathlib
import re

import pytest

from serving import recorder, recordings

JPEG = b"\xff\xd8\xff" + bytes(1000)
REQUEST = {"route": "/predict", "action": "skewering", "text": None}
ANSWER = {"prediction": {"start_x": 0.1, "start_y": 0.2, "end_x": 0.3, "end_y": 0.4}}


def record(keeper, request_id="r1", image=JPEG, answer=ANSWER):
    keeper.record(request_id, image, REQUEST, answer)


def files(directory):
    return sorted(path.relative_to(directory) for path in directory.rglob("*") if path.is_file())


def test_a_record_holds_what_was_sent_and_answered(tmp_path):
    before = datetime.datetime.now(datetime.timezone.utc)
    keeper = recorder.Recorder(tmp_path / "new" / "records")
    record(keeper)
    (folder,) = (tmp_path / "new" / "records").glob("*/r1")
    assert sorted(path.name for path in folder.iterdir()) == [
        "answer.json",
        "image.jpg",
        "request.json",
    ]
    assert (folder / "image.jpg").read_bytes() == JPEG
    assert json.loads((folder / "answer.json").read_text()) == ANSWER
    request = json.loads((folder / "request.json").read_text())
    at = datetime.datetime.fromisoformat(request.pop("recorded_at"))
    assert request == REQUEST
    assert datetime.timedelta(0) <= at - before + datetime.timedelta(seconds=1)
    assert folder.parent.name == at.date().isoformat()
    assert keeper.recorded == 1
    # Not only the server's own user may read it.
    assert folder.stat().st_mode == folder.parent.stat().st_mode


def test_a_correction_joins_its_record_and_replaces_an_earlier_one(tmp_path):
    keeper = recorder.Recorder(tmp_path)
    record(keeper)
    keeper.correct("r1", 0.0, 0.1, 1.0, 0.9, "ada")
    keeper.correct("r1", 0.25, 0.5, 0.75, 0.5)
    (one,) = recordings.read_recordings(tmp_path)
    assert one.motion() == (0.25, 0.5, 0.75, 0.5)
    assert one.correction["corrected_by"] is None
    datetime.datetime.fromisoformat(one.correction["corrected_at"])


def test_a_record_of_an_earlier_run_and_day_can_be_corrected(tmp_path):
    record(recorder.Recorder(tmp_path))
    (day,) = tmp_path.iterdir()
    day.rename(tmp_path / "2020-02-29")
    recorder.Recorder(tmp_path).correct("r1", 0.0, 0.0, 1.0, 1.0, "ada")
    (one,) = recordings.read_recordings(tmp_path)
    assert one.correction["corrected_by"] == "ada"


@pytest.mark.parametrize("request_id", ["r2", "", "..", "../r1", "r1/../r1", "*", "a" * 200])
def test_only_records_can_be_corrected(tmp_path, request_id):
    keeper = recorder.Recorder(tmp_path / "records")
    record(keeper)
    before = files(tmp_path)
    with pytest.raises(LookupError, match="request_id|No record"):
        keeper.correct(request_id, 0.0, 0.0, 1.0, 1.0)
    assert files(tmp_path) == before


@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan"), "0.5", None])
def test_a_correction_lies_in_the_photo(tmp_path, bad):
    keeper = recorder.Recorder(tmp_path)
    record(keeper)
    with pytest.raises(ValueError, match="start_y: expected a number in 0..1"):
        keeper.correct("r1", 0.0, bad, 1.0, 1.0)
    assert recordings.read_recordings(tmp_path)[0].correction is None


@pytest.mark.parametrize("request_id", ["../outside", "", ".", "a/b"])
def test_a_strange_id_is_no_path(tmp_path, request_id):
    keeper = recorder.Recorder(tmp_path / "records")
    record(keeper, request_id)
    assert keeper.failures == 1
    assert files(tmp_path) == []


def test_the_second_record_of_an_id_is_refused_and_the_first_stays(tmp_path):
    keeper = recorder.Recorder(tmp_path)
    record(keeper)
    record(keeper, image=b"BM")
    assert (keeper.recorded, keeper.failures) == (1, 1)
    (one,) = recordings.read_recordings(tmp_path)
    assert one.image.read_bytes() == JPEG
    assert len(files(tmp_path)) == 3


def test_an_id_is_given_once(tmp_path):
    keeper = recorder.Recorder(tmp_path)
    assert keeper.claim("r1") == "r1"
    other = keeper.claim("r1")  # before the first is recorded
    assert re.fullmatch("[0-9a-f]{32}", other)
    record(keeper)
    record(keeper, other)
    assert keeper.recorded == 2
    again = recorder.Recorder(tmp_path)  # after a restart
    assert again.claim("r1") not in ("r1", other)
    assert again.claim("robot-1.7") == "robot-1.7"


def test_an_id_is_given_where_the_folder_is_gone(tmp_path, caplog):
    keeper = recorder.Recorder(tmp_path / "records")
    (tmp_path / "records").rmdir()
    assert keeper.claim("r1") == "r1"
    record(keeper)
    assert "r1 was not recorded" in caplog.text


def test_an_id_with_a_point_names_a_record(tmp_path):
    keeper = recorder.Recorder(tmp_path)
    record(keeper, "robot-1.7")
    keeper.correct("robot-1.7", 0.0, 0.0, 1.0, 1.0)
    assert recordings.read_recordings(tmp_path)[0].request_id == "robot-1.7"


def test_a_full_disk_costs_nobody_an_answer(tmp_path, monkeypatch, caplog):
    keeper = recorder.Recorder(tmp_path)
    write = pathlib.Path.write_bytes

    def no_room(path, content):
        if path.name == recordings.ANSWER_FILE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(pathlib.Path, "write_bytes", no_room)
        record(keeper)
    assert (keeper.recorded, keeper.failures) == (0, 1)
    assert "r1 was not recorded (failure 1)" in caplog.text
    # Nothing half is left, and there is room again.
    assert files(tmp_path) == []
    record(keeper)
    assert (keeper.recorded, keeper.failures) == (1, 1)


@pytest.mark.parametrize("answer", [{"x": float("nan")}, {"x": object()}])
def test_an_answer_that_is_no_json_is_counted(tmp_path, answer):
    keeper = recorder.Recorder(tmp_path)
    record(keeper, answer=answer)
    assert keeper.failures == 1
    assert files(tmp_path) == []


def test_recording_ends_at_the_limit_with_one_warning(tmp_path, caplog):
    record(recorder.Recorder(tmp_path))
    used = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    # What is there already counts: one more of the same size fits, two do not.
    keeper = recorder.Recorder(tmp_path, max_bytes=2 * used)
    for number in (2, 3, 4):
        record(keeper, f"r{number}")
    record(keeper, "r5", image=b"")
    assert (keeper.recorded, keeper.skipped, keeper.failures) == (1, 3, 0)
    assert caplog.text.count("Recording stops") == 1
    assert {one.request_id for one in recordings.read_recordings(tmp_path)} == {"r1", "r2"}
    keeper.correct("r2", 0.0, 0.0, 1.0, 1.0)


def test_threads_record_side_by_side(tmp_path):
    keeper = recorder.Recorder(tmp_path)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: record(keeper, f"r{number}"), range(40)))
    assert keeper.recorded == 40
    assert len(recordings.read_recordings(tmp_path)) == 40


def test_without_a_folder_nothing_is_recorded():
    keeper = recorder.create(None)
    assert not keeper.is_on
    assert keeper.claim("r1") == keeper.claim("r1") == "r1"
    record(keeper)
    with pytest.raises(recorder.RecorderOffError, match="--record_dir"):
        keeper.correct("r1", 0.0, 0.0, 1.0, 1.0)


def test_with_a_folder_it_is(tmp_path):
    assert recorder.create(tmp_path / "records").is_on
    assert (tmp_path / "records").is_dir()
