"""What evaluate.py and calibrate.py ask about, data sets or annotated photographs, and the asking.

Pictures are told by their pixels, not by their names: an id is the first 16 hexadecimal digits of
the BLAKE2b hash of a picture's uint8 pixels, "3f2a...".

Where a picture shows several equal pieces of the asked food, each is right: labels of the same
pixels and instruction, and parts of a sample's mask that hang together and are at least half as
large as the labelled one, of which `mask_rules` says the motion. Pieces that touch in a mask
without labels of their own count as one.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import hashlib
import pathlib
import typing
from collections.abc import Sequence

import cv2
import numpy as np
import tqdm
from absl import logging

import checkpoint_directory
from evaluation import metrics, uncertainty
from food_data import dataset_builder, dataset_check, framing, mask_rules, npz_dataset, rlds, splits
from food_data.image_placement import decode_photo, place

if typing.TYPE_CHECKING:
    import agent_wrapper

SPLITS = ("train", "val", "all")
FORMATS = ("annotations", "coco", "labelme", "voc", "cvat", "yolo", "csv")
# A part of a mask is a piece if it is as large as this share of the labelled one.
_SHARE_OF_PIECE = 0.5
ONE_PASS = framing.Framing()


@dataclasses.dataclass(frozen=True)
class Pieces:
    """The pieces of food that n instructions mean: one, or several equal ones, for each."""

    rows: np.ndarray  # int [P], ascending: which of the n samples a piece belongs to
    labels: np.ndarray  # float32 [P, 4], a right answer for it
    elongated: np.ndarray | None  # bool [P], whether it has a direction; None: nobody knows

    def smallest(self, values: np.ndarray) -> np.ndarray:
        """Of values [P] the smallest of each sample's pieces, [n]."""
        return np.minimum.reduceat(values, np.flatnonzero(np.diff(self.rows, prepend=-1)))

    def nearest_rows(self, answers: np.ndarray) -> np.ndarray:
        """The piece whose midpoint is nearest to each sample's answer [P, 4]: numbers int [n]."""
        order = np.lexsort((metrics.midpoint_distances(answers, self.labels), self.rows))
        return order[np.flatnonzero(np.diff(self.rows, prepend=-1))]

    def nearest(self, answers: np.ndarray) -> np.ndarray:
        """The labels float32 [n, 4] of the pieces that are nearest to answers [n, 4]."""
        return self.labels[self.nearest_rows(np.asarray(answers)[self.rows])]


