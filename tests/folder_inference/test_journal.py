"""The journal survives kills, and belongs to one run."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from folder_inference import journal

SETTINGS = {"seed": 1, "shard": None}
KEY = ("a.jpg", "skewering", "grape")


def same(name, state):
    assert (name, state) == ("a.jpg", {"size": 7})
    return True


def changed(name, state):
    return not same(name, state)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.journal.jsonl"


def entry(**more):
    return {"key": list(KEY), "file": {"size": 7}, "client_ms": 1.0, "answer": {"n": 1}, **more}


def write(path, *entries, finish=False):
    with journal.open_journal(path, SETTINGS, resume=False) as log:
        for one in entries:
            log.append(one)
        if finish:
            log.finish()


def test_what_is_in_it_is_known(path):
    write(path, entry())
    with journal.open_journal(path, SETTINGS, resume=True) as log:
        assert log.known(KEY, same)["answer"] == {"n": 1}
        assert log.known(("b.jpg", "skewering", "grape"), same) is None
    assert len(path.read_text().splitlines()) == 2


def test_the_last_entry_of_a_question_counts(path):
    write(path, entry(), entry(answer={"n": 2}))
    with journal.open_journal(path, SETTINGS, resume=True) as log:
        assert log.known(KEY, same)["answer"] == {"n": 2}


def test_an_entry_is_on_the_disk_before_append_returns(path):
    with journal.open_journal(path, SETTINGS, resume=False) as log:
        log.append(entry())
        assert json.loads(path.read_text().splitlines()[1])["answer"] == {"n": 1}


def test_a_line_that_was_cut_off_is_dropped(path):
    write(path, entry(), entry(answer={"n": 2}))
    os.truncate(path, path.stat().st_size - 5)
    with journal.open_journal(path, SETTINGS, resume=True) as log:
        assert log.known(KEY, same)["answer"] == {"n": 1}
        log.append(entry(answer={"n": 3}))
    with journal.open_journal(path, SETTINGS, resume=True) as log:
        assert log.known(KEY, same)["answer"] == {"n": 3}


def test_a_head_that_was_cut_off_is_written_anew(path):
    path.write_bytes(b'{"format": 1, "sett')
    with journal.open_journal(path, SETTINGS, resume=True):
        pass
    assert json.loads(path.read_text()) == {"format": 1, "settings": SETTINGS}


def test_a_changed_picture_is_not_known(path):
    write(path, entry())
    with journal.open_journal(path, SETTINGS, resume=True) as log:
        assert log.known(KEY, changed) is None
        assert log.known(KEY, same) is not None


def test_other_settings_are_refused_with_what_changed(path):
    write(path, entry())
    before = path.read_bytes()
    with pytest.raises(journal.JournalError, match=r"\(seed: the journal has 1, now 2\)"):
        journal.open_journal(path, {**SETTINGS, "seed": 2}, resume=True)
    with pytest.raises(journal.JournalError, match="more: the journal has None, now 1"):
        journal.open_journal(path, {**SETTINGS, "more": 1}, resume=True)
    assert path.read_bytes() == before


def test_answers_of_an_unfinished_run_are_not_thrown_away(path):
    write(path, entry())
    with pytest.raises(journal.JournalError, match="holds 1 answers .* --resume goes on"):
        journal.open_journal(path, SETTINGS, resume=False)


def test_a_finished_run_or_one_without_answers_is_begun_anew(path):
    write(path)
    write(path, entry(), finish=True)
    write(path)
    assert len(path.read_text().splitlines()) == 1


def test_another_shard_is_not_overwritten(path):
    write(path, entry(), finish=True)
    with pytest.raises(journal.JournalError, match=r"belongs to shard None, this is \[0, 2\]"):
        journal.open_journal(path, {**SETTINGS, "shard": [0, 2]}, resume=False)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b'{"format": 1}\nnonsense\n{}\n', "line 2 is not JSON"), (b"[]\n", "expected a journal")],
)
def test_what_is_no_journal_is_refused(content, message, path):
    path.write_bytes(content)
    with pytest.raises(journal.JournalError, match=message):
        journal.open_journal(path, SETTINGS, resume=True)
    assert path.read_bytes() == content


def test_two_runs_do_not_write_into_one(path):
    program = "import pathlib, sys; from folder_inference import journal\n"
    program += "journal.open_journal(pathlib.Path(sys.argv[1]), {}, False)"
    with journal.open_journal(path, SETTINGS, resume=False):
        command = [sys.executable, "-c", program, str(path)]
        other = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    assert "is being written by another run" in other.stderr
