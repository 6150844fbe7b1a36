"""Runs over folders: what they write, how they go on, how shards make the whole."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import api_client
import batch_api_inference
import folder_inference
from policy import CheckpointPolicy
from serving import app
from tests import serving_stubs
from training import stop_signals

ROOT = pathlib.Path(__file__).parents[1]
ASK = ("--action", "skewering", "--food_type", "strawberry", "--workers", "2")
CHANGING = ("client_ms", "request_id", "timing_ms")


class ColourModel(serving_stubs.MarkerModel):
    """A picture's mean colour (R, G, B) is its answer: from (0.2, 0.4) to (R, G) / 255."""

    def answers(self, image):
        return [[0.2, 0.4, *colour[:2]] for colour in image.mean(axis=(1, 2)) / 255]


class Policy(CheckpointPolicy):
    """Has `asked` questions, what it will `refuse` with, and `on_ask`, which each one calls."""

    def __init__(self, store, version="stub-1"):
        model, pairs = ColourModel(), {("skewering", "strawberry")}
        how = ("stretch", version)
        super().__init__(serving_stubs.predictor_of(model, store, *how, trained_pairs=pairs))
        self.asked, self.refuse, self.on_ask = [], None, lambda: None

    def _answer(self, image, asked, sampled):
        self.asked.append(asked)
        self.on_ask()
        if self.refuse is not None:
            raise api_client.ApiError(*self.refuse)
        return super()._answer(image, asked, sampled)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return serving_stubs.embedding_store_of(tmp_path_factory.mktemp("embeddings"))


@pytest.fixture
def policy(store):
    return Policy(store)


