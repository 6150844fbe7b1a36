"""What a folder run asks: about each picture of a folder, or about each sample of a data set.

A folder of c.PNG, notes.txt, x.heic and a linked folder has one picture; what is left out is
counted by its kind. With --action and --food_type each picture is asked about once, with --labels
about what label files say of it. Shard 1 of 4 has the pictures 1, 5, 9, ...
"""

from __future__ import annotations

import argparse
import collections
import fnmatch
import hashlib
import importlib.util
import itertools
import json
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

import api_client
import folder_outputs
from food_data import (
    annotation_files,
    annotation_tables,
    annotations,
    dataset_builder,
    image_placement,
    npz_dataset,
    splits,
    vocabulary,
)

# What the names of files end in that can be decoded; HEIC is an extra.
_KINDS = Image.registered_extensions().items()
_HEIC = (".heic", ".heif")
ENDINGS = sorted(ending for ending, kind in _KINDS if kind in image_placement.FORMATS)
ENDINGS = (*ENDINGS, *(_HEIC if importlib.util.find_spec("pillow_heif") else ()))
FORMAT = 2
_SETTINGS = ("action", "food_type", "text", "num_samples", "seed", "dropout_scope", "resize")
_LARGEST_FILE_BYTES = 512 * 1024 * 1024

Entry = folder_outputs.Entry


class Question(NamedTuple):
    """A picture, relative to the folder with "/" between the parts, and the instruction."""

    image: str
    action: str | None
    food_type: str | None


class FolderPictures:
    """Files of a folder; several threads may read."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder

    def load(self, name: str) -> tuple[dict[str, Any], Entry]:
        """What a policy is asked with, and what the line says of it. Raises OSError, ValueError."""
        path = self._folder / name
        found = path.stat()
        if not found.st_size:
            # Reading a pipe, which has none either, would never end.
            raise ValueError("The file is empty: 0 bytes.")
        if found.st_size > _LARGEST_FILE_BYTES:
            raise ValueError(f"The file is larger than {_LARGEST_FILE_BYTES} bytes.")
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        file = {"size": len(content), "mtime_ns": found.st_mtime_ns, "sha256": digest}
        return {"image": content}, {"file": file}

    def is_same(self, entry: Entry) -> bool:
        """Whether a picture is still what a line is about: in size and time, or in its SHA-256."""
        path, was = self._folder / entry["image"], entry["file"]
        try:
            found = path.stat()
            return found.st_size == was["size"] and (
                found.st_mtime_ns == was["mtime_ns"]
                or hashlib.sha256(path.read_bytes()).hexdigest() == was["sha256"]
            )
        except OSError:
            return False

    def decode(self, name: str) -> np.ndarray:
        """The picture upright, uint8 [H, W, 3]. Raises OSError or ValueError."""
        return image_placement.decode_image((self._folder / name).read_bytes())


class SamplePictures:
    """As `FolderPictures`, for the samples of one side of a split: number 17 of "val" is called
    "val/00000017". They bring their own embeddings."""

    def __init__(self, args: argparse.Namespace) -> None:
        """Raises OSError or ValueError."""
        self._data = npz_dataset.read_npz(args.dataset_file)
        path = args.split_file or splits.split_path(args.dataset_file)
        numbers = getattr(splits.read_split(path, len(self._data)), f"{args.split}_idx")
        if not len(numbers):
            raise ValueError(f"{path}: expected at least one sample of {args.split}, got none.")
        self._numbers = {f"{args.split}/{number:08d}": int(number) for number in np.sort(numbers)}
        self.fingerprint = npz_dataset.dataset_fingerprint(self._data)

    def questions(self) -> dict[str, list[Question]]:
        """Name -> its question, in the order of the numbers."""
        names = (self._data.action_names, self._data.food_types)
        return {
            name: [Question(name, *(None if one is None else str(one[number]) for one in names))]
            for name, number in self._numbers.items()
        }

    def load(self, name: str) -> tuple[dict[str, Any], Entry]:
        """As `FolderPictures.load`."""
        number, sources = self._numbers[name], self._data.sources
        source = None if sources is None else str(sources[number])
        # The picture is the model's square already. There is no photo to cut crops from, so passes
        # are those of the square, and only if they are asked for.
        return {
            "image": self._data.images[number],
            "embedding": self._data.embeddings[number],
            "resize": "stretch",
            "passes": "one",
        }, {"sample": number, "source": source}

    def is_same(self, entry: Entry) -> bool:
        """Yes: the fingerprint among the run's settings stands for all samples."""
        return entry["image"] in self._numbers

    def decode(self, name: str) -> np.ndarray:
        """As `FolderPictures.decode`."""
        return np.asarray(self._data.images[self._numbers[name]])


