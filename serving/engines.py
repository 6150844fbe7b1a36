"""What runs a checkpoint's network for a server: TensorFlow, or ONNX Runtime.

The network is frozen, so that its weights are constants that are packed once, and taken apart:

    image, embedding, factors ──> features ──> answer      dropout 'off': all factors are one
                                  features ──> sampler     'head': the same, S samples in one call
    seed ──> factors ──────────────┘                       'full': factors are drawn

A factor is what dropout multiplies with: 0, or 1 / (1 - rate). As inputs of the network factors let
one graph serve every scope, and give the agent's samples without random numbers of an engine's own.

Pictures run one by one, because kernels that are chosen by batch size round differently: so an
answer has the same bits alone, in a batch and under load. A picture that is alone on the machine
gets every core; several, of one call or of several, run side by side with one core each.

For ONNX Runtime a checkpoint is exported once, to where no checkpoint can bring a file:

    ~/.cache/rt1_food/onnx/3f2a…/features.onnx, answer.onnx   for ONNX Runtime
                                 factors.pb, sampler.pb       what is random, for TensorFlow
                                 files.json                   SHA-256 of the others, written last

The folder's name is the SHA-256 of weights and configuration. Files with another SHA-256 than their
list says are not loaded, and what is loaded is compared with the network on random pictures.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gin
import numpy as np
import tensorflow as tf
from absl import logging
from tensorflow.core.protobuf import rewriter_config_pb2
from tensorflow.python.framework import convert_to_constants

import agent_wrapper
import policy_specs
import prediction_functions
import sequence_agent
from food_data import atomic_files
from prediction_functions import PredictionFunctions

NAMES = ("auto", "tensorflow", "onnxruntime")
TOLERANCE = 1e-4
# More pictures at once than eight only wait for memory.
_has_affinity = hasattr(os, "sched_getaffinity")
NUM_CORES = min(len(os.sched_getaffinity(0)) if _has_affinity else os.cpu_count() or 1, 8)
_VERSION = 4  # To be raised when an export of the same network changes.
_KEPT = 8  # Folders of exports, the latest.
Arrays = tuple[np.ndarray, ...]
# Inputs, and whether they are of a picture that is alone on the machine -> outputs.
Stage = Callable[[Arrays, bool], Arrays]
GraphDef = tf.compat.v1.GraphDef
_SEED, _COUNT = tf.TensorSpec((2,), tf.int32), tf.TensorSpec((), tf.int32)


class EngineError(ValueError):
    """An engine cannot be had for a checkpoint; the message says why."""


class Engine:
    """Runs one network by the stages of `freeze_stages`; its answers do not change. Threads may
    share it; `num_workers` calls may usefully run at a time."""

    def __init__(
        self, name: str, stages: Mapping[str, Stage], functions: PredictionFunctions
    ) -> None:
        self.name, self.action_coding = name, functions.action_coding
        self.image_shape = tuple(functions.image_shape)
        self.has_distributions = functions.has_distributions
        self.num_workers, self.stages = NUM_CORES, dict(stages)
        self._executor = concurrent.futures.ThreadPoolExecutor(NUM_CORES, "engine")
        self._running, self._lock = 0, threading.Lock()
        self._ones = tuple(map(np.ones_like, self._factors(np.zeros(2, np.int32), 1)))

    def forward(self, image: np.ndarray, embedding: np.ndarray, **sampling: object) -> np.ndarray:
        """Execution parameters [B, 4], or samples [S, B, 4], as `agent_wrapper.Agent.forward`."""
        return self._run(image, embedding, **sampling)[0]

    def forward_with_distributions(
        self, image: np.ndarray, embedding: np.ndarray, **sampling: object
    ) -> tuple[np.ndarray, np.ndarray]:
        """What `forward` answers, bit for bit, and the probabilities of tokens behind it, with one
        more axis, in the same pass. Raises ValueError if the network regresses coordinates."""
        if not self.has_distributions:
            raise prediction_functions.no_distributions()
        answers, outputs = self._run(image, embedding, **sampling)
        weights = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
        return answers, weights / weights.sum(axis=-1, keepdims=True)

    def features(
        self, image: np.ndarray, embedding: np.ndarray, seed: np.ndarray | None = None
    ) -> np.ndarray:
        """What TokenLearner gets, float32 [B, N, D]; `seed`, int32 [2], draws the dropout before
        it, another one for each picture."""
        ones = [np.repeat(one, len(image), axis=0) for one in self._ones]
        factors = ones if seed is None else self._factors(seed, len(image))
        return self.by_picture("features", image, embedding, *factors)[0]

    def by_picture(self, stage: str, *arrays: np.ndarray) -> Arrays:
        """Runs a stage on each picture of a batch, [B, ...] to [B, ...]."""
        run = self.stages[stage]
        rows = [tuple(array[i : i + 1] for array in arrays) for i in range(len(arrays[0]))]

        def counted(row: Arrays) -> Arrays:
            with self._lock:
                self._running += 1
                alone = len(rows) == 1 and self._running == 1
            try:
                return run(row, alone)
            finally:
                with self._lock:
                    self._running -= 1

        results = map(counted, rows) if len(rows) == 1 else self._executor.map(counted, rows)
        return tuple(np.concatenate(parts) for parts in zip(*results))

    def _factors(self, seed: np.ndarray, count: int) -> Arrays:
        """Of the dropout before TokenLearner, [count, ...] each."""
        found = self.stages.get("factors")
        return found((seed, np.int32(count)), False) if found else ()

    def _run(
        self,
        image: np.ndarray,
        embedding: np.ndarray,
        *,
        dropout: str = "off",
        num_samples: int | None = None,
        seed: int | None = None,
    ) -> Arrays:
        """Execution parameters and what they are made from, both with the axes of `forward`."""
        if dropout == "off":
            return self.by_picture("answer", self.features(image, embedding))
        prediction_functions.check_sampling(dropout, num_samples, seed)
        count = num_samples or 1
        pair = np.array([prediction_functions.fresh_seed() if seed is None else seed, 0], np.int32)
        if dropout == "full" and "factors" in self.stages:
            tiled = np.tile(image, (count, 1, 1, 1)), np.tile(embedding, (count, 1))
            features = self.features(*tiled, pair)
        else:
            features = np.tile(self.features(image, embedding), (count, 1, 1))
        results = self.stages["sampler"]((features, np.int32(count), pair), False)
        return tuple(result[0] for result in results) if num_samples is None else results


def create(agent: agent_wrapper.Agent, name: str = "auto") -> Engine:
    """What runs an agent's network, after it has been compared with it. 'auto': TensorFlow where it
    sees a GPU, else ONNX Runtime if it can. Raises EngineError if what was named cannot be had."""
    if name not in NAMES:
        raise EngineError(f"engine: expected one of {NAMES}, got {name!r}.")
    functions = agent.prediction_functions()
    if name == "onnxruntime" or (name == "auto" and not tf.config.list_physical_devices("GPU")):
        try:
            return _from_cache(agent, functions)
        except (ImportError, EngineError) as error:
            if name != "auto":
                text = f"{error} Install requirements.txt, or use another --engine."
                raise EngineError(text) from error
            logging.warning("TensorFlow runs the network: %s", error)
    made = in_tensorflow(freeze_stages(functions), functions)
    check(made, functions)
    return made


def check(engine: Engine, functions: PredictionFunctions) -> None:
    """Compares an engine with the network, run eagerly, before anything is clipped or rounded to a
    bin. Raises EngineError if a stage is off by over `TOLERANCE` of its largest value, or of 1."""
    # New ones each time: what answers right on known pictures might not on others.
    generator = np.random.default_rng()
    seed = np.array([generator.integers(2**31), 0], np.int32)
    image = generator.integers(0, 256, (2, *functions.image_shape), np.uint8)
    image[1] = np.sort(image[1].ravel()).reshape(image[1].shape)  # From dark to light.
    embedding = generator.standard_normal((2, policy_specs.EMBEDDING_SIZE)).astype(np.float32)
    embedding /= np.linalg.norm(embedding, axis=-1, keepdims=True)
    # One by one: run eagerly, a picture takes a gigabyte.
    rows = [functions.features(image[i : i + 1], embedding[i : i + 1]) for i in range(2)]
    features = tf.concat(rows, axis=0)
    outputs = functions.outputs(features)
    # As if the pictures were one, drawn several times.
    drawn = functions.samples_and_outputs(features, 2, seed)
    answers = engine.by_picture("answer", features.numpy())
    sampled = engine.stages["sampler"]((features.numpy(), np.int32(2), seed), False)
    first = image[:1], embedding[:1], seed
    pairs = {
        "features": (engine.features(image, embedding), features),
        "features with dropout": (engine.features(*first), functions.features(*first)),
        "answers": (answers[0], functions.execution_parameters(outputs)),
        "outputs": (answers[1], outputs),
        "samples": (sampled[0], drawn[0]),
        "outputs of samples": (sampled[1], drawn[1]),
    }
    wrong = []
    for name, (got, expected) in pairs.items():
        expected, difference = np.asarray(expected), np.inf
        if got.shape == expected.shape:
            difference = np.max(np.abs(got - expected)) / max(1.0, np.max(np.abs(expected)))
        if not difference <= TOLERANCE:  # Not `>`, which NaN passes.
            wrong.append(f"{name} {difference:.2g} off")
    if wrong:
        text = f"engine {engine.name}: expected the network's values within {TOLERANCE:g}, got"
        raise EngineError(f"{text} {', '.join(wrong)}.")


# The network as graphs without variables.


def freeze_stages(functions: PredictionFunctions) -> dict[str, GraphDef]:
    """Traces the network of an agent and takes it apart.

    | stage    | takes                                              | gives                      |
    |----------|----------------------------------------------------|----------------------------|
    | features | image [1, H, W, 3], embedding [1, 512], factors    | [1, N, D]                  |
    | answer   | features [1, N, D]                                 | execution parameters       |
    |          |                                                    | [1, 4], outputs [1, ...]   |
    | sampler  | features [S * B, N, D], S, seed [2]                | the same, [S, B, ...] each |
    | factors  | seed [2], count                                    | factors, [count, ...] each |

    Batches of one compile best. There are no `factors` if no dropout before TokenLearner has a rate
    above zero. Outputs are not clipped.
    """

    def answer(features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        outputs = functions.outputs(features)
        return functions.execution_parameters(outputs), outputs

    one, many = (tf.TensorSpec((n, *functions.feature_shape), tf.float32) for n in (1, None))
    return {
        **_freeze_features(functions),
        "answer": freeze(answer, (one,)),
        "sampler": freeze(functions.samples_and_outputs, (many, _COUNT, _SEED)),
    }


def freeze(function: Callable[..., object], signature: Sequence[tf.TensorSpec]) -> GraphDef:
    """A function as a graph from input_0, input_1 .. to output_0, output_1 .."""
    return _extract(*_trace(function, signature))


def tensors(graph_def: GraphDef, kind: str) -> list[str]:
    """Tensor names of the 'input' or 'output' of a frozen graph: input_0:0, input_1:0 .."""
    found = (re.fullmatch(rf"{kind}_(\d+)", node.name) for node in graph_def.node)
    return [f"{kind}_{number}:0" for number in sorted(int(m.group(1)) for m in found if m)]


def _freeze_features(functions: PredictionFunctions) -> dict[str, GraphDef]:
    """One trace with dropout, cut where its factors enter: what follows, and what makes them."""
    picture = (
        tf.TensorSpec((1, *functions.image_shape), functions.image_dtype),
        tf.TensorSpec((1, policy_specs.EMBEDDING_SIZE), tf.float32),
    )
    # Of each dropout its `where`, the values in it, and the shape of a factor.
    drops: list[tuple[str, str, tf.TensorShape]] = []

    def function(image: Any, embedding: Any, seed: Any, count: Any) -> list[tf.Tensor]:
        features, factors = functions.features(image, embedding, seed), []
        drops.clear()
        operations = tf.compat.v1.get_default_graph().get_operations()
        for noise in [one for one in operations if one.type == "StatelessRandomUniformV2"]:
            # One dropout is where(noise >= rate, values * scale, 0).
            kept = noise.outputs[0]
            while kept.op.type != "GreaterEqual":
                kept = kept.consumers()[0].outputs[0]
            (select,) = kept.consumers()
            values, scale = select.inputs[1].op.inputs
            shape, (_, key, counter, algorithm) = noise.outputs[0].shape[1:], noise.inputs
            drops.append((select.name, values.name, shape))
            # The same draw for `count` samples.
            shape = tf.concat([[count], shape], axis=0)
            drawn = tf.raw_ops.StatelessRandomUniformV2(
                shape=shape, key=key, counter=counter, alg=algorithm, dtype=tf.float32
            )
            factors.append(tf.where(drawn >= kept.op.inputs[1], scale, 0.0))
        return [features, *factors]

    graph_def, traced, outputs = _trace(function, (*picture, _SEED, _COUNT))
    image, embedding, seed, count = traced
    inputs = {image: picture[0], embedding: picture[1]}
    nodes = {node.name: node for node in graph_def.node}
    for index, (select, values, shape) in enumerate(drops):
        # In the place of the `where`: the product of the values and a factor.
        nodes[select].op = "Mul"
        nodes[select].input[:] = [values, f"factor_{index}"]
        inputs[f"factor_{index}"] = tf.TensorSpec((1, *shape), tf.float32)
    found = {"features": _extract(graph_def, inputs, outputs[:1])}
    if drops:
        found["factors"] = _extract(graph_def, {seed: _SEED, count: _COUNT}, outputs[1:])
    return found


def _trace(
    function: Callable[..., object], signature: Sequence[tf.TensorSpec]
) -> tuple[GraphDef, dict[str, tf.TensorSpec], list[tf.Tensor]]:
    """A function's graph with its variables as constants, its inputs by name, and its outputs."""
    # A new tf.function, which takes its trace along when it is dropped.
    traced = tf.function(function, input_signature=signature, autograph=False)
    concrete = convert_to_constants.convert_variables_to_constants_v2(
        traced.get_concrete_function(), lower_control_flow=False
    )
    inputs = dict(zip((tensor.name for tensor in concrete.inputs), signature))
    return concrete.graph.as_graph_def(), inputs, concrete.outputs


