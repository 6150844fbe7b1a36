"""Which samples are asked, which have calibrated, and how they are asked."""

import dataclasses

import cv2
import numpy as np
import pytest

from evaluation import samples as evaluation_samples
from evaluation import uncertainty
from evaluation.samples import Samples, collect
from food_data import framing, image_placement, npz_dataset, splits
from tests.evaluation import agents


def test_a_split_gives_samples_and_those_that_trained(tmp_path):
    data = agents.dataset([0, 1, 2, 3, 4, 5], per_picture=2, foods=list("aabbcc"))
    path = tmp_path / "split.npz"
    splits.write_split(path, splits.Split(np.arange(4), np.array([4, 5])))
    found = evaluation_samples.select(data, "val", path)
    assert found.indices.tolist() == [4, 5]
    assert found.train.names("food_types").tolist() == list("aabb")
    assert found.pictures.tolist() == ["day_0/2.jpg"] * 2
    assert found.part(np.array([1])).indices.tolist() == [5]
    assert evaluation_samples.select(data, "train", path).indices.tolist() == [0, 1, 2, 3]
    everything = evaluation_samples.select(data, "all", None)
    assert (len(everything), everything.train) == (6, None)
    splits.write_split(path, splits.Split(np.arange(6), np.zeros(0, np.int64)))
    with pytest.raises(ValueError, match="expected at least one val sample, got none"):
        evaluation_samples.select(data, "val", path)
    with pytest.raises(ValueError, match="expected a --split_file, got none"):
        evaluation_samples.select(data, "val", None)


def test_pictures_are_told_by_their_pixels_and_samples_by_instruction_and_label():
    found = agents.samples([0, 1, 0], per_picture=2, sources=None)
    assert found.pictures[0] == found.pictures[1] != found.pictures[2]
    assert len(set(found.sample_ids)) == 3
    again = agents.samples([5, 0], per_picture=2)  # Other instructions, under a name.
    assert again.picture_ids.tolist() == [found.pictures[0]] * 2


def labelled(number, **arrays):
    """Sample i is labelled from (i / 10, 0.2) to (i / 10 + 0.1, 0.2)."""
    found = agents.samples([0] * number, per_picture=number, **arrays)
    starts = np.arange(number) / 10
    found.dataset.actions[:] = np.stack([starts, starts * 0 + 0.2] * 2, axis=1)
    found.dataset.actions[:, 2] += 0.1
    return found


def test_every_labelled_piece_of_the_asked_food_is_right():
    """Samples 0, 1 and 3 ask for the carrots of one picture, 2 for its melon, 4 about another."""
    sources = np.array(["a", "a", "a", "a", "b"])
    asked = labelled(5, sources=sources, resize="letterbox")
    asked.dataset.embeddings[2] = np.eye(512)[7]
    pieces = asked.pieces
    assert pieces.rows.tolist() == [0, 0, 0, 1, 1, 1, 2, 3, 3, 3, 4]
    np.testing.assert_allclose(pieces.labels[:, 0] * 10, [0, 1, 3, 1, 0, 3, 2, 3, 0, 1, 4])
    assert pieces.elongated is None
    # Pieces that are not asked about are right all the same.
    assert len(asked.part(np.array([3])).pieces.rows) == 3
    answers = np.array([[0.31, 0.2, 0.41, 0.2]] * 5)
    np.testing.assert_allclose(pieces.nearest(answers)[:, 0] * 10, [3, 3, 2, 3, 4])
    # Crops about each object, or frames of a video, are different squares under one source.
    crops = labelled(2, resize="crop")
    assert len(crops.pieces.rows) == 4
    crops.dataset.images[1, 5, 5] = 9
    assert len(crops.part(np.arange(2)).pieces.rows) == 2
    assert len(labelled(2, sources=None).pieces.rows) == 4


def test_equal_pieces_that_only_the_mask_shows():
    """A round piece, which is labelled, a bar of 20 by 60 pixels beside it, and a crumb."""
    mask = np.zeros((236, 236), bool)
    mask[20:60, 20:60] = mask[150:170, 100:160] = mask[200:204, 200:204] = True
    masks = npz_dataset.pack_masks(np.stack([mask, mask & (np.arange(236) < 80)]))
    asked = agents.samples([0, 1], masks=masks, sources=np.array(["a", "b"]))
    asked.dataset.actions[:] = np.array([20, 40, 60, 40]) / 236
    pieces = asked.pieces
    assert pieces.rows.tolist() == [0, 0, 1]
    assert pieces.elongated.tolist() == [False, True, False]
    np.testing.assert_allclose(pieces.labels[1] * 236, [100, 160, 160, 160], atol=1)
    other = agents.samples([0], masks=masks[:1], action_names=np.array(["poking"]))
    assert len(other.pieces.rows) == 1  # Nobody knows what is right for this action.


