"""Asks a policy about every picture of a folder.

A run writes `answers.jsonl` while it asks, which is its output, its journal and where it goes on:

    {"format": 2, "settings": {"num_samples": 16, ..., "model_version": "7c1e"}, "notes": {...}}
    {"image": "new/c.PNG", "mean_prediction": {"start_x": 0.31, ...}, ..., "client_ms": 41.2, ...}
    {"image": "broken.jpg", "action": "skewering", ..., "kind": "refused", "status": 422, ...}

Each line is on the disk before its thread asks the next question, so a kill loses at most one
answer of each thread, and half a line, which is dropped. The last line about a picture counts, as
long as the picture is the same. An answer is the server's JSON object; a failure has a `kind`:

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
import hashlib
import importlib.util
import json
import os
import pathlib
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import tqdm
from absl import logging
from PIL import Image

import api_client
import folder_outputs
from food_data import image_placement
from training import stop_signals

# What the names of files end in that can be decoded; HEIC is an extra.
_HEIC = (".heic", ".heif")
_ENDINGS = sorted(
    ending
    for ending, kind in Image.registered_extensions().items()
    if kind in image_placement.FORMATS
)
_ENDINGS = (*_ENDINGS, *(_HEIC if importlib.util.find_spec("pillow_heif") else ()))
_LARGEST_FILE_BYTES = 512 * 1024 * 1024
_FORMAT = 2
_SETTINGS = (
    *("action", "food_type", "text", "num_samples", "seed", "dropout_scope", "resize", "passes"),
)
# About the picture or its instruction: asking again would change nothing; about any request.
_REFUSALS, _OF_THE_RUN = (400, 413, 415, 422), (401, 403, 404, 405)

Entry = folder_outputs.Entry


class JournalError(ValueError):
    """Lines that do not belong to this run, or would be lost."""


def find_pictures(
    folder: pathlib.Path, recursive: bool, own: Iterable[pathlib.Path]
) -> tuple[list[str], collections.Counter]:
    """Paths, relative to the folder and sorted, of the files whose names end like a picture's; and
    how many others there are of which kind. What a run has written (`own`) is neither."""
    skipped = {os.path.realpath(path) for path in own}
    pictures, left_out = [], collections.Counter()

    def note(error: OSError) -> None:
        if pathlib.Path(error.filename) == folder:
            raise error
        left_out["folder that cannot be read"] += 1

    for root, folders, files in os.walk(folder, onerror=note):
        kept = []
        for name in (*folders, *files):
            path, is_folder = pathlib.Path(root, name), name in folders
            if os.path.realpath(path) in skipped:
                continue
            if name.startswith("."):
                left_out[f"hidden {'folder' if is_folder else 'file'}"] += 1
            elif is_folder and path.is_symlink():
                left_out["linked folder (not followed)"] += 1
            elif is_folder and not recursive:
                left_out["folder (--recursive looks into it)"] += 1
            elif is_folder:
                kept.append(name)
            elif name.lower().endswith(_ENDINGS):
                pictures.append(path.relative_to(folder).as_posix())
            else:
                kind = path.suffix.lower() or "file without ending"
                left_out[kind + " (needs requirements-heic.txt)" * (kind in _HEIC)] += 1
        folders[:] = kept
    return sorted(pictures), left_out


def describe_left_out(left_out: Mapping[str, int]) -> str:
    """Such as "2 .txt, 1 linked folder (not followed)"."""
    text = ", ".join(f"{count} {kind}" for kind, count in sorted(left_out.items())) or "nothing"
    return text.encode("utf-8", "backslashreplace").decode()  # Names need not be UTF-8.


def plan(args: argparse.Namespace, policy: api_client.Policy) -> tuple[list[str], Entry]:
    """The pictures that a run, or a shard of it, is going to ask about, and the first line of its
    file. ValueError if there is nothing."""
    version = policy.model_version()
    if version is None:
        raise ValueError(f"{args.api_url} has no model. Start it with --checkpoint_dir.")
    own = folder_outputs.output_paths(args)
    names, left_out = find_pictures(args.input_dir, args.recursive, own)
    if not names:
        others = describe_left_out(left_out)
        raise ValueError(f"{args.input_dir} has no pictures of known endings, but {others}.")
    others = sum(count for kind, count in left_out.items() if "folder" not in kind)
    notes = {"folder": {"pictures": len(names), "other_files": others, "left_out": left_out}}
    settings = {name: getattr(args, name) for name in _SETTINGS}
    settings |= {"model_version": version, "shard": None}
    if args.shard_index is not None:
        settings["shard"] = [args.shard_index, args.num_shards]
        digest = hashlib.sha256(json.dumps(names).encode()).hexdigest()
        notes["shard"] = {"num_shards": args.num_shards, "folder_sha256": digest}
        names = names[args.shard_index :: args.num_shards]
    notes["questions"] = len(names)
    return names, {"format": _FORMAT, "settings": settings, "notes": notes}


def read_lines(path: pathlib.Path, content: bytes) -> tuple[Entry | None, dict[str, Entry]]:
    """The first line, None of an empty file, and the last line of each picture."""
    lines = content[: content.rfind(b"\n") + 1].splitlines()
    try:
        header, *more = map(json.loads, lines) if lines else [None]
        if lines and header["format"] != _FORMAT:
            raise ValueError(f"expected lines of format {_FORMAT}, got {header['format']}")
        return header, {entry["image"]: entry for entry in more}
    except (ValueError, LookupError, TypeError) as error:
        raise JournalError(f"{path} has lines that no run wrote: {error!r}. Delete it.") from error


def num_open(header: Entry, entries: Mapping[str, Entry]) -> int:
    """About how many pictures a run is still to ask."""
    settled = sum(entry.get("kind") != "unanswered" for entry in entries.values())
    return header["notes"]["questions"] - settled


@contextlib.contextmanager
def open_lines(
    path: pathlib.Path, header: Entry, resume: bool
) -> Iterator[tuple[Callable[[Entry], None], dict[str, Entry]]]:
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
            names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
            changes = [f"{name} was {before.get(name)!r}, is {now.get(name)!r}" for name in names]
            way_out = "Delete the file to begin anew, or take another --output_file."
            answers = sum("kind" not in entry for entry in entries.values())
            if changes and (resume or before["shard"] != now["shard"]):
                changed = "; ".join(changes)
                raise JournalError(f"{path}: expected the same settings: {changed}. {way_out}")
            if not resume and answers and num_open(written, entries):
                unfinished = f"{answers} answers of a run that did not finish"
                raise JournalError(f"{path} holds {unfinished}. --resume goes on. {way_out}")
        lock = threading.Lock()

        def append(entry: Entry) -> None:
            nonlocal whole_bytes
            left = line = (json.dumps(entry) + "\n").encode()
            with lock:
                if not os.fstat(file.fileno()).st_nlink:
                    raise FileNotFoundError(f"{path} was removed while this run wrote to it.")
                try:
                    while left:  # A disk that fills takes a part first.
                        left = left[file.write(left) :]
                    os.fsync(file.fileno())
                except OSError as error:
                    # Half a line would spoil the next one.
                    file.truncate(whole_bytes)
                    why = f"{error.strerror}. What it holds is whole; --resume goes on"
                    raise OSError(f"{path} cannot be written: {why}.") from error
                whole_bytes += len(line)

        if written is None or not resume:
            entries, whole_bytes = {}, 0
        file.truncate(whole_bytes)
        if not whole_bytes:
            append(header)
        yield append, entries


def load(path: pathlib.Path) -> tuple[bytes, Entry]:
    """A picture's file, and what its line says of it. Raises OSError, ValueError."""
    found = path.stat()
    # A pipe has 0 bytes too; reading it would never end.
    if not 0 < found.st_size <= _LARGEST_FILE_BYTES:
        raise ValueError(f"expected 1 to {_LARGEST_FILE_BYTES} bytes, got {found.st_size}.")
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return content, {"size": len(content), "mtime_ns": found.st_mtime_ns, "sha256": digest}


