"""What runs a checkpoint's network in the place of `agent_wrapper.Agent`: the stages of
`graphs.freeze_stages`, in TensorFlow or in ONNX Runtime, put together by scope of dropout.

Pictures run one by one, because kernels that are chosen by batch size round differently: so an
answer has the same bits alone, in a batch and under load. A picture that is alone on the machine
gets every core; several, of one call or of several, run side by side with one core each.
"""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import rewriter_config_pb2

import policy_specs
import prediction_functions
from serving import engines
from serving.engines import graphs

TOLERANCE = 1e-4
Arrays = tuple[np.ndarray, ...]
# Inputs, and whether they are of a picture that is alone on the machine -> outputs.
Stage = Callable[[Arrays, bool], Arrays]


class EngineError(ValueError):
    """An engine cannot be had for a checkpoint; the message says why."""


class Engine:
    """Runs one network; what it answers does not change after it is made. Threads may share it.

    Attributes:
        name: 'tensorflow' or 'onnxruntime'.
        num_workers: calls that may usefully run at the same time.
        image_shape: (H, W, 3).
        action_coding: what the tokens stand for, see `tokenizers/action_tokenizer.py`.
        has_distributions: whether the answers are drawn from distributions over tokens.
        stages: those of `graphs.freeze_stages`, as functions.
    """

    def __init__(
        self,
        name: str,
        stages: Mapping[str, Stage],
        functions: prediction_functions.PredictionFunctions,
    ) -> None:
        self.name, self.action_coding = name, functions.action_coding
        self.image_shape = tuple(functions.image_shape)
        self.has_distributions = functions.has_distributions
        self.num_workers, self.stages = engines.num_cores(), dict(stages)
        self._executor = concurrent.futures.ThreadPoolExecutor(self.num_workers, "engine")
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

    def _factors(self, seed: np.ndarray, count: int) -> Arrays:
        """Of the dropout before TokenLearner, [count, ...] each."""
        if "factors" not in self.stages:
            return ()
        return self.stages["factors"]((seed, np.int32(count)), False)

    def features(
        self, image: np.ndarray, embedding: np.ndarray, seed: np.ndarray | None = None
    ) -> np.ndarray:
        """What TokenLearner gets, float32 [B, N, D]; `seed`, int32 [2], draws the dropout before
        it, another one for each picture."""
        if seed is None:
            factors = [np.repeat(one, len(image), axis=0) for one in self._ones]
        else:
            factors = self._factors(seed, len(image))
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


class FrozenFunction:
    """A frozen graph in a session of TensorFlow; threads may share it. The session, unlike a
    `tf.function`, frees all of it when it is dropped, and has one set of threads for all runs."""

    def __init__(self, graph_def: tf.compat.v1.GraphDef, fuse: bool = False) -> None:
        graph = tf.Graph()
        with graph.as_default():
            tf.import_graph_def(graph_def, name="")
        config = tf.compat.v1.ConfigProto()
        off, on = rewriter_config_pb2.RewriterConfig.OFF, rewriter_config_pb2.RewriterConfig.ON
        config.graph_options.rewrite_options.remapping = on if fuse else off
        self._session = tf.compat.v1.Session(graph=graph, config=config)
        outputs, inputs = (graphs.tensors(graph_def, kind) for kind in ("output", "input"))
        self._run = self._session.make_callable(outputs, feed_list=inputs)

    def __call__(self, arrays: Arrays, alone: bool) -> Arrays:
        return tuple(self._run(*arrays))


class OnnxFunction:
    """An ONNX model of one picture, in a session with a thread for each core, for when it is alone,
    and in one with a single thread, which answers more pictures in a second side by side."""

    def __init__(self, model: bytes) -> None:
        import onnxruntime  # Optional.

        def session(num_threads: int) -> onnxruntime.InferenceSession:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = num_threads
            options.inter_op_num_threads = 1
            options.log_severity_level = 3
            # Threads that wait for more work would take the cores from what runs next: another
            # session of this engine, or TensorFlow.
            options.add_session_config_entry("session.force_spinning_stop", "1")
            return onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])

        cores = engines.num_cores()
        self._side_by_side = session(1)
        self._alone = session(cores) if cores > 1 else self._side_by_side
        names = [one.name for one in self._side_by_side.get_inputs()]
        # Their names tell their order: input_0:0, input_1:0 .. input_10:0
        self._inputs = sorted(names, key=lambda name: (len(name), name))

    def __call__(self, arrays: Arrays, alone: bool) -> Arrays:
        session = self._alone if alone else self._side_by_side
        return tuple(session.run(None, dict(zip(self._inputs, arrays))))


def in_tensorflow(
    stages: Mapping[str, tf.compat.v1.GraphDef],
    functions: prediction_functions.PredictionFunctions,
) -> Engine:
    """The engine that is always there; not compared with anything."""
    made = {name: FrozenFunction(one, fuse=name == "features") for name, one in stages.items()}
    return Engine("tensorflow", made, functions)


def check(engine: Engine, functions: prediction_functions.PredictionFunctions) -> None:
    """Compares an engine with the network, run eagerly. Raises EngineError if a stage differs by
    more than `TOLERANCE` of the largest value, or 1.

    Each stage is compared before anything is clipped or rounded to a bin: answers that all lie
    outside of 0..1 are clipped to the same numbers, whatever computed them.
    """
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