def solid(path, colour=(204, 102, 0), size=(40, 20)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


@pytest.fixture
def folder(tmp_path):
    """Six pictures with another answer each, and one that is broken."""
    for number in range(6):
        solid(tmp_path / "in" / f"{number}.png", (40 * number, 0, 0))
    (tmp_path / "in" / "broken.jpg").write_bytes(b"no picture")
    return tmp_path / "in"


def start(policy, folder, *more, name="r.json", asked=(*ASK, "--num_samples", "0")):
    """A run, or a merge, over a folder."""
    files = ["--input_dir", str(folder), "--output_file", str(folder.parent / name)]
    args = batch_api_inference.parse_arguments([*files, *asked, *more])
    with stop_signals.StopSignals() as signals:
        if args.merge:
            return folder_inference.merge(args, signals)
        return folder_inference.run(args, lambda: policy, signals)


def without_times(document):
    entries = (*document["results"], *document["failed_images"])
    return [{key: one[key] for key in one if key not in CHANGING} for one in entries]


def test_what_a_run_writes(policy, folder):
    (folder / "empty.jpg").touch()
    document = start(policy, folder)
    assert json.loads((folder.parent / "r.json").read_text()) == document
    assert [one["image"] for one in document["results"]] == [f"{n}.png" for n in range(6)]
    for number, one in enumerate(document["results"]):
        assert one["prediction"]["end_x"] == pytest.approx(40 * number / 255)
        assert (one["action"], one["input_food_type"]) == ("skewering", "strawberry")
    broken, empty = document["failed_images"]
    assert (broken["kind"], broken["status"], broken["action"]) == ("refused", 422, "skewering")
    assert (empty["kind"], empty["status"]) == ("unreadable", None)
    summary = document["summary"]
    assert (summary["questions"], summary["answered"], summary["failed"]) == (8, 6, 2)
    assert summary["failed_by_kind"] == {"refused": 1, "unreadable": 1}
    assert (summary["model_versions"], summary["not_trained"]) == ({"stub-1": 6}, 0)
    rows = list(csv.DictReader((folder.parent / "r.csv").open()))
    assert [row["image"] for row in rows][-2:] == ["broken.jpg", "empty.jpg"]
    assert float(rows[5]["end_x_px"]) == pytest.approx(40 * 200 / 255)
    assert (rows[5]["error"], rows[6]["start_x"], rows[6]["error"] != "") == ("", "", True)


def test_samples_their_table_and_overlays(policy, folder):
    solid(folder / "new" / "wide.png", (204, 102, 255), (400, 200))
    more = ("--recursive", "--overlay_dir", str(folder.parent / "drawn"))
    asked = (*ASK, "--food_type", "green_bean", "--num_samples", "4", "--seed", "1")
    document = start(policy, folder, *more, asked=asked)
    assert document["results"][0]["statistics"]["num_samples"] == 4
    assert document["summary"]["not_trained"] == document["summary"]["answered"] == 7
    seeds = {options["seed"] for options in policy.asked}
    assert len(seeds) == len(policy.asked) and min(seeds) >= 0
    rows = {row["image"]: row for row in csv.DictReader((folder.parent / "r.csv").open())}
    wide = rows["new/wide.png"]
    assert 0 < float(wide["std_y2"]) < 0.05 and wide["trained"] == "False"
    drawn = np.asarray(Image.open(folder.parent / "drawn/new/wide.png.skewering_green_bean.jpg"))
    assert np.abs(drawn[80, 80].astype(int) - (0, 255, 0)).max() < 60
    # From (80, 80) to (320, 80); yellow before the midpoint.
    assert np.abs(drawn[80, 140].astype(int) - (255, 255, 0)).max() < 80
    # What a run has written is no input of the next.
    inside = ("--output_file", str(folder / "r.json"), "--overlay_dir", str(folder / "drawn"))
    counts = [start(policy, folder, *more, *inside)["summary"]["questions"] for _ in range(2)]
    assert counts == [8, 8]


def test_resume_asks_only_what_is_new_or_has_changed(policy, folder):
    first = start(policy, folder)
    solid(folder / "new.png", (1, 1, 1))
    solid(folder / "0.png", (9, 9, 9))
    os.utime(folder / "1.png", (1, 1))
    with (folder.parent / "r.jsonl").open("a") as file:
        file.write('{"image": "cut off')
    policy.asked.clear()
    second = start(policy, folder, "--resume")
    assert len(policy.asked) == 2
    assert second["summary"]["from_journal"] == 6
    assert second["results"][1:6] == first["results"][1:]
    assert second["results"][0]["prediction"] != first["results"][0]["prediction"]
    assert start(policy, folder, "--resume")["results"] == second["results"]
    assert len(policy.asked) == 2


def test_wherever_a_kill_cuts_the_lines_the_next_start_is_right(policy, folder):
    whole = start(policy, folder)
    lines = folder.parent / "r.jsonl"
    content = lines.read_bytes()
    header = content.index(b"\n") + 1
    for cut in (0, 1, header - 1, header, header + 1, len(content) // 2, len(content) - 1):
        lines.write_bytes(content[:cut])
        policy.asked.clear()
        assert without_times(start(policy, folder, "--resume")) == without_times(whole)
        assert len(policy.asked) == 7 - max(0, content[:cut].count(b"\n") - 1)
    lines.write_bytes(content[: len(content) // 2])
    with pytest.raises(folder_inference.JournalError, match="--resume goes on"):
        start(policy, folder)


def test_a_disk_that_fills_and_lines_that_go(policy, folder):
    whole = start(policy, folder, name="whole.json")
    lines = folder.parent / "r.jsonl"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
        with pytest.raises(OSError, match=r"r\.jsonl cannot be written: File too large.*--resume"):
            start(policy, folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert lines.read_bytes().endswith(b"}\n") and 1000 < lines.stat().st_size <= 2000
    assert without_times(start(policy, folder, "--resume")) == without_times(whole)
    policy.on_ask = lambda: lines.unlink(missing_ok=True)
    with pytest.raises(OSError, match=r"r\.jsonl was removed while"):
        start(policy, folder)


def test_no_picture_ends_a_run(policy, folder, monkeypatch):
    for number in range(12):
        (folder / f" {number}.jpg").write_bytes(b"broken in the same way")
    os.mkfifo(folder / "pipe.jpg")
    (folder / "nowhere.png").symlink_to("absent.png")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "folder.png").mkdir()
    (folder / os.fsdecode(b"\xff.png")).write_bytes((folder / "0.png").read_bytes())
    (folder / os.fsdecode(b"a.\xfe")).touch()
    (folder / f"{'n' * 240}.png").write_bytes((folder / "1.png").read_bytes())
    (folder / '=HYPERLINK("a").png').write_bytes((folder / "2.png").read_bytes())
    monkeypatch.setattr(folder_inference, "_LARGEST_FILE_BYTES", 10_000)
    (folder / "large.tif").write_bytes(b"x" * 10_001)
    solid(folder / "thread.png", (0, 0, 9), (70_000, 1))
    drawn = folder.parent / "drawn"
    asked = (*ASK, "--text", "@eat", "--num_samples", "2", "--overlay_dir", str(drawn))
    document = start(policy, folder, asked=asked)
    assert {one["image"]: one["kind"] for one in document["failed_images"]} == {
        **dict.fromkeys(("large.tif", "loop.png", "nowhere.png", "pipe.jpg"), "unreadable"),
        **dict.fromkeys(("broken.jpg", *(f" {number}.jpg" for number in range(12))), "refused"),
    }
    assert len(document["results"]) == len(list(drawn.iterdir())) == 10
    left_out = folder_inference.describe_left_out(document["summary"]["folder"]["left_out"])
    assert left_out == r"1 .\udcfe, 1 folder (--recursive looks into it)"
    table = (folder.parent / "r.csv").read_text("utf-8", "surrogateescape")
    rows = list(csv.DictReader(io.StringIO(table)))
    assert '\'=HYPERLINK("a").png' in [row["image"] for row in rows]
    assert min(float(row["direction_degrees"]) for row in rows if row["start_x"]) < 0


def test_lines_of_another_run_are_refused(policy, store, folder):
    start(policy, folder)
    changed = "model_version was 'stub-1', is 'stub-2'"
    with pytest.raises(folder_inference.JournalError, match=changed):
        start(Policy(store, "stub-2"), folder, "--resume")
    with (folder.parent / "r.jsonl").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(folder_inference.JournalError, match="is being written"):
            start(policy, folder)
    with pytest.raises(folder_inference.JournalError, match=r"shard was None, is \[0, 2\]"):
        start(policy, folder, "--num_shards", "2", "--shard_index", "0")
    for text in ('{"format": 1}\n', "[]\n", "no line\n"):
        (folder.parent / "r.jsonl").write_text(text)
        with pytest.raises(folder_inference.JournalError, match="lines that no run wrote"):
            start(policy, folder, "--resume")


# Refusals are final, the rest is asked again.
@pytest.mark.parametrize(
    ("status", "asked", "later"), [(500, 5, {6}), (401, 1, {6}), (422, 5, {1, 2})]
)
def test_giving_up(status, asked, later, policy, folder):
    policy.refuse = (status, "No.")
    document = start(policy, folder, "--workers", "1")
    assert len(policy.asked) in (asked, asked + 1)
    assert document["results"] == []
    last = document["failed_images"][-1]
    reason = f"{asked} in a row had no answer: {status} No."
    assert (last["kind"], last["error"]) == ("not asked", reason)
    policy.refuse = None
    assert start(policy, folder, "--resume")["summary"]["answered"] in later


def test_shards_make_the_whole(policy, folder):
    whole = start(policy, folder)

    def shard(index, name):
        start(policy, folder, "--num_shards", "3", "--shard_index", str(index), name=name)
        return str(folder.parent / name)

    files = [shard(index, f"s{index}.json") for index in range(3)]
    merged = start(policy, folder, "--merge", *files, name="all.json")
    assert without_times(merged) == without_times(whole)
    assert (folder.parent / "all.csv").read_text().count("\n") == 8
    solid(folder / "new.png")
    other = shard(2, "other.json")
    policy.refuse = (500, "The server failed.")
    for shards, message in (
        (files[:2], "missing: \\[2\\]"),
        ([*files, files[0]], "both are shard 0"),
        ([*files[:2], other], "is of another run than"),
        ([*files[:2], shard(2, "open.json")], "was not finished"),
        ([str(folder.parent / "r.json")], "expected what a run with --num_shards wrote"),
    ):
        with pytest.raises(ValueError, match=message):
            start(policy, folder, "--merge", *shards, name="all.json")


def test_which_files_are_pictures_and_what_is_left_out(folder):
    sub = [f"lr=[1e-4]/{name}" for name in ("c.PNG", "d.jfif")]
    for name in (*sub, ".g/e.png", "out/f.png", ".a.png", "g.HEIC", "n"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes((folder / "0.png").read_bytes())
    (folder / "linked").symlink_to(folder / "lr=[1e-4]")
    heic, deeper = ".heic (needs requirements-heic.txt)", "folder (--recursive looks into it)"
    left_out = dict.fromkeys(("file without ending", "hidden file", "hidden folder", heic), 1)
    left_out["linked folder (not followed)"] = 1
    top = [*(f"{n}.png" for n in range(6)), "broken.jpg"]
    for recursive, pictures, more in ((False, top, {deeper: 1}), (True, top + sub, {})):
        found = folder_inference.find_pictures(folder, recursive, [folder / "out"])
        assert found == (pictures, {**left_out, **more})


def test_codes_and_what_the_program_says(stub_server_url, empty_server_url, tmp_path, capsys):
    """Against the real application."""
    photos, output = tmp_path / "in [1]", tmp_path / "out [2]" / "r.json"
    solid(photos / "a.png")
    flags = ["--api_url", stub_server_url, "--api_key", "hidden-key", "--input_dir", str(photos)]
    flags += ["--output_file", str(output), "--action", "Skewer", "--food_type", "strawberries"]
    main = batch_api_inference.main
    assert main([*flags, "--num_samples", "3"]) == 0
    assert capsys.readouterr().out == f"1 of 1 pictures answered: {output}\n"
    (one,) = json.loads(output.read_text())["results"]
    assert (one["food_type"], one["input_food_type"]) == ("strawberry", "strawberries")
    assert main([*flags, "--num_samples", "3", "--resume", "--seed", "1"]) == 2
    assert "same settings: seed was None, is 1" in capsys.readouterr().err
    (photos / "b.jpg").write_bytes(b"no picture")
    (photos / "c.heic").touch()
    assert main([*flags, "--num_samples", "0"]) == 3
    said = "failed: 1 refused\nleft out: 1 .heic (needs requirements-heic.txt)\n"
    assert said in capsys.readouterr().out
    (photos / "a.png").unlink()
    assert main([*flags, "--num_samples", "0"]) == 1
    (photos / "b.jpg").unlink()
    nobody = ["--api_url", "http://127.0.0.1:9", "--output_file", "/nowhere/r.json"]
    capsys.readouterr()
    for more, message in (
        ([], "has no pictures"),
        (["--api_url", empty_server_url], "has no model"),
        (nobody, "cannot reach http://127.0.0.1:9"),
    ):
        assert main([*flags, *more]) == 1
        out, err = capsys.readouterr()
        assert message in err and "hidden-key" not in out + err
    assert main([*flags[2:], "--checkpoint_dir", "/nowhere"]) == 1
    assert "No checkpoint directory /nowhere" in capsys.readouterr().err
    for path in output.parent.iterdir():
        assert b"hidden-key" not in path.read_bytes()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([*ASK, "--output_file", "r.csv"], "expected a name that ends in .json"),
        ([*ASK, "--output_file", "s3://a/r.json"], "expected a path here, got s3://a/r.json"),
        ([*ASK, "--num_samples", "65"], "--num_samples: expected 0 to 64"),
        ([*ASK, "--num_shards", "2"], "--shard_index: expected one from 0 below --num_shards (2)"),
        (["--food_type", "rice"], "expected --action and --food_type, or --text"),
    ],
)
def test_wrong_flags(flags, message, capsys):
    with pytest.raises(SystemExit) as ended:
        batch_api_inference.parse_arguments(["--input_dir", ".", "--output_file", "r.json", *flags])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 75)])
