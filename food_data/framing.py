"""Coarse to fine: the model is asked about the whole photo, then about crops around its answers.

| passes     | side of what is looked at                   | pictures in a pass          |
|------------|---------------------------------------------|-----------------------------|
| `one`      | 1: what `image_placement.place` makes       | 1                           |
| `fast`     | 1, then 0.6, then 0.35                      | 1                           |
| `accurate` | 1, then 0.5, then 0.35                      | 8: all turns and flips vote |

A crop is a share of the square that the first pass sees, cut from the ORIGINAL photo about the
midpoint of the answer before: with `letterbox` a share of the photo's longer side, with `crop` of
its shorter side, with `stretch` of both. It is moved to lie inside the photo; where it is longer
than the photo, all of the photo is there, on black as in a letterbox.

A worked example, 640 x 480, letterbox, `fast`: the answer to the whole photo has its midpoint at
the pixel (600, 240). The second pass looks at columns 256..640 and rows 48..432, 384 pixels a side.
If it answers (448, 240), the third looks at columns 336..560 and rows 128..352. A motion that is
long for the next crop ends the looking: 200 pixels are more than `max_extent` (0.5) times 384.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import gin
import numpy as np

import policy_specs
from food_data import image_placement

_SHARES = {"one": (1.0,), "fast": (1.0, 0.6, 0.35), "accurate": (1.0, 0.5, 0.35)}
PASSES = tuple(_SHARES)
_NUM_VIEWS = 8


@dataclasses.dataclass(frozen=True)
class Framing:
    """How a checkpoint looks at photos. Raises ValueError for other values."""

    passes: str = "one"  # of `PASSES`
    max_extent: float = 0.5  # of its crop's side; for a longer motion a pass is left out

    def __post_init__(self) -> None:
        if self.passes not in PASSES or not self.max_extent > 0:
            expected = f"passes in {', '.join(PASSES)} and a max_extent above 0"
            raise ValueError(f"expected {expected}, got {self}.")

    def model(self, model: Any) -> Any:
        """What answers in each pass: the agent or engine itself, or its vote."""
        return Voted(model) if self.passes == "accurate" else model

    def instead(self, passes: str | None) -> Framing:
        """The same with other passes; None changes nothing."""
        return self if passes is None else dataclasses.replace(self, passes=passes)


# What a new checkpoint gets into its metadata.json: bind `Framing.passes`, `.max_extent`.
configured = gin.external_configurable(Framing)


@dataclasses.dataclass(frozen=True)
class View:
    """What the model sees of a photo."""

    square: np.ndarray  # uint8 [236, 236, 3], the model's input
    placement: image_placement.Placement  # of the whole photo; most lies outside of a crop

    @property
    def crop(self) -> tuple[float, float, float, float]:
        """The part of the photo in it: x1, y1, x2, y2 in 0..1 of its width and height."""
        size = self.placement.width, self.placement.height
        corners = self.placement.to_picture([[0.0, 0.0], [1.0, 1.0]]) / size
        return tuple(np.clip(corners, 0.0, 1.0).ravel().tolist())


def add_flags(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Adds --passes and --accurate; `passes` is None unless one is given."""
    text = "how often to look at a photo, closer each time; unless given, as the checkpoint says"
    parser.add_argument("--passes", choices=PASSES, help=text)
    text = "short for --passes accurate: 24 times the cost of one pass"
    short = {"action": "store_const", "const": "accurate", "help": text}
    parser.add_argument("--accurate", dest="passes", **short)


def look(
    answer: Callable[[np.ndarray, np.ndarray], Any],
    photos: Sequence[np.ndarray],
    firsts: Sequence[View],
    embeddings: np.ndarray,
    framing: Framing,
) -> list[View]:
    """Runs all passes but the last one: what the last one is to look at, a view for each photo.
    `answer` is `forward` of `framing.model(...)`; `photos` are uint8 [H, W, 3] each, and only held
    while they are cropped; `firsts` is what the first pass sees of them, `embeddings` [N, D] are
    the instructions. Raises FloatingPointError if an answer is not finite."""
    views, rows = list(firsts), list(range(len(firsts)))
    for share in _SHARES[framing.passes][1:]:
        if not rows:
            break
        squares = np.stack([views[row].square for row in rows])
        asked, rows = zip(rows, np.asarray(answer(squares, embeddings[rows]))), []
        for row, one in asked:
            first, current = firsts[row].placement, views[row].placement
            view = crop(photos[row], first, current, one, share, framing)
            if view is not None:
                views[row] = view
                rows.append(row)
    return views


