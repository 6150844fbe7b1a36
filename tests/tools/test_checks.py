"""Which Python can run the project, and the table for GPU nodes, from parts that are made up."""

from __future__ import annotations

import json
import os
import pathlib
import runpy
import shutil
import subprocess
import sys

import pytest

from tools import check_gpu

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


@pytest.fixture
def parts(monkeypatch):
    """What each part finds, by the last of its arguments that tells it; may be changed."""
    goldens = {"holds": True, "worst": "worst error 0.50 of its bound (b logits)"}
    found = {
        "machine": {"GPU": "A100 (compute capability 8.0)", "Keras": "tf_keras"},
        "engines": {"floor": 9.0, "tensorflow predict": 12.34},
        "goldens": dict(goldens),
        "goldens_tf32": {**goldens, "holds": False},
        **dict.fromkeys(check_gpu.VARIANTS, STEP),
    }

    def run_part(arguments, environment, limit_s):
        found["CUDA_VISIBLE_DEVICES"] = environment.get("CUDA_VISIBLE_DEVICES")
        return next(found[one] for one in arguments if one in found)

    monkeypatch.setattr(check_gpu, "run_part", run_part)
    return found


def test_table_of_a_gpu(parts, capsys):
    assert check_gpu.main([]) == 0
    parts["xla"] = {"failed": "exit code 1: no XLA here | really"}
    capsys.readouterr()
    assert check_gpu.main([]) == 1
    worst = parts["goldens"]["worst"]
    assert capsys.readouterr().out.splitlines() == [
        "| what | found |",
        "|---|---|",
        "| GPU | A100 (compute capability 8.0) |",
        "| Keras | tf_keras |",
        "| train step and engines | configs/transformer_mixin.gin; batches of 16, the best of 12 "
        "steps; the median of 15 calls |",
        "| tensorflow predict | 12.3 ms |",
        *(
            f"| train step, {variant} | 0.123 s, the first 42 s; peak host 3.00 GB; loss 0.12500 |"
            for variant in ("graph", "bfloat16")
        ),
        "| train step, xla | exit code 1: no XLA here / really |",
        "| train step, xla_bfloat16 | 0.123 s, the first 42 s; peak host 3.00 GB; loss 0.12500 |",
        f"| goldens, float32 | hold; {worst} |",
        f"| goldens, TensorFloat-32 | do not hold; {worst} |",
    ]
    parts["xla"], parts["goldens"]["holds"] = STEP, False
    assert check_gpu.main([]) == 1


def test_without_a_gpu(parts, capsys):
    parts["machine"]["GPU"] = ""
    assert check_gpu.main([]) == 3
    assert "got none" in capsys.readouterr().err
    assert check_gpu.main(["--cpu"]) == 0
    printed = capsys.readouterr().out
    assert "| GPU | none used |" in printed
    assert "TensorFloat" not in printed
    assert parts["CUDA_VISIBLE_DEVICES"] == "-1"


def test_parts_that_fail_or_take_too_long(monkeypatch):
    def run(code, limit_s=60.0):
        monkeypatch.setattr(sys, "executable", "/bin/sh")
        return check_gpu.run_part(["-c", code], {"PATH": "/bin:/usr/bin"}, limit_s)

    # sh takes "-m" as an option of its own, and then "-c" and the code as Python does.
    assert run(f"echo noise; echo '{json.dumps(STEP)}'") == STEP
    assert run("echo why >&2; exit 4") == {"failed": "exit code 4: why"}
    assert run("exec sleep 60", 0.2) == {"failed": "ended: not done after 0 s"}
    assert run("exit 0", 0.0) == {"failed": "not run: the time was over"}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="Chromium is not installed")
def test_screenshots_of_a_running_server(tmp_path):
    pytest.importorskip("playwright", reason="Playwright is not installed")
    from PIL import Image

    from food_data import embedding_store
    from serving import app
    from tests import serving_stubs

    store = embedding_store.EmbeddingStore.load(TOOLS.parent / "embeddings")
    stub = serving_stubs.predictor_of(serving_stubs.ConstantModel([0.2, 0.5, 0.8, 0.5]), store)
    # In a process of its own: Playwright runs once in each, and other tests may have it running.
    with serving_stubs.serve(app.create_app(stub)) as url:
        command = [sys.executable, TOOLS / "page_screenshots.py", "--api_url", url]
        subprocess.run([*command, "--output_dir", tmp_path], check=True, timeout=300)
    for name in ("page.png", "page_phone.png"):
        with (
            Image.open(tmp_path / name) as taken,
            Image.open(TOOLS.parent / "docs" / "images" / name) as shown,
        ):
            assert taken.size == shown.size
