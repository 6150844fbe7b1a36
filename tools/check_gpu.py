"""Whether the project works on this machine's GPU, and how fast: a report to paste into an issue.

    make check-gpu
    make check-gpu ARGS=--cpu    # on the processor, in minutes: the small network, fewer goldens

It says what the machine is, then what `benchmarks.engines`, `benchmarks.train_step` and the goldens
print, which compare our network with the public code's numbers. On a GPU goldens run twice: in
float32, as meant, and in TensorFloat-32, as TensorFlow does from Ampere on unless told otherwise.

Exit code 0: all parts ran and the goldens hold; 1: not, the report says which; 2: wrong flags;
3: TensorFlow sees no GPU.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import platform
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
# Network, goldens as pytest's -k takes them, batch size, steps, calls of each engine.
ON_GPU = ("configs/transformer_mixin.gin", "test", 16, 12, 15)
# Gradients of the full network and its rolling window alone would take minutes.
ON_CPU = ("configs/small.gin", "test_a or test_b or test_e", 8, 4, 3)
VARIANTS = ("graph", "bfloat16", "xla", "xla_bfloat16")
LIMIT_S = 1500.0  # of a part
LOOK = """import keras2, numpy, tensorflow as tf, tf_agents
gpus = tf.config.list_physical_devices("GPU")
print("tensorflow", tf.__version__, "tf-agents", tf_agents.__version__, "numpy", numpy.__version__)
print(tf.sysconfig.get_build_info().get("cuda_version") or "a build without CUDA")
print(*map(tf.config.experimental.get_device_details, gpus))"""
GOLDENS = """import sys, keras2, pytest, tensorflow as tf
tf.config.experimental.enable_tensor_float_32_execution(sys.argv[1] == "TensorFloat-32")
sys.exit(pytest.main(["-q", "-m", "golden", "-p", "no:cacheprovider", "-k", *sys.argv[2:]]))"""


def run(title: str, *arguments: object) -> tuple[bool, str]:
    """Runs Python in a process of its own: whether it ended well, and the end of what it printed,
    or of its errors."""
    sys.stderr.write(f"{title} ...\n")
    command = [sys.executable, *map(str, arguments)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return False, f"ended: not done after {LIMIT_S:.0f} s"
    lines = (done.stderr if done.returncode and not done.stdout else done.stdout).splitlines()
    ended = [f"exit code {done.returncode}"] if done.returncode else []
    return not ended, "\n".join([*ended, *lines[-20:]])


def main(argv: list[str] | None = None) -> int:
    """Measures and prints; see the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cpu", action="store_true", help="on the processor, a few minutes")
    on_cpu = parser.parse_args(argv).cpu
    if on_cpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    config_file, chosen, batch_size, steps, repeats = ON_CPU if on_cpu else ON_GPU
    good, found = run("machine", "-c", LOOK)
    versions, build, gpus = (found + "\n\n").split("\n")[:3]
    if not on_cpu and not gpus:
        way_out = "Install tensorflow[and-cuda] and run this on a GPU node, or give --cpu"
        sys.stderr.write(f"check_gpu: TensorFlow sees no GPU ({build or versions}). {way_out}.\n")
        return 3
    print(f"GPUs: {gpus or 'none used'}; CUDA of TensorFlow: {build}")
    print(f"processor: {platform.machine()}, {os.cpu_count()} cores; {platform.platform()}")
    print(f"Python {platform.python_version()}, {versions}")
    bindings = ["--gin_bindings", f"include '{config_file}'"]
    engines = ["-m", "benchmarks.engines", "--repeats", repeats, *bindings]
    parts = {f"engines, {config_file}": engines}
    size = [f"--batch_size={batch_size}", f"--steps={steps}", *bindings]
    for variant in VARIANTS:
        title = f"train step, {variant}, batches of {batch_size}"
        parts[title] = ["-m", "benchmarks.train_step", "--variant", variant, *size]
    for kind in ("float32",) if on_cpu else ("float32", "TensorFloat-32"):
        parts[f"goldens, {kind}"] = ["-c", GOLDENS, kind, chosen, "tests/golden"]
    for title, arguments in parts.items():
        ended_well, text = run(title, *arguments)
        print(f"\n**{title}**\n\n{text}")
        # In TensorFloat-32 goldens cannot hold: products have 10 bits. The report says how far off.
        good = good and (ended_well or title == "goldens, TensorFloat-32")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