def test_a_killed_run_asks_nothing_twice_that_was_answered(number, code, store, tmp_path):
    class Slow(ColourModel):
        calls = 0

        def answers(self, image):
            Slow.calls += len(image)
            time.sleep(0.05)
            return super().answers(image)

    for index in range(20):
        solid(tmp_path / "in" / f"{index}.png", (index, 0, 0))
    lines, output = tmp_path / "r.jsonl", tmp_path / "r.json"
    with serving_stubs.serve(app.create_app(serving_stubs.predictor_of(Slow(), store))) as url:
        flags = ["--input_dir", str(tmp_path / "in"), "--output_file", str(output), *ASK]
        flags += ["--api_url", url, "--num_samples", "0"]
        process = subprocess.Popen([sys.executable, "batch_api_inference.py", *flags], cwd=ROOT)
        give_up = time.monotonic() + 60
        while not lines.exists() or lines.read_bytes().count(b"\n") < 6:
            assert process.poll() is None and time.monotonic() < give_up
            time.sleep(0.01)
        process.send_signal(number)
        assert process.wait(60) == code and not output.exists()
        written = lines.read_bytes().count(b"\n") - 1
        time.sleep(0.3)  # The server finishes what was on its way.
        on_their_way = Slow.calls - written
        assert 0 <= on_their_way <= (2 if number == signal.SIGKILL else 0)
        assert batch_api_inference.main([*flags, "--resume"]) == 0
        assert Slow.calls == 20 + on_their_way
    assert json.loads(output.read_text())["summary"]["answered"] == 20


def test_a_signal_wakes_a_client_that_waits(folder, monkeypatch):
    def run(args, open_policy, signals):
        os.kill(os.getpid(), signal.SIGTERM)
        open_policy().sleep(3600)
        signals.check()

    monkeypatch.setattr(api_client.FoodAcquisitionClient, "sleep", None)
    monkeypatch.setattr(folder_inference, "run", run)
    flags = ["--input_dir", str(folder), "--output_file", str(folder.parent / "r.json")]
    assert batch_api_inference.main([*flags, *ASK]) == stop_signals.EXIT_CODE
