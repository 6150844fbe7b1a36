"""Whether the project works on this machine's GPU, and how fast: one table to paste into an issue.

    make check-gpu
    make check-gpu ARGS=--cpu    # on the processor, in minutes: the small network, fewer goldens

| row         | what runs                                                                     |
|-------------|-------------------------------------------------------------------------------|
| goldens     | `pytest -m golden`: our network against the public code's numbers; how large   |
|             | the worst error is, as a share of its bound. With a GPU twice: products in    |
|             | float32, as the goldens are meant, and in TensorFloat-32, as TensorFlow runs  |
|             | float32 on GPUs from Ampere on unless it is told otherwise                    |
| train step  | `benchmarks.train_step` of the full network; the first step traces, compiles  |
| predict, 16 | `benchmarks.engines` of the full network; ONNX Runtime is on the processor    |

Every part has a process of its own, so that one that fails or takes too long leaves the others.

Exit code 0: all parts ran and the goldens hold; 1: not, the table says which; 2: wrong flags;
3: TensorFlow sees no GPU.
"""

from __future__ import annotations

import argparse
import dataclasses
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
_PACKAGES = (
    *("tensorflow", "tensorflow-cpu", "tf-keras", "keras", "tf-agents", "tensorflow-probability"),
    *("numpy", "onnxruntime"),
)
# Rows of TensorFlow's build information.
_CUDA = {"CUDA": "cuda_version", "cuDNN": "cudnn_version"}