def _extract(
    graph_def: GraphDef, inputs: Mapping[str, tf.TensorSpec], outputs: Sequence[tf.Tensor]
) -> GraphDef:
    """The part of a graph between some tensors and others. Control dependencies are left out: what
    the network asserts about floats holds for bytes."""

    def port(tensor: str) -> str:  # 'a/b' and 'a/b:0' are the same tensor.
        return tensor if ":" in tensor else f"{tensor}:0"

    nodes = {node.name: node for node in graph_def.node}
    new_names = {port(tensor): f"input_{i}" for i, tensor in enumerate(inputs)}
    part = GraphDef(versions=graph_def.versions)
    for name, spec in zip(new_names.values(), inputs.values()):
        node = part.node.add(name=name, op="Placeholder")
        node.attr["dtype"].type = spec.dtype.as_datatype_enum
        node.attr["shape"].shape.CopyFrom(spec.shape.as_proto())
    found, waiting = set(), [tensor.name for tensor in outputs]
    while waiting:
        tensor = waiting.pop()
        name = tensor.partition(":")[0]
        if tensor in new_names or name in found:
            continue
        found.add(name)
        node = part.node.add()
        node.CopyFrom(nodes[name])
        data = [port(one) for one in node.input if not one.startswith("^")]
        waiting.extend(data)
        node.input[:] = [new_names.get(one, one) for one in data]
    for index, tensor in enumerate(outputs):
        source = new_names.get(tensor.name, tensor.name)
        node = part.node.add(name=f"output_{index}", op="Identity", input=[source])
        node.attr["T"].type = tensor.dtype.as_datatype_enum
    return part


