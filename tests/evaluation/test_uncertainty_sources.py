"""Sources around agents whose answers can be read off the picture, and once around a network."""

import dataclasses
import sys
import types

import cv2
import numpy as np
import pytest

from evaluation import uncertainty_sources
from food_data import framing, image_placement, npz_dataset

VOCAB_SIZE = 11


class DotAgent:
    """Answers [x, y, x + 0.1, y + 0.2] of the brightest pixel, as a start that lies to the left.

    Samples are moved to the right by 0.1 s. Tokens are certain.
    """

    action_coding = "endpoints"

    def __init__(self, has_distributions=True, offset=0.0):
        self.has_distributions = has_distributions
        self._offset = offset
        self.calls = []

    def forward(self, images, embeddings, dropout="off", num_samples=None, seed=None):
        self.calls.append((len(images), dropout, num_samples, seed))
        assert len(images) == len(embeddings)
        brightest = images[..., 0].reshape(len(images), -1).argmax(axis=1)
        y, x = np.divmod(brightest, images.shape[2])
        x, y = (x + 0.5) / images.shape[2], (y + 0.5) / images.shape[1]
        answers = np.stack([x, y, x + 0.1, y + 0.2], axis=1) + self._offset
        if num_samples is None:
            return answers
        return answers + 0.1 * np.arange(num_samples)[:, None, None] * [1, 0, 1, 0]

    def forward_with_distributions(self, images, embeddings, **sampling):
        assert self.has_distributions
        answers = self.forward(images, embeddings, **sampling)
        tokens = np.clip(np.floor(answers * (VOCAB_SIZE - 1)), 0, VOCAB_SIZE - 1).astype(int)
        return answers, np.eye(VOCAB_SIZE)[tokens]


def dataset(number=5):
    """Sample i has its bright pixel in column 20 i + 10, row 59."""
    images = np.zeros((number, 236, 236, 3), np.uint8)
    images[np.arange(number), 59, 20 * np.arange(number) + 10] = 255
    actions = np.full((number, 4), 0.5, np.float32)
    return npz_dataset.FoodDataset(images, actions, np.eye(number, 512, dtype=np.float32))


def x_of(samples):
    return (20 * np.asarray(samples) + 10.5) / 236


@pytest.mark.parametrize("on_disk", [True, False])
def test_closer_looks_are_answered_in_the_whole_picture(tmp_path, on_disk):
    """The mark at (100, 200) of 600 x 300; the agent means the middle of (0.05, 0.1) beyond it.

    Its square is 0.6, then 0.35 of 600 pixels: 210. In it the motion is (21, 42) pixels long.
    """
    photo = np.zeros((300, 600, 3), np.uint8)
    photo[196:204, 96:104] = 255
    square, placement = image_placement.place(photo, "letterbox")
    data = npz_dataset.FoodDataset(
        square[np.newaxis], np.full((1, 4), 0.5, np.float32), np.eye(1, 512, dtype=np.float32)
    )
    if on_disk:
        cv2.imwrite(str(tmp_path / "photo.png"), photo)
        files = (image_placement.PhotoFile(tmp_path / "photo.png", placement),)
        data = dataclasses.replace(data, photos=files)
    agent = DotAgent()
    frames = uncertainty_sources.Frames(agent, data, framing.Framing("fast"))
    source = uncertainty_sources.TokenDistribution(agent)
    found = uncertainty_sources.collect(source, data, np.array([0]), frames=frames)
    corner = placement.to_model(np.array([[96, 196]]))[0]
    expected = np.concatenate([corner, corner + [0.035, 0.07]])
    np.testing.assert_allclose(found.answers[0], expected, atol=2 / 236)
    assert len(agent.calls) == 4  # Two passes, and the first batch of the last one twice.
    # A token of 11 is 0.35 of what it is in one pass.
    once = uncertainty_sources.collect(source, data, np.array([0]))
    np.testing.assert_allclose(found.score, 0.35 * once.score, rtol=1e-2)


def test_answers_are_in_the_order_of_the_indices_and_one_batch_at_a_time():
    agent = DotAgent()
    source = uncertainty_sources.TokenDistribution(agent)

    found = uncertainty_sources.collect(
        source, dataset(), np.array([4, 0, 2, 1, 3]), batch_size=2, progress=iter
    )

    np.testing.assert_allclose(found.answers[:, 0], x_of([4, 0, 2, 1, 3]))
    np.testing.assert_allclose(found.answers[:, 3], 59.5 / 236 + 0.2)
    assert (found.std.shape, found.score.shape) == ((5, 4), (5,))
    # The first batch is asked twice, because the first call traces.
    assert [call[0] for call in agent.calls] == [2, 2, 2, 1]
    assert found.ms_per_image > 0


def test_other_instructions_and_changed_pictures():
    """The change leaves a pixel in column 0; each batch has a generator of its own."""
    seen = []

    class InstructionAgent(DotAgent):
        def forward_with_distributions(self, images, embeddings, **sampling):
            seen.append(np.argmax(embeddings, axis=1).tolist())
            return super().forward_with_distributions(images, embeddings, **sampling)

    drawn = []

    def change(images, generator):
        drawn.append(generator.integers(1000))
        images = np.zeros_like(images)
        images[:, 59, 0] = 255
        return images

    found = uncertainty_sources.collect(
        uncertainty_sources.TokenDistribution(InstructionAgent()),
        dataset(),
        np.array([0, 1, 2]),
        batch_size=2,
        instructions=np.array([4, 3, 0]),
        change=change,
    )

    assert seen == [[4, 3], [4, 3], [0]]
    np.testing.assert_allclose(found.answers[:, 0], 0.5 / 236)
    assert len(set(drawn)) == 2


