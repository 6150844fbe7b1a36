"""Foods cut out of photographs, as forms that scenes put on plates like the drawn ones; and crops.

Photographs come from annotation files (`food_data.annotations`: masks or boxes) and from tables of
whole fruit. Where there is no mask GrabCut draws one: from the box, or from an ellipse in the
middle of a fruit's picture. What is not kept as implausible is counted, with the reason.

Of every food about an eighth is held out for validation, neighbours in the list together, since
they often show the same thing. A composite takes all of its photographs from one side and says so
in its source ("photos/held_out#..."), so that a split never has one photograph on both sides.
"""

from __future__ import annotations

import collections
import csv
import functools
import pathlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from food_data import annotation_formats, annotations, image_placement, mask_rules, vocabulary
from food_data.synthetic import bodies
from food_data.synthetic.bodies import Body, Form, Rng
from food_data.synthetic.foods import action_of

SIDES = TRAIN, HELD_OUT = "train", "held_out"
HELD_OUT_SHARE = 0.12  # of composites and crops, too
_NEIGHBOURS = 3  # So many photographs of one food in a row stay together.
_BLOCKS = 8  # One block of neighbours in so many is held out, the second one first.
_GRABCUT_PX, _GRABCUT_ROUNDS = 160, 4
_AROUND = 0.2  # GrabCut sees so much of the box' sides around it.
_MOST_SHARED = 0.12  # of a box that other boxes may cover
# Of a mask from a box, and of one from a fruit's ellipse: which part of the box it fills, from and
# to, and how much of the box' sides at most.
_PLAUSIBLE = {False: (0.28, 0.95, 0.22), True: (0.1, 0.75, 0.1)}
_LEAST_SOLIDITY, _LEAST_ELLIPSE = 0.62, 0.9
_STORED_PX, _SMALLEST_PX = 220, 18
_PIECES_OF_ONE = 4  # from each object that can be cut

# Main axes of whole foods and of pieces, parts of the picture's side on a plate that fills it.
_LENGTHS = {
    "apple": (0.24, 0.18), "banana": (0.36, 0.13), "cantaloupe": (0.36, 0.15),
    "carrot": (0.26, 0.18), "cherry_tomato": (0.17, 0.13), "chicken": (0.28, 0.18),
    "cucumber": (0.36, 0.15), "egg": (0.18, 0.16), "garlic": (0.17, 0.1), "grape": (0.12, 0.1),
    "honeydew": (0.36, 0.15), "orange": (0.22, 0.16), "pineapple": (0.36, 0.18),
    "rice": (0.30, 0.28), "sausage": (0.32, 0.16), "spaghetti": (0.32, 0.28),
    "strawberry": (0.17, 0.14), "watermelon": (0.38, 0.17), "zucchini": (0.34, 0.15),
}  # fmt: skip
_USUAL_LENGTHS = (0.24, 0.16)
# Foods whose inside looks like a bite of them; of a melon's rind no cube can be cut. (Aspect from,
# to, exponent of the superellipse, lumps) of their pieces.
_PIECES = {
    "carrot": ((0.18, 0.35, 3.0, 0.02), (0.85, 1.0, 2.0, 0.02)),
    "cantaloupe": ((0.6, 1.0, 6.0, 0.02), (0.4, 0.6, 4.0, 0.02)),
    "chicken": ((0.4, 0.9, 2.5, 0.10),),
    "rice": ((0.55, 0.9, 2.0, 0.10),),
}
_PIECE_SHARE = 0.45
# Their direction matters.
LONG_FOODS = ("banana", "carrot", "cucumber", "green_bean", "pineapple", "sausage", "zucchini")
_CROP_SHARE = (0.15, 0.8)  # of a crop's side that the object takes
_TRIES = 24


