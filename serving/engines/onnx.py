"""The fast engine on CPUs: the network in ONNX Runtime, what is random in TensorFlow.

A checkpoint is exported once, into the user's cache folder (ENGINE_CACHE_DIR names another), where
no checkpoint can bring a file:

    ~/.cache/rt1_food/onnx/3f2a…/features.onnx, answer.onnx   for ONNX Runtime
                                 factors.pb, sampler.pb       for TensorFlow
                                 files.json                   SHA-256 of the others, written last

The folder's name is the SHA-256 of the weights, the configuration and the version of this format.
Files with another SHA-256 than their list says are not loaded, and what is loaded is compared with
the network on random pictures.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping

import gin
import tensorflow as tf
from absl import logging
from google.protobuf import message
from onnxruntime.capi import onnxruntime_pybind11_state as onnx_errors

import agent_wrapper
import prediction_functions
import sequence_agent
from food_data import atomic_files
from serving.engines import engine, graphs

OPSET = 15
# To be raised when an export of the same network changes.
_VERSION = 4
# Folders of exports that are kept, the latest.
_KEPT = 8
_ROOT = pathlib.Path(__file__).parents[2]
# What loading, or running, a damaged or foreign file raises.
_OF_A_FILE = (ValueError, LookupError, RuntimeError, message.DecodeError, tf.errors.OpError)
_OF_A_FILE += (onnx_errors.InvalidProtobuf, onnx_errors.InvalidGraph, onnx_errors.InvalidArgument)
_OF_A_FILE += (onnx_errors.NotImplemented, onnx_errors.RuntimeException, onnx_errors.Fail)


def create(agent: agent_wrapper.Agent) -> engine.Engine:
    """Loads the exported network and compares it with the agent's; exports it first if need be.
    Raises EngineError if the network cannot be exported or computes something else."""
    functions = agent.prediction_functions()

    def made(files: dict[str, bytes]) -> engine.Engine:
        result = from_files(files, functions)
        engine.check(result, functions)
        return result

    folder = cache_folder() / digest(agent)
    if files := _kept(folder):
        try:
            return made(files)
        except _OF_A_FILE as error:
            logging.warning("The network is exported again, its old export is of no use: %s", error)
    files = export(graphs.freeze_stages(functions))
    result = made(files)
    try:
        keep(folder, files)
    except OSError as error:
        text = "The exported network cannot be kept, so the next start exports again: %s"
        logging.warning(text, error)
    return result


def cache_folder() -> pathlib.Path:
    """Where exports are kept: of the user, and not of a checkpoint."""
    if given := os.environ.get("ENGINE_CACHE_DIR"):
        return pathlib.Path(given)
    try:
        base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    except RuntimeError:  # A user without a home.
        base = pathlib.Path(tempfile.gettempdir()) / f"cache-{os.getpid()}"
    return pathlib.Path(base) / "rt1_food" / "onnx"


def _kept(folder: pathlib.Path) -> dict[str, bytes]:
    """The files of an export that are what was written; none if one of them is not."""
    try:
        if hasattr(os, "getuid"):
            status = folder.stat()
            if status.st_uid != os.getuid() or status.st_mode & 0o022:
                raise ValueError("others may write to it")
        # The list is written last, so whoever finds it finds the others.
        listed = json.loads((folder / "files.json").read_text())
        # Names and no paths: they are those of `export`.
        files = {pathlib.PurePath(name).name: b"" for name in listed}
        for name in files:
            files[name] = (folder / name).read_bytes()
            if hashlib.sha256(files[name]).hexdigest() != listed[name]:
                raise ValueError(f"{name} has another SHA-256 than its list says")
        return files
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, LookupError, RecursionError) as error:
        logging.warning("The network is exported again; %s is not used: %s", folder, error)
        return {}


def digest(agent: agent_wrapper.Agent) -> str:
    """SHA-256, which changes with the network's weights and its configuration."""
    network = agent.network
    settings = (_VERSION, gin.config_str(), repr(agent.dropout_settings), network.loss_type)
    result = hashlib.sha256(repr(settings).encode())
    for path, variable in sorted(sequence_agent.variables_by_path(network).items()):
        result.update(f"{path} {variable.dtype.name} {variable.shape}".encode())
        result.update(variable.numpy().tobytes())
    return result.hexdigest()


def export(stages: Mapping[str, tf.compat.v1.GraphDef]) -> dict[str, bytes]:
    """File name -> content: what is deterministic for ONNX Runtime, the rest for TensorFlow."""
    files = {f"{name}.pb": one.SerializeToString() for name, one in stages.items()}
    names = ("features", "answer")
    for name, model in zip(names, convert(*(stages[name] for name in names))):
        del files[f"{name}.pb"]
        files[f"{name}.onnx"] = model
    return files


def convert(*graph_defs: tf.compat.v1.GraphDef) -> list[bytes]:
    """Graphs without random numbers as ONNX models, converted in a process of its own, whose memory
    the server does not keep. Raises EngineError if the converter cannot."""
    with tempfile.TemporaryDirectory(prefix="onnx-export-") as folder:
        paths = [pathlib.Path(folder) / f"{number}.pb" for number in range(len(graph_defs))]
        for path, graph_def in zip(paths, graph_defs):
            path.write_bytes(graph_def.SerializeToString())
        command = [sys.executable, "-m", "serving.engines.onnx", *map(str, paths)]
        environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
        run = subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True)
        targets = [path.with_suffix(".onnx") for path in paths]
        if run.returncode or not all(target.is_file() for target in targets):
            reason = (run.stderr.strip().splitlines() or [f"exit code {run.returncode}"])[-1]
            text = "engine onnxruntime: expected a network that tf2onnx can convert, got"
            raise engine.EngineError(f"{text} {reason}.")
        return [target.read_bytes() for target in targets]


def from_files(
    files: dict[str, bytes], functions: prediction_functions.PredictionFunctions
) -> engine.Engine:
    """An engine that runs what `export` made; not compared with anything."""

    def function(name: str) -> engine.Stage:
        if name.endswith(".onnx"):
            return engine.OnnxFunction(files[name])
        return engine.FrozenFunction(tf.compat.v1.GraphDef.FromString(files[name]))

    stages = {name.partition(".")[0]: function(name) for name in files}
    return engine.Engine("onnxruntime", stages, functions)


def keep(folder: pathlib.Path, files: dict[str, bytes]) -> None:
    """Writes an export, its list last, and removes all but the latest."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    for path in folder.glob(".*"):  # What a killed process was in the middle of writing.
        path.unlink(missing_ok=True)
    listed = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    for name, content in {**files, "files.json": json.dumps(listed).encode()}.items():
        with atomic_files.replace_file(folder / name) as file:
            file.write(content)
    os.utime(folder)
    with contextlib.suppress(OSError):  # Another process may remove the same.
        others = sorted(folder.parent.iterdir(), key=lambda one: one.stat().st_mtime)
        for other in others[:-_KEPT]:
            shutil.rmtree(other, ignore_errors=True)


if __name__ == "__main__":
    import tf2onnx  # Here, because the server does without it.

    for path in map(pathlib.Path, sys.argv[1:]):
        frozen = tf.compat.v1.GraphDef.FromString(path.read_bytes())
        converted, _ = tf2onnx.convert.from_graph_def(
            frozen,
            input_names=graphs.tensors(frozen, "input"),
            output_names=graphs.tensors(frozen, "output"),
            opset=OPSET,
        )
        path.with_suffix(".onnx").write_bytes(converted.SerializeToString())