# What runs a graph.


def _in_session(graph_def: GraphDef, fuse: bool = False) -> Stage:
    """A frozen graph in a session of TensorFlow; threads may share it. The session, unlike a
    `tf.function`, frees all of it when it is dropped, and has one set of threads for all runs."""
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(graph_def, name="")
    config, switch = tf.compat.v1.ConfigProto(), rewriter_config_pb2.RewriterConfig
    config.graph_options.rewrite_options.remapping = switch.ON if fuse else switch.OFF
    session = tf.compat.v1.Session(graph=graph, config=config)
    inputs, outputs = tensors(graph_def, "input"), tensors(graph_def, "output")
    run = session.make_callable(outputs, feed_list=inputs)
    return lambda arrays, alone: tuple(run(*arrays))


def _in_onnx_sessions(model: bytes) -> Stage:
    """An ONNX model of one picture, in a session with a thread for each core, for when it is alone,
    and in one with a single thread, which answers more pictures in a second side by side."""
    import onnxruntime  # Slow.

    def session(num_threads: int) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = num_threads, 1
        options.log_severity_level = 3
        # Threads that wait for more work would take the cores from what runs next: another
        # session of this engine, or TensorFlow.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        return onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])

    side_by_side = session(1)
    with_all_cores = session(NUM_CORES) if NUM_CORES > 1 else side_by_side
    # Their names tell their order: input_0:0, input_1:0 .. input_10:0
    names = [one.name for one in side_by_side.get_inputs()]
    names.sort(key=lambda name: (len(name), name))

    def run(arrays: Arrays, alone: bool) -> Arrays:
        chosen = with_all_cores if alone else side_by_side
        return tuple(chosen.run(None, dict(zip(names, arrays))))

    return run


