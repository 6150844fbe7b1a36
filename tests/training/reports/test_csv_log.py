"""A CSV file that goes on after an interruption."""

from __future__ import annotations

import math
import os

import pytest

from training.reports import csv_log

COLUMNS = ("epoch", "name", "error")


def row(epoch: int, name: str = "rice", error: float | None = 0.5) -> dict[str, object]:
    return {"epoch": epoch, "name": name, "error": error}


def test_literal_file(tmp_path):
    log = csv_log.CsvLog(tmp_path / "log.csv", COLUMNS)
    log.append({**row(1), "more": 9}, row(1, "a, b", None))
    log.append(row(2, error=math.nan))
    text = (tmp_path / "log.csv").read_text()
    assert text == 'epoch,name,error\n1,rice,0.5\n1,"a, b",\n2,rice,\n'
    assert log.rows()[1] == {"epoch": "1", "name": "a, b", "error": ""}


def test_nothing_to_append_changes_nothing(tmp_path):
    log = csv_log.CsvLog(tmp_path / "log.csv", COLUMNS)
    log.append()
    assert (tmp_path / "log.csv").read_text() == "epoch,name,error\n"


@pytest.mark.parametrize(
    ("first_epoch", "kept"), [(1, []), (2, [1]), (3, [1, 2, 2]), (9, [1, 2, 2])]
)
def test_a_resumed_run_drops_what_it_will_write_again(tmp_path, first_epoch, kept):
    csv_log.CsvLog(tmp_path / "log.csv", COLUMNS).append(row(1), row(2), row(2, "banana"))
    log = csv_log.CsvLog(tmp_path / "log.csv", COLUMNS, first_epoch)
    assert [int(stored["epoch"]) for stored in log.rows()] == kept
    log.append(row(first_epoch))
    assert len(log.rows()) == len(kept) + 1
    assert os.listdir(tmp_path) == ["log.csv"]


def test_an_interrupted_log_equals_one_that_was_not(tmp_path):
    whole, cut = tmp_path / "whole.csv", tmp_path / "cut.csv"
    for path, stops in ((whole, []), (cut, [2, 3])):
        log = csv_log.CsvLog(path, COLUMNS)
        for epoch in (1, 2, 3, 4):
            log.append(row(epoch, error=1 / epoch))
            if epoch in stops:
                log = csv_log.CsvLog(path, COLUMNS, epoch)
                log.append(row(epoch, error=1 / epoch))
    assert whole.read_text() == cut.read_text()


@pytest.mark.parametrize("half", ["2", "2,ri", "2,rice,0.", '2,"ri'])
def test_half_a_line_at_the_end_is_dropped(tmp_path, half):
    csv_log.CsvLog(tmp_path / "log.csv", COLUMNS).append(row(1))
    with (tmp_path / "log.csv").open("a") as file:
        file.write(half)
    log = csv_log.CsvLog(tmp_path / "log.csv", COLUMNS, first_epoch=9)
    log.append(row(9))
    assert [stored["epoch"] for stored in log.rows()] == ["1", "9"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch,loss\n1,2\n", "expected the columns epoch, name, error; got .'epoch', 'loss'"),
        ("", r"expected the columns .* got \[\]"),
        ("epoch,name,error\n1,rice\n2,rice,0.1\n", "line 2: expected 3 cells"),
        ("epoch,name,error\none,rice,0.1\n", "the first one an epoch"),
    ],
)
def test_another_file_is_refused_and_stays(tmp_path, text, message):
    (tmp_path / "log.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        csv_log.CsvLog(tmp_path / "log.csv", COLUMNS)
    assert (tmp_path / "log.csv").read_text() == text


def test_a_row_that_lacks_a_column_writes_nothing(tmp_path):
    log = csv_log.CsvLog(tmp_path / "log.csv", COLUMNS)
    with pytest.raises(KeyError, match="name"):
        log.append(row(1), {"epoch": 1, "error": 0.5})
    assert (tmp_path / "log.csv").read_text() == "epoch,name,error\n"


def test_numbers_of_cells():
    assert csv_log.number("0.25") == 0.25
    assert math.isnan(csv_log.number(""))