def test_token_distribution_asks_once_without_dropout():
    agent = DotAgent()
    found = uncertainty_sources.TokenDistribution(agent)(*batch(1), seed=7)

    assert agent.calls == [(1, "off", None, None)]
    # A certain token: 0.99 of one of eleven.
    np.testing.assert_allclose(found.score, 0.99 / VOCAB_SIZE)
    assert list(found.scores) == ["credible_width", "entropy", "midpoint_std"]


def test_samples_of_dropout_have_a_seed_of_their_own_in_each_batch():
    agent = DotAgent(has_distributions=False)
    source = uncertainty_sources.McDropout(agent, scope="full", num_samples=3)

    found = uncertainty_sources.collect(source, dataset(), np.arange(5), batch_size=2, seed=9)

    assert agent.calls[1:] == [(2, "full", 3, 9), (2, "full", 3, 11), (1, "full", 3, 13)]
    np.testing.assert_allclose(found.answers[:, 0], x_of(np.arange(5)) + 0.1)
    # Samples at 0, 0.1 and 0.2: a variance of 0.02 / 3, which the midpoint shares.
    np.testing.assert_allclose(found.score, (0.02 / 3) ** 0.5)
    np.testing.assert_allclose(found.std, [[(0.02 / 3) ** 0.5, 0] * 2] * 5, atol=1e-12)
    assert list(found.scores) == ["midpoint_spread"]
    assert source.settings == {"scope": "full", "num_samples": 3}


def test_members_of_an_ensemble_are_averaged():
    source = uncertainty_sources.Ensemble([DotAgent(), DotAgent(offset=0.2)], ["a", "b"])

    found = source(*batch(2), seed=0)

    np.testing.assert_allclose(found.answers[:, 0], x_of([0, 1]) + 0.1)
    np.testing.assert_allclose(found.scores["midpoint_spread"], 0.02**0.5)
    np.testing.assert_allclose(found.scores["mutual_information"], np.log(2))
    assert source.settings == {"num_members": 2, "members": ["a", "b"]}


def test_an_ensemble_of_one_or_of_two_kinds():
    with pytest.raises(ValueError, match="at least two members, got 1"):
        uncertainty_sources.Ensemble([DotAgent()])
    mixed = uncertainty_sources.Ensemble([DotAgent(), DotAgent(has_distributions=False)])
    with pytest.raises(ValueError, match="all or none, got 1 of 2"):
        mixed(*batch(1), seed=0)


class SymmetricAgent(DotAgent):
    """Draws a line through the brightest pixel, up to the right, in whichever view."""

    def forward(self, images, embeddings, **sampling):
        middle = super().forward(images, embeddings, **sampling)
        middle[:, 2:] = middle[:, :2]
        return middle + [-0.05, 0.05, 0.05, -0.05]


def test_flipped_views_point_to_the_right_and_agree_on_the_middle():
    """Two of four views see the line fall: their mean is level, 0.05 off in y."""
    found = uncertainty_sources.FlippedViews(SymmetricAgent(False))(*batch(3), seed=0)

    middle = np.stack([x_of(range(3)), np.full(3, 59.5 / 236)], axis=1)
    np.testing.assert_allclose(found.answers[:, :2], middle - [0.05, 0])
    np.testing.assert_allclose(found.answers[:, 2:], middle + [0.05, 0])
    np.testing.assert_allclose(found.std, [[0, 0.05, 0, 0.05]] * 3, atol=1e-9)
    np.testing.assert_allclose(found.score, 0, atol=1e-9)


def test_flipped_views_where_the_direction_matters():
    """Half of the views then say that the motion goes to the left."""
    source = uncertainty_sources.FlippedViews(SymmetricAgent(False), canonical_direction=False)

    found = source(*batch(1), seed=0)

    np.testing.assert_allclose(found.answers[0, 0], found.answers[0, 2])
    np.testing.assert_allclose(found.std[0], 0.05)


def test_distributions_are_flipped_back_with_the_answers():
    """Token 3 of eleven is the bin 0.3 .. 0.4; mirrored it is 0.6 .. 0.7, token 6."""
    source = uncertainty_sources.FlippedViews(DotAgent())
    answers = np.array([[0.35, 0.45, 0.55, 0.85]])
    probabilities = np.eye(VOCAB_SIZE)[[[3, 4, 5, 8]]]

    flipped, mirrored = source._flip_back(answers, probabilities, True, False)

    np.testing.assert_allclose(flipped, [[0.45, 0.85, 0.65, 0.45]])
    np.testing.assert_array_equal(mirrored.argmax(axis=-1), [[4, 8, 6, 4]])
    both, mirrored = source._flip_back(answers, probabilities, True, True)
    np.testing.assert_allclose(both, [[0.45, 0.15, 0.65, 0.55]])
    np.testing.assert_array_equal(mirrored.argmax(axis=-1), [[4, 1, 6, 5]])


def test_no_samples():
    source = uncertainty_sources.TokenDistribution(DotAgent())
    with pytest.raises(ValueError, match="token_distribution: expected at least one sample"):
        uncertainty_sources.collect(source, dataset(), np.array([], int))


def batch(number):
    data = dataset(number)
    return data.images, data.embeddings


def test_an_ensemble_of_checkpoint_directories(monkeypatch):
    agents = {"runs/a": DotAgent(), "runs/b": DotAgent(offset=0.2)}
    load = lambda path: types.SimpleNamespace(agent=agents[path])  # noqa: E731
    monkeypatch.setitem(sys.modules, "checkpoint_directory", types.SimpleNamespace(load=load))

    source = uncertainty_sources.Ensemble.load(["runs/a", "runs/b"])

    np.testing.assert_allclose(source(*batch(1), seed=0).answers[:, 0], x_of([0]) + 0.1)
    assert source.settings["members"] == ["runs/a", "runs/b"]
