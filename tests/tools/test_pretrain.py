"""tools/pretrain.sh with a stand-in for Python: what it calls, leaves and keeps."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess

SCRIPT = pathlib.Path(__file__).parents[2] / "tools" / "pretrain.sh"

# Writes what the programs would; the program that FAILING names exits with code 7.
STAND_IN = """#!/bin/sh
echo "$*" >> calls.txt
[ "$1" != "$FAILING" ] || exit 7
case "$1" in
    build_dataset.py)
        while [ "$1" != --output_file ]; do shift; done
        echo plates > "${2%.npz}_split.npz" ;;
    train.py)
        mkdir -p work/run/embeddings
        for name in best_checkpoint-8.index best_checkpoint-8.data-00000-of-00001 \\
            last_checkpoint-8.index metadata.json config.gin loss_log.csv embeddings/manifest.json
        do echo "$name" > "work/run/$name"; done ;;
    evaluate.py)
        while [ "$1" != --output_file ]; do shift; done
        echo '{}' > "$2" ;;
    calibrate.py) echo '{}' > "$3/uncertainty.json" ;;
    -c) echo best_checkpoint-8 ;;
esac
"""


def _run(directory: pathlib.Path, failing: str = "nothing") -> subprocess.CompletedProcess:
    (directory / "tools").mkdir(exist_ok=True)
    shutil.copy(SCRIPT, directory / "tools")
    python = directory / "python"
    python.write_text(STAND_IN)
    python.chmod(0o755)
    settings = {
        "NUM_PLATES": "30",
        "NUM_EPOCHS": "2",
        "WORK": "work",
        "PHOTOS": ".",
        "RESULT": "result/lite",
    }
    return subprocess.run(
        ["sh", directory / "tools" / "pretrain.sh"],
        env={**os.environ, "PYTHON": str(python), "FAILING": failing, **settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _calls(directory: pathlib.Path) -> list[str]:
    return (directory / "calls.txt").read_text().splitlines()


def test_leaves_what_serving_needs_and_not_what_resuming_needs(tmp_path):
    done = _run(tmp_path)
    assert done.returncode == 0, done.stderr
    found = {path.name for path in (tmp_path / "result" / "lite").rglob("*") if path.is_file()}
    assert found == {
        *("best_checkpoint-8.index", "best_checkpoint-8.data-00000-of-00001", "config.gin"),
        *("metadata.json", "loss_log.csv", "manifest.json", "test_arm.json", "test_any.json"),
        "uncertainty.json",
    }
    courses = [call for call in _calls(tmp_path) if call.startswith("train.py")]
    assert "--num_plates 30 " in _calls(tmp_path)[1]
    assert all("--num_epochs 2 " in course for course in courses)
    assert "--pretrained_checkpoint work/first" in courses[1]


def test_a_second_run_replaces_the_result_keeps_its_readme_and_draws_no_plates_again(tmp_path):
    (tmp_path / "result" / "lite").mkdir(parents=True)
    (tmp_path / "result" / "lite" / "README.md").write_text("figures")
    (tmp_path / "result" / "lite" / "best_checkpoint-7.index").write_text("old")
    assert _run(tmp_path).returncode == 0
    assert _run(tmp_path).returncode == 0
    drawn = [call for call in _calls(tmp_path) if "work/plates_" in call and "build" in call]
    assert len(drawn) == 2
    assert (tmp_path / "result" / "lite" / "README.md").read_text() == "figures"
    assert not (tmp_path / "result" / "lite" / "best_checkpoint-7.index").exists()


def test_a_failing_step_leaves_the_old_result(tmp_path):
    (tmp_path / "result" / "lite").mkdir(parents=True)
    (tmp_path / "result" / "lite" / "best_checkpoint-7.index").write_text("old")
    for failing in ("build_dataset.py", "train.py", "evaluate.py", "calibrate.py"):
        assert _run(tmp_path, failing).returncode == 7
    assert (tmp_path / "result" / "lite" / "best_checkpoint-7.index").read_text() == "old"