@dataclasses.dataclass(frozen=True)
class Samples:
    """Samples that are asked: `indices` int [n] of N. `train` is what baselines may know; None:
    nobody knows which trained."""

    dataset: npz_dataset.FoodDataset
    indices: np.ndarray
    train: Samples | None = None

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def labels(self) -> np.ndarray:
        """float32 [n, 4]."""
        return np.asarray(self.dataset.actions)[self.indices]

    @functools.cached_property
    def picture_ids(self) -> np.ndarray:
        """str [n], see the module; reads one picture at a time."""
        images = (np.ascontiguousarray(self.dataset.images[index]) for index in self.indices)
        return np.array([_digest(image) for image in images], dtype="<U16")

    @property
    def pictures(self) -> np.ndarray:
        """str [n], equal for samples of one picture: `sources`, or else `picture_ids`."""
        return self.picture_ids if self.dataset.sources is None else self.names("sources")

    @property
    def sample_ids(self) -> list[str]:
        """n strings: a picture's id and a hash of instruction and label, "3f2a...-81c0..."."""
        embeddings = np.asarray(self.dataset.embeddings[self.indices])
        rest = np.concatenate([embeddings, self.labels], axis=1).astype("<f4")
        return [f"{picture}-{_digest(row)}" for picture, row in zip(self.picture_ids, rest)]

    def names(self, name: str) -> np.ndarray | None:
        """str [n] of the data set's array `name`, such as 'food_types'; None if it has none."""
        values = getattr(self.dataset, name)
        return None if values is None else values[self.indices]

    def part(self, rows: np.ndarray) -> Samples:
        """Those of the samples: numbers int [m] in 0..n-1, or bool [n]."""
        return dataclasses.replace(self, indices=self.indices[rows])

    def without(self, picture_ids: Sequence[str]) -> np.ndarray:
        """Those that neither show one of the pictures nor are other crops of their sources: bool
        [n]. Raises ValueError if there is none."""
        seen = np.isin(self.picture_ids, picture_ids)
        seen |= np.isin(self.pictures, self.pictures[seen])
        if seen.all():
            raise ValueError(
                f"uncertainty.json was fitted to the pictures of all of these {len(self)} samples. "
                "Test on others."
            )
        return ~seen

    @functools.cached_property
    def pieces(self) -> Pieces:
        """Every piece that is right for a sample, see the module; the labelled one comes first."""
        data, every, asked, found = self.dataset, self, {}, []
        if data.sources is not None:  # Others of these pictures may not be asked about.
            rows = np.flatnonzero(np.isin(data.sources, self.pictures))
            every = dataclasses.replace(self, indices=rows)
        # By pixels too: a source may have several views, crops about each object or frames.
        pictures = zip(every.indices.tolist(), every.pictures, every.picture_ids)
        keys = {row: (*of, data.embeddings[row].tobytes()) for row, *of in pictures}
        for row, key in keys.items():
            asked.setdefault(key, []).append(row)
        pieces_of = functools.cache(self._pieces_of)
        for number, row in enumerate(self.indices.tolist()):
            for one in sorted(asked[keys[row]], key=lambda one: one != row):
                found += [(number, *piece) for piece in pieces_of(one)]
        numbers, labels, elongated = zip(*found)
        elongated = None if data.masks is None else np.array(elongated)
        return Pieces(np.array(numbers), np.array(labels, np.float32), elongated)

    def _pieces_of(self, row: int) -> list[tuple[np.ndarray, bool]]:
        """A row's label and whether it is elongated, and likewise of other parts of its mask."""
        data, label = self.dataset, np.asarray(self.dataset.actions[row])
        if data.masks is None:
            return [(label, False)]
        packed = np.asarray(data.masks[row])
        number, parts = cv2.connectedComponents(npz_dataset.unpack_masks(packed).view(np.uint8))
        action = None if data.action_names is None else str(data.action_names[row])
        found = [(label, packed)]
        if number > 2 and action in mask_rules.DEFAULT_RULES:
            middle = label.reshape(2, 2).mean(axis=0)[::-1] * parts.shape - 0.5
            places = np.argwhere(parts)
            own = parts[tuple(places[np.square(places - middle).sum(axis=1).argmin()])]
            areas = np.bincount(parts.ravel(), minlength=number)
            large = np.flatnonzero(areas >= _SHARE_OF_PIECE * areas[own])
            if others := [parts == one for one in large if one not in (0, own)]:
                motions = [mask_rules.execution_parameters(mask, action) for mask in others]
                masks = [npz_dataset.pack_masks(mask) for mask in (parts == own, *others)]
                found = list(zip((label, *motions), masks))
        return [(motion, metrics.is_elongated(mask)) for motion, mask in found]


def _digest(array: np.ndarray) -> str:
    return hashlib.blake2b(array.data, digest_size=8).hexdigest()


def parser(description: str) -> argparse.ArgumentParser:
    """With the flags of both programs."""
    raw = argparse.RawDescriptionHelpFormatter
    made = argparse.ArgumentParser(description=description, formatter_class=raw, allow_abbrev=False)
    add = made.add_argument
    add("--checkpoint_dir", required=True, type=pathlib.Path, help="what train.py wrote")
    data = made.add_mutually_exclusive_group(required=True)
    data.add_argument("--dataset_file", type=pathlib.Path, help=".npz, see build_dataset.py")
    data.add_argument("--annotations", nargs="+", metavar="FILE", help="of photographs")
    trust_help = "let gin run what the checkpoint's config.gin says; only literals are read else"
    add("--trust_config", action="store_true", help=trust_help)
    add("--annotation_format", choices=FORMATS, default="annotations")
    add("--split_file", type=pathlib.Path, help="unless given: beside the data set, if any")
    add("--batch_size", type=int, default=32)
    add("--seed", type=int, default=0, help="of all that is drawn")
    framing.add_flags(made)
    return made


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """The flags; those of the annotations' converter, as a list, in `converter_flags`."""
    args, args.converter_flags = parser.parse_known_args(arguments)
    if args.converter_flags and args.annotations is None:
        parser.error(f"unrecognized arguments: {' '.join(args.converter_flags)}")
    if args.batch_size < 1:
        parser.error(f"--batch_size: expected at least 1, got {args.batch_size}")
    return args


