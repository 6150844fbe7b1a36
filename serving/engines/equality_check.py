"""Whether an engine computes what the network computes, which is run eagerly for comparison.

Every stage is compared on its own and before anything is clipped or rounded to a bin: answers that
all lie outside of 0..1 are clipped to the same numbers, whatever computed them.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

import policy_specs
import prediction_functions
from serving.engines import engine, staged_engine

TOLERANCE = 1e-4
_NUM_PICTURES = 2
_SEED = 20


def check(
    candidate: staged_engine.StagedEngine,
    functions: prediction_functions.PredictionFunctions,
    tolerance: float = TOLERANCE,
) -> float:
    """Compares an engine with the network; every stage of the engine has run once afterwards.

    Args:
        candidate: the engine.
        functions: of the agent that it was made from.
        tolerance: largest difference, over the largest value of the network's or over 1.

    Returns:
        The largest difference found.

    Raises:
        EngineError: if a stage differs by more, or gives another shape.
    """
    differences = {
        name: _difference(got, expected)
        for name, (got, expected) in _pairs(candidate, functions).items()
    }
    # Not `>`, which NaN passes.
    wrong = {name: value for name, value in differences.items() if not value <= tolerance}
    if wrong:
        raise engine.EngineError(
            f"engine {candidate.name}: expected the network's values within {tolerance:g}, got "
            + ", ".join(f"{name} {value:.2g} off" for name, value in wrong.items())
            + ". Use another --engine, or load another checkpoint."
        )
    return max(differences.values())


def example_inputs(
    functions: prediction_functions.PredictionFunctions,
) -> tuple[np.ndarray, np.ndarray]:
    """A picture of noise and a ramp, with two unit embeddings, the same ones at every call."""
    generator = np.random.default_rng(_SEED)
    height, width, channels = functions.image_shape
    noise = generator.integers(0, 256, (height, width, channels), np.uint8)
    ramp = np.linspace(0, 255, height * width * channels).reshape(noise.shape).astype(np.uint8)
    embedding = generator.standard_normal((_NUM_PICTURES, policy_specs.EMBEDDING_SIZE))
    embedding /= np.linalg.norm(embedding, axis=-1, keepdims=True)
    return np.stack([noise, ramp]), embedding.astype(np.float32)


def _pairs(
    candidate: staged_engine.StagedEngine, functions: prediction_functions.PredictionFunctions
) -> dict[str, tuple[np.ndarray, tf.Tensor]]:
    """Name of a stage -> what it gives and what the network gives."""
    image, embedding = example_inputs(functions)
    seed = np.array([_SEED, 0], np.int32)
    # One by one: run eagerly, a picture takes a gigabyte.
    rows = [functions.features(image[i : i + 1], embedding[i : i + 1]) for i in range(len(image))]
    features = tf.concat(rows, axis=0)
    outputs = functions.outputs(features)
    parameters = functions.execution_parameters(outputs)
    # As if the pictures were one, drawn several times.
    drawn = functions.samples_and_outputs(features, _NUM_PICTURES, seed)
    stages, given = candidate.stages, features.numpy()
    answers, sampled = stages.answer(given), stages.sampler(given, np.int32(_NUM_PICTURES), seed)
    return {
        "features": (candidate.features(image, embedding), features),
        "features with dropout": (
            candidate.features(image[:1], embedding[:1], seed),
            functions.features(image[:1], embedding[:1], seed),
        ),
        "answers": (answers[0], parameters),
        "outputs": (answers[1], outputs),
        "samples": (sampled[0], drawn[0]),
        "outputs of samples": (sampled[1], drawn[1]),
    }


def _difference(got: np.ndarray, expected: tf.Tensor) -> float:
    expected = np.asarray(expected)
    if got.shape != expected.shape:
        return np.inf
    return float(np.max(np.abs(got - expected)) / max(1.0, np.max(np.abs(expected))))
