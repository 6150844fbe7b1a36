from __future__ import annotations

import argparse

import numpy as np
import pytest

from food_data import splits
from food_data.commands import from_recordings, output
from serving import recorder
from tests import serving_stubs

# 200 x 100 pixels; letterbox makes it 236 x 118 with 59 black rows above and below.
PICTURE = serving_stubs.file_bytes(serving_stubs.marker_picture(200, 100, (50, 50), (150, 50)))
OTHER = serving_stubs.file_bytes(serving_stubs.marker_picture(200, 100, (60, 50), (150, 50)))
ANSWERED = {"start_x": 0.25, "start_y": 0.5, "end_x": 0.75, "end_y": 0.5}


def answer_of(food="banana", resize="letterbox", **changes):
    return {
        "prediction": ANSWERED,
        "image_width": 200,
        "image_height": 100,
        "action": "skewering",
        "food_type": food,
        "resize": resize,
        **changes,
    }


@pytest.fixture
def keeper(tmp_path):
    return recorder.Recorder(tmp_path / "records")


@pytest.fixture
def build(tmp_path):
    def call(*words):
        parser = argparse.ArgumentParser()
        (command,) = from_recordings.add_parser(parser.add_subparsers())
        output.add_flags(command)
        words = [str(tmp_path / "records"), "--output_file", str(tmp_path / "a.npz"), *words]
        arguments = parser.parse_args(["from_recordings", *words])
        return arguments.build(arguments)

    return call


def test_a_correction_is_the_label_in_the_model_square(keeper, build, store, capsys):
    keeper.record("r1", PICTURE, {}, answer_of())
    keeper.correct("r1", 0.0, 0.0, 1.0, 1.0, "ada")
    dataset = build("--only_corrected")
    # The corners of the photo: rows 59 and 177 of 236.
    np.testing.assert_allclose(dataset.actions, [[0, 0.25, 1, 0.75]], atol=1e-6)
    np.testing.assert_array_equal(dataset.embeddings[0], store.lookup("skewering", "banana"))
    assert dataset.resize == "letterbox"
    assert dataset.action_names.tolist() == ["skewering"]
    assert dataset.food_types.tolist() == ["banana"]
    assert dataset.images[0, 0, 0].tolist() == [0, 0, 0]
    # The red square is drawn around (50, 50): column 59, row 118.
    assert dataset.images[0, 118, 59].tolist() == list(serving_stubs.RED)
    assert dataset.sources[0].startswith("records/20")
    assert "1 recordings; 1 corrected samples, 0 of the model's own" in capsys.readouterr().out


def test_without_a_correction_the_answer_is_the_label(keeper, build, capsys):
    keeper.record("r1", PICTURE, {}, answer_of())
    np.testing.assert_allclose(build().actions, [[0.25, 0.5, 0.75, 0.5]], atol=1e-6)
    assert "0 corrected samples, 1 of the model's own" in capsys.readouterr().out


def test_stretch_and_the_mean_of_samples(keeper, build):
    changes = {"prediction": None, "mean_prediction": {**ANSWERED, "end_y": 1.0}}
    keeper.record("r1", PICTURE, {}, answer_of(resize="stretch", **changes))
    dataset = build()
    np.testing.assert_allclose(dataset.actions, [[0.25, 0.5, 0.75, 1.0]], atol=1e-6)
    assert dataset.resize == "stretch"


def test_a_photo_with_one_instruction_is_one_sample_and_the_correction_wins(keeper, build):
    for number in range(4):
        keeper.record(f"r{number}", PICTURE, {}, answer_of())
    keeper.record("r4", PICTURE, {}, answer_of("strawberry"))
    keeper.correct("r1", 0.0, 0.5, 0.5, 0.5)
    dataset = build()
    assert sorted(dataset.food_types.tolist()) == ["banana", "strawberry"]
    (banana,) = dataset.actions[dataset.food_types == "banana"]
    np.testing.assert_allclose(banana, [0, 0.5, 0.5, 0.5], atol=1e-6)
    # One photo, so that a split keeps its samples together.
    assert len(set(dataset.sources.tolist())) == 1


def test_the_later_correction_wins(keeper, build):
    for name, start_x in (("r1", 0.1), ("r2", 0.2)):
        keeper.record(name, PICTURE, {}, answer_of())
        keeper.correct(name, start_x, 0.5, 0.9, 0.5)
    np.testing.assert_allclose(build().actions[:, 0], [0.2], atol=1e-6)


def test_the_split_parts_photos(keeper, build):
    for number in range(10):
        food = "banana" if number % 2 else "strawberry"
        keeper.record(f"r{number}", PICTURE if number < 5 else OTHER, {}, answer_of(food))
    split = splits.make_split(build(), 0.5, seed=0)
    assert len(split.train_idx) == len(split.val_idx) == 2


def test_recordings_that_disagree_need_a_choice(keeper, build):
    keeper.record("r1", PICTURE, {}, answer_of())
    keeper.record("r2", OTHER, {}, answer_of(resize="crop"))
    with pytest.raises(ValueError, match="got 1 with crop, 1 with letterbox. Choose one"):
        build()
    assert build("--resize", "stretch").resize == "stretch"


def test_nothing_left_is_an_error_that_says_so(keeper, build):
    keeper.record("r1", PICTURE, {}, answer_of())
    with pytest.raises(ValueError, match="no recording is left of 1"):
        build("--only_corrected")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"action": None}, "expected the strings action and food_type"),
        ({"image_width": None}, "expected image_width and image_height"),
        ({"image_width": 201}, "expected 201 x 100 pixels"),
        ({"prediction": None}, "start_x: expected a number"),
    ],
)
def test_an_answer_of_something_else_is_named(keeper, build, change, reason):
    keeper.record("r1", PICTURE, {}, answer_of(**change))
    with pytest.raises(ValueError, match=reason):
        build()
