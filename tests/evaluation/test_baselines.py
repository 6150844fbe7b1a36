"""Answers without a model, worked by hand."""

import numpy as np
import pytest

from evaluation import study
from evaluation.samples import Samples
from food_data import npz_dataset
from tests.evaluation import agents

RED, GREEN, WHITE = (200, 20, 20), (20, 160, 20), (250, 250, 250)


def dataset(labels, actions, foods):
    number = len(labels)
    return npz_dataset.FoodDataset(
        np.zeros((number, *npz_dataset.IMAGE_SHAPE), np.uint8),
        np.array(labels, np.float32),
        np.eye(number, 512, dtype=np.float32),
        action_names=np.array(actions),
        food_types=np.array(foods),
    )


def test_means_and_their_fall_backs():
    train = dataset(
        [[0.0, 0, 0.2, 0.2], [0.4, 0.4, 0.6, 0.6], [1, 1, 1, 1], [0, 0, 0, 0]],
        ["skewering", "skewering", "skewering", "scooping"],
        ["banana", "banana", "grape", "rice"],
    )
    asked = dataset(
        np.zeros((5, 4)),
        ["skewering", "skewering", "scooping", "scooping", "twirling"],
        ["banana", "kiwi", "rice", "banana", "spaghetti"],
    )
    samples = Samples(asked, np.arange(5), Samples(train, np.arange(4)))
    found = study.baseline_answers(samples)
    expected = [
        [0.2, 0.2, 0.4, 0.4],  # skewering banana
        [1.4 / 3, 1.4 / 3, 0.6, 0.6],  # all skewering
        [0, 0, 0, 0],
        [0, 0, 0, 0],  # The action counts.
        [0.35, 0.35, 0.45, 0.45],  # everything
    ]
    np.testing.assert_allclose(found["mean of action and food"], expected, atol=1e-7)
    np.testing.assert_allclose(found["mean of the training labels"], [expected[-1]] * 5, atol=1e-7)
    np.testing.assert_allclose(found["centre of the picture"], [[0.25, 0.5, 0.75, 0.5]] * 5)
    np.testing.assert_allclose(found["colour"], found["centre of the picture"])  # black


def test_baselines_need_what_they_know():
    nothing = ["centre of the picture", "colour"]
    samples = agents.samples([0, 1], food_types=None)
    assert list(study.baseline_answers(samples)) == nothing
    known = Samples(samples.dataset, samples.indices, samples)
    assert list(study.baseline_answers(known)) == ["mean of the training labels", *nothing]


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([(100, 120, 40, 100, RED)], [40, 110, 100, 110]),
        # White is no colour.
        ([(20, 200, 20, 90, WHITE), (100, 120, 130, 190, RED)], [130, 110, 190, 110]),
        # The larger one wins, unless it touches the edge.
        ([(100, 140, 40, 120, RED), (100, 120, 150, 170, GREEN)], [40, 120, 120, 120]),
        ([(180, 236, 0, 236, RED), (100, 120, 150, 200, GREEN)], [150, 110, 200, 110]),
        # If each touches the edge, the largest.
        ([(0, 40, 0, 100, RED), (196, 236, 0, 30, RED)], [0, 20, 100, 20]),
        ([(0, 236, 0, 236, RED)], study.CENTRE * 236),  # of one colour
    ],
)
def test_the_most_colourful_region(boxes, expected):
    """Boxes (top, bottom, left, right, colour) on grey."""
    image = np.full((236, 236, 3), 128, np.uint8)
    for top, bottom, left, right, colour in boxes:
        image[top:bottom, left:right] = colour
    found = study.colour_answer(image)
    np.testing.assert_allclose(found, np.array(expected) / 236, atol=0.02)


def test_instructions_are_swapped_only_within_a_picture_and_as_chance_has_it():
    samples = agents.samples(np.arange(300) % 3, per_picture=3)
    samples = samples.part(np.random.default_rng(0).permutation(300))
    swapped = study.swapped_instructions(samples, seed=1)
    np.testing.assert_array_equal(samples.dataset.sources[swapped], samples.pictures)
    assert 0.25 < np.mean(swapped == samples.indices) < 0.42  # 1/3: standard deviation 0.027
    np.testing.assert_array_equal(swapped, study.swapped_instructions(samples, seed=1))
    assert not np.array_equal(swapped, study.swapped_instructions(samples, seed=2))
    asked = samples.part(np.flatnonzero(samples.indices % 3 == 0))  # One sample of each picture.
    np.testing.assert_array_equal(study.swapped_instructions(asked, 0), asked.indices)


def test_absent_foods_are_not_in_the_picture():
    """Sample 1 is not asked about, but its rice is on plate a all the same."""
    foods = ["grape", "rice", "rice", "chicken"]
    data = agents.dataset([0] * 4, foods=foods, sources=np.array(["a", "a", "b", "c"]))
    known = {("skewering", food): np.full(512, i) for i, food in enumerate(foods)}
    known["scooping", "oatmeal"] = np.full(512, 9)
    samples = Samples(data, np.array([0, 2, 3]))
    drawn = [study.absent_foods(samples, known, seed) for seed in range(40)]
    assert {tuple(rows) for rows, _ in drawn} == {(0, 1, 2)}
    lent = np.stack([embeddings[:, 0] for _, embeddings in drawn])
    # Rice is known by its second sample.
    assert [set(column) for column in lent.T] == [{3}, {0, 3}, {0, 2}]
    rows, _ = study.absent_foods(samples, {pair: known[pair] for pair in [*known][:2]}, 0)
    assert rows.tolist() == [1, 2]  # All that is known is on plate a.
    unnamed = agents.samples([0], food_types=None)
    assert not len(study.absent_foods(unnamed, known, 0)[0])
