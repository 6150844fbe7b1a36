"""Inference engines: what runs the network of a server; `create` picks one."""

from __future__ import annotations

import typing

from absl import logging

from serving import settings

if typing.TYPE_CHECKING:
    import checkpoint_directory
    from serving.engines import engine as engine_module


def create(
    loaded: checkpoint_directory.LoadedCheckpoint, name: str = "auto"
) -> engine_module.Engine:
    """Makes an engine that computes what the agent computes, and has run once.

    Args:
        loaded: the checkpoint; what the engine needs of it is copied.
        name: of `settings.ENGINES`; 'auto': TensorFlow where it sees a GPU, which ONNX Runtime's
            build for CPUs would leave idle, else the fastest that is installed and passes the
            comparison with the agent.

    Raises:
        EngineError: if the engine that was named cannot be had; with 'auto' it is a warning, and
            TensorFlow runs the network.
        ValueError: if there is no engine of the name.
    """
    import tensorflow as tf  # All here, because it takes seconds.

    from serving.engines import engine as engine_module
    from serving.engines import graphs

    if name not in settings.ENGINES:
        raise ValueError(f"engine: expected one of {settings.ENGINES}, got {name!r}.")
    if name == "auto" and tf.config.list_physical_devices("GPU"):
        name = "tensorflow"
    if name != "tensorflow":
        try:
            try:
                from serving.engines import onnx  # Here, because ONNX Runtime is optional.
            except ImportError as error:
                raise engine_module.EngineError(
                    "engine onnxruntime: expected the packages onnxruntime, tf2onnx and onnx, got "
                    f"{error}. Install them: pip install -r requirements.txt"
                ) from error
            return onnx.create(loaded.agent)
        except engine_module.EngineError as error:
            if name != "auto":
                raise
            logging.warning("TensorFlow runs the network: %s", error)
    functions = loaded.agent.prediction_functions()
    engine = engine_module.in_tensorflow(graphs.freeze_stages(functions), functions)
    engine_module.check(engine, functions)
    return engine
