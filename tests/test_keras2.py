"""How programs start: with Keras 2, silently, and without what --help has no use for."""

from __future__ import annotations

import ast
import importlib
import os
import pathlib
import subprocess
import sys
import types

import pytest

ROOT = pathlib.Path(__file__).parents[1]
# Seconds each, on a free core.
SLOW = {"tensorflow", "tf_agents", "matplotlib", "scipy", "sklearn", "onnx", "onnxruntime"}


def test_flags_are_read_without_slow_modules_and_the_start_is_quiet():
    code = """
import runpy, sys, tempfile
for program in sys.argv[1:]:
    before = set(sys.modules)
    runpy.run_path(program, run_name="imported")
    print(program, sorted(SLOW & (set(sys.modules) - before)))
import tensorflow as tf
import tf_agents.agents, train, training.run_setup
print(tf.keras.Model.__module__, tf.keras.layers.Dense(1).__module__)
from absl import logging
logging.set_verbosity(logging.INFO)
tf.distribute.OneDeviceStrategy("CPU:0")
tf.train.Checkpoint(v=tf.Variable(1.0)).write(tempfile.mkdtemp() + "/c")
logging.info("a note of ours")
print("started", file=sys.stderr, flush=True)
logging.error("an error of absl")
tf.get_logger().warning("a warning of TensorFlow")
try:
    tf.io.read_file("/there/is/no/such/file")
except tf.errors.NotFoundError:
    pass
""".replace("SLOW", repr(SLOW))
    folders = (".", "embeddings", "slurm_scripts", "tools")
    paths = sorted(path for folder in folders for path in (ROOT / folder).glob("*.py"))
    programs = [path for path in paths if '__name__ == "__main__"' in path.read_text()]
    programs.remove(ROOT / "vla_eval_server.py")  # Runs in an environment of its own.
    names = [str(path.relative_to(ROOT)) for path in programs]
    assert {"train.py", "api_server.py", "tools/check_gpu.py"} <= set(names)
    mine = ("TF_USE_LEGACY_KERAS", "TF_CPP_MIN_LOG_LEVEL")
    process = subprocess.run(
        [sys.executable, "-c", code, *names],
        env={name: value for name, value in os.environ.items() if name not in mine},
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert process.stdout.splitlines() == [
        *(f"{name} []" for name in names),
        "tf_keras.src.engine.training tf_keras.src.layers.core.dense",
    ]
    at_start, later = process.stderr.split("started\n")
    assert [line.rpartition("] ")[2] for line in at_start.splitlines()] == [
        "INFO:absl:a note of ours"
    ]
    for told in ("an error of absl", "a warning of TensorFlow", "NOT_FOUND: /there/is/no/such"):
        assert told in later


def test_tensorflow_before_keras2_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", types.ModuleType("tensorflow"))
    monkeypatch.delitem(sys.modules, "keras2")
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "0")
    with pytest.raises(ImportError, match="Import keras2 first"):
        importlib.import_module("keras2")
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
    importlib.import_module("keras2")


def test_whatever_imports_tensorflow_imports_keras2_first():
    """A module's package comes before it, so that it may be the package that does."""

    def imports(path: pathlib.Path) -> list[str]:
        body = ast.parse(path.read_text(encoding="utf-8")).body
        names = [one.names[0].name for one in body if isinstance(one, ast.Import)]
        names += [one.module for one in body if isinstance(one, ast.ImportFrom)]
        return [name.split(".")[0] for name in names if name != "__future__"]

    found = []
    for path in sorted(ROOT.glob("*.py")) + sorted(ROOT.glob("[a-z]*/**/*.py")):
        package = path.relative_to(ROOT).parts[0]
        first = path if path.parent == ROOT else ROOT / package / "__init__.py"
        uses = {"tensorflow", "tf_agents", "tf_keras"}.intersection(imports(path))
        uses = uses and package not in ("tests", "build")
        if uses and (not first.is_file() or imports(first)[:1] != ["keras2"]):
            found.append(str(path.relative_to(ROOT)))
    assert found == []
