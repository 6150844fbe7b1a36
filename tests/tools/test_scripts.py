"""The demo, pretraining and the report of a GPU with a stand-in for Python; which Python fits."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from tools import check_gpu

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
    courses = [call for call in calls if call.startswith("train.py") and "--num_epochs 2 " in call]
    assert "--pretrained_checkpoint work/first" in courses[1]


@pytest.mark.parametrize(
    ("good", "given", "code", "found"),
    [
        (["python3.13", "python3.10"], [], 0, "python3.13"),
        (["uv"], [], 0, "/opt/python3.12 python find --quiet >=3.10,<3.14"),
        ([], [], 1, "Expected Python 3.10 to 3.13"),
        (["python3.11"], ["python3.12"], 1, "got python3.12\n(Python 2.7)"),
        (["python3.11"], ["python3.11"], 0, "python3.11"),
    ],
)
def test_the_first_python_that_fits_is_found(good, given, code, found, tmp_path):
    for name in ("python3", "python3.13", "python3.12", "python3.11", "python3.10"):
        text = f"#!/bin/sh\n[ $1 = -c ] || echo Python 2.7\nexit {int(name not in good)}\n"
        (tmp_path / name).write_text(text)
    if "uv" in good:
        (tmp_path / "uv").write_text('#!/bin/sh\necho "/opt/python3.12 $*"\n')
    for path in tmp_path.iterdir():
        path.chmod(0o755)
    command, environment = [shutil.which("sh"), TOOLS / "find_python.sh"], {"PATH": str(tmp_path)}
    done = subprocess.run([*command, *given], env=environment, capture_output=True, text=True)
    assert done.returncode == code and found in (done.stderr if code else done.stdout)


def test_versions_of_python(monkeypatch):
    (look,) = re.findall("-c '(.*)'", (TOOLS / "find_python.sh").read_text())
    for version, code in (((2, 7), 1), ((3, 9), 1), ((3, 10), 0), ((3, 13), 0), ((3, 14), 1)):
        monkeypatch.setattr(sys, "version_info", (*version, 1))
        with pytest.raises(SystemExit) as ended:
            exec(look, {})
        assert ended.value.code == code


# Says what a part finds, by the last of its arguments that tells it.
PARTS = """#!/bin/sh
for one in "$@"; do case $one in
    *physical_devices*) printf 'tensorflow 2\\n12.5\\n%s\\n' "$GPU"; exit ;;
    benchmarks.engines) echo '| tensorflow predict | 12.3 |' ;;
    graph) echo '{"wall_s": 0.1}' ;;
    bfloat16) echo 'no products' >&2; exit 4 ;;
    xla) exec sleep 60 ;;
    float32) echo 'worst error 0.50'; exit "$FAILED" ;;
    TensorFloat-32) echo 'worst error 2.00'; exit 1 ;;
esac; done
"""


@pytest.mark.parametrize(
    ("variants", "failed", "gpu", "flags", "code", "said"),
    [
        (("graph",), "0", "A100", [], 0, ["GPUs: A100; CUDA of TensorFlow: 12.5", "tensorflow 2"]),
        (("graph",), "1", "A100", [], 1, ["float32**\n\nexit code 1\nworst error 0.50\n"]),
        (("graph",), "0", "", [], 3, []),
        (("graph",), "0", "", ["--cpu"], 0, ["GPUs: none used"]),
        (
            ("graph", "bfloat16", "xla"), "0", "A100", [], 1,
            [
                "**engines, configs/transformer_mixin.gin**\n\n| tensorflow predict | 12.3 |\n",
                '**train step, graph, batches of 16**\n\n{"wall_s": 0.1}\n',
                "**train step, bfloat16, batches of 16**\n\nexit code 4\nno products\n",
                "**train step, xla, batches of 16**\n\nended: not done after 1 s\n",
                "**goldens, TensorFloat-32**\n\nexit code 1\nworst error 2.00\n",
            ],
        ),
    ],
)  # fmt: skip
def test_report_of_a_gpu(monkeypatch, tmp_path, capsys, variants, failed, gpu, flags, code, said):
    (tmp_path / "python").write_text(PARTS)
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(check_gpu, "LIMIT_S", 1.0)
    monkeypatch.setattr(check_gpu, "VARIANTS", variants)
    for name, value in (("FAILED", failed), ("GPU", gpu), ("CUDA_VISIBLE_DEVICES", "0")):
        monkeypatch.setenv(name, value)
    assert check_gpu.main(flags) == code
    printed = capsys.readouterr().out
    assert [one for one in said if one not in printed] == []
    assert ("TensorFloat" in printed) == bool(gpu)
