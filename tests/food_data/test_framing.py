"""Crops by hand, and three passes against the same done step by step with a small model."""

from __future__ import annotations

import numpy as np
import pytest

from food_data import framing, image_placement

FAST = framing.Framing("fast")


def first_of(width, height, mode="letterbox", seed=0):
    photo = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return photo, framing.View(*image_placement.place(photo, mode))


def answer_at(placement, start, end):
    """The answer of a view that means these pixels of the photo."""
    return placement.to_model(np.array([start, end], np.float64)).ravel()


@pytest.mark.parametrize(
    ("size", "mode", "middle", "share", "left_top", "right_bottom"),
    [
        ((640, 480), "letterbox", (600, 240), 0.6, (256, 48), (640, 432)),
        ((640, 480), "letterbox", (448, 240), 0.35, (336, 128), (560, 352)),
        # Portrait, and a corner: moved inside on both sides.
        ((480, 640), "letterbox", (5, 630), 0.6, (0, 256), (384, 640)),
        # 0.6 of 1000 is more than the height: all rows, and the letterbox's black.
        ((1000, 400), "letterbox", (500, 200), 0.6, (200, 0), (800, 400)),
        # Of the shorter side, and also beside the central square.
        ((640, 480), "crop", (600, 240), 0.5, (400, 120), (640, 360)),
        ((640, 480), "stretch", (320, 240), 0.5, (160, 120), (480, 360)),
    ],
)
def test_crops_by_hand(size, mode, middle, share, left_top, right_bottom):
    photo, first = first_of(*size, mode)
    answer = answer_at(first.placement, np.subtract(middle, (20, 0)), np.add(middle, (20, 0)))
    view = framing.crop(photo, first.placement, first.placement, answer, share, FAST)
    part = photo[left_top[1] : right_bottom[1], left_top[0] : right_bottom[0]]
    fitted = image_placement.place(part, "stretch" if mode == "stretch" else "letterbox")[0]
    np.testing.assert_array_equal(view.square, fitted)
    np.testing.assert_allclose(view.crop, (np.array([left_top, right_bottom]) / size).ravel())
    # The same part of a photo that was decoded at half the scale.
    half = image_placement.place(photo[::2, ::2], mode, None, size)[1]
    seen = framing.crop(photo[::2, ::2], half, half, answer, share, FAST)
    np.testing.assert_allclose(seen.crop, view.crop)
    # The crop's corners are where its content is, and the first pass's square where it was.
    there = view.placement.to_model(np.array([left_top, right_bottom, middle]))
    expected = fitted.any(axis=2).any(axis=1).mean()
    assert there[1, 1] - there[0, 1] == pytest.approx(expected, abs=2 / 236)
    factors, shifts = framing.relative([view.placement], [first.placement])
    wanted = first.placement.to_model(np.array([middle]))
    np.testing.assert_allclose(there[2:] * factors + shifts, wanted)


@pytest.mark.parametrize(("length", "looks_closer"), [(191, True), (193, False)])
def test_a_long_motion_ends_the_looking(length, looks_closer):
    """0.5 times 384, the side of the next crop of 640 x 480, is 192 pixels."""
    photo, first = first_of(640, 480)
    answer = answer_at(first.placement, (320, 240 - length / 2), (320, 240 + length / 2))
    views = framing.look(lambda *_: answer[np.newaxis], [photo], [first], np.zeros((1, 512)), FAST)
    assert (views[0] is not first) == looks_closer


class PixelModel:
    """Answers that depend on a few pixels and on the embedding, as a network's would."""

    def forward(self, images, embeddings):
        seen = np.asarray(images, np.float64)[:, 20:200:60, 30:200:90, 0].reshape(len(images), -1)
        answers = 0.2 + 0.6 * (seen[:, :4] / 255 + np.asarray(embeddings)[:, :4] ** 2) / 2
        return answers.astype(np.float32)


@pytest.mark.parametrize(("passes", "shares"), [("fast", (0.6, 0.35)), ("accurate", (0.5, 0.35))])
def test_three_passes_are_what_one_does_by_hand(passes, shares):
    how = framing.Framing(passes, max_extent=2.0)
    model = how.model(PixelModel())
    photos, firsts = zip(first_of(640, 480), first_of(300, 500, seed=1))
    embeddings = np.random.default_rng(2).random((2, 512))
    views = framing.look(model.forward, photos, firsts, embeddings, how)
    for photo, first, view, embedding in zip(photos, firsts, views, embeddings):
        seen = first
        for share in shares:
            (answer,) = model.forward(seen.square[np.newaxis], embedding[np.newaxis])
            seen = framing.crop(photo, first.placement, seen.placement, answer, share, how)
        np.testing.assert_array_equal(view.square, seen.square)
        assert view.placement == seen.placement


def test_turns_and_flips_come_back():
    """A mark at column 2 and row 1 of 10; each view's answer is where the mark is in it."""
    image = np.zeros((1, 10, 10, 3), np.uint8)
    image[0, 1, 2] = 255
    views = framing.turns_and_flips(image)
    assert len({view.tobytes() for view in views}) == 8
    seen = [np.argwhere(view[..., 0])[0][::-1] / 10 + 0.05 for view in views]
    answers = framing.turned_back(np.tile(seen, 2))
    np.testing.assert_allclose(answers, np.tile((0.25, 0.15, 0.25, 0.15), (1, 8, 1)))


def test_the_vote():
    """Midpoints 0.2, 0.22, 0.24, 0.8: 0.22 wins; it is turned as the first one points."""
    starts, ends = (0.1, 0.32, 0.14, 0.7), (0.3, 0.12, 0.34, 0.9)
    rows = [(start, 0.5, end, 0.5) for start, end in zip(starts, ends)]
    answers = np.array([rows], np.float32)
    np.testing.assert_array_equal(framing.vote(answers), np.float32([[0.12, 0.5, 0.32, 0.5]]))
    # The winner is not the first one, nor is a crossed motion with the same midpoint near.
    crossed = np.array([[(0.2, 0.4, 0.2, 0.6), rows[0], rows[0]]], np.float32)
    np.testing.assert_array_equal(framing.vote(crossed), np.float32([rows[0]]))


def test_an_answer_that_is_not_finite_is_refused():
    photo, first = first_of(300, 200)
    with pytest.raises(FloatingPointError, match="Expected four finite coordinates"):
        framing.look(lambda *_: np.full((1, 4), np.nan), [photo], [first], np.ones((1, 9)), FAST)
