"""Asks a policy about every picture of a folder, or about every sample of a data set.

A run writes `answers.jsonl` while it asks, which is its output, its journal and where it goes on:

    {"format": 2, "settings": {"num_samples": 16, ..., "model_version": "7c1e"}, "notes": {...}}
    {"image": "new/c.PNG", "mean_prediction": {"start_x": 0.31, ...}, ..., "client_ms": 41.2, ...}
    {"image": "broken.jpg", "action": "skewering", ..., "kind": "refused", "status": 422, ...}

Each line is on the disk before its thread asks the next question, so a kill loses at most one
answer of each thread, and half a line, which is dropped. The last line about a question counts, as
long as its picture is the same. An answer is the server's JSON object; a failure has a `kind`:

    unreadable   the file, here; --resume asks again
    refused      by the policy, for good
    unanswered   no connection, overload, a wrong key, a fault of the server; --resume asks again

Shard 1 of 4 has the pictures 1, 5, 9, ... What a run leaves out of a folder (files with other
endings, linked folders) is counted in the summary and printed. From the lines of a run, or with
--merge from those of all its shards, `folder_outputs` makes JSON, table and pictures.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import contextlib
import fcntl
import fnmatch
import hashlib
import importlib.util
import itertools
import json
import os
import pathlib
import queue
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import tqdm
from absl import logging
from PIL import Image

import api_client
import folder_outputs
from food_data import (
    annotation_formats,
    annotation_tables,
    annotations,
    dataset_builder,
    image_placement,
    npz_dataset,
    rlds,
    splits,
    vocabulary,
)
from training import stop_signals

# What the names of files end in that can be decoded; HEIC is an extra.
_KINDS = Image.registered_extensions().items()
_HEIC = (".heic", ".heif")
_ENDINGS = sorted(ending for ending, kind in _KINDS if kind in image_placement.FORMATS)
_ENDINGS = (*_ENDINGS, *(_HEIC if importlib.util.find_spec("pillow_heif") else ()))
_LARGEST_FILE_BYTES = 512 * 1024 * 1024
_FORMAT = 2
_SETTINGS = ("action", "food_type", "text", "num_samples", "seed", "dropout_scope", "resize")
# About the picture or its instruction: asking again would change nothing; about any request.
_REFUSALS, _OF_THE_RUN = (400, 413, 415, 422), (401, 403, 404, 405)

Entry = folder_outputs.Entry


class JournalError(ValueError):
    """Lines that do not belong to this run, or would be lost."""


class Question(NamedTuple):
    """A picture, relative to the folder with "/" between the parts, and the instruction; equal to
    `folder_outputs.key_of` its line."""

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
        # A pipe has 0 bytes too; reading it would never end.
        if not 0 < found.st_size <= _LARGEST_FILE_BYTES:
            expected = f"a file of 1 to {_LARGEST_FILE_BYTES} bytes"
            raise ValueError(f"expected {expected}, got {found.st_size}.")
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        file = {"size": len(content), "mtime_ns": found.st_mtime_ns, "sha256": digest}
        return {"image": content}, {"file": file}

    def is_same(self, entry: Entry) -> bool:
        """Whether a picture is still what a line is about, in size and time or in its SHA-256."""
        path, was = self._folder / entry["image"], entry["file"]
        try:
            if path.stat().st_size != was["size"] or path.stat().st_mtime_ns == was["mtime_ns"]:
                return path.stat().st_size == was["size"]
            return hashlib.sha256(path.read_bytes()).hexdigest() == was["sha256"]
        except OSError:
            return False

    def decode(self, name: str) -> np.ndarray:
        """The picture upright, uint8 [H, W, 3]. Raises OSError or ValueError."""
        return image_placement.decode_image((self._folder / name).read_bytes())


class SamplePictures:
    """As `FolderPictures`, for the samples of one side of a split: number 17 of "val" is called
    "val/00000017". They bring their own embeddings."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._data = rlds.read_dataset(args.dataset_file)
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
        # The picture is the model's square already: there is no photo to cut crops from.
        how = {"resize": "stretch", "passes": "one", "embedding": self._data.embeddings[number]}
        source = None if sources is None else str(sources[number])
        return {"image": self._data.images[number], **how}, {"sample": number, "source": source}

    def is_same(self, entry: Entry) -> bool:
        """Yes: the fingerprint among the run's settings stands for all samples."""
        return entry["image"] in self._numbers

    def decode(self, name: str) -> np.ndarray:
        """As `FolderPictures.decode`."""
        return np.asarray(self._data.images[self._numbers[name]])