class Thing(NamedTuple):
    """An object of a photograph."""

    food: str | None  # canonical name, or None for a food outside the vocabulary
    box: np.ndarray  # float [2, 2], top left and bottom right (x, y), continuous pixels
    mask: np.ndarray | None  # bool [H, W] where it is, or None where nobody knows exactly
    is_whole: bool = False  # a fruit in its skin, of which no bites are cut

    @property
    def is_askable(self) -> bool:
        """Whether the answer is known: a box says nothing of a long food's direction."""
        return self.mask is not None or self.food not in LONG_FOODS

    @property
    def extent(self) -> np.ndarray:
        """Width and height of its box."""
        return self.box[1] - self.box[0]

    def shared(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """How much (x, y) of its box lies between two corners."""
        return np.maximum(np.minimum(self.box[1], high) - np.maximum(self.box[0], low), 0)


class Photograph(NamedTuple):
    """A photograph with its labelled objects."""

    image: np.ndarray  # RGB uint8 [H, W, 3]
    things: Sequence[Thing]
    side: str  # `TRAIN` or `HELD_OUT`
    is_background: bool  # no unlabelled food is expected in it


class Library:
    """All that composites and crops need of the photographs. `fruit_tables` are CSV files with the
    columns file, food, content ("single" counts), their pictures in "images" beside them;
    `label_map` has pairs (normalised label, food); `no_cutouts` have boxes with more than food."""

    def __init__(
        self,
        annotation_files: tuple[str, ...],
        fruit_tables: tuple[str, ...],
        label_map: tuple[tuple[str, str], ...],
        foods: tuple[str, ...],
        no_cutouts: tuple[str, ...] = (),
    ) -> None:
        self._label_map, self._foods, self._no_cutouts = dict(label_map), foods, no_cutouts
        self._seen: collections.Counter = collections.Counter()
        # (food or label, what became of it) -> objects
        self.counts: collections.Counter = collections.Counter()
        self.photographs = [*self._annotated(annotation_files), *self._single_fruit(fruit_tables)]
        # Side, then food -> pictures of whole objects along their main axis, RGB and alpha, uint8
        # [h, w, 4]; and squares of nothing but food. Food -> its objects whose answer is known.
        self._cutouts: dict = {side: {} for side in SIDES}
        self._askable: dict[str, list[tuple[Photograph, Thing]]] = {}
        self.num_cutouts = 0
        for photograph, thing in ((one, thing) for one in self.photographs for thing in one.things):
            own = self._cutouts[photograph.side].setdefault(thing.food, ([], []))
            for pictures, more in zip(own, _cut_out(photograph.image, thing)):
                pictures += more
                self.num_cutouts += len(more)
            if thing.food is not None and thing.is_askable:
                self._askable.setdefault(thing.food, []).append((photograph, thing))
        if not self.num_cutouts:
            raise ValueError(f"Expected objects that can be cut out, got none: {self.text()}")

    def text(self) -> str:
        """What became of every object and photograph, for the command line."""
        backgrounds = sum(one.is_background for one in self.photographs)
        first = f"{len(self.photographs)} photographs, {backgrounds} of them serve as background; "
        lines = [f"  {name}: {count} {what}" for (name, what), count in sorted(self.counts.items())]
        return "\n".join([f"{first}{self.num_cutouts} cut-outs and pieces:", *lines])

    def _food(self, label: str) -> str | None:
        label = vocabulary.normalise(label)
        label = self._label_map.get(label, label)
        return next((one for one in vocabulary.singulars(label) if one in self._foods), None)

    def _next_side(self, *kind: str) -> str:
        """On which side the next photograph of a food is; counts it."""
        block = self._seen[kind] // _NEIGHBOURS % _BLOCKS
        self._seen[kind] += 1
        return HELD_OUT if block == 1 else TRAIN

    def _annotated(self, files: tuple[str, ...]) -> Iterator[Photograph]:
        contents = {}
        for file in map(pathlib.Path, files):
            for entry in annotations.read_json(file, "annotation file")["images"]:
                contents[(file.parent / entry["file"]).resolve()] = entry.get("content")
        for picture in annotation_formats.read_annotations(files) if files else ():
            image = image_placement.decode_image(picture.path.read_bytes())
            content = contents.get(picture.path.resolve())
            if not picture.objects and content != "empty plate":
                outcome = "without labelled objects, which may show any food: left out"
                self.counts["(photographs)", outcome] += 1
                continue
            things = []
            for one in picture.objects:
                food, box = self._food(one.label), one.box
                mask, outcome = one.mask(image.shape[1], image.shape[0]), "with the file's mask"
                if box is None:
                    outcome = "have neither mask nor box: left out"
                elif mask is not None:
                    tidy = _without_spikes(mask.view(np.uint8))
                    mask = mask if tidy is None else tidy.view(bool)
                elif food in self._no_cutouts:
                    outcome = "of a food without cut-outs"
                else:
                    others = [other.box for other in picture.objects if other is not one]
                    mask, outcome = _mask_from_box(image, box, others)
                self.counts[food or one.label, outcome] += 1
                things += [] if box is None else [Thing(food, box, mask)]
            side = self._next_side(picture.objects[0].label if picture.objects else "nothing")
            yield Photograph(image, things, side, content in (None, "empty plate"))

    def _single_fruit(self, tables: tuple[str, ...]) -> Iterator[Photograph]:
        for table in map(pathlib.Path, tables):
            with table.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            for food, content, file in ((row["food"], row["content"], row["file"]) for row in rows):
                if content != "single":
                    self.counts[food, f"photographs of a {content}: left out"] += 1
                    continue
                data = (table.parent / "images" / file).read_bytes()
                image = image_placement.decode_image(data)
                box = np.array([[0.04, 0.04], [0.96, 0.96]]) * image.shape[1::-1]
                mask, outcome = _mask_from_box(image, box, [], central=True)
                self.counts[food, f"single fruit {outcome}"] += 1
                if mask is not None:
                    place = np.argwhere(mask)[:, ::-1]
                    box = np.stack([place.min(axis=0), place.max(axis=0) + 1])
                    thing = Thing(self._food(food), box, mask, is_whole=True)
                    yield Photograph(image, [thing], self._next_side("fruit", food), False)

    @functools.cache  # noqa: B019  # There is one library in a process.
    def forms(self, side: str) -> dict[str, list[Form]]:
        """Food -> forms that paint cut-outs of one side of the split."""
        forms: dict[str, list[Form]] = {}
        for food, kinds in self._cutouts[side].items():
            if food is None or not any(kinds):
                continue
            whole, pieces = kinds
            share = (_PIECE_SHARE if whole else 1.0) if pieces else 0.0
            paints = _paint_whole, functools.partial(_paint_piece, shapes=_PIECES.get(food))
            lengths = _LENGTHS.get(food, _USUAL_LENGTHS)
            forms[food] = [
                Form(functools.partial(paint, picture=one), length, part / len(own))
                for paint, length, part, own in zip(paints, lengths, (1 - share, share), kinds)
                for one in own
            ]
        return forms

    def background(self, rng: Rng, side_of_split: str) -> np.ndarray | None:
        """A square of a photograph without any labelled food, or None if none is found."""
        found = (one for one in self.photographs if one.side == side_of_split)
        choices = [one for one in found if one.is_background]
        for _ in range(_TRIES if choices else 0):
            photograph = bodies.one_of(rng, choices)
            height, width = photograph.image.shape[:2]
            side = round(rng.uniform(0.35, 1.0) * min(height, width))
            low = rng.integers(width - side + 1), rng.integers(height - side + 1)
            high = low[0] + side, low[1] + side
            if not any(one.shared(low, high).all() for one in photograph.things):
                return bodies.mirrored(rng, photograph.image[bodies.window(low, high)]).copy()
        return None

    def crop(self, rng: Rng) -> tuple[np.ndarray, str, np.ndarray, np.ndarray, str]:
        """A square with an object somewhere in it: picture uint8 [236, 236, 3]; the food that is
        asked for, of several the one nearest to the middle; execution parameters float32 [4]; the
        mask bool [236, 236], empty where it is not known; the side that the photograph is on."""
        foods = sorted(self._askable)
        weights = np.array([len(self._askable[food]) for food in foods]) ** 0.7
        food = foods[int(rng.choice(len(foods), p=weights / weights.sum()))]
        photograph, thing = bodies.one_of(rng, self._askable[food])
        height, width = photograph.image.shape[:2]
        extent = thing.extent.max()
        side = extent / np.exp(rng.uniform(*np.log(_CROP_SHARE)))
        side = int(np.clip(side, min(extent * 1.05, max(height, width)), max(height, width)))
        spare = np.maximum(side - thing.extent, 0)
        low = np.rint(thing.box[0] - spare * rng.uniform(0.1, 0.9, 2)).astype(int)
        room = [width - side, height - side]
        low = np.clip(low, np.minimum(0, room), np.maximum(0, room))
        low, high = np.maximum(low, 0), np.minimum(low + side, [width, height])
        window = bodies.window(low, high)
        image, placement = image_placement.place(photograph.image[window], "letterbox")
        same, middle = [one for one in photograph.things if one.food == food], (low + high) / 2
        inside = [np.prod(one.shared(low, high)) / np.prod(one.extent) > 0.9 for one in same]
        seen = [one for one, is_in in zip(same, inside) if is_in and one.is_askable] or [thing]
        nearest = min(seen, key=lambda one: np.linalg.norm(one.box.mean(axis=0) - middle))
        rule = mask_rules.rule_of(action_of(food))
        if nearest.mask is not None:
            axis = mask_rules.mask_axis(nearest.mask, rule)
        else:
            axis = mask_rules.box_axis(nearest.box, rule, photograph.image.shape[1::-1])
        parameters = np.clip(placement.to_model(axis - low), 0, 1).astype(np.float32).ravel()
        mask = np.zeros(image.shape[:2], bool)
        if all(one.mask is not None for one in same):
            union = np.logical_or.reduce([one.mask for one in same])
            mask = image_placement.place_mask(union[window], placement)
        return image, food, parameters, mask, photograph.side


# Reads photographs and cuts their objects out; the result is kept, also for forked processes.
load = functools.cache(Library)


def _mask_from_box(
    image: np.ndarray, box: np.ndarray, others: list, central: bool = False
) -> tuple[np.ndarray | None, str]:
    """A mask bool [H, W] by GrabCut or None, and what to call the outcome."""
    shape = np.array(image.shape[1::-1])
    margin, thing = 0.004 * shape.max(), Thing(None, box, None)
    at_border = (box[0] <= margin).any() or (box[1] >= shape - margin).any()
    if at_border and not central:
        return None, "cut off by the picture's border: no cut-out"
    area = max(np.prod(thing.extent), 1e-9)
    if any(np.prod(thing.shared(*o)) / area > _MOST_SHARED for o in others if o is not None):
        return None, "with a box that others overlap: no cut-out"
    around = _AROUND * thing.extent
    low = np.clip(np.floor(box[0] - around), 0, shape).astype(int)
    high = np.clip(np.ceil(box[1] + around), 0, shape).astype(int)
    window = bodies.window(low, high)
    part = image[window]
    scale = min(1.0, _GRABCUT_PX / max(part.shape[:2]))
    size = np.array([max(8, round(n * scale)) for n in part.shape[1::-1]])
    small = cv2.resize(part, size.tolist(), interpolation=cv2.INTER_AREA)
    corners = np.clip(np.rint((box - low) * (size / part.shape[1::-1])), 1, size - 1).astype(int)
    (left, top), (right, bottom) = corners.tolist()
    labels = np.full(small.shape[:2], cv2.GC_BGD, np.uint8)
    labels[top:bottom, left:right] = cv2.GC_PR_BGD if central else cv2.GC_PR_FGD
    for reach, label in ((0.40, cv2.GC_PR_FGD), (0.15, cv2.GC_FGD)) if central else ():
        axes = [round(reach * n) for n in size.tolist()]
        cv2.ellipse(labels, (size // 2).tolist(), axes, 0, 0, 360, label, -1)
    models = np.zeros((2, 1, 65))
    cv2.setRNGSeed(0)
    cv2.grabCut(small, labels, None, *models, _GRABCUT_ROUNDS, cv2.GC_INIT_WITH_MASK)
    largest = _without_spikes(np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).view(np.uint8))
    if largest is None:
        return None, "in which GrabCut finds nothing: no cut-out"
    flaw = _flaw(largest, largest[top:bottom, left:right], central)
    if flaw:
        return None, f"with an implausible mask ({flaw}): no cut-out"
    mask = np.zeros(image.shape[:2], bool)
    grown = cv2.resize(largest * 255, part.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    mask[window] = grown > 127
    return mask, "with a mask by GrabCut"


def _without_spikes(mask: np.ndarray) -> np.ndarray | None:
    """The largest part of a mask uint8 [h, w] without what is thin: stalks, shadows' seams."""
    side = 2 * round(0.09 * np.sqrt(np.count_nonzero(mask))) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    opened = cv2.morphologyEx(mask, cv2.MORPH_OPEN, kernel)
    _, parts, stats, _ = cv2.connectedComponentsWithStats(opened)
    if len(stats) < 2:
        return None
    return (parts == 1 + np.argmax(stats[1:, cv2.CC_STAT_AREA])).view(np.uint8)


def _flaw(mask: np.ndarray, inside: np.ndarray, central: bool) -> str | None:
    """Why a mask uint8 [h, w], and its part inside of a box, cannot be the box' object, or None."""
    low, high, most_border = _PLAUSIBLE[central]
    if not low <= inside.mean() <= high:
        return "fill"
    if np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]]).mean() > most_border:
        return "along the box"
    (contour, *_), _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if np.count_nonzero(mask) < _LEAST_SOLIDITY * cv2.contourArea(cv2.convexHull(contour)):
        return "not compact"
    ellipse = np.zeros_like(mask)
    if central:
        cv2.ellipse(ellipse, cv2.fitEllipse(contour), 1, -1)
        if np.count_nonzero(mask & ellipse) < _LEAST_ELLIPSE * np.count_nonzero(mask | ellipse):
            return "no ellipse"
    return None