def test_pictures_that_calibrated_are_left_out_with_all_their_samples_and_crops():
    asked = agents.samples([0, 1, 2, 3], per_picture=2)
    assert asked.without(asked.picture_ids[:1]).tolist() == [False, False, True, True]
    assert asked.without(["other"]).all()
    crops = agents.samples([0, 1, 2], sources=np.array(["one.jpg", "one.jpg", "two.jpg"]))
    assert crops.without(crops.picture_ids[1:2]).tolist() == [False, False, True]
    with pytest.raises(ValueError, match="fitted to the pictures of all of these 3 samples"):
        crops.without(crops.picture_ids)


class DotAgent:
    """Answers [x, y, x + 0.1, y + 0.2] of the brightest pixel, with certain tokens of eleven."""

    action_coding, asked = "endpoints", 0

    def forward(self, images, embeddings):
        self.asked += 1
        brightest = images[..., 0].reshape(len(images), -1).argmax(axis=1)
        y, x = (np.array(np.divmod(brightest, 236)) + 0.5) / 236
        return np.stack([x, y, x + 0.1, y + 0.2], axis=1)

    def forward_with_distributions(self, images, embeddings):
        answers = self.forward(images, embeddings)
        return answers, np.eye(11)[np.clip(answers * 10, 0, 10).astype(int)]


@pytest.mark.parametrize("on_disk", [True, False])
def test_closer_looks_are_answered_in_the_whole_picture(tmp_path, on_disk):
    """The mark at (100, 200) of 600 x 300; the agent means the middle of (0.05, 0.1) beyond it. Its
    square is 0.6, then 0.35 of 600 pixels: 210. In it the motion is (21, 42) pixels long."""
    photo = np.zeros((300, 600, 3), np.uint8)
    photo[196:204, 96:104] = 255
    square, placement = image_placement.place(photo, "letterbox")
    data = dataclasses.replace(agents.dataset([0]), images=square[np.newaxis])
    if on_disk:  # The mark is ten pixels further to the right there.
        cv2.imwrite(str(tmp_path / "photo.png"), np.roll(photo, 10, axis=1))
        files = (image_placement.PhotoFile(tmp_path / "photo.png", placement),)
        data = dataclasses.replace(data, photos=files)
    source, asked = agents.tokens(DotAgent()), Samples(data, np.arange(1))
    found = collect(source, asked, framing.Framing("fast"))
    corner = placement.to_model(np.array([[106 if on_disk else 96, 196]]))[0]
    expected = np.concatenate([corner, corner + [0.035, 0.07]])
    np.testing.assert_allclose(found.answers[0], expected, atol=2 / 236)
    assert source.agent.asked == 3
    # A token of 11 is 0.35 of what it is in one pass.
    np.testing.assert_allclose(found.score, 0.35 * collect(source, asked).score, rtol=1e-2)


def test_samples_in_order_one_batch_at_a_time_with_other_instructions():
    places, source = np.array([4, 0, 2, 1, 3]), agents.tokens()
    found = collect(source, agents.samples(places), batch_size=2)
    np.testing.assert_allclose(found.answers[:, 0], 0.4 + places / 100, rtol=1e-6)
    np.testing.assert_allclose(found.score, 0.99 * (places + 1) / 101)
    assert found.std.shape == (5, 4)
    assert [call[0] for call in source.agent.asked] == [[4, 0], [2, 1], [3]]
    lent = np.eye(512)[[4, 3, 0]]
    collect(source, agents.samples([0, 1, 2]), batch_size=2, embeddings=lent)
    assert [call[0] for call in source.agent.asked[3:]] == [[4, 3], [0]]


def test_votes_that_disagree_are_a_feature():
    """The agent points to the right in all views: turned back, it points everywhere."""
    voted = framing.Voted(agents.OffsetAgent())
    found = collect(agents.tokens(voted), agents.samples([0, 1]))
    assert (found.features["disagreement"] > 0.05).all()


def test_samples_of_dropout_have_a_seed_of_their_own_in_each_batch():
    source = uncertainty.Source(agents.OffsetAgent(), "mc_dropout", "full", 3)
    found = collect(source, agents.samples(range(5)), batch_size=2, seed=9)
    calls = [call[1:] for call in source.agent.asked]
    assert calls == [("full", 3, 9), ("full", 3, 11), ("full", 3, 13)]
    # Samples at 0, 1 and 2 times k / 100: a variance of 2 / 3 of its square, the midpoint's x.
    np.testing.assert_allclose(found.score, np.arange(5) / 100 * (2 / 3) ** 0.5, rtol=1e-5)
