"""What is found out before anything is asked."""

from __future__ import annotations

import json

import pytest

import api_client
from folder_inference import answerers, flags, outputs, plan
from tests.folder_inference import stub_server, tfrecord_folder

ASK = ("--action", "skewering", "--food_type", "grape")


@pytest.fixture(scope="module")
def server():
    with stub_server.running() as contract:
        yield contract


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "b.png", "new/c.png"):
        stub_server.solid(tmp_path / "in" / name)
    (tmp_path / "in" / "notes.txt").touch()
    return tmp_path / "in"


def make(server, folder, *more, asked=ASK):
    output = str(folder / "r.json")
    arguments = ["--input_dir", str(folder), "--output_file", output, *asked, *more]
    args = flags.parse_arguments("", arguments)
    with api_client.FoodAcquisitionClient(server.url, retries=0) as client:
        paths = outputs.Paths(args.output_file, args.overlay_dir)
        return plan.make_plan(args, answerers.ServerAnswerer(client), paths)


def test_every_picture_gets_the_question(server, folder):
    planned = make(server, folder, "--recursive", "--seed", "3")
    assert [one.image for one in planned.asked] == ["a.png", "b.png", "new/c.png"]
    assert planned.settings["seed"] == 3
    assert (planned.settings["model_version"], planned.settings["shard"]) == ("stub-1", None)
    assert planned.notes == {"folder": {"pictures": 3, "other_files": 1, "without_question": 0}}


def test_outputs_in_the_folder_are_no_input(server, folder):
    for name in ("r_sheet.png", "r_variances.png", "drawn/a.png.skewering_grape.jpg"):
        stub_server.solid(folder / name)
    overlays = ("--overlay_dir", str(folder / "drawn"))
    planned = make(server, folder, "--recursive", *overlays)
    assert [one.image for one in planned.asked] == ["a.png", "b.png", "new/c.png"]


def test_shards(server, folder):
    plans = [
        make(server, folder, "--recursive", "--num_shards", "2", "--shard_index", str(index))
        for index in range(2)
    ]
    assert [[one.image for one in planned.asked] for planned in plans] == [
        ["a.png", "new/c.png"],
        ["b.png"],
    ]
    shard = plans[1].notes["shard"]
    assert (shard["index"], shard["num_shards"], shard["questions_in_folder"]) == (1, 2, 3)
    assert shard["folder_sha256"] == plans[0].notes["shard"]["folder_sha256"]
    assert plans[1].settings["shard"] == [1, 2]
    last = make(server, folder, "--num_shards", "9", "--shard_index", "8")
    assert last.asked == []


def test_labels_say_what_is_asked(server, folder):
    objects = [{"label": "grape"}, {"label": "stone"}]
    file = folder / "labels.json"
    file.write_text(json.dumps({"images": [{"file": "b.png", "objects": objects}]}))
    asked = ("--labels", str(file), "--action", "skewering")
    planned = make(server, folder, asked=asked)
    assert [one.key for one in planned.asked] == [("b.png", "skewering", "grape")]
    assert planned.notes["labels"]["unknown"] == {"skewering stone": 1}
    assert planned.notes["folder"]["without_question"] == 1
    file.write_text('{"images": []}')
    with pytest.raises(plan.NothingToDoError, match="The labels say nothing about the 2 pictures"):
        make(server, folder, asked=asked)


def test_a_folder_without_pictures(server, tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(plan.NothingToDoError, match="but 1 other files. --recursive looks"):
        make(server, tmp_path)


def test_a_server_without_a_model(folder, monkeypatch, server):
    monkeypatch.setattr(server, "version", None)
    with pytest.raises(plan.NothingToDoError, match="has no model"):
        make(server, folder)


def test_samples_of_tfrecords_are_shared_out_by_their_numbers(tmp_path):
    from folder_inference import samples

    class Model:
        def model_version(self):
            return "run/best-1"

    source = samples.TfrecordSamples(tfrecord_folder.write(tmp_path / "records"), "val")
    files = ["--output_file", "r.json", "--checkpoint_dir", str(tmp_path), "--tfrecord_dir", "t"]
    plans = [
        plan.make_sample_plan(
            flags.parse_arguments("", [*files, "--num_shards", "2", "--shard_index", index]),
            Model(),
            source,
        )
        for index in "01"
    ]
    assert [[one.image[-1] for one in planned.asked] for planned in plans] == [
        ["2", "4", "6"],
        ["3", "5"],
    ]
    assert list(plans[1].labels) == ["val/00000003", "val/00000005"]
    settings = plans[1].settings
    assert (settings["split"], settings["model_version"], settings["shard"]) == (
        "val",
        "run/best-1",
        [1, 2],
    )
    assert settings["dataset"] == plans[1].notes["tfrecords"]["dataset"] == source.fingerprint
    assert plans[0].notes["shard"]["questions_in_folder"] == 5