Pictures = FolderPictures | SamplePictures


def pictures_of(args: argparse.Namespace) -> Pictures | None:
    """Where the pictures are; None if shards are merged and nothing is drawn."""
    if args.dataset_file is not None:
        return SamplePictures(args)
    return None if args.input_dir is None else FolderPictures(args.input_dir)


def find_pictures(
    folder: pathlib.Path, recursive: bool, pattern: str, own: Iterable[pathlib.Path]
) -> tuple[list[str], collections.Counter]:
    """Paths, relative to the folder and sorted, of the files whose names end like a picture's; and
    how many others there are of which kind: ".txt", "linked folder (not followed)" and so on.

    What a run has written (`own`) is neither. `pattern` must match a relative path, "*" any
    letters, "/" included; brackets stand for characters or for themselves.
    """
    skipped = {os.path.realpath(path) for path in own}
    patterns = (pattern, pattern.replace("[", "[[]"))
    pictures, left_out = [], collections.Counter()

    def note(error: OSError) -> None:
        if pathlib.Path(error.filename) == folder:
            raise error
        left_out["folder that cannot be read"] += 1

    for root, folders, files in os.walk(folder, onerror=note):
        here = pathlib.Path(root)
        kept = []
        for name in folders:
            path = here / name
            if os.path.realpath(path) in skipped:
                continue
            if name.startswith("."):
                left_out["hidden folder"] += 1
            elif path.is_symlink():
                left_out["linked folder (not followed)"] += 1
            elif recursive:
                kept.append(name)
            else:
                left_out["folder (--recursive looks into it)"] += 1
        folders[:] = kept
        for path in (here / name for name in files):
            relative = path.relative_to(folder).as_posix()
            if os.path.realpath(path) in skipped:
                continue
            if path.name.startswith("."):
                left_out["hidden file"] += 1
            elif not path.name.lower().endswith(ENDINGS):
                ending = path.suffix.lower() or "file without ending"
                left_out[ending + " (needs requirements-heic.txt)" * (ending in _HEIC)] += 1
            elif not any(fnmatch.fnmatchcase(relative, one) for one in patterns):
                left_out["picture that --pattern leaves out"] += 1
            else:
                pictures.append(relative)
    return sorted(pictures), left_out


def describe_left_out(left_out: Mapping[str, int]) -> str:
    """Such as "2 .txt, 1 linked folder (not followed)"."""
    text = ", ".join(f"{count} {kind}" for kind, count in sorted(left_out.items())) or "nothing"
    return text.encode("utf-8", "backslashreplace").decode()  # Names need not be UTF-8.