@dataclasses.dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        config_file: of the network.
        goldens: of which tests, as pytest's -k takes it.
        batch_size: of a train step.
        steps: of each variant, the first of which traces.
        repeats: calls of each engine's row, at least 1.
        limit_s: for everything; parts that are not done by then are ended or left out.
    """

    config_file: str
    goldens: str
    batch_size: int
    steps: int
    repeats: int
    limit_s: float


ON_GPU = Plan("configs/transformer_mixin.gin", "test", 16, 12, 15, 3600.0)
# Gradients of the full network and its rolling window alone would take these minutes.
ON_CPU = Plan("configs/small.gin", "test_a or test_b or test_e", 8, 4, 3, 290.0)
VARIANTS = ("graph", "bfloat16", "xla", "xla_bfloat16")


def machine() -> dict[str, str]:
    """Versions and devices, as rows of the table; 'GPU' is empty if TensorFlow sees none."""
    import tensorflow as tf

    build = tf.sysconfig.get_build_info()
    gpus = [
        tf.config.experimental.get_device_details(device)
        for device in tf.config.list_physical_devices("GPU")
    ]
    versions = [f"Python {platform.python_version()}"]
    for name in _PACKAGES:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    cuda = [f"{name} {build[key]}" for name, key in _CUDA.items() if build.get(key)]
    return {
        "GPU": ", ".join(f"{gpu.get('device_name')} {_capability(gpu)}" for gpu in gpus),
        "driver, memory": _nvidia_smi() if gpus else "",
        "processor": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": ", ".join(versions),
        "CUDA of TensorFlow": ", ".join(cuda) or "CPU build",
        "Keras": tf.keras.Model.__module__.split(".")[0],
    }


def _capability(gpu: dict[str, object]) -> str:
    major_minor = gpu.get("compute_capability")
    return "" if major_minor is None else f"(compute capability {'.'.join(map(str, major_minor))})"


def _nvidia_smi() -> str:
    query = ["nvidia-smi", "--query-gpu=driver_version,memory.total", "--format=csv,noheader"]
    try:
        asked = subprocess.run(query, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"nvidia-smi: {error}"
    return "; ".join(asked.stdout.split("\n")).strip("; ")


def goldens(chosen: str, tensor_float_32: bool) -> dict[str, object]:
    """Runs the parity tests in this process.

    Args:
        chosen: as pytest's -k takes it.
        tensor_float_32: whether GPUs may round the inputs of float32 products to 10 bits.

    Returns:
        {'code': pytest's, 'counts': {'passed': 20, ...}, 'worst': the largest error, in words}
    """
    import pytest
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(tensor_float_32)
    counts = _Counts()
    flags = ["-q", "-m", "golden", "-k", chosen, "-p", "no:cacheprovider"]
    code = pytest.main([*flags, "tests/golden"], [counts])
    from tests.golden import parity

    worst = parity.worst_share() if parity.shares_of_bounds else "nothing compared"
    return {"code": int(code), "counts": counts.of, "worst": worst}


class _Counts:
    """Counts how tests end, as a plugin of pytest."""

    def __init__(self) -> None:
        self.of: dict[str, int] = {}

    def pytest_runtest_logreport(self, report: object) -> None:
        """One phase of a test; what fails before its call is an error."""
        if report.when == "call" or not report.passed:
            self.of[report.outcome] = self.of.get(report.outcome, 0) + 1


def engines(config_file: str, repeats: int) -> dict[str, float]:
    """Milliseconds of `benchmarks.engines` by row, and the memory that they took."""
    import resource

    import tensorflow as tf

    from benchmarks import engines as benchmark

    rows = benchmark.measure(["tensorflow", "onnxruntime"], repeats, [_include(config_file)])
    rows["peak GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    if tf.config.list_physical_devices("GPU"):
        rows["GPU peak GB"] = tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e9
    return rows


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


def parts(plan: Plan, has_gpu: bool) -> dict[str, list[str]]:
    """Row -> module and flags of what fills it, the quick ones first."""
    me = "tools.check_gpu"
    flags = [] if has_gpu else ["--cpu"]
    found = {"engines": [me, "--part", "engines", *flags]}
    size = [f"--batch_size={plan.batch_size}", f"--steps={plan.steps}"]
    size += ["--gin_bindings", _include(plan.config_file)]
    for variant in VARIANTS:
        found[f"train step, {variant}"] = ["benchmarks.train_step", "--measure", variant, *size]
    found["goldens, float32"] = [me, "--part", "goldens", *flags]
    if has_gpu:
        found["goldens, TensorFloat-32"] = [me, "--part", "goldens_tf32"]
    return found


def _include(config_file: str) -> str:
    """A gin binding that puts the network of a file in the place of the full one."""
    return f"include '{config_file}'"


def texts(row: str, found: dict[str, object]) -> dict[str, str]:
    """What a part found, as rows of the table."""
    if "failed" in found:
        return {row: found["failed"]}
    if row.startswith("goldens"):
        counts = ", ".join(f"{number} {how}" for how, number in found["counts"].items())
        return {row: f"{counts}; {found['worst']}"}
    if row == "engines":
        return {
            name: f"{value:.2f} GB" if name.endswith(" GB") else f"{value:.1f} ms"
            for name, value in found.items()
            if name != "floor"
        }
    on_gpu = f"GPU {found['gpu_peak_gb']:.2f} GB, " if "gpu_peak_gb" in found else ""
    return {
        row: f"{found['wall_s']:.3f} s, the first {found['first_s']:.0f} s; peak {on_gpu}"
        f"host {found['peak_gb']:.2f} GB; loss {found['loss']:.5f}"
    }


def holds(row: str, found: dict[str, object]) -> bool:
    """Whether the part ran; of the goldens in float32, whether they hold.

    In TensorFloat-32 they cannot: products have 10 bits. The table says how far off they are.
    """
    return "failed" not in found and not (row == "goldens, float32" and found["code"])


def table(rows: dict[str, str]) -> str:
    """Markdown."""
    lines = [f"| {name} | {text.replace('|', '/')} |" for name, text in rows.items()]
    return "\n".join(["| what | found |", "|---|---|", *lines])


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line: see the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cpu", action="store_true", help="on the processor, a few minutes")
    kinds = ("machine", "engines", "goldens", "goldens_tf32")
    parser.add_argument("--part", choices=kinds, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Measures and prints; see the module."""
    args = parse(arguments)
    plan = ON_CPU if args.cpu else ON_GPU
    if args.part is not None:
        run = {
            "machine": machine,
            "engines": lambda: engines(plan.config_file, plan.repeats),
            "goldens": lambda: goldens(plan.goldens, tensor_float_32=False),
            "goldens_tf32": lambda: goldens(plan.goldens, tensor_float_32=True),
        }
        print(json.dumps(run[args.part]()))  # noqa: T201
        return 0
    environment = dict(os.environ)
    if args.cpu:
        environment["CUDA_VISIBLE_DEVICES"] = "-1"
    end = time.monotonic() + plan.limit_s
    about = run_part(["tools.check_gpu", "--part", "machine"], environment, plan.limit_s)
    if not args.cpu and not about.get("GPU"):
        reason = about.get("failed", f"of {about.get('CUDA of TensorFlow')}")
        sys.stderr.write(
            f"check_gpu: expected a GPU that TensorFlow sees, got none ({reason}). Install "
            "tensorflow[and-cuda] and run this on a GPU node, or give --cpu (make check-gpu "
            "ARGS=--cpu) to run the same on the processor.\n"
        )
        return NO_GPU
    rows = dict(about) if "failed" not in about else {"machine": about["failed"]}
    rows["GPU"] = rows.get("GPU") or "none used"
    good = "failed" not in about
    rows["train step and engines"] = (
        f"{plan.config_file}; batches of {plan.batch_size}, the best of {plan.steps} steps; "
        f"the median of {plan.repeats} calls"
    )
    for row, command in parts(plan, has_gpu=not args.cpu).items():
        sys.stderr.write(f"{row} ...\n")
        found = run_part(command, environment, end - time.monotonic())
        good = good and holds(row, found)
        rows |= texts(row, found)
    print(table({name: text for name, text in rows.items() if text}))  # noqa: T201
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
