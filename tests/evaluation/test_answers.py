"""Answers of a model that can be read off its input, and of no model."""

import numpy as np
import pytest
import tensorflow as tf

from evaluation import answers
from evaluation.study import samples as study_samples
from food_data import npz_dataset


class EchoAgent:
    """Answers with the picture's first pixel and the number of the embedding's one-hot axis."""

    def __init__(self):
        self.batch_sizes = []

    def forward(self, images, embeddings):
        self.batch_sizes.append(len(images))
        pixel = images[:, 0, 0, 0] / 255
        axis = np.argmax(embeddings, axis=1) / 512
        return tf.constant(np.stack([pixel, axis, pixel, axis], axis=1).astype(np.float32))


def _dataset(sources):
    """Sample i: all pixels i, embedding axis i."""
    number = len(sources)
    images = np.zeros((number, 236, 236, 3), np.uint8)
    images += np.arange(number, dtype=np.uint8)[:, None, None, None]
    return npz_dataset.FoodDataset(
        images,
        np.full((number, 4), 0.5, np.float32),
        np.eye(number, 512, dtype=np.float32),
        sources=None if sources[0] is None else np.array(sources),
    )


def test_answers_are_in_the_order_of_the_indices_whatever_the_batch():
    agent = EchoAgent()
    found = answers.model_answers(
        agent, _dataset(["a"] * 5), np.array([4, 0, 2, 1, 3]), batch_size=2
    )
    np.testing.assert_allclose(found[:, 0] * 255, [4, 0, 2, 1, 3], atol=1e-4)
    np.testing.assert_allclose(found[:, 1] * 512, [4, 0, 2, 1, 3])
    assert agent.batch_sizes == [2, 2, 1]


def test_other_instructions_leave_the_pictures_alone():
    found = answers.model_answers(
        EchoAgent(), _dataset(["a"] * 3), np.array([0, 1]), np.array([2, 0])
    )
    np.testing.assert_allclose(found[:, 0] * 255, [0, 1], atol=1e-4)
    np.testing.assert_allclose(found[:, 1] * 512, [2, 0])


def test_instructions_are_swapped_only_within_a_picture_and_as_chance_has_it():
    sources = np.repeat([f"plate_{i}" for i in range(300)], 3)
    data = _dataset_of_sources(sources)
    indices = np.random.default_rng(0).permutation(900)
    swapped = answers.swapped_instructions(data, indices, seed=1)
    np.testing.assert_array_equal(sources[swapped], sources[indices])
    assert 0.28 < np.mean(swapped == indices) < 0.39  # 1/3 of 900: standard deviation 0.016
    np.testing.assert_array_equal(swapped, answers.swapped_instructions(data, indices, seed=1))
    assert not np.array_equal(swapped, answers.swapped_instructions(data, indices, seed=2))


def _dataset_of_sources(sources):
    class Sources:
        pass

    data = Sources()
    data.sources = sources
    return data


def test_swapping_draws_among_the_samples_that_are_asked():
    data = _dataset_of_sources(np.array(["a", "a", "a", "b"]))
    swapped = answers.swapped_instructions(data, np.array([0, 3]), seed=0)
    np.testing.assert_array_equal(swapped, [0, 3])


def test_swapping_needs_sources():
    with pytest.raises(ValueError, match="expected a data set with `sources`"):
        answers.swapped_instructions(_dataset([None, None]), np.array([0]), 0)


def test_constant_answers_are_the_mean_and_the_centre():
    labels = np.array([[0.0, 0.2, 0.4, 0.6], [0.2, 0.4, 0.6, 0.8]])
    found = answers.constant_answers(labels, 2)
    np.testing.assert_allclose(found["mean of the training labels"], [[0.1, 0.3, 0.5, 0.7]] * 2)
    np.testing.assert_allclose(found["centre of the picture"], [[0.25, 0.5, 0.75, 0.5]] * 2)
    assert list(answers.constant_answers(None, 2)) == ["centre of the picture"]


def test_plain_answers_are_a_source_without_scores():
    data = _dataset(["a"] * 3)
    found = answers.PlainAnswers(EchoAgent())(data.images, data.embeddings, seed=0)
    np.testing.assert_allclose(found.answers[:, 1] * 512, [0, 1, 2])
    assert found.scores == {}
    assert not found.std.any()


def test_baselines_need_what_they_know():
    """No sources: nothing to swap. No names: no mean of action and food. No training: no mean."""

    def kinds(train):
        samples = study_samples.Samples(_dataset([None, None]), np.array([0, 1]), train)
        return list(answers.other_answers(samples, None, EchoAgent(), 0))

    nothing = ["centre of the picture", "colour"]
    assert kinds(None) == nothing
    train = study_samples.TrainLabels(np.full((1, 4), 0.5, np.float32), None, None)
    assert kinds(train) == ["mean of the training labels", *nothing]
