"""Which samples are asked, and which have calibrated."""

import pathlib
import types

import cv2
import numpy as np
import pytest

import checkpoint_directory
from evaluation import samples as evaluation_samples
from food_data import embedding_store, npz_dataset, splits
from tests.evaluation import agents

EMBEDDINGS = pathlib.Path(__file__).resolve().parents[2] / "embeddings"


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


def test_pictures_that_calibrated_are_refused_or_left_out_with_all_their_samples():
    def unseen(asked, ids, leave_out=True):
        fitted_on = types.SimpleNamespace(picture_ids=tuple(ids))
        known = types.SimpleNamespace(fitted_on=fitted_on)
        return evaluation_samples.unseen(asked, known, leave_out).indices.tolist()

    asked = agents.samples([0, 1, 2, 3], per_picture=2)
    assert unseen(asked, asked.picture_ids[:1]) == [2, 3]
    assert unseen(asked, ["other"], leave_out=False) == [0, 1, 2, 3]
    # Another crop of such a picture, too.
    crops = agents.samples([0, 1, 2], sources=np.array(["one.jpg", "one.jpg", "two.jpg"]))
    assert unseen(crops, crops.picture_ids[1:2]) == [2]
    for one, ids, leave_out in (
        (asked, asked.picture_ids[:1], False),
        (crops, crops.picture_ids, 1),
    ):
        with pytest.raises(ValueError, match="fitted to pictures of [23] of these [34] samples"):
            unseen(one, ids, leave_out)


def test_whole_pictures_are_parted_by_the_seed():
    asked = agents.samples(np.zeros(30, int), per_picture=3)
    fitting, testing = evaluation_samples.calibration_split(asked, 0.4, seed=0)
    assert sorted([*fitting, *testing]) == list(range(30)) and len(fitting) == 12
    assert not set(asked.pictures[fitting]) & set(asked.pictures[testing])
    assert set(evaluation_samples.calibration_split(asked, 0.4, 1)[0]) != set(fitting)
    assert [len(one) for one in evaluation_samples.calibration_split(asked, 1, 0)] == [30, 0]


def read(photos, resize, *more):
    """A checkpoint directory with embeddings only, and a CSV of two motions on one photo."""
    assert cv2.imwrite(str(photos / "plate.png"), np.full((100, 200, 3), 90, np.uint8))
    lines = "image,food,action,x1,y1,x2,y2\nplate.png,banana,skewering,0,50,100,50\n"
    (photos / "motions.csv").write_text(f"{lines}plate.png,grape,skewering,100,50,200,50\n")
    flags = ["--checkpoint_dir", str(EMBEDDINGS.parent), "--annotation_format", "csv"]
    flags += ["--annotations", str(photos / "motions.csv"), "--units", "pixels", *more]
    args = evaluation_samples.parse(evaluation_samples.parser(""), flags)
    args.split = "all"
    store = embedding_store.EmbeddingStore.load(EMBEDDINGS)
    contents = checkpoint_directory.Contents(
        EMBEDDINGS.parent, {"resize": resize}, "", store, None, ""
    )
    return evaluation_samples.read(args, contents)


def test_photographs_become_square_as_the_checkpoint_knows_it(tmp_path):
    found = read(tmp_path, "stretch")
    np.testing.assert_allclose(found.labels, [[0, 0.5, 0.5, 0.5], [0.5, 0.5, 1, 0.5]], atol=0.01)
    assert found.names("food_types").tolist() == ["banana", "grape"]
    assert len(set(found.pictures)) == 1
    assert read(tmp_path, "stretch", "--resize", "letterbox").dataset.resize == "letterbox"
    with pytest.raises(ValueError, match="how its pictures became square.*"):
        read(tmp_path, None)
    with pytest.raises(SystemExit):
        read(tmp_path, "stretch", "--colour", "red")
