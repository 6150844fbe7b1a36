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

NO_GPU = 3
_PACKAGES = ("tensorflow", "tensorflow-cpu", "tf-keras", "keras", "tf-agents", "numpy")
# Network, goldens as pytest's -k takes them, batch size, steps, calls of each engine, seconds.
ON_GPU = ("configs/transformer_mixin.gin", "test", 16, 12, 15, 3600.0)
# Gradients of the full network and its rolling window alone would take these minutes.
ON_CPU = ("configs/small.gin", "test_a or test_b or test_e", 8, 4, 3, 290.0)
VARIANTS = ("graph", "bfloat16", "xla", "xla_bfloat16")


def machine() -> dict[str, str]:
    """Versions and devices, as rows of the table; 'GPU' is empty if TensorFlow sees none."""
    import tensorflow as tf

    build = tf.sysconfig.get_build_info()
    gpus = [
        tf.config.experimental.get_device_details(device)
        for device in tf.config.list_physical_devices("GPU")
    ]
    installed = {one.metadata["Name"].lower(): one.version for one in metadata.distributions()}
    versions = [f"{name} {installed[name]}" for name in _PACKAGES if name in installed]
    return {
        "GPU": ", ".join(
            f"{gpu.get('device_name')} (compute capability {gpu.get('compute_capability')})"
            for gpu in gpus
        ),
        "processor": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": ", ".join([f"Python {platform.python_version()}", *versions]),
        "CUDA of TensorFlow": build.get("cuda_version") or "CPU build",
        "Keras": tf.keras.Model.__module__.split(".")[0],
    }


def goldens(chosen: str, tensor_float_32: bool) -> dict[str, object]:
    """Runs the parity tests in this process; whether they hold, and the largest error in words."""
    import pytest
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(tensor_float_32)
    flags = ["-q", "-m", "golden", "-k", chosen, "-p", "no:cacheprovider", "tests/golden"]
    code = int(pytest.main(flags))
    from tests.golden import parity

    worst = parity.worst_share() if parity.shares_of_bounds else "nothing compared"
    return {"holds": code == 0, "worst": worst}


def engines(config_file: str, repeats: int) -> dict[str, float]:
    """Milliseconds of `benchmarks.engines` by row."""
    from benchmarks import engines as benchmark

    include = f"include '{config_file}'"
    return benchmark.measure(["tensorflow", "onnxruntime"], repeats, [include])


def run_part(
    arguments: list[str], environment: dict[str, str], limit_s: float
) -> dict[str, object]:
    """Runs a program of this package in a process of its own.

    Args:
        arguments: module and flags; the last line it prints is JSON.
        environment: of the process.
        limit_s: after which it is ended.

    Returns:
        The JSON, or {'failed': the reason in one line}.
    """
    if limit_s <= 0:
        return {"failed": "not run: the time was over"}
    command = [sys.executable, "-m", *arguments]
    try:
        done = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=limit_s
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"ended: not done after {limit_s:.0f} s"}
    if done.returncode:
        sys.stderr.write(done.stderr)
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        return {"failed": f"exit code {done.returncode}: {reason[:300]}"}
    return json.loads(done.stdout.splitlines()[-1])


def texts(row: str, found: dict[str, object]) -> dict[str, str]:
    """What a part found, as rows of the table."""
    if "failed" in found:
        return {row: found["failed"]}
    if row.startswith("goldens"):
        return {row: f"{'hold' if found['holds'] else 'do not hold'}; {found['worst']}"}
    if row == "engines":
        return {name: f"{value:.1f} ms" for name, value in found.items() if name != "floor"}
    on_gpu = f"GPU {found['gpu_peak_gb']:.2f} GB, " if "gpu_peak_gb" in found else ""
    return {
        row: f"{found['wall_s']:.3f} s, the first {found['first_s']:.0f} s; peak {on_gpu}"
        f"host {found['peak_gb']:.2f} GB; loss {found['loss']:.5f}"
    }


def main(arguments: list[str] | None = None) -> int:
    """Measures and prints; see the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cpu", action="store_true", help="on the processor, a few minutes")
    kinds = ("machine", "engines", "goldens", "goldens_tf32")
    parser.add_argument("--part", choices=kinds, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    config_file, chosen, batch_size, steps, repeats, limit_s = ON_CPU if args.cpu else ON_GPU
    if args.part is not None:
        run = {
            "machine": machine,
            "engines": lambda: engines(config_file, repeats),
            "goldens": lambda: goldens(chosen, tensor_float_32=False),
            "goldens_tf32": lambda: goldens(chosen, tensor_float_32=True),
        }
        print(json.dumps(run[args.part]()))  # noqa: T201
        return 0
    environment = {**os.environ, **({"CUDA_VISIBLE_DEVICES": "-1"} if args.cpu else {})}
    end, me = time.monotonic() + limit_s, ["tools.check_gpu", *(["--cpu"] if args.cpu else [])]
    about = run_part([*me, "--part", "machine"], environment, limit_s)
    if not args.cpu and not about.get("GPU"):
        reason = about.get("failed", f"of {about.get('CUDA of TensorFlow')}")
        sys.stderr.write(
            f"check_gpu: expected a GPU that TensorFlow sees, got none ({reason}). Install "
            "tensorflow[and-cuda] and run this on a GPU node, or give --cpu (make check-gpu "
            "ARGS=--cpu) to run the same on the processor.\n"
        )
        return NO_GPU
    # The quick ones first.
    parts = {"engines": [*me, "--part", "engines"]}
    size = [f"--batch_size={batch_size}", f"--steps={steps}"]
    size += ["--gin_bindings", f"include '{config_file}'"]
    for variant in VARIANTS:
        parts[f"train step, {variant}"] = ["benchmarks.train_step", "--measure", variant, *size]
    parts["goldens, float32"] = [*me, "--part", "goldens"]
    if not args.cpu:
        parts["goldens, TensorFloat-32"] = [*me, "--part", "goldens_tf32"]
    good = "failed" not in about
    rows = dict(about) if good else {"machine": about["failed"]}
    rows["GPU"] = rows.get("GPU") or "none used"
    rows["train step and engines"] = (
        f"{config_file}; batches of {batch_size}, the best of {steps} steps; the median of "
        f"{repeats} calls"
    )
    for row, command in parts.items():
        sys.stderr.write(f"{row} ...\n")
        found = run_part(command, environment, end - time.monotonic())
        # In TensorFloat-32 goldens cannot hold: products have 10 bits. The table says how far off.
        fails = row == "goldens, float32" and not found.get("holds")
        good = good and "failed" not in found and not fails
        rows |= texts(row, found)
    print("| what | found |\n|---|---|")  # noqa: T201
    for name, text in rows.items():
        print(f"| {name} | {text.replace('|', '/')} |")  # noqa: T201
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