def is_same(path: pathlib.Path, was: Entry) -> bool:
    """Whether a picture is still what a line is about: in size, and in time or SHA-256."""
    try:
        now = path.stat()
        return now.st_size == was["size"] and (
            now.st_mtime_ns == was["mtime_ns"] or load(path)[1]["sha256"] == was["sha256"]
        )
    except (OSError, ValueError):
        return False


def ask(name: str, policy: api_client.Policy, folder: pathlib.Path, settings: Entry) -> Entry:
    """The line of a picture: an answer or a failure."""
    asked = {key: settings[key] for key in ("action", "food_type")}
    failed = {"image": name, **asked, "kind": "unreadable", "status": None}
    try:
        image, file = load(folder / name)
    except (OSError, ValueError) as error:
        return failed | {"error": f"The picture cannot be read: {error}", "request_id": None}
    given = {f"input_{key}": value for key, value in asked.items()}
    asked |= {key: settings[key] for key in ("text", "resize", "passes")}
    started = time.perf_counter()
    try:
        if settings["num_samples"]:
            asked |= {key: settings[key] for key in ("seed", "dropout_scope")}
            if settings["seed"] is not None:
                # Another one for each picture, whatever their order.
                words = "\n".join((name, *map(str, given.values())))
                words = words.encode("utf-8", "surrogateescape")
                asked["seed"] = (settings["seed"] + zlib.crc32(words)) % 2**31
            batch = policy.predict_batch(image, batch_size=settings["num_samples"], **asked)
            prediction = batch.mean_prediction
        else:
            prediction = policy.predict(image, **asked)
    except api_client.ApiError as error:
        kind = "refused" if error.status in _REFUSALS else "unanswered"
        why = {"error": error.message, "request_id": error.request_id, "file": file}
        return failed | {"kind": kind, "status": error.status, **why}
    client_ms = round(1000 * (time.perf_counter() - started), 3)
    answer = {key: value for key, value in prediction.content.items() if key != "success"}
    return {"image": name, **answer, **given, "client_ms": client_ms, "file": file}