def in_tensorflow(stages: Mapping[str, GraphDef], functions: PredictionFunctions) -> Engine:
    """The engine that is always there; not compared with anything."""
    made = {name: _in_session(one, fuse=name == "features") for name, one in stages.items()}
    return Engine("tensorflow", made, functions)


def in_onnx_runtime(files: Mapping[str, bytes], functions: PredictionFunctions) -> Engine:
    """An engine that runs what `export` made; not compared with anything."""

    def stage(name: str) -> Stage:
        if name.endswith(".onnx"):
            return _in_onnx_sessions(files[name])
        return _in_session(GraphDef.FromString(files[name]))

    return Engine("onnxruntime", {name.partition(".")[0]: stage(name) for name in files}, functions)


# Exports, and where they are kept.


def _from_cache(agent: agent_wrapper.Agent, functions: PredictionFunctions) -> Engine:
    """Loads the exported network and compares it with the agent's; exports it first if need be."""
    from onnxruntime.capi import onnxruntime_pybind11_state as of_onnx  # Slow.

    # What another version of ONNX Runtime may say, too.
    broken = of_onnx.Fail, of_onnx.InvalidArgument, of_onnx.InvalidGraph, of_onnx.NotImplemented

    def made(files: Mapping[str, bytes]) -> Engine:
        result = in_onnx_runtime(files, functions)
        check(result, functions)
        return result

    root = os.environ.get("ENGINE_CACHE_DIR") or os.path.expanduser("~/.cache/rt1_food/onnx")
    if root.startswith("~"):  # A user without a home.
        root = tempfile.mkdtemp()
    folder = pathlib.Path(root, digest(agent))
    if files := kept(folder):
        try:
            return made(files)
        except (ValueError, LookupError, *broken) as error:
            logging.warning("The network is exported again, its old export is of no use: %s", error)
    files = export(freeze_stages(functions))
    result = made(files)
    try:
        keep(folder, files)
    except OSError as error:
        logging.warning("The export cannot be kept, so the next start exports again: %s", error)
    return result


