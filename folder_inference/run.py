"""One run over a folder, from its flags to its files."""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Callable
from typing import Any

from absl import logging

import api_client
from folder_inference import (
    asking,
    flags,
    giving_up,
    journal,
    merging,
    outcomes,
    outputs,
    plan,
    progress,
    questions,
    results,
    scoring,
    stopping,
)

Found = dict[questions.Key, outcomes.Outcome]


def run(args: argparse.Namespace, signals: stopping.StopSignals) -> dict[str, Any]:
    """Asks about a folder and writes the files.

    Args:
        args: as `flags.parse_arguments` gives them.
        signals: entered.

    Returns:
        What the JSON holds.

    Raises:
        stopping.Stopped: if a signal came; --resume goes on.
        journal.JournalError: if the journal is of another run.
        api_client.ApiError: if the server cannot be asked at all.
        OSError, ValueError: if a file cannot be read or written; the message says which.
    """
    started = time.monotonic()
    paths = outputs.Paths(args.output_file, args.overlay_dir)
    make_client = functools.partial(_client, args, signals)
    with make_client() as client:
        planned = plan.make_plan(args, client, paths)
    paths.json.parent.mkdir(parents=True, exist_ok=True)
    with journal.open_journal(paths.journal, planned.settings, args.resume) as log:
        found = _known(planned, args, log) if args.resume else {}
        from_journal = len(found)

        def make_asker() -> asking.Asker:
            return asking.Asker(make_client(), args.input_dir, flags.settings_of(args), log)

        reason = _ask(planned, found, make_asker, args.workers, signals)
        document = _document(planned, found, reason)
        seconds = round(time.monotonic() - started, 3)
        document["summary"].update(from_journal=from_journal, seconds=seconds)
        outputs.write(
            document, paths, args.input_dir, planned.labels, args.sheet_images, signals.check
        )
        if reason is None and all(outcome.finished for outcome in found.values()):
            log.finish()
    return document


def merge(args: argparse.Namespace, signals: stopping.StopSignals) -> dict[str, Any]:
    """Puts shards together and writes the files; pictures are drawn if --input_dir is given.

    Args:
        args: as `flags.parse_arguments` gives them, with `merge`.
        signals: entered.

    Returns:
        What the JSON holds.

    Raises:
        merging.MergeError: if the shards do not make a whole.
        stopping.Stopped: if a signal came.
        OSError: if a file cannot be read or written.
    """
    document = merging.merge(args.merge)
    paths = outputs.Paths(args.output_file, args.overlay_dir)
    paths.json.parent.mkdir(parents=True, exist_ok=True)
    outputs.write(document, paths, args.input_dir, {}, args.sheet_images, signals.check)
    return document


def _client(
    args: argparse.Namespace, signals: stopping.StopSignals
) -> api_client.FoodAcquisitionClient:
    return api_client.FoodAcquisitionClient(
        args.api_url, api_key=args.api_key, timeout_s=args.timeout_s, sleep=signals.event.wait
    )


def _ask(
    planned: plan.Plan,
    found: Found,
    make_asker: Callable[[], asking.Asker],
    workers: int,
    signals: stopping.StopSignals,
) -> str | None:
    """Asks what is not in `found` and puts it there. Returns why it gave up, or None."""
    waiting = [one for one in planned.asked if one.key not in found]
    answered = sum(outcome.answer is not None for outcome in found.values())
    guard = giving_up.GivingUp(answered, workers)
    reason = None
    with progress.progress(len(planned.asked), len(found)) as bar:
        for outcome in asking.ask_all(waiting, make_asker, workers, signals.event):
            found[outcome.question.key] = outcome
            bar.update(outcome.failure is not None)
            if outcome.failure is not None:
                _log_failure(outcome)
            reason = reason or guard.reason(outcome)
            if reason is not None:
                signals.event.set()
    signals.check()
    if reason is not None:
        logging.error("Gave up. %s", reason)
    return reason


def _known(planned: plan.Plan, args: argparse.Namespace, log: journal.Journal) -> Found:
    found = {}
    for question in planned.asked:
        entry = log.known(question.key, args.input_dir / question.image)
        if entry is not None:
            found[question.key] = outcomes.Outcome.from_entry(question, entry)
    logging.info("%d of %d questions are in the journal", len(found), len(planned.asked))
    return found


def _document(planned: plan.Plan, found: Found, reason: str | None) -> dict[str, Any]:
    answered, failed = results.split(planned.asked, found, reason or "")
    summary = {"settings": planned.settings, **planned.notes, **results.summary(answered, failed)}
    if planned.labels:
        scores, summary["scores"] = scoring.score_records(answered, planned.labels)
        for record, score in zip(answered, scores):
            record["score"] = score.to_dict()
    return {"results": answered, "failed_images": failed, "summary": summary}


def _log_failure(outcome: outcomes.Outcome) -> None:
    logging.warning(
        "%s: %s: %s", outcome.question.image, outcome.failure.kind, outcome.failure.error
    )