def _cut_out(image: np.ndarray, thing: Thing) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The whole object along its main axis, and squares from inside of it."""
    if thing.mask is None:
        if thing.food != "rice":
            return [], []
        # Rice fills its bowl: what is well inside the box is rice.
        mask = np.zeros(image.shape[:2], np.uint8)
        middle, axes = thing.box.mean(axis=0).astype(int), (0.35 * thing.extent).astype(int)
        cv2.ellipse(mask, middle.tolist(), axes.tolist(), 0, 0, 360, 1, -1)
        return [], _squares(image, mask)
    if np.count_nonzero(thing.mask) < _SMALLEST_PX**2:
        return [], []
    has_pieces = thing.food in _PIECES and not thing.is_whole
    pieces = _squares(image, thing.mask.view(np.uint8)) if has_pieces else []
    return [_along_axis(image, thing.mask)], pieces


def _along_axis(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """RGB and a soft alpha uint8 [h, w, 4], turned so that the main axis lies along x."""
    places = np.argwhere(mask)[:, ::-1]
    axis, middle = mask_rules.mask_axis(mask, mask_rules.MaskRule()), places.mean(axis=0)
    rotation = bodies.rotation(-np.arctan2(*(axis[1] - axis[0])[::-1]))
    reach = np.abs((places - middle) @ rotation.T).max(axis=0) + 3
    scale = min(1.0, _STORED_PX / (2 * reach.max()))
    alpha = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), max(1.0, 0.7 / scale))
    # The rim of a mask shows the old background: alpha begins a little further inside.
    alpha = (np.clip((alpha - 0.45) / 0.5, 0, 1) * 255).astype(np.uint8)
    layers = cv2.GaussianBlur(image, (0, 0), 0.4 / scale) if scale < 0.8 else image
    size = np.ceil(2 * scale * reach).astype(int)
    matrix = np.column_stack([scale * rotation, size / 2 - scale * rotation @ middle])
    return np.dstack([cv2.warpAffine(one, matrix, size.tolist()) for one in (layers, alpha)])


def _squares(image: np.ndarray, mask: np.ndarray) -> list[np.ndarray]:
    """Squares [h, w, 3] that touch the inside of a mask uint8 only, at places that lie apart."""
    # The border counts as outside, or a piece would reach beyond the photograph.
    framed = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    distance = cv2.distanceTransform(framed, cv2.DIST_L2, 3)[1:-1, 1:-1].copy()
    made, widest = [], distance.max()
    for _ in range(_PIECES_OF_ONE):
        row, column = map(int, np.unravel_index(np.argmax(distance), distance.shape))
        reach = int(0.7 * distance[row, column])
        if 2 * reach < _SMALLEST_PX or distance[row, column] < 0.6 * widest:
            break
        reach = min(reach, _STORED_PX // 2)
        made.append(image[row - reach : row + reach, column - reach : column + reach])
        cv2.circle(distance, (column, row), 2 * reach, 0, -1)
    return made


def _paint_whole(p: Body, picture: np.ndarray) -> None:
    """A cut-out [h, w, 4], mirrored at random, a little lighter or darker."""
    scale = p.length / picture.shape[1]
    size = (max(3, round(p.length)), max(3, round(picture.shape[0] * scale)))
    layer = bodies.resized(bodies.mirrored(p.rng, picture), size, scale)
    layer = cv2.copyMakeBorder(layer, 3, 3, 3, 3, cv2.BORDER_REPLICATE)
    layer[:3, :, 3] = layer[-3:, :, 3] = layer[:, :3, 3] = layer[:, -3:, 3] = 0
    p.albedo, p.alpha = _toned(p.rng, layer[..., :3]), np.ascontiguousarray(layer[..., 3])
    # A photograph has its own light: only the rim is rounded, and all of it is thick.
    p.height = p.inflated(0.04) + np.float32(0.3 * min(size))
    p.gloss = 0.0


def _paint_piece(p: Body, picture: np.ndarray, shapes: Sequence[tuple[float, ...]]) -> None:
    """A bite in one of the shapes, cut from a square [h, w, 3] of a food."""
    thinnest, widest, exponent, lumps = p.one_of(shapes)
    aspect = p.uniform(thinnest, widest)
    points = p.outline(aspect, exponent, lumps=lumps)
    p.solid(points, (0, 0, 0), p.uniform(0.15, 0.4) * aspect, 0.1, 16, vary=0)
    height, width = p.alpha.shape
    side = max(height, width)
    stuff = np.rot90(bodies.mirrored(p.rng, picture), int(p.rng.integers(4)))
    stuff = bodies.resized(np.ascontiguousarray(stuff), (side, side), side / len(stuff))
    top, left = (int(p.rng.integers(side - have + 1)) for have in (height, width))
    p.albedo = _toned(p.rng, stuff[top : top + height, left : left + width])


def _toned(rng: Rng, colours: np.ndarray) -> np.ndarray:
    gains = np.clip(rng.normal(1, 0.08), 0.8, 1.2) * rng.normal(1, 0.03, 3)
    return np.clip(colours * gains, 0, 255).astype(np.uint8)