class Ending:
    """Has a `reason` when a run gives up: the server refuses the program itself, or five pictures
    in a row (or two of each thread, if that is more) had no answer or, before the first answer,
    were refused in the same words though they are sound: an unknown food."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._limit, self._folder = max(5, 2 * args.workers), args.input_dir
        self._in_a_row, self._last = 0, None
        self.reason, self.has_answers = "", False

    def note(self, entry: Entry) -> None:
        """Takes an answer or a failure into account."""
        kind, what = entry.get("kind"), None
        self.has_answers |= kind is None
        if kind == "unanswered":
            what = kind
        elif kind == "refused" and not self.has_answers:
            with contextlib.suppress(OSError, ValueError):  # Refused for the picture, not the food.
                image_placement.decode_image((self._folder / entry["image"]).read_bytes())
                what = entry["error"]
        self._in_a_row = (self._in_a_row + 1 if what == self._last else 1) if what else 0
        self._last = what
        if entry.get("status") in _OF_THE_RUN or self._in_a_row >= self._limit:
            status = entry["status"] or ""
            self.reason = f"{self._in_a_row} in a row had no answer: {status} {entry['error']}"


def run(
    args: argparse.Namespace,
    open_policy: Callable[[], api_client.Policy],
    signals: stop_signals.StopSignals,
) -> dict[str, Any]:
    """Asks about a folder, with a policy for each thread, and writes the files; returns what the
    JSON holds. Raises Preempted, JournalError, ApiError, OSError or ValueError."""
    started, ending, mine = time.monotonic(), Ending(args), threading.local()
    with contextlib.ExitStack() as stack:
        policies = [stack.enter_context(open_policy()) for _ in range(args.workers)]
        signals.check()
        names, header = plan(args, policies[0])
        args.output_file.parent.mkdir(parents=True, exist_ok=True)
        path = args.output_file.with_suffix(".jsonl")
        append, known = stack.enter_context(open_lines(path, header, args.resume))
        entries = {
            name: known[name]
            for name in names
            if name in known
            and known[name].get("kind") in (None, "refused")
            and is_same(args.input_dir / name, known[name]["file"])
        }
        from_journal = len(entries)
        ending.has_answers = any("kind" not in entry for entry in entries.values())
        logging.info("%d of %d questions are in the journal", from_journal, len(names))

        def ask_one(name: str) -> Entry | None:
            if ending.reason or signals.received:
                return None
            entry = ask(name, mine.policy, args.input_dir, header["settings"])
            append(entry)
            ending.note(entry)
            return entry

        pool = concurrent.futures.ThreadPoolExecutor(
            args.workers, initializer=lambda: setattr(mine, "policy", policies.pop())
        )
        # What is on its way is finished, whatever ends the run.
        stack.callback(pool.shutdown, cancel_futures=True)
        waiting = [pool.submit(ask_one, name) for name in names if name not in entries]
        every_s = 0.1 if sys.stderr.isatty() else 10.0
        how = {"total": len(names), "initial": from_journal, "mininterval": every_s}
        bar = tqdm.tqdm(concurrent.futures.as_completed(waiting), "asking", unit="picture", **how)
        for entry in filter(None, (future.result() for future in bar)):
            if "kind" in entry:
                logging.warning("%s: %s: %s", entry["image"], entry["kind"], entry["error"])
            entries[entry["image"]] = entry
        signals.check()
        if ending.reason:
            logging.error("Gave up. %s", ending.reason)
        why = {"kind": "not asked", "status": None, "error": ending.reason, "request_id": None}
        why = {"action": args.action, "food_type": args.food_type, **why}
        entries = {name: entries.get(name, {"image": name, **why}) for name in names}
        document = folder_outputs.make_document(header["settings"], header["notes"], entries)
        seconds = round(time.monotonic() - started, 3)
        document["summary"] |= {"from_journal": from_journal, "seconds": seconds}
        try:
            folder_outputs.write_views(document, args, signals.check)
        except OSError as error:
            raise OSError(f"{error}. {path} has all answers; --resume uses them.") from error
    return document


def merge(args: argparse.Namespace, signals: stop_signals.StopSignals) -> dict[str, Any]:
    """Puts the lines of all shards, `args.merge`, together and writes the files, as if one run had
    asked all; pictures are drawn if it is said where they are. Raises OSError or ValueError."""
    shards: dict[int, pathlib.Path] = {}
    entries: dict[str, Entry] = {}
    first = None
    for path in (file.with_suffix(".jsonl") for file in args.merge):
        header, more = read_lines(path, path.read_bytes())
        if header is None or "shard" not in header["notes"]:
            raise ValueError(f"{path}: expected what a run with --num_shards wrote.")
        index = header["settings"]["shard"][0]
        common = {**header["settings"], **header["notes"]["shard"], "shard": None}
        for wrong, why in (
            (index in shards, f"and {shards.get(index)} overlap: both are shard {index}."),
            (num_open(header, more), "was not finished. Run its shard again with --resume."),
            (common != (first or common), f"is of another run than {args.merge[0]}: {common}."),
        ):
            if wrong:
                raise ValueError(f"{path} {why}")
        first = common
        shards[index] = path
        entries |= more
    missing = sorted(set(range(first["num_shards"])) - set(shards))
    if missing:
        raise ValueError(f"Expected {first['num_shards']} shards; missing: {missing}.")
    notes = {"merged": sorted(path.name for path in shards.values())}
    document = folder_outputs.make_document({**header["settings"], "shard": None}, notes, entries)
    args.output_file.parent.mkdir(parents=True, exist_ok=True)
    folder_outputs.write_views(document, args, signals.check)
    return document
