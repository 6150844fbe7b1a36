"""Runs over a folder against a real server."""

from __future__ import annotations

import json
import os
import signal

import pytest

import api_client
from folder_inference import flags, journal, merging, run, stopping
from serving import app
from tests import serving_stubs
from tests.folder_inference import stub_server, tfrecord_folder

# Without samples, since drawing their histograms takes longer than asking.
PLAIN = ("--num_samples", "0", "--sheet_images", "0", "--workers", "2")
ASK = ("--action", "skewering", "--food_type", "grape", *PLAIN)


@pytest.fixture
def server():
    with stub_server.running() as contract:
        yield contract


@pytest.fixture
def folder(tmp_path):
    """Six pictures with another answer each, and one that is broken."""
    for number in range(6):
        stub_server.solid(tmp_path / "in" / f"{number}.png", (40 * number, 0, 0))
    (tmp_path / "in" / "broken.jpg").write_bytes(b"no picture")
    return tmp_path / "in"


def start(server, folder, *more, name="r.json", asked=ASK):
    files = ["--input_dir", str(folder), "--output_file", str(folder.parent / name)]
    args = flags.parse_arguments("", [*files, "--api_url", server.url, *asked, *more])
    with stopping.StopSignals() as signals:
        return (run.merge if args.merge else run.run)(args, signals)


def test_results_in_order_and_the_broken_one_reported(server, folder):
    document = start(server, folder)
    assert json.loads((folder.parent / "r.json").read_text()) == document
    assert [one["image"] for one in document["results"]] == [f"{n}.png" for n in range(6)]
    for number, one in enumerate(document["results"]):
        assert one["prediction"]["end_x"] == pytest.approx(40 * number / 255)
        assert one["prediction_pixels"]["end_x"] == pytest.approx(40 * (40 * number / 255))
    ((broken),) = document["failed_images"]
    assert (broken["image"], broken["kind"], broken["status"]) == ("broken.jpg", "refused", 422)
    assert "Expected a picture" in broken["error"]
    assert document["summary"]["failed_by_kind"] == {"refused": 1}
    assert (folder.parent / "r.csv").exists()


def test_a_finished_run_is_not_asked_again_with_resume(server, folder):
    first = start(server, folder)
    assert len(server.bodies) == 7
    stub_server.solid(folder / "new.png", (1, 1, 1))
    second = start(server, folder, "--resume")
    assert len(server.bodies) == 8
    assert second["summary"]["from_journal"] == 7
    known = [one for one in second["results"] if one["image"] != "new.png"]
    assert known == first["results"]


def test_a_run_that_was_stopped_is_gone_on_with(server, folder, monkeypatch):
    answered = start(server, folder, name="whole.json", asked=(*ASK, "--resize", "crop"))["results"]
    server.bodies.clear()
    monkeypatch.setattr(server, "delay_s", 0.1)
    real = run.giving_up.GivingUp.reason

    def stop_after_the_first(self, outcome):
        os.kill(os.getpid(), signal.SIGTERM)
        monkeypatch.setattr(run.giving_up.GivingUp, "reason", real)
        return real(self, outcome)

    monkeypatch.setattr(run.giving_up.GivingUp, "reason", stop_after_the_first)
    with pytest.raises(stopping.Stopped, match="SIGTERM"):
        start(server, folder, "--resize", "crop")
    assert 1 <= len(server.bodies) < 7
    assert not (folder.parent / "r.json").exists()
    with pytest.raises(journal.JournalError, match="--resume goes on"):
        start(server, folder, "--resize", "crop")
    resumed = start(server, folder, "--resume", "--resize", "crop")["results"]
    assert sorted(server.counts().values()) == [1] * 7
    varying = ("client_ms", "request_id")
    for one in (*answered, *resumed):
        for name in varying:
            del one[name]
    assert resumed == answered


def test_another_model_is_another_run(server, folder):
    start(server, folder)
    server.version = "stub-2"
    with pytest.raises(journal.JournalError, match="model_version: the journal has 'stub-1'"):
        start(server, folder, "--resume")


