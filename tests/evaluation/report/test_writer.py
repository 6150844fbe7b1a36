from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from evaluation import report, strict_json
from evaluation.report import writer
from tests.evaluation.report import documents

NAMES = ["report.html", "report.json", "errors.csv", "groups.csv", "uncertainty.csv"]


def test_five_files(tmp_path):
    paths = report.write(documents.document(), tmp_path / "new" / "folder")
    assert list(paths) == NAMES
    assert sorted(os.listdir(tmp_path / "new" / "folder")) == sorted(NAMES)
    assert all(path == tmp_path / "new" / "folder" / name for name, path in paths.items())
    read = strict_json.parse(paths["report.json"].read_text(encoding="utf-8"), "report.json")
    assert read == documents.plain_document()
    before = {name: path.read_bytes() for name, path in paths.items()}
    again = report.write(documents.document(), tmp_path / "new" / "folder")
    assert {name: path.read_bytes() for name, path in again.items()} == before


def test_nothing_is_written_if_one_file_cannot_be_made(tmp_path):
    document = documents.document()
    document["examples"]["worst"][0]["image"] = None
    with pytest.raises(ValueError, match="expected an image"):
        writer.write(document, tmp_path / "folder")
    assert os.listdir(tmp_path) == []


def test_names_that_are_not_utf_8(tmp_path):
    document = documents.document()
    document["data"]["name"] = os.fsdecode(b"plates\xff.npz")
    paths = writer.write(document, tmp_path)
    assert "plates?.npz" in paths["report.html"].read_text(encoding="utf-8")


@pytest.mark.slow
def test_in_a_browser(tmp_path):
    """No complaint on the console, nothing wider than a phone, and it prints."""
    pytest.importorskip("playwright", reason="Playwright is not installed")
    names = (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, (shutil.which(name) for name in names if name)), None)
    if path is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    document = documents.document()
    document["data"]["fingerprint"] = "0123456789abcdef" * 40
    document["groups"]["food"]["w" * 300] = document["groups"]["food"]["banana"]
    written = writer.write(document, tmp_path)["report.html"]
    # In a process of its own: Playwright runs once in each, and other tests may have it running.
    program = pathlib.Path(__file__).with_name("browser_check.py")
    output = subprocess.check_output(
        [sys.executable, str(program), path, str(written)], timeout=300
    )
    found = json.loads(output)
    assert found["faults"] == []
    assert found["width"] == 360
    assert found["smallest_text_px"] >= 16
    assert found["scrolling_tables"] > 0
    assert found["dark"] != found["light"]
    assert found["printed_ground"] == "rgb(255, 255, 255)"
    assert found["printed_curve"] == found["light_curve"]
    assert found["printed_overflow"] == []
    assert found["pdf"].startswith("%PDF")
    assert found["pages"] > 2
