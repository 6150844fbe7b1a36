"""The fast engine on CPUs: the network in ONNX Runtime, what is random in TensorFlow.

Each network is loaded twice: for a picture that is alone on the machine, with a thread for each
core; and for pictures that run side by side, with one thread each, which answers more of them in a
second.
"""

from __future__ import annotations

import functools
import os
import re

import onnxruntime
from absl import logging
from google.protobuf import message
from onnxruntime.capi import onnxruntime_pybind11_state as runtime_errors

import agent_wrapper
import prediction_functions
from serving.engines import (
    engine,
    equality_check,
    frozen_graph,
    onnx_cache,
    onnx_export,
    staged_engine,
    workers,
)
from serving.engines import stages as stage_graphs
from tokenizers import action_coding

NAME = "onnxruntime"
_IN_ONNX = ("features", "answer")
_IN_TENSORFLOW = ("factors", "sampler")
# What a file that is not what was written makes the loaders raise.
_LOAD_ERRORS = (
    KeyError,
    RuntimeError,
    ValueError,
    message.DecodeError,
    runtime_errors.Fail,
    runtime_errors.InvalidArgument,
    runtime_errors.InvalidGraph,
    runtime_errors.InvalidProtobuf,
    runtime_errors.NotImplemented,
    runtime_errors.RuntimeException,
)


def create(
    agent: agent_wrapper.Agent, directory: str | os.PathLike[str]
) -> staged_engine.StagedEngine:
    """Loads the exported network and compares it with the agent; exports it first if need be.

    Args:
        agent: with the weights; the engine does not need it afterwards.
        directory: of the checkpoint, where the export is kept.

    Returns:
        An engine that has run once.

    Raises:
        EngineError: if the network cannot be exported or computes something else.
    """
    functions = agent.prediction_functions()
    cache = onnx_cache.OnnxCache(directory, onnx_cache.digest(agent))
    files = cache.read()
    if files is not None:
        try:
            return _load_and_check(files, functions)
        except _LOAD_ERRORS as error:
            logging.warning("The network is exported again, its old export is of no use: %s", error)
    files = export(stage_graphs.freeze_stages(functions))
    try:
        result = _load_and_check(files, functions)
    except _LOAD_ERRORS as error:
        raise engine.EngineError(
            f"engine onnxruntime: expected to run what was exported, got {error}. Use engine "
            "'tensorflow'."
        ) from error
    cache.write(files)
    return result


def export(graphs: stage_graphs.StageGraphs) -> dict[str, bytes]:
    """File name -> content: what is deterministic for ONNX Runtime, the rest for TensorFlow."""
    files = {}
    for name in (*_IN_ONNX, *_IN_TENSORFLOW):
        graph = getattr(graphs, name)
        if graph is None:
            continue
        if name in _IN_ONNX:
            files[f"{name}.onnx"] = onnx_export.export(graph)
        else:
            files[f"{name}.pb"] = graph.serialize()
    return files


def from_files(
    files: dict[str, bytes], image_shape: tuple[int, ...], coding: str = action_coding.ENDPOINTS
) -> staged_engine.StagedEngine:
    """An engine that runs what `export` made.

    Args:
        files: file name -> content.
        image_shape: (H, W, 3).
        coding: of the network's tokens.

    Returns:
        The engine, not compared with anything.
    """
    cores = workers.num_cores()
    pool = workers.Workers(cores)
    stages = dict.fromkeys((*_IN_ONNX, *_IN_TENSORFLOW))
    for name in _IN_ONNX:
        run = OnnxFunction(files[f"{name}.onnx"], cores)
        stages[name] = functools.partial(pool.run, run)
    for name in _IN_TENSORFLOW:
        if f"{name}.pb" in files or name != "factors":  # Which nothing may drop.
            graph = frozen_graph.FrozenGraph.parse(files[f"{name}.pb"])
            stages[name] = frozen_graph.FrozenFunction(graph)
    return staged_engine.StagedEngine(
        NAME, staged_engine.Stages(**stages), image_shape, pool.num_workers, coding
    )


def _load_and_check(
    files: dict[str, bytes], functions: prediction_functions.PredictionFunctions
) -> staged_engine.StagedEngine:
    result = from_files(files, functions.image_shape, functions.action_coding)
    equality_check.check(result, functions)
    return result


class OnnxFunction:
    """An ONNX model of one picture, in a session for when it is alone and one for a crowd.

    Attributes:
        input_shapes: in order.
    """

    def __init__(self, model: bytes, num_threads: int) -> None:
        """Args:
        model: serialized.
        num_threads: of a run that has the machine to itself.
        """
        self._side_by_side = _session(model, 1)
        self._alone = _session(model, num_threads) if num_threads > 1 else self._side_by_side
        inputs = self._side_by_side.get_inputs()
        # Their names tell their order: input_0:0, input_1:0 ..
        self._inputs = {one.name: int(re.search(r"\d+", one.name).group()) for one in inputs}
        by_number = sorted(inputs, key=lambda one: self._inputs[one.name])
        self.input_shapes = [tuple(one.shape) for one in by_number]

    def __call__(self, arrays: workers.Arrays, alone: bool) -> workers.Arrays:
        """Runs the model.

        Args:
            arrays: the inputs in order, [1, ...] each.
            alone: whether nothing else runs, so that every core is free.

        Returns:
            The outputs in order, [1, ...] each.
        """
        session = self._alone if alone else self._side_by_side
        return tuple(session.run(None, {name: arrays[i] for name, i in self._inputs.items()}))


def _session(model: bytes, num_threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Threads that wait for more work would take the cores from what runs next: another session of
    # this engine, or TensorFlow.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
