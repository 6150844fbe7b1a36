"""Looks at what a job needs, from inside of one, and prints a table.

    DATA_DIR=data CHECKPOINT_DIR=runs GRES=gpu:1 python slurm_scripts/check_environment.py

check_environment.slurm calls it; the variables, and MIN_FREE_GB, are settings of cluster.env.
Exit code 0: all is there; 1: something is missing.
"""

from __future__ import annotations

import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib import metadata

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

# What is looked at, what was found, and what was expected; empty if that is it.
Row = tuple[str, str, str]


def package_rows(
    wanted: pathlib.Path, lock: pathlib.Path, version_of: Callable[[str], str] = metadata.version
) -> list[Row]:
    """The packages that `wanted` names, against the versions of the lock file for this Python."""
    from packaging import requirements

    names = {re.match(r"[\w.-]*", line).group().lower() for line in wanted.read_text().splitlines()}
    rows = []
    for line in lock.read_text().splitlines():
        if line.startswith((" ", "#")):
            continue
        locked = requirements.Requirement(line.removesuffix("\\"))
        if locked.name not in names or not (locked.marker is None or locked.marker.evaluate()):
            continue
        (pin,) = locked.specifier
        found = "not installed"
        # The CUDA build is the same package under its other name.
        for name in (locked.name.replace("tensorflow-cpu", "tensorflow"), locked.name):
            try:
                found = version_of(name)
            except metadata.PackageNotFoundError:
                continue
        rows.append((locked.name, found, "" if found == pin.version else pin.version))
    return rows


def tensorflow_rows(gpu_wanted: bool) -> list[Row]:
    """Which Keras TensorFlow uses, its CUDA, and the GPUs that it and the driver see."""
    try:
        import keras2  # noqa: F401

        import tensorflow as tf
    except ImportError as error:
        return [("TensorFlow", str(error), "to be imported")]
    driver = "no nvidia-smi"
    if shutil.which("nvidia-smi"):
        query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version"]
        asked = subprocess.run([*query, "--format=csv,noheader"], capture_output=True, text=True)
        driver = "; ".join((asked.stdout or asked.stderr).strip().splitlines())
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


def folder_rows(data_dir: str, checkpoint_dir: str, min_free_gb: int) -> list[Row]:
    """Whether data can be read, and checkpoints written to a disk with so many GiB."""
    data = (f"DATA_DIR {data_dir}", "can be read", "")
    try:
        os.listdir(data_dir)
    except OSError as error:
        data = (data[0], error.strerror or str(error), "a folder that can be read")
    name = f"CHECKPOINT_DIR {checkpoint_dir}"
    try:
        with tempfile.NamedTemporaryFile(dir=checkpoint_dir) as file:
            file.write(bytes(65536))
            file.flush()
        free = shutil.disk_usage(checkpoint_dir).free // 2**30
    except OSError as error:
        return [data, (name, error.strerror or str(error), "a folder that can be written to")]
    return [data, (name, f"{free} GB free", "" if free >= min_free_gb else f"{min_free_gb} GB")]


def main() -> int:
    """Prints the table; see the module."""
    good = (3, 10) <= sys.version_info[:2] <= (3, 13)
    folders = (os.environ["DATA_DIR"], os.environ["CHECKPOINT_DIR"])
    rows = [
        ("Python", platform.python_version(), "" if good else "3.10 to 3.13"),
        *package_rows(ROOT / "requirements.in", ROOT / "requirements.txt"),
        ("CPUs", str(len(os.sched_getaffinity(0))), ""),
        *tensorflow_rows("gpu" in os.environ.get("GRES", "")),
        *folder_rows(*folders, int(os.environ.get("MIN_FREE_GB") or 0)),
    ]
    cells = [("", "what", "found", "expected")]
    cells += [("ok" if not need else "NO", what, found, need) for what, found, need in rows]
    widths = [max(map(len, column)) for column in zip(*cells)]
    for row in cells:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths))
        print(line.rstrip())
    missing = [what for what, _, need in rows if need]
    print(f"missing: {', '.join(missing)}" if missing else "all is there")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
