"""Distributions and samples of known width, entropy and spread; agents that can be read off."""

import dataclasses
import types

import cv2
import numpy as np
import pytest

from evaluation import uncertainty
from evaluation.samples import Frames, Samples
from evaluation.samples import collect as collect_samples
from food_data import framing, image_placement, npz_dataset

# The example of the module.
ROW = np.array([0.1, 0.6, 0.2, 0.1, 0.0])


def test_example_of_the_module():
    """0.1 * 0.325^2 + 0.6 * 0.075^2 + 0.2 * 0.175^2 + 0.1 * 0.425^2 = 0.038125."""
    rows, answer = np.tile(ROW, (1, 4, 1)), np.full((1, 4), 0.45)
    found = uncertainty.from_distributions(answer, rows)
    np.testing.assert_allclose(found.std, 0.038125**0.5)
    np.testing.assert_allclose(found.scores["entropy"], 1.0889, rtol=1e-4)
    np.testing.assert_allclose(found.score, 0.78)  # 0.6, 0.2, 0.1 and 0.09 of the last 0.1
    np.testing.assert_allclose(found.scores["midpoint_std"], (4 * 0.038125) ** 0.5 / 2)
    for row in ([2.0, -3.0, 2.0], [1.0, 2.0, 3.0], [np.nan, 0.5, 0.5]):
        with pytest.raises(ValueError, match="Expected probabilities.*softmax"):
            uncertainty.from_distributions(answer, np.tile(row, (1, 4, 1)))


def test_two_equal_pieces_are_recognised():
    """Midpoints at 0.2 or 0.75 with 0.6 and 0.4; one place; and a flat distribution."""
    two = np.zeros((1, 2, 101))
    two[0, :, 50] = 1.0
    assert uncertainty.rivalry(two)[0] == 0
    two[0, 0] = 0.0
    two[0, 0, [20, 75]] = 0.6, 0.4
    assert uncertainty.rivalry(two)[0] == pytest.approx(0.4 / 0.6)
    assert uncertainty.rivalry(np.full((1, 2, 101), 1 / 101))[0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("coding", "tokens"), [("endpoints", (20, 40, 60, 80)), ("midpoint_extent", (40, 60, 80, 80))]
)
def test_features_of_either_coding(coding, tokens):
    """From (0.2, 0.4) to (0.6, 0.8), for sure; or the x of its midpoint in two places."""
    answers, probabilities = np.array([[0.2, 0.4, 0.6, 0.8]]), np.eye(101)[[tokens]]
    found = uncertainty.from_distributions(answers, probabilities, coding).features
    assert found["axis_spread"][0] == pytest.approx(0, abs=1.5)
    assert found["rivalry"][0] == pytest.approx(0, abs=1e-9)
    assert found["motion"][0] == pytest.approx(np.log(0.4 * 2**0.5))
    assert found["off_centre"][0] == pytest.approx(np.hypot(0.1, 0.1))
    probabilities[0, 0] = (np.eye(101)[tokens[0]] + np.eye(101)[tokens[0] + 25]) / 2
    found = uncertainty.from_distributions(answers, probabilities, coding).features
    assert found["rivalry"][0] == pytest.approx(1)


def test_one_pass_of_midpoint_and_extent():
    """Extent 0.05 or 0.95 of its range: -0.6 or 0.6 of the side, so x1 and x2 are 0.3 off."""
    probabilities = np.eye(11)[[[5, 5, 0, 5]]]
    probabilities[0, 2] = (np.eye(11)[0] + np.eye(11)[9]) / 2
    answers = np.array([[0.55, 0.55 - 0.1 / 3, 0.55, 0.55 + 0.1 / 3]], np.float32)
    found = uncertainty.from_distributions(answers, probabilities, "midpoint_extent")
    np.testing.assert_allclose(found.std, [[0.3, 0, 0.3, 0]], atol=1e-6)
    # The place is certain.
    np.testing.assert_allclose(found.scores["midpoint_std"], [0], atol=1e-6)


