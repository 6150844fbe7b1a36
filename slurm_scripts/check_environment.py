"""Looks at packages and GPUs from inside of a job, and prints a table.

    GRES=gpu:1 python slurm_scripts/check_environment.py

check_environment.slurm calls it after it has looked at the settings, the folders and the disk, as
every job does. Exit code 0: all is there; 1: something is missing.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import platform
import re
import subprocess
import sys
from importlib import metadata

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

# What is looked at, what was found, and what was expected; empty if that is it.
Row = tuple[str, str, str]


def package_rows(lock: str) -> list[Row]:
    """The packages of the lock file that are installed in another version, or not at all."""
    from packaging import requirements

    rows = []
    for line in re.findall(r"^[^ #].*?(?= *\\?$)", lock, re.MULTILINE):
        locked = requirements.Requirement(line)
        if locked.marker is None or locked.marker.evaluate():
            found, (pin,) = "not installed", locked.specifier
            # The CUDA build is the same package under its other name.
            for name in (locked.name.removesuffix("-cpu"), locked.name):
                with contextlib.suppress(metadata.PackageNotFoundError):
                    found = metadata.version(name)
            if found != pin.version:
                rows.append((locked.name, found, pin.version))
    return rows


def tensorflow_rows(gpu_wanted: bool) -> list[Row]:
    """Which Keras TensorFlow uses, its CUDA, and the GPUs that it and the driver see."""
    try:
        import keras2  # noqa: F401

        import tensorflow as tf
    except ImportError as error:
        return [("TensorFlow", str(error), "to be imported")]
    query = "nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader"
    driver = "; ".join(subprocess.getoutput(query).splitlines())  # or why it does not answer
    keras = tf.keras.Model.__module__.split(".")[0]
    gpus = tf.config.list_physical_devices("GPU")
    cuda = tf.sysconfig.get_build_info().get("cuda_version")
    build = "a build with CUDA: tensorflow[and-cuda]==2.21.0" if gpu_wanted and not cuda else ""
    return [
        # Checkpoints need Keras 2; Keras 3 may be installed beside it.
        ("TensorFlow's Keras", keras, "" if keras == "tf_keras" else "tf_keras, by keras2.py"),
        ("GPU driver", driver, ""),
        ("TensorFlow's CUDA", cuda or "CPU build", build),
        ("GPUs TensorFlow sees", str(len(gpus)), "1 or more" if gpu_wanted and not gpus else ""),
    ]


def main() -> int:
    """Prints the table; see the module."""
    rows = [("Python", platform.python_version(), "")]
    rows += package_rows((ROOT / "requirements.txt").read_text(encoding="utf-8"))
    rows += tensorflow_rows("gpu" in os.environ.get("GRES", ""))
    print(f"    {'what':<40}  {'found':<24}  expected")
    for what, found, need in rows:
        print(f"{'NO' if need else 'ok'}  {what:<40}  {found:<24}  {need}".rstrip())
    missing = [what for what, _, need in rows if need]
    print(f"missing: {', '.join(missing)}" if missing else "all is there")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
