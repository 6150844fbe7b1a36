"""What each scope of dropout may touch, the order of samples, and the number of traces."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import prediction_functions
from tests import small_model

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")

SEED = tf.constant([4, 0], tf.int32)
BINS = np.minimum((np.arange(256, dtype=np.float32) + 0.5) / 255, 1.0)


def functions_of(*bindings: str):
    agent = small_model.build(*small_model.TINY, *small_model.NO_DROPOUT, *bindings)
    return agent._functions[tf.uint8]


def batch(size: int) -> list[tf.Tensor]:
    return list(small_model.observation(0, size).values())


@pytest.fixture(scope="module")
def without_dropout():
    return functions_of()


@pytest.mark.parametrize("scope", ["sample_head", "sample_full"])
def test_samples_stand_in_the_order_of_the_images(without_dropout, scope):
    """Without dropout every sample of image b is the answer for image b."""
    answers = without_dropout.deterministic(*batch(3)).numpy()
    assert np.abs(np.diff(answers, axis=0)).min() > 1e-4

    samples = getattr(without_dropout, scope)(*batch(3), 2, SEED)

    assert samples.shape == (2, 3, 4)
    for sample in samples:
        np.testing.assert_allclose(sample, answers, atol=1e-5)


@pytest.mark.parametrize(
    ("rate", "head_varies"),
    [
        ("backbone_drop_connect", False),
        ("spatial", False),
        ("top", False),
        ("token_learner", True),
        ("action_embedding", True),
        ("transformer_feed_forward", True),
    ],
)
def test_head_scope_has_the_deterministic_image_features(rate, head_varies):
    # Depth, because the first block drops nothing and the tiny model has few residuals.
    functions = functions_of(f"DropoutSettings.{rate} = 0.5", "FilmEfficientNet.depth = 0.5")
    answers = functions.deterministic.python_function(*batch(2)).numpy()

    head = functions.sample_head.python_function(*batch(2), 3, SEED).numpy()
    full = functions.sample_full.python_function(*batch(2), 3, SEED).numpy()

    assert (np.abs(head - answers).max() > 1e-4) == head_varies
    assert np.abs(full - answers).max() > 1e-4
    assert np.ptp(full, axis=0).max() > 1e-4  # samples differ


def test_traced_once_for_any_batch_and_number_of_samples(without_dropout):
    """A second trace would cost seconds in the middle of a robot's request."""
    for size in (1, 2, 5):
        without_dropout.deterministic(*batch(size))
        for num_samples in (2, 3):
            without_dropout.sample_head(*batch(size), num_samples, SEED)
            without_dropout.sample_full(*batch(size), num_samples, SEED + num_samples)

    assert without_dropout.trace_counts() == {
        "deterministic": 1,
        "sample_head": 1,
        "sample_full": 1,
        "sample_from_features": 0,
    }


def test_traced_equals_eager(without_dropout):
    traced = without_dropout.deterministic(*batch(2))

    eager = without_dropout.deterministic.python_function(*batch(2))

    np.testing.assert_allclose(traced, eager, atol=1e-5)


def test_image_of_another_size(without_dropout):
    image, embedding = batch(1)

    with pytest.raises((TypeError, ValueError), match=r"\(None, 64, 64, 3\)"):
        without_dropout.deterministic(image[:, :32], embedding)


# The parts


def test_parts_make_the_whole():
    """Features, then samples from them: with the seed in both it is 'full', in one it is 'head'."""
    functions = functions_of(
        *(f"DropoutSettings.{rate} = 0.4" for rate in ("backbone_drop_connect", "top")),
        "DropoutSettings.transformer_attention = 0.4",
        "FilmEfficientNet.depth = 0.3",
    )
    image, embedding = batch(2)
    many = tf.tile(image, (3, 1, 1, 1)), tf.tile(embedding, (3, 1))

    # Not traced, which takes longer than running it.
    sample, sample_full, sample_head, deterministic = (
        getattr(functions, name).python_function
        for name in ("sample_from_features", "sample_full", "sample_head", "deterministic")
    )

    full = sample(functions.features(*many, SEED), 3, SEED)
    head = sample(functions.features(*many), 3, SEED)
    answer = functions.execution_parameters(functions.outputs(functions.features(*batch(2))))

    np.testing.assert_allclose(full, sample_full(image, embedding, 3, SEED), atol=1e-5)
    np.testing.assert_allclose(head, sample_head(image, embedding, 3, SEED), atol=1e-5)
    np.testing.assert_allclose(answer, deterministic(image, embedding), atol=1e-5)
    assert np.abs(full - head).max() > 1e-4


def test_distributions_come_with_the_answers():
    """Of samples they are what the samples were made from: the same dropout."""
    functions = functions_of(
        small_model.CROSS_ENTROPY,
        'TransformerNetwork.answer = "mean"',
        "DropoutSettings.transformer_feed_forward = 0.5",
    )
    run = {name: one.python_function for name, one in functions.distributions.items()}

    answers, probabilities = run["off"](*batch(2))

    np.testing.assert_array_equal(answers, functions.deterministic.python_function(*batch(2)))
    assert (probabilities.shape, probabilities.dtype) == ((2, 4, 256), tf.float32)
    np.testing.assert_allclose(tf.reduce_sum(probabilities, -1), 1.0, rtol=1e-5)
    expected = tf.nn.softmax(functions.outputs(functions.features(*batch(2))))
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)
    for scope in ("head", "full"):
        samples, probabilities = run[scope](*batch(2), 3, SEED)
        sample = getattr(functions, f"sample_{scope}").python_function
        np.testing.assert_array_equal(samples, sample(*batch(2), 3, SEED))
        # The mean of each sample's distribution is the sample.
        np.testing.assert_allclose(tf.linalg.matvec(probabilities, BINS), samples, atol=1e-5)


def test_regressed_coordinates_have_no_distributions(without_dropout):
    assert without_dropout.distributions == {}
    assert "cross_entropy" in str(prediction_functions.no_distributions())


def test_shapes(without_dropout):
    features = without_dropout.features(*batch(2))

    assert without_dropout.image_shape == (64, 64, 3)
    assert without_dropout.image_dtype == tf.uint8
    assert features.shape == (2, *without_dropout.feature_shape) == (2, 4, 64)
    assert without_dropout.outputs(features).shape == (2, 4)


def test_answers_are_clipped_but_outputs_are_not(without_dropout):
    outputs = tf.constant([[-0.5, 0.25, 1.0, 1.5]])

    assert without_dropout.execution_parameters(outputs).numpy().tolist() == [[0, 0.25, 1, 1]]


# Arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("all", None, None), r"dropout in \('off', 'head', 'full'\), got 'all'"),
        (("off", 1, None), "got 'off'"),
        (("off", None, 0), "got 'off'"),
        (("head", 0, None), "num_samples >= 1, got 0"),
        (("full", 1, -1), "got -1"),
        (("full", 1, 2**31), "got 2147483648"),
    ],
)
def test_contradictory_sampling(arguments, message):
    with pytest.raises(ValueError, match=message):
        prediction_functions.check_sampling(*arguments)


def test_limits_of_sampling():
    for arguments in (("off", None, None), ("head", None, None), ("full", 1, 2**31 - 1)):
        prediction_functions.check_sampling(*arguments)


def test_fresh_seeds_differ_and_are_allowed():
    seeds = {prediction_functions.fresh_seed() for _ in range(20)}

    assert len(seeds) > 15
    assert all(0 <= seed < 2**31 for seed in seeds)
