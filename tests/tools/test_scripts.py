"""tools/demo.sh and tools/pretrain.sh with a stand-in for Python: what they call and leave."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess

import pytest

TOOLS = pathlib.Path(__file__).parents[2] / "tools"

# Called as `PYTHON program.py ...`: writes what the programs would; the one that FAILING names
# exits with code 7.
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
        mkdir -p "$(dirname "$2")"
        echo '{}' > "$2" ;;
    calibrate.py) mkdir -p "$3"; echo '{}' > "$3/uncertainty.json" ;;
    api_batch_server.py)
        echo $$ > server.pid
        while [ "$1" != --port_file ]; do shift; done
        echo 12345 > "$2"
        exec sleep 60 ;;
    -c) echo best_checkpoint-8 ;;
esac
"""
SETTINGS = {"NUM_PLATES": "30", "NUM_EPOCHS": "2", "WORK": "work", "PHOTOS": "."}


@pytest.fixture
def run(tmp_path):
    """Runs a script: how it ended, and the calls of all runs."""
    (tmp_path / "tools").mkdir()
    python = tmp_path / "python"
    python.write_text(STAND_IN)
    python.chmod(0o755)

    def call(script, *arguments, failing="", **settings):
        shutil.copy(TOOLS / script, tmp_path / "tools")
        done = subprocess.run(
            ["sh", tmp_path / "tools" / script, *arguments],
            env={**os.environ, "PYTHON": str(python), "FAILING": failing, **settings},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done, (tmp_path / "calls.txt").read_text().splitlines()

    return call


STEPS = [
    *("evaluate.py", "build_dataset.py", "build_dataset.py", "train.py", "evaluate.py"),
    *("calibrate.py", "evaluate.py", "api_batch_server.py", "api_client.py"),
]


@pytest.mark.parametrize(
    ("failing", "code", "steps"),
    [("", 0, 9), ("train.py", 7, 4), ("api_batch_server.py", 1, 8), ("api_client.py", 7, 9)],
)
def test_the_demo_runs_all_steps_or_fails_and_stops_the_server(run, tmp_path, failing, code, steps):
    done, calls = run("demo.sh", "3", failing=failing)
    assert done.returncode == code, done.stderr
    assert ("demo_output/answer.png" in done.stdout) == (code == 0)
    assert (f"The demo failed (exit code {code})." in done.stderr) == (code != 0)
    assert [call.split()[0] for call in calls] == STEPS[:steps]
    assert "--num_epochs 3 " in calls[3]
    assert steps < 9 or "--api_url http://127.0.0.1:12345" in calls[-1]
    if (tmp_path / "server.pid").exists():
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / "server.pid").read_text()), 0)


def test_pretraining_leaves_what_serving_needs_and_draws_no_plates_again(run, tmp_path):
    result = tmp_path / "result" / "lite"
    result.mkdir(parents=True)
    (result / "README.md").write_text("figures")
    (result / "best_checkpoint-7.index").write_text("old")
    settings = {**SETTINGS, "RESULT": "result/lite"}
    for failing in ("build_dataset.py", "train.py", "evaluate.py", "calibrate.py"):
        assert run("pretrain.sh", failing=failing, **settings)[0].returncode == 7
    assert (result / "best_checkpoint-7.index").read_text() == "old"
    (tmp_path / "calls.txt").unlink()
    shutil.rmtree(tmp_path / "work")
    for _ in range(2):
        done, calls = run("pretrain.sh", **settings)
        assert done.returncode == 0, done.stderr
    assert {path.name for path in result.rglob("*") if path.is_file()} == {
        *("best_checkpoint-8.index", "best_checkpoint-8.data-00000-of-00001", "config.gin"),
        *("metadata.json", "loss_log.csv", "manifest.json", "test_arm.json", "test_any.json"),
        *("uncertainty.json", "README.md"),
    }
    assert (result / "README.md").read_text() == "figures"
    drawn = [call for call in calls if "work/plates_" in call and "build" in call]
    assert len(drawn) == 3 and "--num_plates 30 " in drawn[0]
    courses = [call for call in calls if call.startswith("train.py")]
    assert all("--num_epochs 2 " in course for course in courses)
    assert "--pretrained_checkpoint work/first" in courses[1]
