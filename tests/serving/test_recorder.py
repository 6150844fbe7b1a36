"""What a server keeps, and what it costs nobody."""

from __future__ import annotations

import datetime
import errno
import io
import json
import os

import pytest
from PIL import Image

from food_data import image_placement, recordings
from serving import recorder

JPEG = b"\xff\xd8\xff" + bytes(1000)
REQUEST = {"route": "/predict", "action": "skewering", "text": None}
MOTION = {"start_x": 0.25, "start_y": 0.5, "end_x": 0.75, "end_y": 0.5}
ANSWER = {"prediction": {"start_x": 0.1, "start_y": 0.2, "end_x": 0.3, "end_y": 0.4}}


def record(keeper, request_id="r1", image=JPEG, answer=ANSWER):
    keeper.record(request_id, image, REQUEST, answer)


def files(directory):
    return sorted(path.relative_to(directory) for path in directory.rglob("*") if path.is_file())


def ids(directory):
    return [one.request_id for one in recordings.read_recordings(directory)]


def test_a_record_holds_what_was_sent_and_answered_and_its_last_correction(tmp_path):
    folder = tmp_path / "new" / "records"
    record(recorder.Recorder(folder), "robot-1.7")
    (kept,) = folder.glob("*/robot-1.7")
    assert kept.stat().st_mode == kept.parent.stat().st_mode, "a group may read it"
    assert (kept / "image.jpg").read_bytes() == JPEG
    request = json.loads((kept / "request.json").read_text())
    at = datetime.datetime.fromisoformat(request.pop("recorded_at"))
    assert (request, kept.parent.name) == (REQUEST, at.date().isoformat())
    # A later run, on another day.
    kept.parent.rename(folder / "2020-02-29")
    for correction in ({**MOTION, "end_y": 0.9, "corrected_by": "ada"}, MOTION):
        recorder.Recorder(folder).correct("robot-1.7", correction)
    (one,) = recordings.read_recordings(folder)
    assert (one.answer, one.motion()) == (ANSWER, (0.25, 0.5, 0.75, 0.5))
    datetime.datetime.fromisoformat(one.correction["corrected_at"])


@pytest.mark.parametrize("name", image_placement.FORMATS)
def test_every_format_that_is_read_has_its_ending(tmp_path, name):
    file, endings = io.BytesIO(), {"JPEG": ".jpg", "JPEG2000": ".jp2"}
    Image.new("RGB", (8, 6)).save(file, name)
    record(recorder.Recorder(tmp_path), image=file.getvalue())
    (found,) = recordings.read_recordings(tmp_path)
    assert found.image.suffix == endings.get(name, f".{name.lower()}")


@pytest.mark.parametrize("request_id", ["r2", "", "..", "../r1", "r1/../r1", "*", "a" * 200])
def test_only_records_can_be_corrected(tmp_path, request_id):
    keeper = recorder.Recorder(tmp_path / "records")
    record(keeper)
    before = files(tmp_path)
    with pytest.raises(LookupError, match="request_id|No record"):
        keeper.correct(request_id, MOTION)
    if request_id != "r2":
        record(keeper, request_id)
    assert files(tmp_path) == before


def test_an_id_is_given_once(tmp_path):
    keeper = recorder.Recorder(tmp_path)
    assert keeper.claim("r1") == "r1"
    other = keeper.claim("r1")  # before the first is recorded
    record(keeper)
    record(keeper, other)
    record(keeper, image=b"BM")
    assert sorted(ids(tmp_path)) == sorted(["r1", other]) and other != "r1"
    found = recordings.read_recordings(tmp_path)
    assert all(one.image.read_bytes() == JPEG for one in found)
    assert recorder.Recorder(tmp_path).claim("r1") not in ("r1", other), "after a restart"


def test_a_full_disk_or_a_kill_leaves_nothing_half(tmp_path, monkeypatch, caplog):
    def stop(error):
        def call(*arguments):
            raise error

        return call

    keeper = recorder.Recorder(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", stop(OSError(errno.ENOSPC, "No space left on device")))
        record(keeper)
    record(keeper, answer={"x": float("nan")})
    assert "r1 was not recorded" in caplog.text and files(tmp_path) == []
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "rename", stop(KeyboardInterrupt()))
        record(keeper)
    # What was written until then has neither the record's name nor any that is read.
    assert len(files(tmp_path)) == 3 and ids(tmp_path) == []
    again = recorder.Recorder(tmp_path)
    assert again.claim("r1") == "r1"
    record(again)
    assert ids(tmp_path) == ["r1"]


def test_recording_ends_at_the_limit_with_one_warning(tmp_path, caplog, monkeypatch):
    record(recorder.Recorder(tmp_path))
    # Three small files take a block each, and one for their names. What is there already counts:
    # one more of the same size fits, two do not.
    keeper = recorder.Recorder(tmp_path, max_bytes=2 * 6 * 4096)
    for number in (2, 3, 4):
        record(keeper, f"r{number}")
    record(keeper, "r5", image=b"")
    assert ids(tmp_path) == ["r1", "r2"] and caplog.text.count("Recording stops") == 1
    keeper.correct("r2", MOTION)
    monkeypatch.setattr(recorder, "_KEPT_FREE_BYTES", 2**62)
    record(recorder.Recorder(tmp_path), "r6")
    assert ids(tmp_path) == ["r1", "r2"], "others need the rest of the disk"


def test_reading_names_what_is_broken(tmp_path):
    with pytest.raises(FileNotFoundError, match="--record_dir"):
        ids(tmp_path / "absent")
    record(recorder.Recorder(tmp_path))
    next(tmp_path.glob("*/r1/answer.json")).write_text("[1]")
    with pytest.raises(ValueError, match="r1/answer.json: expected a JSON object"):
        ids(tmp_path)
