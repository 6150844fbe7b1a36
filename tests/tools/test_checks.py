"""Which Python can run the project, the table for GPU nodes, the pictures of the docs."""

from __future__ import annotations

import json
import os
import pathlib
import runpy
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

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
        (["python3", "python3.13"], "python3"),
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


STEP = {"wall_s": 0.1234, "cpu_s": 1.0, "first_s": 41.6, "peak_gb": 3.0, "loss": 0.125}
# Says what a part finds, by the last of its arguments that tells it.
PARTS = """#!/bin/sh
for one in "$@"; do case $one in
    machine) found='{"GPU": "'$GPU'", "Keras": "tf_keras"}' ;;
    engines) found='{"tensorflow predict": "12.3 ms"}' ;;
    goldens) found='{"goldens, float32": "'$HOLD'; worst error 0.50"}' ;;
    goldens_tf32) found='{"goldens, TensorFloat-32": "do not hold; worst error 2.00"}' ;;
    graph) found='STEP' ;;
    bfloat16) echo 'no | products' >&2; exit 4 ;;
    xla) exec sleep 60 ;;
esac; done
echo noise; echo "$found"
"""


def test_table_of_a_gpu(monkeypatch, tmp_path, capsys):
    (tmp_path / "python").write_text(PARTS.replace("STEP", json.dumps(STEP)))
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(check_gpu, "VARIANTS", ("graph", "bfloat16"))
    for name, value in (("HOLD", "hold"), ("GPU", "A100 (8.0)"), ("CUDA_VISIBLE_DEVICES", "0")):
        monkeypatch.setenv(name, value)
    assert check_gpu.main([]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "| what | found |",
        "|---|---|",
        "| GPU | A100 (8.0) |",
        "| Keras | tf_keras |",
        "| train step and engines | configs/transformer_mixin.gin; batches of 16, the best of 12 "
        "steps; the median of 15 calls |",
        "| tensorflow predict | 12.3 ms |",
        "| train step, graph | 0.123 s, the first 42 s; peak host 3.00 GB; loss 0.12500 |",
        "| train step, bfloat16 | exit code 4: no / products |",
        "| goldens, float32 | hold; worst error 0.50 |",
        "| goldens, TensorFloat-32 | do not hold; worst error 2.00 |",
    ]
    monkeypatch.setattr(check_gpu, "VARIANTS", ("graph",))
    assert check_gpu.main([]) == 0
    monkeypatch.setenv("HOLD", "do not hold")
    assert check_gpu.main([]) == 1
    monkeypatch.setenv("HOLD", "hold")
    monkeypatch.setenv("GPU", "")
    capsys.readouterr()
    assert check_gpu.main([]) == 3
    assert "got none" in capsys.readouterr().err
    assert check_gpu.main(["--cpu"]) == 0
    printed = capsys.readouterr().out
    assert "| GPU | none used |" in printed and "TensorFloat" not in printed
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "-1"
    late = check_gpu.run_part("a", ["xla"], 0.3), check_gpu.run_part("a", ["graph"], 0.0)
    assert late == (
        (False, {"a": "ended: not done after 0 s"}),
        (False, {"a": "not run: the time was over"}),
    )


def test_pictures_of_the_docs(tmp_path):
    """That they look right, people see. Every picture has a function that makes it."""
    docs = TOOLS.parent / "docs" / "images"
    assert {path.name for path in docs.iterdir()} == set(docs_pictures.PICTURES)
    assert set(docs_pictures.AUGMENTATIONS) == set(vars(augmentation.Augmentation()))
    assert docs_pictures.main(["mask_rules.png", "--output_dir", str(tmp_path)]) == 0
    ours, theirs = (np.asarray(Image.open(one / "mask_rules.png"), int) for one in (tmp_path, docs))
    assert ours.shape == theirs.shape  # Fonts differ from machine to machine.
    assert np.abs(ours - theirs).mean() < 3
