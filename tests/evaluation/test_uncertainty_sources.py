"""Sources around agents whose answers can be read off the picture."""

import dataclasses
import types

import cv2
import numpy as np
import pytest

import checkpoint_directory
from evaluation import uncertainty_sources
from evaluation.samples import Samples
from food_data import framing, image_placement, npz_dataset

VOCAB_SIZE = 11


class DotAgent:
    """Answers [x, y, x + 0.1, y + 0.2] of the brightest pixel, as a start that lies to the left.

    Samples are moved to the right by 0.1 s. Tokens are certain.
    """

    action_coding = "endpoints"

    def __init__(self, has_distributions=True, offset=0.0):
        self.has_distributions, self._offset, self.calls = has_distributions, offset, []

    def forward(self, images, embeddings, dropout="off", num_samples=None, seed=None):
        self.calls.append((np.argmax(embeddings, axis=1).tolist(), dropout, num_samples, seed))
        brightest = images[..., 0].reshape(len(images), -1).argmax(axis=1)
        y, x = np.divmod(brightest, images.shape[2])
        x, y = (x + 0.5) / images.shape[2], (y + 0.5) / images.shape[1]
        answers = np.stack([x, y, x + 0.1, y + 0.2], axis=1) + self._offset
        if num_samples is None:
            return answers
        return answers + 0.1 * np.arange(num_samples)[:, None, None] * [1, 0, 1, 0]

    def forward_with_distributions(self, images, embeddings, **sampling):
        answers = self.forward(images, embeddings, **sampling)
        tokens = np.clip(np.floor(answers * (VOCAB_SIZE - 1)), 0, VOCAB_SIZE - 1).astype(int)
        return answers, np.eye(VOCAB_SIZE)[tokens]


def dataset(number=5):
    """Sample i has its bright pixel in column 20 i + 10, row 59."""
    images = np.zeros((number, 236, 236, 3), np.uint8)
    images[np.arange(number), 59, 20 * np.arange(number) + 10] = 255
    actions = np.full((number, 4), 0.5, np.float32)
    return npz_dataset.FoodDataset(images, actions, np.eye(number, 512, dtype=np.float32))


def batch(number):
    data = dataset(number)
    return data.images, data.embeddings


def collect(source, data, rows, **settings):
    return uncertainty_sources.collect(source, Samples(data, np.array(rows)), **settings)


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
    found = collect(source, data, [0], frames=frames)
    corner = placement.to_model(np.array([[96, 196]]))[0]
    expected = np.concatenate([corner, corner + [0.035, 0.07]])
    np.testing.assert_allclose(found.answers[0], expected, atol=2 / 236)
    assert len(agent.calls) == 3
    # A token of 11 is 0.35 of what it is in one pass.
    once = collect(source, data, [0])
    np.testing.assert_allclose(found.score, 0.35 * once.score, rtol=1e-2)


def test_samples_in_order_one_batch_at_a_time_with_other_instructions_and_pictures():
    """The change leaves a pixel in column 0; each batch has a generator of its own."""
    agent, drawn = DotAgent(), []
    source = uncertainty_sources.TokenDistribution(agent)
    found = collect(source, dataset(), [4, 0, 2, 1, 3], batch_size=2)
    np.testing.assert_allclose(found.answers[:, 0], x_of([4, 0, 2, 1, 3]))
    assert (found.std.shape, found.score.shape) == ((5, 4), (5,))
    assert [call[0] for call in agent.calls] == [[4, 0], [2, 1], [3]]
    assert agent.calls[0][1:] == ("off", None, None)
    np.testing.assert_allclose(found.score, 0.99 / VOCAB_SIZE)  # A certain token of eleven.
    assert list(found.scores) == ["credible_width", "entropy", "midpoint_std"]

    def change(images, generator):
        drawn.append(generator.integers(1000))
        changed = np.zeros_like(images)
        changed[:, :, 0] = 1
        return changed

    asked = {"embeddings": dataset().embeddings[[4, 3, 0]], "change": change}
    found = collect(source, dataset(), [0, 1, 2], batch_size=2, **asked)
    np.testing.assert_allclose(found.answers[:, 0], 0.5 / 236)
    assert [call[0] for call in agent.calls[3:]] == [[4, 3], [0]]
    assert len(set(drawn)) == 2