def digest(agent: agent_wrapper.Agent) -> str:
    """SHA-256, which changes with the network's weights and its configuration."""
    network = agent.network
    settings = (_VERSION, gin.config_str(), repr(agent.dropout_settings), network.loss_type)
    result = hashlib.sha256(repr(settings).encode())
    for path, variable in sorted(sequence_agent.variables_by_path(network).items()):
        result.update(f"{path} {variable.dtype.name} {variable.shape}".encode())
        result.update(variable.numpy().tobytes())
    return result.hexdigest()


def export(stages: Mapping[str, GraphDef]) -> dict[str, bytes]:
    """File name -> content: what is deterministic for ONNX Runtime, the rest for TensorFlow."""
    names = ("features", "answer")
    files = {f"{name}.pb": stages[name].SerializeToString() for name in {*stages} - {*names}}
    models = convert(*(stages[name] for name in names))
    return {**files, **{f"{name}.onnx": model for name, model in zip(names, models)}}


def convert(*graph_defs: GraphDef) -> list[bytes]:
    """Graphs without random numbers as ONNX models, converted in a process of its own, whose memory
    the server does not keep. Raises EngineError if the converter cannot."""
    with tempfile.TemporaryDirectory(prefix="onnx-export-") as folder:
        paths = [pathlib.Path(folder) / f"{number}.pb" for number in range(len(graph_defs))]
        for path, graph_def in zip(paths, graph_defs):
            path.write_bytes(graph_def.SerializeToString())
        command = [sys.executable, "-m", "serving.engines", *map(str, paths)]
        environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
        where = {"cwd": pathlib.Path(__file__).parents[1], "env": environment}
        run = subprocess.run(command, **where, capture_output=True, text=True)
        targets = [path.with_suffix(".onnx") for path in paths]
        if run.returncode or not all(target.is_file() for target in targets):
            reason = (run.stderr.strip().splitlines() or [f"exit code {run.returncode}"])[-1]
            raise EngineError(f"engine onnxruntime: tf2onnx cannot convert the network: {reason}.")
        return [target.read_bytes() for target in targets]