def read_labels(
    args: argparse.Namespace, combinations: Iterable[tuple[str, str]]
) -> tuple[folder_outputs.Labels, dict[str, Any]]:
    """For each question that label files name its motions, float64 [2, 2] in pixels; and a report.

    Files in .csv are about pictures of the folder, those in .json about pictures beside them. The
    report says how many objects were used, lie elsewhere, or are not among the `combinations`.
    """
    known, folder = set(combinations), args.input_dir.resolve()
    names = vocabulary.Vocabulary(
        {action: vocabulary.BASE.actions.get(action, ()) for action, _ in known},
        {food: vocabulary.BASE.foods.get(food, ()) for _, food in known},
    )
    renamed = (
        {} if args.label_map is None else annotation_files.read_json(args.label_map, "label map")
    )
    if not isinstance(renamed, dict) or not all(isinstance(food, str) for food in renamed.values()):
        raise ValueError(f"{args.label_map}: expected {{label: food}}, got {str(renamed)[:80]}.")
    # Other than for a data set, a food that this model does not know is no mistake.
    renamed = {vocabulary.normalise(label): food for label, food in renamed.items()}
    pictures = []
    reading = annotation_files.Reading(args.input_dir, skip_unreadable=True)
    for file in args.labels:
        if file.suffix.lower() == ".csv":
            # The policy says what is wrong with an unreadable picture, and goes on.
            pictures += annotation_tables.read_csv([file], args.label_units, reading)
        else:
            pictures += annotations.read_annotations([file])
    found: dict[Question, list[np.ndarray]] = {}
    counts = {"used": 0, "elsewhere": 0}
    unknown: collections.Counter = collections.Counter()
    for picture in dataset_builder.resolve_actions(pictures, args.action, names):
        path = picture.path.resolve()
        if not path.is_relative_to(folder):
            counts["elsewhere"] += len(picture.objects)
            continue
        for one in picture.objects:
            try:
                label = renamed.get(vocabulary.normalise(one.label), one.label)
                food = names.canonical_food(label)
            except vocabulary.UnknownNameError:
                food = None
            if (one.action, food) not in known:
                unknown[f"{one.action} {one.label}"] += 1
                continue
            question = Question(path.relative_to(folder).as_posix(), one.action, food)
            found.setdefault(question, []).extend([] if one.axis is None else [one.axis])
            counts["used"] += 1
    return found, {**counts, "unknown": dict(sorted(unknown.items()))}


def plan(
    args: argparse.Namespace, policy: api_client.Policy, source: Pictures
) -> tuple[list[Question], folder_outputs.Labels, Entry]:
    """What a run, or a shard of it, is going to ask: its questions; for some of them labelled
    motions, which are drawn too; and the first line of its file.

    Raises ValueError if there is nothing to ask about, ApiError if nobody can be asked.
    """
    version = policy.model_version()
    if version is None:
        raise ValueError(f"{args.api_url} has no model. Start it with --checkpoint_dir.")
    settings = {name: getattr(args, name) for name in (*_SETTINGS, "passes")}
    settings |= {"model_version": version, "shard": None}
    labels: dict[Question, list[np.ndarray]] = {}
    notes: dict[str, Any] = {}
    if isinstance(source, SamplePictures):
        asked = source.questions()
        notes["samples"] = {"split": args.split, "dataset": source.fingerprint}
        settings |= notes["samples"]
    else:
        own = folder_outputs.output_paths(args)
        names, left_out = find_pictures(args.input_dir, args.recursive, args.pattern, own)
        if not names:
            raise ValueError(
                f"{args.input_dir} has no pictures ({', '.join(ENDINGS)}). Left out: "
                f"{describe_left_out(left_out)}."
            )
        if args.labels:
            labels, notes["labels"] = read_labels(args, policy.available_combinations())
        asked = {name: [] for name in names}
        if args.food_type or args.text:
            asked = {name: [Question(name, args.action, args.food_type)] for name in names}
        else:
            for question in sorted(labels, key=folder_outputs.place):
                asked.get(question.image, []).append(question)
        others = sum(count for kind, count in left_out.items() if "folder" not in kind)
        notes["folder"] = {"pictures": len(names), "other_files": others, "left_out": left_out}
    questions = everything = list(itertools.chain(*asked.values()))
    if not everything:
        raise ValueError(f"The labels say nothing about the {len(asked)} pictures.")
    if args.shard_index is not None:
        # By pictures, so that each is read once.
        mine = itertools.islice(asked.values(), args.shard_index, None, args.num_shards)
        questions = list(itertools.chain(*mine))
        settings["shard"] = [args.shard_index, args.num_shards]
        digest = hashlib.sha256(json.dumps(everything).encode()).hexdigest()
        notes["shard"] = {"num_shards": args.num_shards, "folder_sha256": digest}
    notes["questions"] = len(questions)
    return questions, labels, {"format": FORMAT, "settings": settings, "notes": notes}