def test_what_had_no_answer_is_asked_again(server, folder):
    server.refuse["/predict"] = (500, "The server failed.")
    document = start(server, folder, "--workers", "1")
    assert document["results"] == []
    # Its thread may have taken another question before it is stopped.
    assert document["summary"]["failed_by_kind"]["unanswered"] in (5, 6)
    assert "5 questions in a row had no answer" in document["failed_images"][-1]["error"]
    server.refuse.clear()
    document = start(server, folder, "--resume")
    assert (document["summary"]["answered"], document["summary"]["failed"]) == (6, 1)


def test_a_wrong_key_ends_the_run_at_once(server, folder):
    server.refuse["/predict"] = (401, "Wrong key.")
    document = start(server, folder, "--workers", "1")
    assert len(server.bodies) <= 2
    assert "refuses the program: 401: Wrong key." in document["failed_images"][-1]["error"]


def test_an_unknown_food_is_not_asked_of_every_picture(server, folder):
    server.refuse["/predict"] = (422, "Unknown food.")
    start(server, folder, "--workers", "1")
    assert 5 <= len(server.bodies) <= 6


def test_nobody_there(folder, server):
    server.url = "http://127.0.0.1:9"
    with pytest.raises(api_client.ApiError, match="cannot reach http://127.0.0.1:9"):
        start(server, folder)
    assert list(folder.parent.glob("r.*")) == []


def test_labels_ask_and_score(server, folder):
    # The answer to 5.png goes from (0.2, 0.4) to (200 / 255, 0) in 40 x 20 pixels.
    labels = folder / "labels.csv"
    labels.write_text(
        "image,action,food,x1,y1,x2,y2\n"
        "5.png,skewering,grapes,0.2,0.4,0.2,0.4\n"
        "5.png,scooping,rice,0.5,0.5,1,1\n"
        "4.png,skewering,stone,0.5,0.5,1,1\n"
    )
    asked = ("--labels", str(labels), "--label_units", "normalised", *PLAIN)
    document = start(server, folder, asked=asked)
    assert [(one["image"], one["food_type"]) for one in document["results"]] == [
        ("5.png", "rice"),
        ("5.png", "grape"),
    ]
    x, y = (0.2 + 200 / 255) / 2, 0.2
    score = document["results"][1]["score"]
    assert score["centroid_mae"] == pytest.approx(((x - 0.2) + (0.4 - y)) / 2)
    assert score["on_food"] is None
    assert document["summary"]["scores"]["answers"]["n"] == 2
    assert document["summary"]["labels"]["unknown"] == {"skewering stone": 1}


def test_shards_make_the_whole(server, folder):
    whole = start(server, folder)
    names = [f"s{index}.json" for index in range(3)]
    for index, name in enumerate(names):
        shard = ("--num_shards", "3", "--shard_index", str(index))
        start(server, folder, *shard, name=name)
    files = [str(folder.parent / name) for name in names]
    merged = start(server, folder, "--merge", *files, name="all.json")
    assert (folder.parent / "all.csv").exists()
    for document in (whole, merged):
        for one in (*document["results"], *document["failed_images"]):
            for name in ("client_ms", "request_id"):
                one.pop(name, None)
    assert merged["results"] == whole["results"]
    assert merged["failed_images"] == whole["failed_images"]
    with pytest.raises(merging.MergeError, match="missing: 2"):
        start(server, folder, "--merge", *files[:2], name="all.json")


@pytest.fixture
def local(tmp_path, monkeypatch):
    """--checkpoint_dir loads a model that answers what is seen in the picture."""
    from folder_inference import local_model

    (tmp_path / "embeddings").mkdir()
    store = serving_stubs.embedding_store_of(tmp_path / "embeddings")
    stub = serving_stubs.predictor_of(serving_stubs.MarkerModel(), store, version="run/best-1")
    monkeypatch.setattr(local_model, "load", lambda *_: local_model.LocalModel(stub))
    return stub


def start_local(folder, *more, name="r.json"):
    files = ["--output_file", str(folder.parent / name), "--checkpoint_dir", str(folder)]
    args = flags.parse_arguments("", [*files, *PLAIN, *more])
    with stopping.StopSignals() as signals:
        return (run.merge if args.merge else run.run)(args, signals)


def without_times(document):
    changing = ("client_ms", "timing_ms", "request_id")
    return [
        {name: value for name, value in one.items() if name not in changing}
        for one in (*document["results"], *document["failed_images"])
    ]