def crop(
    photo: np.ndarray,
    first: image_placement.Placement,
    current: image_placement.Placement,
    answer: np.ndarray,
    share: float,
    framing: Framing,
) -> View | None:
    """Looks closer, at a share of the first pass's square, at an answer [4] of the current pass;
    None if the motion is too long. Raises FloatingPointError if the answer is not finite."""
    if not np.all(np.isfinite(answer)):
        raise FloatingPointError(f"Expected four finite coordinates of the model, got {answer}.")
    # The photo may be decoded at a smaller scale; what is cut out of it are whole pixels there.
    size = np.array([photo.shape[1], photo.shape[0]])
    ratio = size / [first.width, first.height]
    sides = {"stretch": size, "letterbox": size.max(), "crop": size.min()}[first.mode] * share
    start, end = current.to_picture(np.reshape(answer, (2, 2))) * ratio
    if np.linalg.norm((end - start) / sides) > framing.max_extent:
        return None
    lengths = np.clip(np.rint(np.broadcast_to(sides, 2)).astype(int), 1, None)
    lows = np.rint((start + end - lengths) / 2).astype(int)
    lows = np.clip(lows, 0, np.maximum(size - lengths, 0))
    highs = np.minimum(lows + lengths, size)
    # What is longer than the photo is cut off, so that part's letterbox is as wide as the crop.
    mode = "stretch" if first.mode == "stretch" else "letterbox"
    square, placed = image_placement.place(photo[lows[1] : highs[1], lows[0] : highs[0]], mode)
    moved = tuple(placed.scale * ratio), tuple(placed.offset - lows * placed.scale)
    return View(square, image_placement.Placement(first.mode, first.width, first.height, *moved))


def relative(
    views: Sequence[image_placement.Placement], firsts: Sequence[image_placement.Placement]
) -> tuple[np.ndarray, np.ndarray]:
    """Factors and shifts, float64 [N, 2] each (x, y), that take coordinates of N views to those of
    the first pass's squares: coordinate * factor + shift; 1 and 0 where the two are the same."""
    scales, firsts_scales = (np.array([one.scale for one in some]) for some in (views, firsts))
    offsets, firsts_offsets = (np.array([one.offset for one in some]) for some in (views, firsts))
    factors = firsts_scales / scales
    return factors, (firsts_offsets - offsets * factors) / policy_specs.IMAGE_SIZE


class Voted:
    """A model that is asked about all eight turns and flips of a picture, in one batch. Takes the
    place of the agent or engine in it; what has dropout on is left as it is."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def forward(self, images: np.ndarray, embeddings: np.ndarray, **sampling: Any) -> np.ndarray:
        """The answers that win the vote, float32 [B, 4]; with `sampling`, the model's samples."""
        if sampling:
            return self._model.forward(images, embeddings, **sampling)
        asked = turns_and_flips(images), np.tile(embeddings, (_NUM_VIEWS, 1))
        return vote(turned_back(np.asarray(self._model.forward(*asked))))

    def votes(self, images: np.ndarray, embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All votes, [B, 8, 4], and the token distributions of the pictures as they are."""
        asked = turns_and_flips(images), np.tile(embeddings, (_NUM_VIEWS, 1))
        answers, probabilities = map(np.asarray, self._model.forward_with_distributions(*asked))
        return turned_back(answers), probabilities[: len(images)]


def turns_and_flips(images: np.ndarray) -> np.ndarray:
    """[B, S, S, 3] to [8 B, S, S, 3]: the pictures as they are, then each of the seven others."""
    views = []
    for view in range(_NUM_VIEWS):
        one = images.swapaxes(1, 2) if view & 4 else images
        views.append(one[:, :: -1 if view & 2 else 1, :: -1 if view & 1 else 1])
    return np.concatenate(views)


def turned_back(answers: np.ndarray) -> np.ndarray:
    """Answers [8 B, 4] to `turns_and_flips` in coordinates of the pictures: [B, 8, 4]."""
    points = np.reshape(answers, (_NUM_VIEWS, -1, 2, 2)).copy()
    points[1::2, ..., 0] = 1 - points[1::2, ..., 0]
    points[[2, 3, 6, 7], ..., 1] = 1 - points[[2, 3, 6, 7], ..., 1]
    points[4:] = points[4:, ..., ::-1].copy()
    return points.swapaxes(0, 1).reshape(-1, _NUM_VIEWS, 4)


def vote(answers: np.ndarray) -> np.ndarray:
    """The answer [B, 4] of [B, V, 4] that is nearest to all others: the medoid, since a mean of
    places may lie between two foods, and directions have no mean modulo 180 degrees. A motion and
    its reverse are equal; it points as the first answer does, that of the picture as it is.
    Example: of the midpoints 0.2, 0.22, 0.24 and 0.8, 0.22 wins.
    """
    answers = np.asarray(answers)
    winners = distances(answers, answers).sum(axis=-1).argmin(axis=-1)
    won = answers[np.arange(len(answers)), winners]
    ways = np.stack([won, won[:, [2, 3, 0, 1]]], axis=1)
    apart = (ways - answers[:, :1]).reshape(-1, 2, 2, 2)
    nearer = np.linalg.norm(apart, axis=-1).sum(axis=-1).argmin(axis=1)
    return ways[np.arange(len(answers)), nearer]


def distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """How far motions [B, M, 4] are from motions [B, N, 4], whichever end is the start: float64
    [B, M, N], the mean distance of the ends that belong together."""
    ends = [np.asarray(one, np.float64).reshape(*one.shape[:2], 2, 2) for one in (first, second)]
    first, second = ends[0][:, :, np.newaxis], ends[1][:, np.newaxis]
    both = (first - second, first - second[..., ::-1, :])
    return np.minimum(*(np.linalg.norm(one, axis=-1).mean(axis=-1) for one in both))
