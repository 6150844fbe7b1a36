"""A row for each question, whichever kind of answer it has."""

from __future__ import annotations

import csv

from folder_inference import csv_table, outcomes, questions, results
from tests.folder_inference import records


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_rows_by_hand(tmp_path):
    failure = outcomes.Failure("refused", 422, "no picture", "id-9")
    failed = results.failed_record(questions.Question("b.jpg", "skewering", "rice"), failure)
    score = {"centroid_mae": 0.05, "on_food": True, "bbox_mae": None}
    answered = [records.sampled("c.jpg", score=score), records.record("a, b.jpg")]
    csv_table.write_csv(tmp_path / "t.csv", answered, [failed])
    plain, refused, sampled = rows(tmp_path / "t.csv")
    assert tuple(plain) == csv_table.COLUMNS
    assert (plain["image"], plain["start_x"], plain["start_x_px"]) == ("a, b.jpg", "0.2", "40.0")
    assert (plain["total_variance"], plain["centroid_mae"], plain["error"]) == ("", "", "")
    assert (refused["image"], refused["food_type"]) == ("b.jpg", "rice")
    assert (refused["error"], refused["request_id"]) == ("no picture", "id-9")
    assert refused["start_x"] == ""
    assert (sampled["end_x_px"], sampled["std_x1"], sampled["num_samples"]) == ("80.0", "0.1", "2")
    assert (sampled["total_variance"], sampled["seed"]) == ("0.04", "3")
    assert (sampled["centroid_mae"], sampled["on_food"], sampled["bbox_mae"]) == (
        "0.05",
        "True",
        "",
    )


def test_the_verdict_has_columns(tmp_path):
    answered = [records.judged("a.jpg", score=0.3, asks=True), records.judged("b.jpg")]
    csv_table.write_csv(tmp_path / "t.csv", [*answered, records.sampled("c.jpg")], [])
    found = [(row["ask_human"], row["uncertainty_score"]) for row in rows(tmp_path / "t.csv")]
    assert found == [("True", "0.3"), ("False", "0.1"), ("", "")]


def test_names_that_are_no_utf8_keep_their_bytes(tmp_path):
    csv_table.write_csv(tmp_path / "t.csv", [records.record("a\udcff.jpg")], [])
    assert b"\na\xff.jpg,skewering" in (tmp_path / "t.csv").read_bytes()
