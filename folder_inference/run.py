"""One run over a folder or over TFRecords, from its flags to its files."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable
from typing import Any

from absl import logging

from folder_inference import (
    answerers,
    asking,
    flags,
    giving_up,
    journal,
    merging,
    outcomes,
    outputs,
    pictures,
    plan,
    progress,
    questions,
    results,
    scoring,
    stopping,
)

Found = dict[questions.Key, outcomes.Outcome]


def run(args: argparse.Namespace, signals: stopping.StopSignals) -> dict[str, Any]:
    """Asks about a folder, or about TFRecords, and writes the files.

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
    source = _source(args)
    make_answerer = answerers.open_answerers(args, signals)
    with contextlib.closing(make_answerer()) as answerer:
        if args.tfrecord_dir is None:
            planned = plan.make_plan(args, answerer, paths)
        else:
            planned = plan.make_sample_plan(args, answerer, source)
    paths.json.parent.mkdir(parents=True, exist_ok=True)
    with journal.open_journal(paths.journal, planned.settings, args.resume) as log:
        found = _known(planned, source, log) if args.resume else {}
        from_journal = len(found)

        def make_asker() -> asking.Asker:
            return asking.Asker(make_answerer(), source, flags.settings_of(args), log)

        reason = _ask(planned, found, make_asker, args.workers, signals)
        document = _document(planned, found, reason)
        seconds = round(time.monotonic() - started, 3)
        document["summary"].update(from_journal=from_journal, seconds=seconds)
        outputs.write(document, paths, source, planned.labels, args.sheet_images, signals.check)
        if reason is None and all(outcome.finished for outcome in found.values()):
            log.finish()
    return document


def merge(args: argparse.Namespace, signals: stopping.StopSignals) -> dict[str, Any]:
    """Puts shards together and writes the files; draws pictures if it is told where they are.

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
    outputs.write(document, paths, _source(args), {}, args.sheet_images, signals.check)
    return document


def _source(args: argparse.Namespace) -> pictures.Pictures | None:
    """Where the pictures are; None if shards are merged and nothing is drawn."""
    if args.tfrecord_dir is not None:
        # TensorFlow takes seconds to import, which those who ask a server need not wait for.
        from folder_inference import samples

        return samples.TfrecordSamples(args.tfrecord_dir, args.split)
    return None if args.input_dir is None else pictures.FolderPictures(args.input_dir)


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


def _known(planned: plan.Plan, source: pictures.Pictures, log: journal.Journal) -> Found:
    found = {}
    for question in planned.asked:
        entry = log.known(question.key, source.is_same)
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