def read(args: argparse.Namespace, contents: checkpoint_directory.Contents) -> Samples:
    """What the flags of `parse` ask about; photographs as the checkpoint knows them, unless
    `--resize` or `--embeddings_dir` say otherwise. Logs how they differ from what trained it."""
    split_file, resize = args.split_file, contents.metadata.get("resize")
    folder = contents.directory
    if args.annotations is None:
        if split_file is None and args.split != "all":
            split_file = splits.split_path(args.dataset_file)
        dataset = rlds.read_dataset(args.dataset_file)
    else:
        flags = [f"from_{args.annotation_format}", "--annotations", *args.annotations]
        flags += args.converter_flags
        if not any(flag.split("=")[0] == "--resize" for flag in flags):
            if resize is None:
                raise ValueError(f"{folder} lacks how its pictures became square. Give --resize.")
            flags += ["--resize", str(resize)]
        converters = argparse.ArgumentParser(prog="evaluate.py --annotation_format")
        for command in dataset_builder.add_photo_commands(converters.add_subparsers()):
            embeddings = folder / checkpoint_directory.EMBEDDINGS_DIR
            command.add_argument("--embeddings_dir", default=embeddings)
        converter = converters.parse_args(flags)
        dataset = converter.build(converter)
    for warning in dataset_check.check_fits(dataset, contents.embeddings, resize, str(folder)):
        logging.warning("data set: %s", warning)
    return select(dataset, args.split, split_file)


def select(
    dataset: npz_dataset.FoodDataset, which: str, split_file: pathlib.Path | None
) -> Samples:
    """The samples of one side of a split; without a file all of them, which know no training."""
    if split_file is None:
        if which != "all":
            raise ValueError(f"split {which!r}: expected a --split_file, got none; or --split all.")
        return Samples(dataset, np.arange(len(dataset)))
    split = splits.read_split(split_file, len(dataset))
    wanted = {"train": split.train_idx, "val": split.val_idx, "all": np.arange(len(dataset))}
    if not len(wanted[which]):
        raise ValueError(f"{split_file}: expected at least one {which} sample, got none.")
    train = Samples(dataset, split.train_idx) if len(split.train_idx) else None
    return Samples(dataset, wanted[which], train)


def model(
    contents: checkpoint_directory.Contents, args: argparse.Namespace
) -> tuple[agent_wrapper.Agent | framing.Voted, framing.Framing]:
    """A checkpoint's model and how it looks at pictures, as its metadata or --passes say."""
    framed = checkpoint_directory.framing_of(contents.metadata).instead(args.passes)
    loaded = checkpoint_directory.load(contents, trust_config=args.trust_config)
    return framed.model(loaded.agent), framed


class _Photos(list[pathlib.Path]):
    """Photos that are read when they are asked for; those of one photo lie side by side."""

    def __getitem__(self, index: int) -> np.ndarray:
        return _decode(super().__getitem__(index))


@functools.lru_cache(maxsize=2)
def _decode(path: pathlib.Path) -> np.ndarray:
    return decode_photo(path.read_bytes())[0]


def collect(
    source: uncertainty.Source,
    samples: Samples,
    framed: framing.Framing = ONE_PASS,
    *,
    batch_size: int = 32,
    seed: int = 0,
    embeddings: np.ndarray | None = None,
) -> uncertainty.Estimate:
    """Asks a source about n samples, one batch of pictures in memory at a time: the estimate in
    coordinates of the data set's pictures. Passes of `framed` after the first look at crops of the
    photos, or of the pictures where there are none. `embeddings` float32 [n, 512] are what is asked
    (None: the samples' own instructions)."""
    dataset, parts = samples.dataset, []
    for start in tqdm.trange(0, len(samples), batch_size, unit="batch", leave=False, disable=None):
        part = slice(start, start + batch_size)
        rows = samples.indices[part]
        images = photos = dataset.images[rows]
        asked = dataset.embeddings[rows] if embeddings is None else embeddings[part]
        asked = np.asarray(asked)
        placements = [place(images[0], "stretch")[1]] * len(rows)
        if dataset.photos is not None:
            photos = _Photos(dataset.photos[row].path for row in rows)
            placements = [dataset.photos[row].placement for row in rows]
        firsts = [framing.View(*pair) for pair in zip(images, placements)]
        views = framing.look(source.agent.forward, photos, firsts, asked, framed)
        moved = framing.relative([view.placement for view in views], placements)
        seen = np.stack([view.square for view in views])
        parts.append(source(seen, asked, (seed + start) % 2**31).moved(*moved))

    def joined(name: str) -> dict[str, np.ndarray]:
        tables = [getattr(one, name) for one in parts]
        return {key: np.concatenate([one[key] for one in tables]) for key in tables[0]}

    arrays = (np.concatenate([getattr(one, name) for one in parts]) for name in ("answers", "std"))
    return uncertainty.Estimate(*arrays, joined("scores"), joined("features"))
