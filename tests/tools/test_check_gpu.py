"""The table for GPU nodes, from parts that are made up; the parts are tested where they live."""

from __future__ import annotations

import json
import sys

import pytest

from tools import check_gpu

ABOUT = {
    "GPU": "A100 (compute capability 8.0)",
    "driver, memory": "550, 40 GB",
    "Keras": "tf_keras",
}
STEP = {"wall_s": 0.1234, "cpu_s": 1.0, "first_s": 41.6, "peak_gb": 3.0, "loss": 0.125}
WORST = "worst error 0.50 of its bound (b logits)"
GOLDENS = {"code": 0, "counts": {"passed": 20}, "worst": WORST}


@pytest.fixture
def parts(monkeypatch):
    """What each part finds, by the last of its arguments that tells it; may be changed."""
    found = {"machine": dict(ABOUT), "engines": {"floor": 9.0, "tensorflow predict": 12.34}}
    found |= {"goldens": dict(GOLDENS), "goldens_tf32": {**GOLDENS, "code": 1}}
    found |= dict.fromkeys(("graph", "bfloat16", "xla", "xla_bfloat16"), STEP)

    def run_part(arguments, environment, limit_s):
        found["CUDA_VISIBLE_DEVICES"] = environment.get("CUDA_VISIBLE_DEVICES")
        return found[arguments[2]]

    monkeypatch.setattr(check_gpu, "run_part", run_part)
    return found


def test_table_of_a_gpu(parts, capsys):
    parts["xla"] = {"failed": "exit code 1: no XLA here | really"}
    assert check_gpu.main([]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "| what | found |",
        "|---|---|",
        "| GPU | A100 (compute capability 8.0) |",
        "| driver, memory | 550, 40 GB |",
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
        f"| goldens, float32 | 20 passed; {WORST} |",
        f"| goldens, TensorFloat-32 | 20 passed; {WORST} |",
    ]


def test_goldens_must_hold_in_float32_and_need_not_in_tensor_float_32(parts):
    assert check_gpu.main([]) == 0
    parts["goldens"]["code"] = 1
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
