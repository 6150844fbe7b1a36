"""Asks a policy about every picture of a folder, or about every sample of a data set.

A run writes `answers.jsonl` while it asks, which is its output, its journal and where it goes on:

    {"format": 2, "settings": {"num_samples": 16, ..., "model_version": "7c1e"}, "notes": {...}}
    {"image": "new/c.PNG", "mean_prediction": {"start_x": 0.31, ...}, ..., "client_ms": 41.2, ...}
    {"image": "broken.jpg", "action": "skewering", ..., "kind": "refused", "status": 422, ...}

Each line is on the disk before the next question of its thread goes out, so a kill loses at most
one answer of each thread. A line that a crash cut off is the last one, and is dropped. Of a
question the last line counts, as long as its picture is the same. An answer is the server's JSON
object with the picture's name in front; a failure has a `kind`:

    unreadable   the file, here; --resume asks again
    refused      by the policy, for good
    unanswered   no connection, overload, a wrong key, a fault of the server; --resume asks again

From the lines of a run, or with --merge from those of all its shards, `folder_outputs` makes JSON,
table and pictures.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import contextlib
import fcntl
import fnmatch
import hashlib
import itertools
import json
import os
import pathlib
import queue
import sys
import threading
import time
import typing
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
    annotation_files,
    annotation_tables,
    annotations,
    dataset_builder,
    image_placement,
    npz_dataset,
    splits,
    vocabulary,
)
from training import stop_signals

if typing.TYPE_CHECKING:
    import policy as policies

ENDINGS = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
SETTINGS = (
    *("action", "food_type", "text", "num_samples", "seed", "dropout_scope", "resize", "passes"),
)
_FORMAT = 2
# These say something about the picture or its instruction, so asking again would change nothing.
_REFUSALS = (400, 413, 415, 422)
# These say something about the request, whichever picture is in it.
_OF_THE_RUN = (401, 403, 404, 405)

Entry = folder_outputs.Entry


class JournalError(ValueError):
    """Lines that do not belong to this run, or would be lost."""


class Question(NamedTuple):
    """A picture, relative to the folder with "/" between the parts, and the instruction."""

    image: str
    action: str | None
    food_type: str | None

    def seed(self, run_seed: int | None) -> int | None:
        """The seed of its samples: another one for each question, whatever the order."""
        if run_seed is None:
            return None
        return (run_seed + zlib.crc32("\n".join(map(str, self)).encode("utf-8"))) % 2**31


class FolderPictures:
    """Files of a folder; several threads may read."""

    def __init__(self, folder: pathlib.Path) -> None:
        """`folder` holds the pictures."""
        self._folder = folder

    def load(self, name: str) -> tuple[dict[str, Any], Entry]:
        """What a policy is asked with, and what the line says of it. Raises OSError, ValueError."""
        path = self._folder / name
        content, mtime_ns = path.read_bytes(), path.stat().st_mtime_ns
        if not content:
            raise ValueError("The file is empty: 0 bytes.")
        digest = hashlib.sha256(content).hexdigest()
        file = {"size": len(content), "mtime_ns": mtime_ns, "sha256": digest}
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

    def decode(self, name: str) -> Image.Image:
        """The picture upright as the model sees it. Raises OSError or ValueError."""
        return Image.fromarray(image_placement.decode_image((self._folder / name).read_bytes()))


class SamplePictures:
    """As `FolderPictures`, for one side of a data set's split, whose samples bring embeddings.

    Sample 17 of "val" is called "val/00000017".

    Attributes:
        asked: name -> the question, in the order of the numbers.
        fingerprint: of the data set.
    """

    def __init__(
        self, dataset_file: pathlib.Path, split_file: pathlib.Path | None, side: str
    ) -> None:
        """`split_file` None: the one beside the data set. Raises OSError or ValueError."""
        self._data = npz_dataset.read_npz(dataset_file)
        path = split_file or splits.split_path(dataset_file)
        numbers = np.sort(getattr(splits.read_split(path, len(self._data)), f"{side}_idx"))
        if not len(numbers):
            raise ValueError(f"{path}: expected at least one sample of {side}, got none.")
        self._numbers = {f"{side}/{number:08d}": int(number) for number in numbers}
        self.fingerprint = npz_dataset.dataset_fingerprint(self._data)
        names = (self._data.action_names, self._data.food_types)
        self.asked = {
            name: [Question(name, *(None if n is None else str(n[number]) for n in names))]
            for name, number in self._numbers.items()
        }

    def load(self, name: str) -> tuple[dict[str, Any], Entry]:
        """See there."""
        number, sources = self._numbers[name], self._data.sources
        asked = {"image": self._data.images[number], "embedding": self._data.embeddings[number]}
        # The picture is the model's square already, and there is no photo to cut crops from: only
        # whoever asks for passes gets those of the square.
        asked |= {"resize": "stretch", "passes": "one"}
        return asked, {
            "sample": number,
            "source": None if sources is None else str(sources[number]),
        }

    def is_same(self, entry: Entry) -> bool:
        """Yes: the fingerprint among the run's settings stands for all samples."""
        return entry["image"] in self._numbers

    def decode(self, name: str) -> Image.Image:
        """See there."""
        return Image.fromarray(np.asarray(self._data.images[self._numbers[name]]))


