"""Which Python can run the project, the report for GPU nodes, the pictures of the docs."""

from __future__ import annotations

import os
import pathlib
import runpy
import shutil
import subprocess
import sys

import pytest

from food_data import augmentation
from tools import check_gpu, docs_pictures

TOOLS = pathlib.Path(__file__).parents[2] / "tools"


def test_versions_of_python(monkeypatch):
    problem = runpy.run_path(str(TOOLS / "check_python.py"))["problem"]
    assert problem() is None
    for version, good in (((2, 7), 0), ((3, 9), 0), ((3, 10), 1), ((3, 13), 1), ((3, 14), 0)):
        monkeypatch.setattr(sys, "version_info", (*version, 1))
        message = problem()
        assert (message is None) == bool(good)
        assert good or f"got Python {version[0]}.{version[1]} at {sys.executable}" in message
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    assert "apt-get install python3-venv" in problem()


@pytest.mark.parametrize(
    ("good", "found"),
    [
        (["python3.13", "python3.10"], "python3.13"),
        ([], "python3"),
        (["uv"], "/opt/python3.12 python find --quiet >=3.10,<3.14"),
    ],
)
def test_the_first_python_that_fits_is_found(good, found, tmp_path):
    for name in ("python3", "python3.13", "python3.12", "python3.11", "python3.10"):
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {int(name not in good)}\n")
    if "uv" in good:
        (tmp_path / "uv").write_text('#!/bin/sh\necho "/opt/python3.12 $*"\n')
    for path in tmp_path.iterdir():
        path.chmod(0o755)
    os.symlink(shutil.which("dirname"), tmp_path / "dirname")
    command, environment = [shutil.which("sh"), TOOLS / "find_python.sh"], {"PATH": str(tmp_path)}
    assert subprocess.check_output(command, env=environment, text=True).strip() == found


# Says what a part finds, by the last of its arguments that tells it.
PARTS = """#!/bin/sh
for one in "$@"; do case $one in
    *physical_devices*) printf '12.5\\n%s\\n' "$GPU"; exit ;;
    benchmarks.engines) echo '| tensorflow predict | 12.3 |' ;;
    graph) echo '{"wall_s": 0.1}' ;;
    bfloat16) echo 'no products' >&2; exit 4 ;;
    xla) exec sleep 60 ;;
    float32) echo 'worst error 0.50'; exit $FAILED ;;
    TensorFloat-32) echo 'worst error 2.00'; exit 1 ;;
esac; done
"""


def test_report_of_a_gpu(monkeypatch, tmp_path, capsys):
    (tmp_path / "python").write_text(PARTS)
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(check_gpu, "LIMIT_S", 1.0)
    for name, value in (("FAILED", "0"), ("GPU", "A100"), ("CUDA_VISIBLE_DEVICES", "0")):
        monkeypatch.setenv(name, value)

    def report(variants, *flags):
        monkeypatch.setattr(check_gpu, "VARIANTS", variants)
        return check_gpu.main(list(flags)), capsys.readouterr()

    code, (printed, _) = report(("graph", "bfloat16", "xla"))
    assert code == 1 and "GPUs: A100; CUDA of TensorFlow: 12.5" in printed
    for part in (
        "**engines, configs/transformer_mixin.gin**\n\n| tensorflow predict | 12.3 |\n",
        '**train step, graph, batches of 16**\n\n{"wall_s": 0.1}\n',
        "**train step, bfloat16, batches of 16**\n\nexit code 4\nno products\n",
        "**train step, xla, batches of 16**\n\nended: not done after 1 s\n",
        "**goldens, float32**\n\nworst error 0.50\n",
        "**goldens, TensorFloat-32**\n\nexit code 1\nworst error 2.00\n",
    ):
        assert part in printed
    for failed, gpu, flags, code in (
        *(("0", "A100", [], 0), ("1", "A100", [], 1)),
        *(("0", "", [], 3), ("0", "", ["--cpu"], 0)),
    ):
        monkeypatch.setenv("FAILED", failed)
        monkeypatch.setenv("GPU", gpu)
        found, (printed, _) = report(("graph",), *flags)
        assert found == code
    assert "GPUs: none used" in printed and "TensorFloat" not in printed


def test_pictures_of_the_docs(tmp_path):
    """That they look right, people see. Every picture has a function that makes it."""
    docs = TOOLS.parent / "docs" / "images"
    assert {path.name for path in docs.iterdir()} == set(docs_pictures.PICTURES)
    assert set(docs_pictures.AUGMENTATIONS) == set(vars(augmentation.Augmentation()))
    assert docs_pictures.main(["mask_rules.png", "--output_dir", str(tmp_path)]) == 0
    assert (tmp_path / "mask_rules.png").stat().st_size > 5000
