"""Looks at what a job needs, from inside of one, and prints a table.

    DATA_DIR=data CHECKPOINT_DIR=runs GRES=gpu:1 python slurm_scripts/check_environment.py

check_environment.slurm calls it; the variables, and MIN_FREE_GB, are settings of cluster.env.
Exit code 0: all is there; 1: something is missing.
"""

from __future__ import annotations

import importlib
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from importlib import metadata

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

# What is looked at, what was found, and what was expected; empty if that is it.
Row = tuple[str, str, str]
PYTHONS = ((3, 10), (3, 11), (3, 12), (3, 13))
GIB = 2**30


def python_row() -> Row:
    """The version of the interpreter."""
    good = sys.version_info[:2] in PYTHONS
    return "Python", platform.python_version(), "" if good else "3.10 to 3.13"


def required_names(path: pathlib.Path) -> set[str]:
    """The packages that a requirements file names, without versions and environment markers."""
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return {re.match(r"[\w.-]+", line).group().lower() for line in lines if line}


def package_rows(
    requirements: pathlib.Path,
    names: set[str],
    version_of: Callable[[str], str] = metadata.version,
) -> list[Row]:
    """The packages that the project imports, against the versions of the lock file.

    Args:
        requirements: lock file with lines such as `numpy==2.2.6 ; python_full_version < '3.11' \\`,
            each followed by the hashes of its files.
        names: which of its packages.
        version_of: says what is installed; raises `metadata.PackageNotFoundError`.

    Returns:
        A row for each; a package that the lock has for other Pythons only is left out.
    """
    from packaging import requirements as parsing

    rows = []
    for line in requirements.read_text().splitlines():
        if line.startswith((" ", "#")):
            continue
        locked = parsing.Requirement(line.removesuffix("\\"))
        if locked.name not in names or not (locked.marker is None or locked.marker.evaluate()):
            continue
        (pin,) = locked.specifier
        # The CUDA build is the same package under its other name.
        candidates = (locked.name, locked.name.replace("tensorflow-cpu", "tensorflow"))
        found = next((one for one in map(_or_none(version_of), candidates) if one), "not installed")
        rows.append((locked.name, found, "" if found == pin.version else pin.version))
    return rows


def _or_none(version_of: Callable[[str], str]) -> Callable[[str], str | None]:
    def version(name: str) -> str | None:
        try:
            return version_of(name)
        except metadata.PackageNotFoundError:
            return None

    return version


def keras_row(version_of: Callable[[str], str] = metadata.version) -> Row:
    """Whether TensorFlow uses Keras 2, as checkpoints need; Keras 3 may be installed beside it.

    Args:
        version_of: as `package_rows` takes it.
    """
    what = "TensorFlow's Keras"
    try:
        importlib.import_module("keras2")
        used = importlib.import_module("tensorflow").keras.Model.__module__.split(".")[0]
    except ImportError as error:
        return what, str(error), "to be imported"
    versions = {name: _or_none(version_of)(name) for name in ("tensorflow", "tf-keras", "keras")}
    versions["tensorflow"] = versions["tensorflow"] or _or_none(version_of)("tensorflow-cpu")
    installed = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    return what, f"{used} of {installed}", "" if used == "tf_keras" else "tf_keras, by keras2.py"


def gpu_rows(wanted: bool) -> list[Row]:
    """The driver, TensorFlow's CUDA, and the GPUs that TensorFlow sees.

    Args:
        wanted: GRES asks for one, so that none is an error.
    """
    driver = "no nvidia-smi"
    if shutil.which("nvidia-smi"):
        query = [
            "nvidia-smi",
            "--query-gpu=name,memory.total,driver_version",
            "--format=csv,noheader",
        ]
        asked = subprocess.run(query, capture_output=True, text=True, check=False)
        driver = "; ".join((asked.stdout or asked.stderr).strip().splitlines())
    try:
        tf = importlib.import_module("tensorflow")
    except ImportError as error:
        return [("TensorFlow", str(error), "to be imported")]
    gpus = tf.config.list_physical_devices("GPU")
    cuda = tf.sysconfig.get_build_info().get("cuda_version")
    need = "a build with CUDA: tensorflow[and-cuda]==2.21.0" if wanted and not cuda else ""
    return [
        ("GPU driver", driver, ""),
        ("TensorFlow's CUDA", cuda or "CPU build", need),
        ("GPUs TensorFlow sees", str(len(gpus)), "1 or more" if wanted and not gpus else ""),
    ]


def folder_rows(
    data_dir: pathlib.Path, checkpoint_dir: pathlib.Path, min_free_gb: int
) -> list[Row]:
    """Whether data can be read, and checkpoints written.

    Args:
        data_dir: must exist.
        checkpoint_dir: must take a file.
        min_free_gb: GiB that its disk must have.
    """
    try:
        files = sum(1 for _ in data_dir.iterdir())
        data = (f"DATA_DIR {data_dir}", f"{files} entries", "")
    except OSError as error:
        data = (f"DATA_DIR {data_dir}", error.strerror or str(error), "a folder that can be read")
    name = f"CHECKPOINT_DIR {checkpoint_dir}"
    try:
        with tempfile.NamedTemporaryFile(dir=checkpoint_dir) as file:
            file.write(bytes(65536))
            file.flush()
        free = shutil.disk_usage(checkpoint_dir).free // GIB
    except OSError as error:
        return [data, (name, error.strerror or str(error), "a folder that can be written to")]
    need = "" if free >= min_free_gb else f"{min_free_gb} GB"
    return [data, (name, f"{free} GB free", need)]


def processor_row() -> Row:
    """The processors that the job may use."""
    return "CPUs", str(len(os.sched_getaffinity(0))), ""


def format_table(rows: list[Row]) -> str:
    """Columns as wide as their longest entry."""
    cells = [("", "what", "found", "expected")]
    cells += [("ok" if not need else "NO", what, found, need) for what, found, need in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells
    )


def rows_of(environment: Mapping[str, str]) -> list[Row]:
    """Everything."""
    names = required_names(ROOT / "requirements.in")
    return [
        python_row(),
        *package_rows(ROOT / "requirements.txt", names),
        processor_row(),
        keras_row(),
        *gpu_rows(wanted="gpu" in environment.get("GRES", "")),
        *folder_rows(
            pathlib.Path(environment["DATA_DIR"]),
            pathlib.Path(environment["CHECKPOINT_DIR"]),
            int(environment.get("MIN_FREE_GB") or 0),
        ),
    ]


def main() -> int:
    """Prints the table; see the module."""
    rows = rows_of(os.environ)
    print(format_table(rows))  # noqa: T201
    missing = [what for what, _, need in rows if need]
    print(f"missing: {', '.join(missing)}" if missing else "all is there")  # noqa: T201
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