Pictures = FolderPictures | SamplePictures


def find_pictures(
    folder: pathlib.Path, recursive: bool, pattern: str, own: Iterable[pathlib.Path]
) -> tuple[list[str], collections.Counter]:
    """Paths, relative to the folder and sorted, of the files whose names end like a picture's; and
    how many others there are of which kind. What a run has written (`own`) is neither. `pattern`
    must match a relative path, "*" any letters, "/" too; brackets stand for characters or for
    themselves."""
    skipped = {os.path.realpath(path) for path in own}
    patterns = (pattern, pattern.replace("[", "[[]"))
    pictures, left_out = [], collections.Counter()

    def note(error: OSError) -> None:
        if pathlib.Path(error.filename) == folder:
            raise error
        left_out["folder that cannot be read"] += 1

    for root, folders, files in os.walk(folder, onerror=note):
        kept = []
        for name in (*folders, *files):
            path, is_folder = pathlib.Path(root, name), name in folders
            relative = path.relative_to(folder).as_posix()
            if os.path.realpath(path) in skipped:
                continue
            if name.startswith("."):
                reason = f"hidden {'folder' if is_folder else 'file'}"
            elif is_folder and path.is_symlink():
                reason = "linked folder (not followed)"
            elif is_folder and not recursive:
                reason = "folder (--recursive looks into it)"
            elif is_folder:
                kept.append(name)
                continue
            elif not name.lower().endswith(_ENDINGS):
                reason = path.suffix.lower() or "file without ending"
                reason += " (needs requirements-heic.txt)" * (reason in _HEIC)
            elif not any(fnmatch.fnmatchcase(relative, one) for one in patterns):
                reason = "picture that --pattern leaves out"
            else:
                pictures.append(relative)
                continue
            left_out[reason] += 1
        folders[:] = kept
    return sorted(pictures), left_out


def describe_left_out(left_out: Mapping[str, int]) -> str:
    """Such as "2 .txt, 1 linked folder (not followed)"."""
    text = ", ".join(f"{count} {kind}" for kind, count in sorted(left_out.items())) or "nothing"
    return text.encode("utf-8", "backslashreplace").decode()  # Names need not be UTF-8.


