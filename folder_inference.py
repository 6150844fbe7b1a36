"""Asks a policy about every picture of a folder, or about every sample of a data set.

A run writes `answers.jsonl` while it asks, which is its output, its journal and where it goes on:

    {"format": 2, "settings": {"num_samples": 16, ..., "model_version": "7c1e"}, "notes": {...}}
    {"image": "new/c.PNG", "mean_prediction": {"start_x": 0.31, ...}, ..., "client_ms": 41.2, ...}
    {"image": "broken.jpg", "action": "skewering", ..., "kind": "refused", "status": 422, ...}

Each line is on the disk before its thread asks the next question, so a kill loses at most one
answer of each thread. A crash can only cut off the last line, which is dropped then. The last line
about a question counts, as long as its picture is the same. An answer is the server's JSON object
with the picture's name in front; a failure has a `kind`:

    unreadable   the file, here; --resume asks again
    refused      by the policy, for good
    unanswered   no connection, overload, a wrong key, a fault of the server; --resume asks again

From the lines of a run, or with --merge from those of all its shards, `folder_outputs` makes JSON,
table and pictures. What a run leaves out of a folder (files with other endings, linked folders) is
counted in the summary and printed.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import fcntl
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
from typing import Any

import tqdm
from absl import logging

import api_client
import folder_outputs
import folder_questions
from folder_questions import Question
from training import stop_signals

# About the picture or its instruction: asking again would change nothing.
_REFUSALS = (400, 413, 415, 422)
# About the request, whatever picture is in it.
_OF_THE_RUN = (401, 403, 404, 405)

Entry = folder_outputs.Entry


class JournalError(ValueError):
    """Lines that do not belong to this run, or would be lost."""


def read_lines(path: pathlib.Path, content: bytes) -> tuple[Entry | None, dict[Question, Entry]]:
    """The first line, None of an empty file, and the last line of each question."""
    header, entries = None, {}
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), 1):
        try:
            entry = json.loads(line)
            if header is not None:
                entries[Question(*folder_outputs.key_of(entry))] = entry
        except (ValueError, LookupError, TypeError) as error:
            text = f"{path}: line {number} is not one of a run: {error}. Delete it."
            raise JournalError(text) from error
        if header is None:
            header = entry
            if not isinstance(header, dict) or header.get("format") != folder_questions.FORMAT:
                got = f"expected lines of format {folder_questions.FORMAT}, got {str(header)[:80]}"
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

    Yields what adds a line, which is then on the disk, from any thread; and the last line of each
    question.
    """
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


def ask(
    question: Question,
    policy: api_client.Policy,
    source: folder_questions.Pictures,
    settings: Entry,
) -> Entry:
    """The line of a question: an answer or a failure."""

    def failure(
        kind: str, error: object, status: int | None = None, id_: str | None = None
    ) -> Entry:
        why = {"kind": kind, "status": status, "error": str(error), "request_id": id_}
        return {**question._asdict(), **why}

    try:
        asked, state = source.load(question.image)
    except (OSError, ValueError) as error:
        return failure("unreadable", f"The picture cannot be read: {error}")
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


def _with_progress(asked: Iterable[Entry], total: int, initial: int) -> Iterator[Entry]:
    """The entries, while a bar and the log tell of them."""
    options = {"mininterval": 0.1, "leave": False} if sys.stderr.isatty() else {"mininterval": 10.0}
    bar = tqdm.tqdm(asked, total=total, initial=initial, desc="asking", unit="question", **options)
    failed = 0
    for entry in bar:
        if "kind" in entry:
            failed += 1
            bar.set_postfix_str(f"{failed} failed", refresh=False)
            logging.warning("%s: %s: %s", entry["image"], entry["kind"], entry["error"])
        yield entry


class GivingUp:
    """Says when going on is pointless.

    At once if the server refuses the program itself, or if the folder with the pictures is gone.
    After five questions in a row (or two of each thread, if that is more) without an answer. After
    as many refusals of sound pictures in the same words before the first answer: the server does
    not know the food.
    """

    def __init__(
        self, answered: int, args: argparse.Namespace, source: folder_questions.Pictures
    ) -> None:
        """`answered` by an earlier run."""
        self._answered, self._limit = answered, max(5, 2 * args.workers)
        self._folder, self._source = args.input_dir, source
        self._last, self._in_a_row = None, 0

    def _is_broken(self, name: str) -> bool:
        try:
            self._source.decode(name)
        except (OSError, ValueError):
            return True
        return False

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
        if kind == "refused" and self._is_broken(entry["image"]):
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

    Args:
        args: as `batch_api_inference.parse_arguments` gives them.
        open_policy: makes a policy for a thread; it is given what waits some seconds and ends at
            once when the run is to stop.
        signals: entered.

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

    source = folder_questions.pictures_of(args)
    with contextlib.ExitStack() as stack:
        free: queue.SimpleQueue[api_client.Policy] = queue.SimpleQueue()
        for _ in range(args.workers):
            policy = open_policy(sleep)
            stack.callback(policy.close)
            free.put(policy)
        signals.check()
        questions, labels, header = folder_questions.plan(args, policy, source)
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

        def ask_one(question: Question) -> Entry:
            policy = free.get()
            entry = ask(question, policy, source, header["settings"])
            append(entry)
            free.put(policy)
            return entry

        waiting = [question for question in questions if question not in entries]
        answered = sum("kind" not in entry for entry in entries.values())
        guard = GivingUp(answered, args, source)
        asked = ask_all(waiting, ask_one, args.workers, is_over)
        for entry in _with_progress(asked, len(questions), from_journal):
            entries[Question(*folder_outputs.key_of(entry))] = entry
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
        try:
            folder_outputs.write_views(document, args, source, labels, signals.check)
        except OSError as error:
            raise OSError(f"{error}. {path} has all answers; --resume uses them.") from error
    return document


def merge(args: argparse.Namespace, signals: stop_signals.StopSignals) -> dict[str, Any]:
    """Puts the lines of all shards together and writes the files, as if one run had asked all.

    `args.merge` names the shards' --output_file or their .jsonl; pictures are drawn if --input_dir
    says where they are. Raises OSError or ValueError, which names the files, if a shard is there
    twice, is missing, was not finished, or has other settings or another folder than the others.
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
    folder_outputs.write_views(
        document, args, folder_questions.pictures_of(args), {}, signals.check
    )
    return document