def kept(folder: pathlib.Path) -> dict[str, bytes]:
    """The files of an export that are what was written; none if one of them is not."""
    try:
        status = folder.stat()
        if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
            raise ValueError("others may write to it")
        # The list is written last, so whoever finds it finds the others.
        listed = json.loads((folder / "files.json").read_text())
        # Names and no paths: they are those of `export`.
        files = {
            (name := pathlib.PurePath(one).name): (folder / name).read_bytes() for one in listed
        }
        for name, content in files.items():
            if hashlib.sha256(content).hexdigest() != listed[name]:
                raise ValueError(f"{name} has another SHA-256 than its list says")
        return files
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, LookupError, RecursionError) as error:
        logging.warning("The network is exported again; %s is not used: %s", folder, error)
        return {}


def keep(folder: pathlib.Path, files: Mapping[str, bytes]) -> None:
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


if __name__ == "__main__":  # Of `convert`.
    import tf2onnx  # Here, because the server does without it.

    for path in map(pathlib.Path, sys.argv[1:]):
        frozen = GraphDef.FromString(path.read_bytes())
        names = {f"{kind}_names": tensors(frozen, kind) for kind in ("input", "output")}
        converted, _ = tf2onnx.convert.from_graph_def(frozen, **names, opset=15)
        path.with_suffix(".onnx").write_bytes(converted.SerializeToString())
