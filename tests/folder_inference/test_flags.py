"""Flags that do not fit together end the program with code 2 and say why."""

from __future__ import annotations

import pytest

from folder_inference import flags, questions

ASK = ["--action", "skewering", "--food_type", "grape"]


def parse(tmp_path, *more, asked=ASK):
    files = ["--input_dir", str(tmp_path), "--output_file", str(tmp_path / "out.json")]
    return flags.parse_arguments("", [*files, *asked, *more])


def test_defaults(tmp_path):
    args = parse(tmp_path)
    assert flags.settings_of(args) == questions.Settings("skewering", "grape", num_samples=16)
    assert (args.workers, args.num_shards, args.shard_index, args.resume) == (4, 1, None, False)
    assert (args.api_url, args.checkpoint_dir) == ("http://127.0.0.1:8080", None)


def test_settings(tmp_path):
    more = ["--num_samples", "0", "--seed", "3", "--dropout_scope", "full", "--resize", "crop"]
    assert flags.settings_of(parse(tmp_path, *more, "--text", "eat")) == questions.Settings(
        "skewering", "grape", "eat", 0, 3, "full", "crop"
    )


@pytest.mark.parametrize("index", ["0", "1"])
def test_shards(index, tmp_path):
    args = parse(tmp_path, "--num_shards", "2", "--shard_index", index)
    assert args.shard_index == int(index)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--output_file", "out.csv"], "--output_file: expected a name that ends in .json"),
        (["--input_dir", "absent"], "--input_dir: expected a folder, got absent"),
        (["--labels", "absent.csv"], "--labels: there is no file absent.csv"),
        (["--num_samples", "65"], "--num_samples: expected 0 to 64, got 65"),
        (["--num_samples", "-1"], "--num_samples: expected 0 to 64, got -1"),
        (["--seed", "2147483648"], "--seed: expected 0 to 2**31 - 1, got 2147483648"),
        (["--workers", "0"], "--workers: expected 1 or more, got 0"),
        (["--sheet_images", "-1"], "--sheet_images: expected 0 or more, got -1"),
        (["--num_shards", "0"], "--num_shards: expected 1 or more, got 0"),
        (["--num_shards", "2"], "--shard_index: expected 0 to 1, got None"),
        (["--num_shards", "2", "--shard_index", "2"], "--shard_index: expected 0 to 1, got 2"),
        (["--shard_index", "1"], "--shard_index: expected 0 to 0, got 1"),
        (["--dropout_scope", "half"], "invalid choice: 'half'"),
        (["--checkpoint_dir", "absent"], "expected a directory that train.py wrote, got absent"),
        (["--checkpoint_dir", ".", "--api_url", "http://a"], "--checkpoint_dir: expected no --api"),
        (["--checkpoint_dir", ".", "--api_key", "k"], "--checkpoint_dir: expected no --api_url"),
        (["--tfrecord_dir", "."], "leave out --input_dir, --action, --food_type"),
    ],
)
def test_wrong_values(more, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        parse(tmp_path, *more)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ([], "expected --action and --food_type, --text, or --labels"),
        (["--food_type", "grape"], "--food_type: expected --action too"),
        (["--action", "skewering"], "--action: expected --food_type too, or --labels"),
        (["--text", "eat", "--labels", __file__], "--labels: a --text alone does not say"),
    ],
)
def test_no_question(asked, message, tmp_path, capsys):
    with pytest.raises(SystemExit):
        parse(tmp_path, asked=asked)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "asked",
    [["--text", "eat"], ["--labels", __file__], ["--action", "scooping", "--labels", __file__]],
)
def test_other_questions(asked, tmp_path):
    parse(tmp_path, asked=asked)


def test_input_is_needed_unless_shards_are_merged(tmp_path, capsys):
    output = ["--output_file", str(tmp_path / "out.json")]
    assert flags.parse_arguments("", [*output, "--merge", "a.json"]).input_dir is None
    with pytest.raises(SystemExit):
        flags.parse_arguments("", [*output, *ASK])
    assert "--input_dir: expected the folder" in capsys.readouterr().err


def test_samples_of_tfrecords_say_what_is_asked(tmp_path, capsys):
    output = ["--output_file", str(tmp_path / "out.json"), "--tfrecord_dir", "t"]
    args = flags.parse_arguments("", [*output, "--checkpoint_dir", str(tmp_path)])
    assert (args.split, args.engine, args.api_url) == ("val", "auto", None)
    assert flags.settings_of(args) == questions.Settings(None, None, num_samples=16)
    assert flags.parse_arguments("", [*output, "--merge", "a.json"]).checkpoint_dir is None
    with pytest.raises(SystemExit):
        flags.parse_arguments("", output)
    assert "--tfrecord_dir: expected --checkpoint_dir too" in capsys.readouterr().err
