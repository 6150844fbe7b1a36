"""Which engine runs a checkpoint's network."""

from __future__ import annotations

import os
import typing

from absl import logging

from serving.engines import engine, equality_check, onnx_export, tensorflow_engine

if typing.TYPE_CHECKING:
    import checkpoint_directory

AUTO = "auto"
# The fastest first.
NAMES = ("onnxruntime", "tensorflow")


def create_engine(
    loaded: checkpoint_directory.LoadedCheckpoint,
    directory: str | os.PathLike[str],
    name: str = AUTO,
) -> engine.Engine:
    """Makes an engine that computes what the agent computes, and has run once.

    Args:
        loaded: the checkpoint; what the engine needs of it is copied.
        directory: of the checkpoint; exports are kept in it.
        name: 'onnxruntime', 'tensorflow', or 'auto' for the fastest that is installed and passes
            the comparison with the agent.

    Returns:
        The engine.

    Raises:
        EngineError: if the engine that was named cannot be had; with 'auto' it is a warning, and
            TensorFlow runs the network.
        ValueError: if there is no engine of the name.
    """
    if name not in (AUTO, *NAMES):
        raise ValueError(f"engine: expected one of {(AUTO, *NAMES)}, got {name!r}.")
    if name != "tensorflow":
        try:
            return _onnx_engine(loaded, directory)
        except engine.EngineError as error:
            if name != AUTO:
                raise
            logging.warning("TensorFlow runs the network: %s", error)
    functions = loaded.agent.prediction_functions()
    result = tensorflow_engine.create(functions)
    equality_check.check(result, functions)
    return result


def _onnx_engine(
    loaded: checkpoint_directory.LoadedCheckpoint, directory: str | os.PathLike[str]
) -> engine.Engine:
    onnx_export.check_installed()
    try:
        # Here, because ONNX Runtime is optional.
        from serving.engines import onnx_engine
    except ImportError as error:
        raise engine.EngineError(
            f"engine onnxruntime: expected packages that can be imported, got {error}. Install "
            "requirements.txt again."
        ) from error

    return onnx_engine.create(loaded.agent, directory)
