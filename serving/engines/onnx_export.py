"""A frozen graph as an ONNX model.

The converter takes seconds to minutes and gigabytes for a network, and Python's lock most of the
time: so it runs in a process of its own, beside which a server goes on answering.

tf2onnx, onnx and ONNX Runtime (Python 3.10 and newer) are optional and imported where they are
used.
"""

from __future__ import annotations

import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile

from serving.engines import engine, frozen_graph

OPSET = 15
_PACKAGES = ("onnxruntime", "tf2onnx", "onnx")
_ROOT = pathlib.Path(__file__).parents[2]
_MOST_S = 1800


def check_installed() -> None:
    """Refuses an environment without ONNX Runtime and the converter.

    Raises:
        EngineError: names what is missing.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise engine.EngineError(
            f"engine onnxruntime: expected the packages {', '.join(_PACKAGES)}; not installed: "
            f"{', '.join(missing)}. Install them: pip install -r requirements.txt"
        )


def export(graph: frozen_graph.FrozenGraph) -> bytes:
    """Converts a graph; inputs and outputs keep their names.

    Args:
        graph: without random numbers.

    Returns:
        A serialized ONNX model.

    Raises:
        EngineError: if the converter cannot.
    """
    with tempfile.TemporaryDirectory(prefix="onnx-export-") as folder:
        source, target = pathlib.Path(folder) / "graph.pb", pathlib.Path(folder) / "model.onnx"
        source.write_bytes(graph.serialize())
        command = [sys.executable, "-m", "serving.engines.onnx_export", str(source), str(target)]
        environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
        try:
            run = subprocess.run(
                command, cwd=_ROOT, env=environment, timeout=_MOST_S, capture_output=True, text=True
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _failed(str(error)) from error
        if run.returncode or not target.is_file():
            raise _failed((run.stderr.strip().splitlines() or [f"exit code {run.returncode}"])[-1])
        return target.read_bytes()


def _failed(reason: str) -> engine.EngineError:
    return engine.EngineError(
        "engine onnxruntime: expected a network that tf2onnx can convert, got "
        f"{reason}. Use engine 'tensorflow'."
    )


def main(source: str, target: str) -> None:
    """What the process does.

    Args:
        source: file of a frozen graph.
        target: file for the ONNX model.
    """
    import tf2onnx

    graph = frozen_graph.FrozenGraph.parse(pathlib.Path(source).read_bytes())
    model, _ = tf2onnx.convert.from_graph_def(
        graph.graph_def, input_names=graph.inputs, output_names=graph.outputs, opset=OPSET
    )
    pathlib.Path(target).write_bytes(model.SerializeToString())


if __name__ == "__main__":
    main(*sys.argv[1:])