def test_samples_with_dropout():
    """The example of the docstring; their axes agree."""
    samples = np.array([[[0.2, 0.4, 0.6, 0.4]], [[0.4, 0.4, 0.8, 0.4]]])
    found = uncertainty.from_samples(samples)
    np.testing.assert_allclose(found.answers, [[0.3, 0.4, 0.7, 0.4]])
    np.testing.assert_allclose(found.std, [[0.1, 0, 0.1, 0]], atol=1e-12)
    np.testing.assert_allclose(found.scores["midpoint_spread"], [0.1])
    np.testing.assert_allclose(found.features["axis_spread"], [0], atol=1e-6)
    # Half the chance along the answer and half across it: root of half a squared sine, 45.
    doubled = np.array([(1 + np.exp(1j * np.pi)) / 2, np.exp(1j * np.pi)])
    spread = uncertainty.motion_features(np.repeat(found.answers, 2, 0), doubled)["axis_spread"]
    np.testing.assert_allclose(spread, [45, 90], atol=1e-6)
    assert found.inputs["midpoint_spread"] == pytest.approx(np.log(0.1))


def test_in_coordinates_of_another_square():
    """A crop of half the width and height: lengths halve, an entropy falls by log 2."""
    scores = {"entropy": np.ones(1), "midpoint_std": np.ones(1)}
    found = uncertainty.Estimate(np.full((1, 4), 0.5), np.ones((1, 4)), scores)
    moved = found.moved(np.full((1, 2), 0.5), np.array([[0.1, 0.2]]))
    np.testing.assert_allclose(moved.answers, [[0.35, 0.45, 0.35, 0.45]])
    np.testing.assert_allclose(moved.std, 0.5)
    assert moved.scores["midpoint_std"] == 0.5
    assert moved.scores["entropy"] == pytest.approx(1 - np.log(2))
    same = found.moved(np.ones((1, 2)), np.zeros((1, 2)))
    np.testing.assert_array_equal(same.answers, found.answers)


VOCAB_SIZE = 11


class DotAgent:
    """Answers [x, y, x + 0.1, y + 0.2] of the brightest pixel, as a start that lies to the left.

    Samples are moved to the right by 0.1 s. Tokens are certain.
    """

    action_coding = "endpoints"

    def __init__(self, has_distributions=True):
        self.has_distributions, self.calls = has_distributions, []

    def forward(self, images, embeddings, dropout="off", num_samples=1, seed=None):
        self.calls.append((np.argmax(embeddings, axis=1).tolist(), dropout, num_samples, seed))
        brightest = images[..., 0].reshape(len(images), -1).argmax(axis=1)
        y, x = (np.array(np.divmod(brightest, 236)) + 0.5) / 236
        answers = np.stack([x, y, x + 0.1, y + 0.2], axis=1)
        moved = answers + 0.1 * np.arange(num_samples)[:, None, None] * [1, 0, 1, 0]
        return answers if dropout == "off" else moved

    def forward_with_distributions(self, images, embeddings):
        answers = self.forward(images, embeddings)
        tokens = np.clip(answers * (VOCAB_SIZE - 1), 0, VOCAB_SIZE - 1).astype(int)
        return answers, np.eye(VOCAB_SIZE)[tokens]


def dataset(number=5):
    """Sample i has its bright pixel in column 20 i + 10, row 59."""
    images = np.zeros((number, 236, 236, 3), np.uint8)
    images[np.arange(number), 59, 20 * np.arange(number) + 10] = 255
    actions = np.full((number, 4), 0.5, np.float32)
    return npz_dataset.FoodDataset(images, actions, np.eye(number, 512, dtype=np.float32))


def collect(source, data, rows, **settings):
    return collect_samples(source, Samples(data, np.array(rows)), **settings)