def read_labels(
    args: argparse.Namespace, combinations: Iterable[tuple[str, str]]
) -> tuple[folder_outputs.Labels, dict[str, Any]]:
    """For each question that label files name its motions, float64 [2, 2] in pixels; and how many
    objects were used, lie elsewhere, or are not among the `combinations`. Files in .csv are about
    pictures of the folder, those in .json about pictures beside them."""
    known, folder = set(combinations), args.input_dir.resolve()
    names = vocabulary.Vocabulary(
        {action: vocabulary.BASE.actions.get(action, ()) for action, _ in known},
        {food: vocabulary.BASE.foods.get(food, ()) for _, food in known},
    )
    renamed = {} if args.label_map is None else annotations.read_json(args.label_map, "label map")
    if not isinstance(renamed, dict) or not all(isinstance(food, str) for food in renamed.values()):
        raise ValueError(f"{args.label_map}: expected {{label: food}}, got {str(renamed)[:80]}.")
    # Other than for a data set, a food that this model does not know is no mistake.
    renamed = {vocabulary.normalise(label): food for label, food in renamed.items()}
    # The policy says what is wrong with an unreadable picture, and goes on.
    reading = annotations.Reading(args.input_dir, skip_unreadable=True)
    pictures = []
    for file in args.labels:
        if file.suffix.lower() == ".csv":
            pictures += annotation_tables.read_csv([file], reading, args.label_units)
        else:
            pictures += annotation_formats.read_annotations([file])
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
    motions, which are drawn too; and the first line of its file. ValueError if there is nothing."""
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
                f"{args.input_dir} has no pictures ({', '.join(_ENDINGS)}). Left out: "
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
    return questions, labels, {"format": _FORMAT, "settings": settings, "notes": notes}


def read_lines(
    path: pathlib.Path, content: bytes
) -> tuple[Entry | None, dict[folder_outputs.Key, Entry]]:
    """The first line, None of an empty file, and the last line of each question."""
    header, entries = None, {}
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), 1):
        try:
            entry = json.loads(line)
            if header is not None:
                entries[folder_outputs.key_of(entry)] = entry
        except (ValueError, LookupError, TypeError) as error:
            text = f"{path}: line {number} is not one of a run: {error}. Delete it."
            raise JournalError(text) from error
        if header is None:
            header = entry
            if not isinstance(header, dict) or header.get("format") != _FORMAT:
                got = f"expected lines of format {_FORMAT}, got {str(header)[:80]}"
                raise JournalError(f"{path}: {got}.")
    return header, entries


def num_open(header: Entry, entries: Mapping[Question, Entry]) -> int:
    """How many questions of a run are still to be asked."""
    settled = sum(entry.get("kind") != "unanswered" for entry in entries.values())
    return header["notes"]["questions"] - settled


@contextlib.contextmanager
def open_lines(
    path: pathlib.Path, header: Entry, resume: bool
) -> Iterator[tuple[Callable[[Entry], None], dict[Question, Entry]]]:
    """Opens and locks the .jsonl of a run, to go on with it or to begin anew; JournalError if not.
    Yields what adds a line, which is then on the disk, from any thread; and the last lines."""
    with path.open("a+b", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise JournalError(f"{path} is being written by another run. Wait for it.") from error
        file.seek(0)
        content = file.read()
        whole_bytes = content.rfind(b"\n") + 1
        written, entries = read_lines(path, content)
        if written is not None:
            before, now = written["settings"], header["settings"]
            changes = "; ".join(
                f"{name}: the journal has {before.get(name)!r}, now {now.get(name)!r}"
                for name in sorted({**before, **now})
                if before.get(name) != now.get(name)
            )
            answers = sum("kind" not in entry for entry in entries.values())
            if resume and changes:
                raise JournalError(
                    f"{path} was written with other settings ({changes}). Give the same ones, or "
                    "delete the file to begin anew."
                )
            if not resume and answers and num_open(written, entries):
                raise JournalError(
                    f"{path} holds {answers} answers of a run that did not finish. --resume goes "
                    "on with it; delete the file to begin anew."
                )
            if not resume and before["shard"] != now["shard"]:
                raise JournalError(
                    f"{path} belongs to shard {before['shard']}, this is {now['shard']}. Give each "
                    "shard its own --output_file."
                )
        lock = threading.Lock()

        def append(entry: Entry) -> None:
            nonlocal whole_bytes
            line = (json.dumps(entry) + "\n").encode()
            with lock:
                if not path.exists() or not os.path.samestat(path.stat(), os.fstat(file.fileno())):
                    raise FileNotFoundError(f"{path} was removed while this run wrote to it.")
                try:
                    left = line
                    while left:  # A disk that fills takes a part first.
                        left = left[file.write(left) :]
                    os.fsync(file.fileno())
                except OSError as error:
                    # Half a line would spoil the next one.
                    file.truncate(whole_bytes)
                    raise OSError(
                        f"{path} cannot be written: {error.strerror}. What it holds is whole; "
                        "--resume goes on."
                    ) from error
                whole_bytes += len(line)

        if written is None or not resume:
            entries, whole_bytes = {}, 0
        file.truncate(whole_bytes)
        if not whole_bytes:
            append(header)
        yield append, entries


def ask(question: Question, policy: api_client.Policy, source: Pictures, settings: Entry) -> Entry:
    """The line of a question: an answer or a failure."""
    unknown = {**question._asdict(), "kind": "unreadable", "status": None}
    try:
        asked, state = source.load(question.image)
    except (OSError, ValueError) as error:
        return unknown | {"error": f"The picture cannot be read: {error}", "request_id": None}
    asked |= {"action": question.action, "food_type": question.food_type, "text": settings["text"]}
    asked |= {name: settings[name] for name in ("resize", "passes") if settings[name] is not None}
    if settings["num_samples"]:
        asked |= {"batch_size": settings["num_samples"], "dropout_scope": settings["dropout_scope"]}
        if settings["seed"] is not None:
            # Another one for each question, whatever their order.
            words = "\n".join(map(str, question)).encode("utf-8", "surrogateescape")
            asked["seed"] = (settings["seed"] + zlib.crc32(words)) % 2**31
    started = time.perf_counter()
    try:
        if settings["num_samples"]:
            prediction = policy.predict_batch(**asked).mean_prediction
        else:
            prediction = policy.predict(**asked)
    except api_client.ApiError as error:
        kind = "refused" if error.status in _REFUSALS else "unanswered"
        why = {"error": error.message, "request_id": error.request_id}
        return unknown | {"kind": kind, "status": error.status, **why, **state}
    client_ms = round(1000 * (time.perf_counter() - started), 3)
    answer = {name: value for name, value in prediction.content.items() if name != "success"}
    answer |= {"input_action": question.action, "input_food_type": question.food_type}
    return {"image": question.image, **answer, "client_ms": client_ms, **state}


class GivingUp:
    """Says when going on is pointless: at once if the server refuses the program itself, or the
    folder is gone; after five questions in a row (or two of each thread, if that is more) without
    an answer; after as many refusals of sound pictures in the same words before the first answer,
    since the server does not know the food."""

    def __init__(self, answered: int, args: argparse.Namespace, source: Pictures) -> None:
        self._answered, self._limit = answered, max(5, 2 * args.workers)
        self._folder, self._source = args.input_dir, source
        self._last, self._in_a_row = None, 0

    def reason(self, entry: Entry) -> str:
        """Why to stop after this entry, or nothing."""
        kind, error = entry.get("kind"), entry.get("error")
        if kind == "unreadable":
            gone = self._folder is not None and not self._folder.is_dir()
            return f"The folder {self._folder} is no longer there." if gone else ""
        if kind is not None and entry["status"] in _OF_THE_RUN:
            hint = " --num_samples 0 asks a server that has no samples." * (entry["status"] == 404)
            return f"The server refuses the program: {entry['status']}: {error}{hint}"
        if kind is None or (kind == "refused" and self._answered):
            self._answered, self._last = self._answered + (kind is None), None
            return ""
        if kind == "refused":
            try:
                self._source.decode(entry["image"])
            except (OSError, ValueError):
                return ""
        what = (kind, error if kind == "refused" else None)
        self._last, self._in_a_row = what, self._in_a_row + 1 if what == self._last else 1
        if self._in_a_row < self._limit:
            return ""
        if kind == "unanswered":
            return f"{self._in_a_row} questions in a row had no answer: {error}"
        return f"{self._in_a_row} sound pictures were refused: {error}"


def run(
    args: argparse.Namespace,
    open_policy: Callable[[Callable[[float], None]], api_client.Policy],
    signals: stop_signals.StopSignals,
) -> dict[str, Any]:
    """Asks about a folder, or about a data set, and writes the files; returns what the JSON holds.

    `open_policy` makes a policy for a thread; it is given what waits some seconds and ends at once
    when the run is to stop. Raises Preempted, JournalError, ApiError, OSError or ValueError.
    """
    started, reason = time.monotonic(), ""

    def is_over() -> bool:
        return bool(reason) or signals.received is not None

    def sleep(seconds: float) -> None:
        end = time.monotonic() + seconds
        while not is_over() and time.monotonic() < end:
            time.sleep(0.1)

    source = FolderPictures(args.input_dir) if args.input_dir else SamplePictures(args)
    with contextlib.ExitStack() as stack:
        free: queue.SimpleQueue[api_client.Policy] = queue.SimpleQueue()
        for _ in range(args.workers):
            policy = open_policy(sleep)
            stack.callback(policy.close)
            free.put(policy)
        signals.check()
        questions, labels, header = plan(args, policy, source)
        args.output_file.parent.mkdir(parents=True, exist_ok=True)
        path = args.output_file.with_suffix(".jsonl")
        append, known = stack.enter_context(open_lines(path, header, args.resume))
        entries = {
            question: known[question]
            for question in questions
            if question in known
            and known[question].get("kind") in (None, "refused")
            and source.is_same(known[question])
        }
        from_journal = len(entries)
        logging.info("%d of %d questions are in the journal", from_journal, len(questions))

        guard = GivingUp(sum("kind" not in one for one in entries.values()), args, source)
        lock = threading.Lock()

        def ask_one(question: Question) -> Entry | None:
            nonlocal reason
            policy = free.get()
            try:
                if is_over():
                    return None
                entry = ask(question, policy, source, header["settings"])
                append(entry)
                with lock:
                    reason = reason or guard.reason(entry)
                return entry
            finally:  # Others wait for one.
                free.put(policy)

        pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(args.workers))
        # What is on its way is finished, whatever ends the run.
        stack.callback(pool.shutdown, cancel_futures=True)
        waiting = [question for question in questions if question not in entries]
        asked = concurrent.futures.as_completed([pool.submit(ask_one, one) for one in waiting])
        on_screen = sys.stderr.isatty()
        how = {"mininterval": 0.1 if on_screen else 10.0, "leave": not on_screen}
        size = {"total": len(questions), "initial": from_journal, "unit": "question"}
        failed = 0
        with tqdm.tqdm(asked, desc="asking", **size, **how) as bar:
            for entry in filter(None, (future.result() for future in bar)):
                if "kind" in entry:
                    failed += 1
                    bar.set_postfix_str(f"{failed} failed", refresh=False)
                    logging.warning("%s: %s: %s", entry["image"], entry["kind"], entry["error"])
                entries[folder_outputs.key_of(entry)] = entry
        signals.check()
        if reason:
            logging.error("Gave up. %s", reason)
        for question in questions:
            why = {"kind": "not asked", "status": None, "error": reason, "request_id": None}
            entries.setdefault(question, {**question._asdict(), **why})
        document = folder_outputs.make_document(header["settings"], header["notes"], entries)
        seconds = round(time.monotonic() - started, 3)
        document["summary"] |= {"from_journal": from_journal, "seconds": seconds}
        try:
            folder_outputs.write_views(document, args, source.decode, labels, signals.check)
        except OSError as error:
            raise OSError(f"{error}. {path} has all answers; --resume uses them.") from error
    return document


def merge(args: argparse.Namespace, signals: stop_signals.StopSignals) -> dict[str, Any]:
    """Puts the lines of all shards, `args.merge`, together and writes the files, as if one run had
    asked all; pictures are drawn if it is said where they are. Raises OSError or ValueError if a
    shard is there twice, is missing, was not finished, or is of another run than the others."""
    shards: dict[int, pathlib.Path] = {}
    entries: dict[Question, Entry] = {}
    first = None
    for path in (file.with_suffix(".jsonl") for file in args.merge):
        header, more = read_lines(path, path.read_bytes())
        if header is None or "shard" not in header["notes"]:
            raise ValueError(f"{path}: expected what a run with --num_shards wrote.")
        index = header["settings"]["shard"][0]
        common = {**header["settings"], **header["notes"]["shard"], "shard": None}
        if index in shards:
            raise ValueError(f"{shards[index]} and {path} overlap: both are shard {index}.")
        if num_open(header, more):
            raise ValueError(f"{path} was not finished. Run its shard again with --resume.")
        if common != (first or common):
            raise ValueError(f"{args.merge[0]} and {path} are of other runs: {first} and {common}.")
        first = common
        shards[index] = path
        entries |= more
    missing = sorted(set(range(first["num_shards"])) - set(shards))
    if missing:
        raise ValueError(f"Expected {first['num_shards']} shards; missing: {missing}.")
    notes = {"merged": sorted(path.name for path in shards.values())}
    document = folder_outputs.make_document({**header["settings"], "shard": None}, notes, entries)
    args.output_file.parent.mkdir(parents=True, exist_ok=True)
    source = SamplePictures(args) if args.dataset_file else None
    if args.input_dir is not None:
        source = FolderPictures(args.input_dir)
    decode = source and source.decode  # Else nothing is drawn.
    folder_outputs.write_views(document, args, decode, {}, signals.check)
    return document
