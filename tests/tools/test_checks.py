"""Which Python can run the project, and the report for GPU nodes."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys

import pytest

from tools import check_gpu

FIND_PYTHON = pathlib.Path(__file__).parents[2] / "tools" / "find_python.sh"


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
    command, environment = [shutil.which("sh"), FIND_PYTHON], {"PATH": str(tmp_path)}
    done = subprocess.run([*command, *given], env=environment, capture_output=True, text=True)
    assert done.returncode == code and found in (done.stderr if code else done.stdout)
    # The look itself, on this Python.
    assert subprocess.run([*command, sys.executable], stdout=subprocess.DEVNULL).returncode == 0


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