@pytest.mark.parametrize("on_disk", [True, False])
def test_closer_looks_are_answered_in_the_whole_picture(tmp_path, on_disk):
    """The mark at (100, 200) of 600 x 300; the agent means the middle of (0.05, 0.1) beyond it. Its
    square is 0.6, then 0.35 of 600 pixels: 210. In it the motion is (21, 42) pixels long."""
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
    frames = Frames(agent, data, framing.Framing("fast"))
    source = uncertainty.Source(agent, "token_distribution")
    found = collect(source, data, [0], frames=frames)
    corner = placement.to_model(np.array([[96, 196]]))[0]
    expected = np.concatenate([corner, corner + [0.035, 0.07]])
    np.testing.assert_allclose(found.answers[0], expected, atol=2 / 236)
    assert len(agent.calls) == 3
    # A token of 11 is 0.35 of what it is in one pass.
    once = collect(source, data, [0])
    np.testing.assert_allclose(found.score, 0.35 * once.score, rtol=1e-2)


def test_samples_in_order_one_batch_at_a_time_with_other_instructions():
    agent = DotAgent()
    source = uncertainty.Source(agent, "token_distribution")
    found = collect(source, dataset(), [4, 0, 2, 1, 3], batch_size=2)
    np.testing.assert_allclose(found.answers[:, 0], (20 * np.array([4, 0, 2, 1, 3]) + 10.5) / 236)
    assert (found.std.shape, found.score.shape) == ((5, 4), (5,))
    assert [call[0] for call in agent.calls] == [[4, 0], [2, 1], [3]]
    assert agent.calls[0][1] == "off"
    np.testing.assert_allclose(found.score, 0.99 / VOCAB_SIZE)  # A certain token of eleven.
    assert list(found.scores) == ["credible_width", "entropy", "midpoint_std"]
    asked = dataset().embeddings[[4, 3, 0]]
    collect(source, dataset(), [0, 1, 2], batch_size=2, embeddings=asked)
    assert [call[0] for call in agent.calls[3:]] == [[4, 3], [0]]


def test_votes_that_disagree_are_a_feature():
    """The agent points down and right in all views: turned back, the other end is the start."""
    source = uncertainty.Source(framing.Voted(DotAgent()), "token_distribution")
    found = collect(source, dataset(2), [0, 1])
    assert (found.features["disagreement"] > 0.05).all()
    assert found.answers.shape == (2, 4)


def test_samples_of_dropout_have_a_seed_of_their_own_in_each_batch():
    agent = DotAgent(has_distributions=False)
    source = uncertainty.Source(agent, "mc_dropout", "full", 3)
    found = collect(source, dataset(), range(5), batch_size=2, seed=9)
    assert [call[1:] for call in agent.calls] == [("full", 3, 9), ("full", 3, 11), ("full", 3, 13)]
    np.testing.assert_allclose(found.answers[:, 0], (20 * np.arange(5) + 10.5) / 236 + 0.1)
    # Samples at 0, 0.1 and 0.2: a variance of 0.02 / 3, which the midpoint shares.
    np.testing.assert_allclose(found.score, (0.02 / 3) ** 0.5)


def fitted_on(source, scope=None, num_samples=1):
    return types.SimpleNamespace(source=source, scope=scope, num_samples=num_samples)


@pytest.mark.parametrize(
    ("text", "has_tokens", "fitted", "label"),
    [
        ("token_distribution", True, None, "token_distribution"),
        ("mc_dropout:full:8", True, None, "mc_dropout full 8"),
        ("default", True, None, "token_distribution"),
        ("default", False, None, "mc_dropout head 16"),
        ("default", True, fitted_on("mc_dropout", "full", 8), "mc_dropout full 8"),
    ],
)
def test_sources_by_name(text, has_tokens, fitted, label):
    source = uncertainty.parse(text, DotAgent(has_tokens), fitted)
    assert source.label == label


def test_bad_names():
    for text in ("mc_dropout", "mc_dropout:neck:16", "mc_dropout:head:1", "token_distribution:4"):
        with pytest.raises(ValueError, match=f"expected .* at least 2 .* got '{text}'"):
            uncertainty.parse(text, DotAgent())
    with pytest.raises(ValueError, match="expected a model with loss_type 'cross_entropy'"):
        uncertainty.parse("token_distribution", DotAgent(has_distributions=False))
    with pytest.raises(ValueError, match="got 'ensemble'"):  # Of an older calibration.
        uncertainty.parse("default", DotAgent(), fitted_on("ensemble", None, 3))