def test_votes_that_disagree_are_a_feature():
    """The agent points down and right in all views: turned back, the other end is the start."""
    voted = framing.Voted(DotAgent())
    found = uncertainty_sources.TokenDistribution(voted)(*batch(2), seed=0)
    assert (found.features["disagreement"] > 0.05).all()
    assert found.answers.shape == (2, 4)


def test_samples_of_dropout_have_a_seed_of_their_own_in_each_batch():
    agent = DotAgent(has_distributions=False)
    source = uncertainty_sources.McDropout(agent, scope="full", num_samples=3)
    found = collect(source, dataset(), range(5), batch_size=2, seed=9)
    assert [call[1:] for call in agent.calls] == [("full", 3, 9), ("full", 3, 11), ("full", 3, 13)]
    np.testing.assert_allclose(found.answers[:, 0], x_of(np.arange(5)) + 0.1)
    # Samples at 0, 0.1 and 0.2: a variance of 0.02 / 3, which the midpoint shares.
    np.testing.assert_allclose(found.score, (0.02 / 3) ** 0.5)
    assert list(found.scores) == ["midpoint_spread"]


def test_members_of_an_ensemble_are_averaged(monkeypatch):
    agents = {"runs/a": DotAgent(), "runs/b": DotAgent(offset=0.2)}
    monkeypatch.setattr(
        checkpoint_directory, "load", lambda path: types.SimpleNamespace(agent=agents[path])
    )
    source = uncertainty_sources.parse("ensemble:runs/a,runs/b", None)
    found = source(*batch(2), seed=0)
    np.testing.assert_allclose(found.answers[:, 0], x_of([0, 1]) + 0.1)
    np.testing.assert_allclose(found.scores["midpoint_spread"], 0.02**0.5)
    np.testing.assert_allclose(found.scores["mutual_information"], np.log(2))
    assert source.settings == {"num_members": 2, "members": ["runs/a", "runs/b"]}
    assert source.label == "ensemble 2"
    with pytest.raises(ValueError, match="all or none"):
        uncertainty_sources.Ensemble([DotAgent(), DotAgent(has_distributions=False)])


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
    # Tokens are flipped with the answers, so that those of x agree.
    found = uncertainty_sources.FlippedViews(SymmetricAgent())(*batch(1), seed=0)
    assert found.scores["mutual_information"][0] == pytest.approx(2 * np.log(2) / 4, abs=0.2)


AGENT, REGRESSION = DotAgent(), DotAgent(has_distributions=False)


def fitted_on(source, scope=None, num_samples=1):
    return types.SimpleNamespace(source=source, scope=scope, num_samples=num_samples)


@pytest.mark.parametrize(
    ("text", "agent", "fitted", "label"),
    [
        ("token_distribution", AGENT, None, "token_distribution"),
        ("mc_dropout:full:8", AGENT, None, "mc_dropout full 8"),
        ("flipped_views", AGENT, None, "flipped_views"),
        ("default", AGENT, None, "token_distribution"),
        ("default", REGRESSION, None, "mc_dropout head 16"),
        ("default", AGENT, fitted_on("mc_dropout", "full", 8), "mc_dropout full 8"),
        ("default", AGENT, fitted_on("flipped_views", None, 4), "flipped_views"),
    ],
)
def test_sources_by_name(text, agent, fitted, label):
    source = uncertainty_sources.parse(text, agent, fitted)
    assert source.label == label
    assert fitted is None or source.is_of(fitted)
    assert not source.is_of(fitted_on("mc_dropout", "head", 4))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("token_distributions", "got 'token_distributions'. Did you mean 'token_distribution'"),
        ("mc_dropout", "mc_dropout:SCOPE:SAMPLES"),
        ("mc_dropout:neck:16", "the scope head or full"),
        ("mc_dropout:head:1", "at least 2 samples"),
        ("ensemble:runs/a", "expected ensemble:DIR,DIR"),
        ("flipped_views:4", "without settings"),
        ("token_distribution", "expected a model with loss_type 'cross_entropy'"),
    ],
)
def test_bad_names(text, message):
    with pytest.raises(ValueError, match=message):
        uncertainty_sources.parse(text, REGRESSION)
    with pytest.raises(ValueError, match="an ensemble of 3, whose members it does not name"):
        uncertainty_sources.parse("default", AGENT, fitted_on("ensemble", None, 3))
