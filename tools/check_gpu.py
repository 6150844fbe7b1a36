"""Whether the project works on this machine's GPU, and how fast: one table to paste into an issue.

    make check-gpu
    make check-gpu ARGS=--cpu    # on the processor, in minutes: the small network, fewer goldens

| row         | what runs                                                                     |
|-------------|-------------------------------------------------------------------------------|
| goldens     | `pytest -m golden`: our network against the public code's numbers. With a GPU |
|             | twice: products in float32, as the goldens are meant, and in TensorFloat-32,  |
|             | as TensorFlow runs float32 on GPUs from Ampere on unless it is told otherwise |
| train step  | `benchmarks.train_step` of the full network; the first step traces, compiles  |
| engines     | `benchmarks.engines` of the full network; ONNX Runtime is on the processor    |

Every part has a process of its own, so that one that fails or takes too long leaves the others.

Exit code 0: all parts ran and the goldens hold; 1: not, the table says which; 2: wrong flags;
3: TensorFlow sees no GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys
import time
from importlib import metadata

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # The file is run as a script.

import keras2  # noqa: E402, F401

_PACKAGES = ("tensorflow", "tensorflow-cpu", "tf-keras", "keras", "tf-agents", "numpy")
# Network, goldens as pytest's -k takes them, batch size, steps, calls of each engine, seconds.
ON_GPU = ("configs/transformer_mixin.gin", "test", 16, 12, 15, 3600.0)
# Gradients of the full network and its rolling window alone would take these minutes.
ON_CPU = ("configs/small.gin", "test_a or test_b or test_e", 8, 4, 3, 1500.0)
VARIANTS = ("graph", "bfloat16", "xla", "xla_bfloat16")


def machine() -> dict[str, str]:
    """Versions and devices, as rows of the table; 'GPU' is empty if TensorFlow sees none."""
    import tensorflow as tf

    gpus = [
        tf.config.experimental.get_device_details(device)
        for device in tf.config.list_physical_devices("GPU")
    ]
    installed = {one.metadata["Name"].lower(): one.version for one in metadata.distributions()}
    versions = [f"{name} {installed[name]}" for name in _PACKAGES if name in installed]
    names = [f"{gpu.get('device_name')} ({gpu.get('compute_capability')})" for gpu in gpus]
    return {
        "GPU": ", ".join(names),
        "processor": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": ", ".join([f"Python {platform.python_version()}", *versions]),
        "CUDA of TensorFlow": tf.sysconfig.get_build_info().get("cuda_version") or "CPU build",
        "Keras": tf.keras.Model.__module__.split(".")[0],
    }


def goldens(chosen: str, tensor_float_32: bool) -> dict[str, str]:
    """Runs the parity tests in this process; whether they hold, and the largest error in words."""
    import pytest
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(tensor_float_32)
    flags = ["-q", "-m", "golden", "-k", chosen, "-p", "no:cacheprovider", "tests/golden"]
    holds = pytest.main(flags) == 0
    from tests.golden import parity

    worst = parity.worst_share() if parity.shares_of_bounds else "nothing compared"
    row = "goldens, TensorFloat-32" if tensor_float_32 else "goldens, float32"
    return {row: f"{'hold' if holds else 'do not hold'}; {worst}"}


def run_part(row: str, arguments: list[str], limit_s: float) -> tuple[bool, dict[str, str]]:
    """Runs `python -m ...`, whose last line is JSON: whether it ended well, and rows of the table;
    the reason in `row` if it did not."""
    if limit_s <= 0:
        return False, {row: "not run: the time was over"}
    command = [sys.executable, "-m", *arguments]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=limit_s)
    except subprocess.TimeoutExpired:
        return False, {row: f"ended: not done after {limit_s:.0f} s"}
    if done.returncode:
        sys.stderr.write(done.stderr)
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        return False, {row: f"exit code {done.returncode}: {reason[:300]}"}
    found = json.loads(done.stdout.splitlines()[-1])
    if "wall_s" not in found:
        return True, found
    on_gpu = f"GPU {found['gpu_peak_gb']:.2f} GB, " if "gpu_peak_gb" in found else ""
    text = f"{found['wall_s']:.3f} s, the first {found['first_s']:.0f} s; peak {on_gpu}"
    return True, {row: f"{text}host {found['peak_gb']:.2f} GB; loss {found['loss']:.5f}"}


def main(arguments: list[str] | None = None) -> int:
    """Measures and prints; see the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cpu", action="store_true", help="on the processor, a few minutes")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    config_file, chosen, batch_size, steps, repeats, limit_s = ON_CPU if args.cpu else ON_GPU
    if args.part is not None:
        if args.part == "machine":
            rows = machine()
        elif args.part == "engines":
            from benchmarks import engines

            kinds, include = ["tensorflow", "onnxruntime"], f"include '{config_file}'"
            found = engines.measure(kinds, repeats, [include]).items()
            rows = {name: f"{value:.1f} ms" for name, value in found if name != "floor"}
        else:
            rows = goldens(chosen, tensor_float_32=args.part == "goldens_tf32")
        print(json.dumps(rows))
        return 0
    if args.cpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    end = time.monotonic() + limit_s
    part = ["tools.check_gpu", *(["--cpu"] if args.cpu else []), "--part"]
    good, rows = run_part("machine", [*part, "machine"], limit_s)
    if not args.cpu and not rows.get("GPU"):
        reason = rows.get("machine", f"of {rows.get('CUDA of TensorFlow')}")
        sys.stderr.write(
            f"check_gpu: expected a GPU that TensorFlow sees, got none ({reason}). Install "
            "tensorflow[and-cuda] and run this on a GPU node, or give --cpu (make check-gpu "
            "ARGS=--cpu) to run the same on the processor.\n"
        )
        return 3
    rows["GPU"] = rows.get("GPU") or "none used"
    rows["train step and engines"] = (
        f"{config_file}; batches of {batch_size}, the best of {steps} steps; the median of "
        f"{repeats} calls"
    )
    # The quick ones first.
    parts = {"engines": [*part, "engines"]}
    size = [f"--batch_size={batch_size}", f"--steps={steps}"]
    size += ["--gin_bindings", f"include '{config_file}'"]
    for variant in VARIANTS:
        parts[f"train step, {variant}"] = ["benchmarks.train_step", "--measure", variant, *size]
    parts["goldens, float32"] = [*part, "goldens"]
    if not args.cpu:
        parts["goldens, TensorFloat-32"] = [*part, "goldens_tf32"]
    for row, command in parts.items():
        sys.stderr.write(f"{row} ...\n")
        ended_well, found = run_part(row, command, end - time.monotonic())
        rows |= found
        # In TensorFloat-32 goldens cannot hold: products have 10 bits. The table says how far off.
        fails = row == "goldens, float32" and not found[row].startswith("hold")
        good = good and ended_well and not fails
    print("| what | found |\n|---|---|")
    for name, text in rows.items():
        print(f"| {name} | {text.replace('|', '/')} |")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