def test_the_model_in_this_process_answers_as_its_server(local, folder):
    for number, picture in enumerate(sorted(folder.glob("*.png"))):
        motion = ((20 + number, 20), (60, 20 + number))
        picture.write_bytes(serving_stubs.file_bytes(serving_stubs.marker_picture(80, 40, *motion)))
    asked = ("--seed", "3", "--action", "skewering", "--food_type", "strawberry")
    here = start_local(folder, "--input_dir", str(folder), *asked)
    assert (here["summary"]["answered"], here["summary"]["failed"]) == (6, 1)
    with serving_stubs.serve(app.create_app(local)) as url:
        server = stub_server.ContractServer()
        server.url = url
        # An answer of either counts for the other: seeds and settings are the same.
        there = start(server, folder, *asked, "--resume", asked=PLAIN)
        assert there["summary"]["from_journal"] == 7
        there = start(server, folder, *asked, name="there.json", asked=PLAIN)
    assert without_times(here) == without_times(there)
    assert here["summary"]["settings"] == there["summary"]["settings"]


def test_samples_of_tfrecords(local, folder):
    records = tfrecord_folder.write(folder.parent / "records")
    drawn = folder.parent / "drawn"
    more = ("--tfrecord_dir", str(records), "--overlay_dir", str(drawn), "--sheet_images", "4")
    document = start_local(folder, *more)
    assert [(one["image"], one["sample"], one["source"]) for one in document["results"]] == [
        (f"val/0000000{number}", number, f"photo_{number // 2}.jpg") for number in range(2, 7)
    ]
    assert [one["food_type"] for one in document["results"]][:2] == ["grape", "banana"]
    # The marker model finds the middle of a marker to half a pixel.
    assert document["summary"]["scores"]["answers"]["n"] == 5
    assert document["summary"]["scores"]["answers"]["centroid_mae"] < 0.003
    assert document["summary"]["tfrecords"]["samples"] == 5
    assert (folder.parent / "r_sheet.png").exists()
    assert (drawn / "val" / "00000006.skewering_grape.jpg").exists()
    again = start_local(folder, *more, "--resume")
    assert again["summary"]["from_journal"] == 5
    assert again["results"] == document["results"]


def test_shards_of_tfrecords_make_the_whole(local, folder):
    records = tfrecord_folder.write(folder.parent / "records")
    damaged = records / "val-00001-of-00003.tfrecord"
    content = bytearray(damaged.read_bytes())
    content[5000] ^= 255
    damaged.write_bytes(content)
    more = ("--tfrecord_dir", str(records))
    whole = start_local(folder, *more)
    (unreadable,) = whole["failed_images"]
    assert unreadable["kind"] == "unreadable"
    assert "val-00001-of-00003.tfrecord: the record at byte 0" in unreadable["error"]
    names = [f"s{index}.json" for index in range(3)]
    for index, name in enumerate(names):
        shard = ("--num_shards", "3", "--shard_index", str(index))
        document = start_local(folder, *more, *shard, name=name)
        asked = [one["image"][-1] for one in (*document["results"], *document["failed_images"])]
        assert sorted(asked) == [["2", "5"], ["3", "6"], ["4"]][index]
    files = [str(folder.parent / name) for name in names]
    merged = start_local(folder, *more, "--sheet_images", "9", "--merge", *files, name="all.json")
    assert without_times(merged) == without_times(whole)
    assert merged["summary"]["scores"]["answers"] == pytest.approx(
        whole["summary"]["scores"]["answers"]
    )
    assert (folder.parent / "all_sheet.png").exists()


def test_other_tfrecords_are_another_run(local, folder):
    more = ("--tfrecord_dir", str(tfrecord_folder.write(folder.parent / "records", 4)))
    start_local(folder, *more)
    other = tfrecord_folder.write(folder.parent / "other", 5)
    with pytest.raises(journal.JournalError, match="dataset: the journal has"):
        start_local(folder, "--tfrecord_dir", str(other), "--resume")
    with pytest.raises(journal.JournalError, match="split: the journal has 'val', now 'train'"):
        start_local(folder, *more, "--resume", "--split", "train")