Pictures = FolderPictures | SamplePictures


def pictures_of(args: argparse.Namespace) -> Pictures | None:
    """Where the pictures are; None if shards are merged and nothing is drawn."""
    if args.dataset_file is not None:
        return SamplePictures(args.dataset_file, args.split_file, args.split)
    return None if args.input_dir is None else FolderPictures(args.input_dir)


def find_pictures(
    folder: pathlib.Path, recursive: bool, pattern: str, leave_out: Iterable[pathlib.Path]
) -> tuple[list[str], int]:
    """Paths, relative to the folder and sorted, of the files whose names end like a picture's; and
    how many others there are.

    Hidden files are neither, nor is what a run has written (`leave_out`). `pattern` must match a
    relative path, "*" any letters, "/" included; links to folders are not followed.
    """

    def fail(error: OSError) -> None:
        raise error

    left_out = {path.resolve() for path in leave_out}
    pictures, others = [], 0
    for root, folders, files in os.walk(folder, onerror=fail):
        here = pathlib.Path(root)
        kept = [name for name in folders if recursive and not name.startswith(".")]
        folders[:] = [name for name in kept if (here / name).resolve() not in left_out]
        for name in files:
            if name.startswith(".") or (here / name).resolve() in left_out:
                continue
            relative = (here / name).relative_to(folder).as_posix()
            if name.lower().endswith(ENDINGS) and fnmatch.fnmatchcase(relative, pattern):
                pictures.append(relative)
            else:
                others += 1
    return sorted(pictures), others


