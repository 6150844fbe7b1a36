from __future__ import annotations

import json

import pytest

from food_data import recordings

ANSWER = {"prediction": {"start_x": 0.1, "start_y": 0.2, "end_x": 0.3, "end_y": 0.4}}
CORRECTION = {"start_x": 0.5, "start_y": 0.6, "end_x": 0.7, "end_y": 0.8}


def write(directory, request_id, day="2026-11-22", at="2026-11-22T10:00", correction=None):
    folder = directory / day / request_id
    folder.mkdir(parents=True)
    (folder / "image.jpg").write_bytes(b"\xff\xd8\xff")
    (folder / "request.json").write_text(json.dumps({"recorded_at": at}))
    (folder / "answer.json").write_text(json.dumps(ANSWER))
    if correction is not None:
        (folder / "correction.json").write_text(json.dumps(correction))
    return folder


def test_the_oldest_comes_first_and_remains_are_left_alone(tmp_path):
    write(tmp_path, "c", "2026-11-23", "2026-11-23T00:00")
    write(tmp_path, "b", at="2026-11-22T09:00", correction=CORRECTION)
    write(tmp_path, "a", at="2026-11-22T11:00")
    (tmp_path / "2026-11-22" / ".partial_x").mkdir()
    (tmp_path / "notes").mkdir()
    found = recordings.read_recordings(tmp_path)
    assert [one.request_id for one in found] == ["b", "a", "c"]
    assert [one.correction for one in found] == [CORRECTION, None, None]
    assert found[0].image == tmp_path / "2026-11-22" / "b" / "image.jpg"


def test_the_motion_is_the_correction_or_else_the_answer(tmp_path):
    write(tmp_path, "a", at="1", correction=CORRECTION)
    write(tmp_path, "b", at="2")
    corrected, answered = recordings.read_recordings(tmp_path)
    assert corrected.motion() == (0.5, 0.6, 0.7, 0.8)
    assert answered.motion() == (0.1, 0.2, 0.3, 0.4)


def test_of_samples_the_mean_counts():
    mean = {"start_x": 0.0, "start_y": 1.0, "end_x": 0.25, "end_y": 0.5}
    answer = {"predictions": [[0, 0, 0, 0]], "mean_prediction": mean}
    assert recordings.answered_motion(answer) == mean
    assert recordings.answered_motion({}) == {}


@pytest.mark.parametrize("bad", [-0.01, 1.01, float("nan"), float("inf"), "0.5", None, True])
def test_a_motion_is_four_numbers_in_0_to_1(bad):
    with pytest.raises(ValueError, match="end_x: expected a number in 0..1"):
        recordings.check_motion({**CORRECTION, "end_x": bad})
    assert recordings.check_motion({**CORRECTION, "end_x": 1}) == (0.5, 0.6, 1.0, 0.8)


@pytest.mark.parametrize("bad", ["", ".", "..", "a/b", "../a", "-a", "a b", "a\n", "a" * 101, 7])
def test_an_id_is_safe_as_a_name_of_a_folder(bad):
    with pytest.raises(ValueError, match="Expected a request_id of"):
        recordings.check_request_id(bad)


def test_usual_ids_are_fine():
    for good in ("0", "4f0c" * 8, "4f0c-2", "A_b-9", "a" * 100):
        recordings.check_request_id(good)


@pytest.mark.parametrize(
    ("start", "ending"),
    [
        (b"\xff\xd8\xff\xe0", ".jpg"),
        (b"\x89PNG\r\n\x1a\n", ".png"),
        (b"RIFF\x00\x00\x00\x00WEBP", ".webp"),
        (b"BM", ".bmp"),
        (b"II*\x00", ".tiff"),
        (b"MM\x00*", ".tiff"),
        (b"", ".bin"),
        (b"GIF89a", ".bin"),
    ],
)
def test_the_ending_follows_from_the_first_bytes(start, ending):
    assert recordings.image_ending(start) == ending


def test_what_is_broken_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="--record_dir"):
        recordings.read_recordings(tmp_path / "absent")
    folder = write(tmp_path, "a")
    (folder / "answer.json").write_text("[1]")
    with pytest.raises(ValueError, match=r"a/answer.json: expected a JSON object, got \[1\]"):
        recordings.read_recordings(tmp_path)
    (folder / "answer.json").write_text("{")
    with pytest.raises(ValueError, match="answer.json: expected a JSON object, got no JSON"):
        recordings.read_recordings(tmp_path)
    (folder / "answer.json").write_text("{}")
    (one,) = recordings.read_recordings(tmp_path)
    with pytest.raises(ValueError, match="2026-11-22/a: start_x: expected"):
        one.motion()
    (folder / "image.jpg").unlink()
    with pytest.raises(FileNotFoundError, match="one file image"):
        recordings.read_recordings(tmp_path)
