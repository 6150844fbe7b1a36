"""summary.json and summary.txt."""

from __future__ import annotations

import json
import math
import pathlib

import numpy as np
import pytest

from training.reports import run_summary

FIRST = {"epoch": 1, "train_loss": 0.5, "centroid_mae": 0.12, "hit_rate": math.nan}
BEST = {"epoch": 7, "train_loss": 0.05, "centroid_mae": 0.0123456, "hit_rate": math.nan}
LAST = {"epoch": 9, "train_loss": 0.04, "centroid_mae": 0.02, "hit_rate": math.nan}
RUN = run_summary.LoggedRun(
    num_train=80,
    num_val=20,
    best_epoch=7,
    first=FIRST,
    best=BEST,
    last=LAST,
    baseline={"centroid_mae": 0.1, "nearest_item_chance": 0.4},
)


def test_text():
    summary = {
        "stopped": "early",
        "of training": {"bbox_mse": 0.1, "bbox_mae": 0.5, "hit_rate": 1.0},
        "versions": {"numpy": "1.26"},
        "seconds": 12.0,
    }
    text = run_summary.as_text(RUN, summary)
    lines = text.splitlines()
    assert lines[0].startswith("80 training samples, 20 validation samples")
    assert lines[1].split() == ["epoch", "1", "epoch", "7", "epoch", "9", "constant"]
    rows = {line[:36].strip(): line[36:].split() for line in lines[3:5]}
    assert rows == {
        "training loss": ["0.5", "0.05", "0.04", "-"],
        "centroid MAE (share of the side)": ["0.12", "0.01235", "0.02", "0.1"],
    }
    assert lines[5:] == [
        "(a blind choice among a picture's foods: 0.4 nearest)",
        "stopped: early",
        "of training: bbox_mae 0.5, hit_rate 1",
        "versions: numpy 1.26",
        "seconds: 12",
    ]


def test_files(tmp_path):
    summary = {
        "best_checkpoint": pathlib.Path("run") / "best-7",
        "metrics": {"mae": np.float32(0.25), "list": [np.int64(3), None, True]},
        "array": np.array([1.0, math.nan]),
        "infinite": math.inf,
    }
    text = run_summary.write(tmp_path, RUN, summary)
    assert (tmp_path / "summary.txt").read_text() == text
    read = json.loads((tmp_path / "summary.json").read_text(), parse_constant=pytest.fail)
    logged = read.pop("logged")
    assert read == {
        "best_checkpoint": "run/best-7",
        "metrics": {"mae": 0.25, "list": [3, None, True]},
        "array": [1.0, None],
        "infinite": None,
    }
    assert logged["best"] == {**BEST, "hit_rate": None}
    assert (logged["best_epoch"], logged["num_train"], logged["num_val"]) == (7, 80, 20)


def test_without_validation_there_is_no_best():
    run = run_summary.LoggedRun(10, 0, 0, FIRST, {}, LAST, {})
    lines = run_summary.as_text(run, {}).splitlines()
    assert lines[1].split() == ["epoch", "1", "epoch", "-", "epoch", "9", "constant"]
    assert lines[3].split() == ["training", "loss", "0.5", "-", "0.04", "-"]
