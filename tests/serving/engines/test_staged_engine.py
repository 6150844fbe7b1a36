"""How stages are put together, with stages whose numbers can be followed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from serving.engines import staged_engine

SIDE = 4


def features_of(image, embedding, *factors):
    """The first pixel, times the factor if there is one."""
    values = image[:, 0, 0, :1].astype(np.float32)
    for factor in factors:
        values = values * factor
    return (values[:, :, np.newaxis],)


def answer_of(features):
    return np.repeat(features[:, 0], 4, axis=1), features[:, 0]


def factors_of(seed, count):
    """0, 1, 2 .. for the samples in order, plus the seed."""
    return (np.arange(count, dtype=np.float32)[:, np.newaxis] + seed[0],)


def samples_of(features, num_samples, seed):
    del seed
    samples = np.repeat(features[:, 0], 4, axis=1).reshape(num_samples, -1, 4)
    return samples, samples


def engine(factors=factors_of) -> staged_engine.StagedEngine:
    stages = staged_engine.Stages(features_of, factors, answer_of, samples_of)
    return staged_engine.StagedEngine("stub", stages, (SIDE, SIDE, 3), 2)


def engine_of_tokens() -> staged_engine.StagedEngine:
    """Two tokens with the logits 0 and log(p), p the first pixel: p is 3, so 1 / 4 and 3 / 4."""

    def logits_of(features):
        pixels = np.log(np.repeat(features[:, 0, np.newaxis], 4, axis=1))
        return np.concatenate([np.zeros_like(pixels), pixels], axis=-1)

    def sampled(features, num_samples, seed):
        (samples, _), logits = samples_of(features, num_samples, seed), logits_of(features)
        return samples, logits.reshape(num_samples, -1, 4, 2)

    def answered(features):
        return answer_of(features)[0], logits_of(features)

    stages = staged_engine.Stages(features_of, None, answered, sampled)
    return staged_engine.StagedEngine("stub", stages, (SIDE, SIDE, 3), 2)


def pictures(*values):
    image = np.zeros((len(values), SIDE, SIDE, 3), np.uint8)
    image[:, 0, 0, 0] = values
    return image, np.zeros((len(values), 512), np.float32)


def test_without_dropout_every_factor_is_one():
    np.testing.assert_array_equal(engine().forward(*pictures(3, 7))[:, 0], [3, 7])


def test_head_gives_the_same_features_to_every_sample():
    samples = engine().forward(*pictures(3, 7), dropout="head", num_samples=3, seed=1)

    assert samples.shape == (3, 2, 4)
    np.testing.assert_array_equal(samples[..., 0], [[3, 7]] * 3)


def test_full_draws_a_factor_for_each_sample_of_each_picture():
    """Sample s of picture b is row 2 s + b, so its factor is 10 + 2 s + b."""
    samples = engine().forward(*pictures(1, 100), dropout="full", num_samples=3, seed=10)

    np.testing.assert_array_equal(samples[..., 0], [[10, 1100], [12, 1300], [14, 1500]])


def test_full_without_anything_to_drop_is_head():
    samples = engine(None).forward(*pictures(5), dropout="full", num_samples=2, seed=1)

    np.testing.assert_array_equal(samples[..., 0], [[5], [5]])


def test_without_num_samples_there_is_no_axis_for_them():
    assert engine().forward(*pictures(1, 2), dropout="full", seed=3).shape == (2, 4)


def test_without_a_seed_samples_are_fresh():
    first, second = (engine().forward(*pictures(1), dropout="full") for _ in range(2))

    assert not np.array_equal(first, second)


def test_distributions_come_with_the_answers():
    answers, probabilities = engine_of_tokens().forward_with_distributions(*pictures(1, 3))

    np.testing.assert_array_equal(answers, engine_of_tokens().forward(*pictures(1, 3)))
    assert (probabilities.shape, probabilities.dtype) == ((2, 4, 2), np.float32)
    np.testing.assert_allclose(probabilities[:, 0], [[0.5, 0.5], [0.25, 0.75]], atol=1e-6)
    np.testing.assert_array_equal(
        engine_of_tokens().token_distributions(*pictures(1, 3)), probabilities
    )


def test_distributions_of_samples():
    arguments = {"dropout": "head", "num_samples": 3, "seed": 1}

    samples, probabilities = engine_of_tokens().forward_with_distributions(
        *pictures(1, 3), **arguments
    )

    assert (samples.shape, probabilities.shape) == ((3, 2, 4), (3, 2, 4, 2))
    np.testing.assert_allclose(probabilities[2, 1, 0], [0.25, 0.75], atol=1e-6)
    arguments["num_samples"] = None
    assert engine_of_tokens().token_distributions(*pictures(1), **arguments).shape == (1, 4, 2)


def test_regressed_coordinates_have_no_distributions():
    with pytest.raises(ValueError, match="loss_type 'cross_entropy'"):
        engine().token_distributions(*pictures(1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dropout": "some"}, "expected dropout in .* got 'some'"),
        ({"seed": 1}, "need dropout 'head' or 'full'"),
        ({"dropout": "head", "num_samples": 0}, "num_samples >= 1, got 0"),
        ({"dropout": "head", "seed": 2**31}, "got 2147483648"),
    ],
)
def test_contradictory_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        engine().forward(*pictures(1), **arguments)


@pytest.mark.parametrize(
    ("image", "embedding", "message"),
    [
        (
            np.zeros((1, 4, 5, 3), np.uint8),
            None,
            r"uint8 of shape \[B, 4, 4, 3\], got uint8 \[1, 4",
        ),
        (np.zeros((1, 4, 4, 3), np.float32), None, "got float32"),
        (np.zeros((0, 4, 4, 3), np.uint8), None, r"got uint8 \[0, 4, 4, 3\]"),
        (None, np.zeros((2, 512), np.float32), r"float32 \[1, 512\], got float32 \[2, 512\]"),
        (None, np.zeros((1, 512)), "got float64"),
    ],
    ids=["size", "dtype", "empty", "batch", "double"],
)
def test_inputs_that_do_not_fit(image, embedding, message):
    good_image, good_embedding = pictures(1)
    image = good_image if image is None else image
    embedding = good_embedding if embedding is None else embedding

    with pytest.raises(ValueError, match=message):
        engine().forward(image, embedding)