def read_labels(
    args: argparse.Namespace, combinations: Iterable[tuple[str, str]]
) -> tuple[folder_outputs.Labels, dict[str, Any]]:
    """For each question that label files name its motions, float64 [2, 2] in pixels; and a report.

    Files in .csv (`annotation_tables.read_csv`) are about pictures of the folder, those in .json
    (`annotations.read_annotations`) about pictures beside them. The report says how many objects
    were used, lie elsewhere, or have a name that is not among the (action, food) `combinations`.
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
    used = elsewhere = 0
    unknown: collections.Counter = collections.Counter()
    for picture in dataset_builder.resolve_actions(pictures, args.action, names):
        path = picture.path.resolve()
        if not path.is_relative_to(folder):
            elsewhere += len(picture.objects)
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
            used += 1
    return found, {"used": used, "elsewhere": elsewhere, "unknown": dict(sorted(unknown.items()))}


def read_lines(path: pathlib.Path, content: bytes) -> tuple[Entry | None, dict[Question, Entry]]:
    """The first line, None of an empty file, and the last line of each question."""
    lines = []
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), 1):
        try:
            lines.append(json.loads(line))
        except ValueError as error:
            raise JournalError(f"{path}: line {number} is not JSON: {error}. Delete it.") from error
    if not lines:
        return None, {}
    if not isinstance(lines[0], dict) or lines[0].get("format") != _FORMAT:
        raise JournalError(f"{path}: expected lines of format {_FORMAT}, got {str(lines[0])[:80]}.")
    return lines[0], {Question(*folder_outputs.key_of(line)): line for line in lines[1:]}


def num_open(header: Entry, entries: Mapping[Question, Entry]) -> int:
    """How many questions of a run are still to be asked."""
    settled = sum(entry.get("kind") != "unanswered" for entry in entries.values())
    return header["notes"]["questions"] - settled


@contextlib.contextmanager
def open_lines(
    path: pathlib.Path, header: Entry, resume: bool
) -> Iterator[tuple[Callable[[Entry], None], dict[Question, Entry]]]:
    """Opens and locks the .jsonl of a run, to go on with it or to begin anew.

    Yields what adds a line, which is then on the disk, from any thread; and the last line of each
    question. Raises JournalError if it is of other settings, if another process is writing to it,
    or if a run that was not finished would be lost.
    """
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise JournalError(f"{path} is being written by another run. Wait for it.") from error
        file.seek(0)
        content = file.read()
        written, entries = read_lines(path, content)
        if written is not None:
            before, now = written["settings"], header["settings"]
            changes = [
                f"{name}: the journal has {before.get(name)!r}, now {now.get(name)!r}"
                for name in sorted({**before, **now})
                if before.get(name) != now.get(name)
            ]
            if resume and changes:
                raise JournalError(
                    f"--resume: {path} was written with other settings ({'; '.join(changes)}). "
                    "Give the same ones, or delete the file to begin anew."
                )
            answers = sum("kind" not in entry for entry in entries.values())
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
            line = (json.dumps(entry) + "\n").encode()
            with lock:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())

        if written is not None and resume:
            file.truncate(content.rfind(b"\n") + 1)
        else:
            entries = {}
            file.truncate(0)
            append(header)
        yield append, entries


def plan(
    args: argparse.Namespace, policy: policies.Policy, source: Pictures
) -> tuple[list[Question], folder_outputs.Labels, Entry]:
    """What a run, or a shard of it, is going to ask.

    Its questions; for some of them labelled motions, which are drawn too; and the first line of its
    file. Raises ValueError if there is nothing to ask about, ApiError if nobody can be asked.
    """
    version = policy.model_version()
    if version is None:
        raise ValueError(f"{args.api_url} has no model. Start it with --checkpoint_dir.")
    settings = {name: getattr(args, name) for name in SETTINGS}
    settings |= {"model_version": version, "shard": None}
    labels: dict[Question, list[np.ndarray]] = {}
    notes: dict[str, Any] = {}
    if isinstance(source, SamplePictures):
        asked = source.asked
        notes["samples"] = {"split": args.split, "dataset": source.fingerprint}
        settings |= notes["samples"]
    else:
        outputs = folder_outputs.output_paths(args)
        names, others = find_pictures(args.input_dir, args.recursive, args.pattern, outputs)
        if not names:
            hint = "" if args.recursive else " --recursive looks into its folders."
            raise ValueError(
                f"{args.input_dir} has no pictures ({', '.join(ENDINGS)}), but {others} other "
                f"files.{hint}"
            )
        if args.labels:
            labels, notes["labels"] = read_labels(args, policy.available_combinations())
        asked = {name: [] for name in names}
        if args.food_type or args.text:
            asked = {name: [Question(name, args.action, args.food_type)] for name in names}
        else:
            for question in sorted(labels, key=folder_outputs.place):
                asked.get(question.image, []).append(question)
        notes["folder"] = {"pictures": len(names), "other_files": others}
    everything = list(itertools.chain(*asked.values()))
    if not everything:
        raise ValueError(f"The labels say nothing about the {len(asked)} pictures.")
    questions = everything
    if args.shard_index is not None:
        # By pictures, so that each is read once.
        mine = itertools.islice(asked.values(), args.shard_index, None, args.num_shards)
        questions = list(itertools.chain(*mine))
        settings["shard"] = [args.shard_index, args.num_shards]
        digest = hashlib.sha256(json.dumps(everything).encode()).hexdigest()
        notes["shard"] = {"num_shards": args.num_shards, "folder_sha256": digest}
    notes["questions"] = len(questions)
    return questions, labels, {"format": _FORMAT, "settings": settings, "notes": notes}


def ask(question: Question, policy: policies.Policy, source: Pictures, settings: Entry) -> Entry:
    """The line of a question: an answer or a failure."""

    def failure(kind: str, error: str, status: int | None, request_id: str | None) -> Entry:
        why = {"kind": kind, "status": status, "error": error, "request_id": request_id}
        return {**question._asdict(), **why}

    try:
        asked, state = source.load(question.image)
    except (OSError, ValueError) as error:
        return failure("unreadable", f"The picture cannot be read: {error}", None, None)
    asked |= {"action": question.action, "food_type": question.food_type, "text": settings["text"]}
    asked |= {name: settings[name] for name in ("resize", "passes") if settings[name] is not None}
    started = time.perf_counter()
    try:
        if settings["num_samples"] == 0:
            prediction = policy.predict(**asked)
        else:
            prediction = policy.predict_batch(
                **asked,
                batch_size=settings["num_samples"],
                dropout_scope=settings["dropout_scope"],
                seed=question.seed(settings["seed"]),
            ).mean_prediction
    except api_client.ApiError as error:
        kind = "refused" if error.status in _REFUSALS else "unanswered"
        return failure(kind, error.message, error.status, error.request_id) | state
    client_ms = round(1000 * (time.perf_counter() - started), 3)
    answer = {name: value for name, value in prediction.content.items() if name != "success"}
    answer |= {"input_action": question.action, "input_food_type": question.food_type}
    return {"image": question.image, **answer, "client_ms": client_ms, **state}


def ask_all(
    questions: Iterable[Question],
    ask_one: Callable[[Question], Entry],
    workers: int,
    is_over: Callable[[], bool],
) -> Iterator[Entry]:
    """Asks from several threads until `is_over`; what is on its way then is finished."""
    waiting, running = iter(questions), set()
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        while True:
            if not is_over():
                more = itertools.islice(waiting, workers - len(running))
                running |= {pool.submit(ask_one, question) for question in more}
            if not running:
                return
            done, running = concurrent.futures.wait(
                running, return_when=concurrent.futures.FIRST_COMPLETED
            )
            yield from (one.result() for one in done)


class GivingUp:
    """Says when going on is pointless.

    At once if the server refuses the program itself; after five questions in a row (or two of each
    thread, if that is more) without an answer; and, while nothing has been answered, after as many
    refusals in the same words, which an instruction that the server does not know gets.
    """

    def __init__(self, answered: int, workers: int) -> None:
        """`answered` by an earlier run; `workers`: threads that ask."""
        self._answered, self._limit = answered, max(5, 2 * workers)
        self._unanswered = self._same_refusals = 0
        self._refusal = None

    def reason(self, entry: Entry) -> str:
        """Why to stop after this entry, or nothing."""
        kind, error = entry.get("kind"), entry.get("error")
        if kind is None:
            self._answered += 1
            self._unanswered = self._same_refusals = 0
        elif entry["status"] in _OF_THE_RUN:
            hint = " --num_samples 0 asks a server that has no samples." * (entry["status"] == 404)
            return f"The server refuses the program: {entry['status']}: {error}{hint}"
        elif kind == "unanswered":
            self._unanswered += 1
            if self._unanswered >= self._limit:
                return f"{self._unanswered} questions in a row had no answer: {error}"
        elif kind == "refused":
            self._unanswered = 0
            self._same_refusals = self._same_refusals + 1 if error == self._refusal else 1
            self._refusal = error
            if not self._answered and self._same_refusals >= self._limit:
                return f"The first {self._same_refusals} pictures were refused: {error}"
        return ""


def run(
    args: argparse.Namespace,
    open_policy: Callable[[Callable[[float], None]], policies.Policy],
    signals: stop_signals.StopSignals,
) -> dict[str, Any]:
    """Asks about a folder, or about a data set, and writes the files.

    Args:
        args: as `batch_api_inference.parse_arguments` gives them.
        open_policy: makes a policy for a thread; it is given what waits some seconds and ends at
            once when the run is to stop.
        signals: entered.

    Returns:
        What the JSON holds.

    Raises:
        stop_signals.Preempted: if a signal came; --resume goes on.
        JournalError: if the lines are of another run.
        api_client.ApiError: if the policy cannot be asked at all.
        OSError, ValueError: if a file cannot be read or written; the message says which.
    """
    started, reason = time.monotonic(), ""

    def is_over() -> bool:
        return bool(reason) or signals.received is not None

    def sleep(seconds: float) -> None:
        end = time.monotonic() + seconds
        while not is_over() and time.monotonic() < end:
            time.sleep(0.1)

    source = pictures_of(args)
    with contextlib.ExitStack() as stack:
        free: queue.SimpleQueue[policies.Policy] = queue.SimpleQueue()
        for _ in range(args.workers):
            policy = open_policy(sleep)
            stack.callback(policy.close)
            free.put(policy)
        signals.check()
        questions, labels, header = plan(args, policy, source)
        args.output_file.parent.mkdir(parents=True, exist_ok=True)
        append, known = stack.enter_context(
            open_lines(args.output_file.with_suffix(".jsonl"), header, args.resume)
        )
        entries = {
            question: known[question]
            for question in questions
            if question in known
            and known[question].get("kind") in (None, "refused")
            and source.is_same(known[question])
        }
        from_journal, failed, on_terminal = len(entries), 0, sys.stderr.isatty()
        logging.info("%d of %d questions are in the journal", from_journal, len(questions))

        def ask_one(question: Question) -> Entry:
            policy = free.get()
            entry = ask(question, policy, source, header["settings"])
            append(entry)
            free.put(policy)
            return entry

        guard = GivingUp(sum("kind" not in one for one in entries.values()), args.workers)
        waiting = [question for question in questions if question not in entries]
        with tqdm.tqdm(
            total=len(questions),
            initial=from_journal,
            desc="asking",
            unit="question",
            mininterval=0.1 if on_terminal else 10.0,
            leave=not on_terminal,
        ) as bar:
            for entry in ask_all(waiting, ask_one, args.workers, is_over):
                entries[Question(*folder_outputs.key_of(entry))] = entry
                if "kind" in entry:
                    failed += 1
                    bar.set_postfix_str(f"{failed} failed", refresh=False)
                    logging.warning("%s: %s: %s", entry["image"], entry["kind"], entry["error"])
                bar.update()
                reason = reason or guard.reason(entry)
        signals.check()
        if reason:
            logging.error("Gave up. %s", reason)
        not_asked = {"kind": "not asked", "status": None, "error": reason, "request_id": None}
        for question in questions:
            entries.setdefault(question, {**question._asdict(), **not_asked})
        document = folder_outputs.make_document(header["settings"], header["notes"], entries)
        seconds = round(time.monotonic() - started, 3)
        document["summary"] |= {"from_journal": from_journal, "seconds": seconds}
        folder_outputs.write_views(document, args, source, labels, signals.check)
    return document


def merge(args: argparse.Namespace, signals: stop_signals.StopSignals) -> dict[str, Any]:
    """Puts the lines of all shards together and writes the files, as if one run had asked all.

    Args:
        args: as `batch_api_inference.parse_arguments` gives them; `merge` names the shards'
            --output_file or their .jsonl. Pictures are drawn if --input_dir says where they are.
        signals: entered.

    Returns:
        What the JSON holds.

    Raises:
        OSError, ValueError: if a shard is there twice, is missing, was not finished, or has other
            settings or another folder than the others; names the files.
    """
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
    folder_outputs.write_views(document, args, pictures_of(args), {}, signals.check)
    return document
