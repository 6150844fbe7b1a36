"""The comparison notices what an answer hides."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from serving.engines import engine, equality_check, staged_engine


@pytest.fixture(scope="module")
def network_as_stages(functions) -> staged_engine.Stages:
    """The network itself, eagerly; without factors, as if nothing were dropped in the features."""

    def answer(features):
        outputs = functions.outputs(features)
        return functions.execution_parameters(outputs).numpy(), outputs.numpy()

    def sample(*arrays):
        return tuple(result.numpy() for result in functions.samples_and_outputs(*arrays))

    return staged_engine.Stages(
        features=lambda *arrays: (functions.features(*arrays[:2]).numpy(),),
        factors=None,
        answer=answer,
        sampler=sample,
    )


@pytest.fixture
def check(functions, network_as_stages, monkeypatch):
    """A function: replaces stages, and the truth about dropout by what the stages give."""
    without_dropout = functions.features
    monkeypatch.setattr(
        functions, "features", lambda image, text, seed=None: without_dropout(image, text)
    )

    def run(**changed):
        stages = dataclasses.replace(network_as_stages, **changed)
        made = staged_engine.StagedEngine("stub", stages, functions.image_shape, 1)
        return equality_check.check(made, functions)

    return run


def test_the_network_equals_itself(check):
    assert check() < 1e-6


@pytest.mark.parametrize("error", [1e-2, np.nan], ids=str)
@pytest.mark.parametrize("stage", ["features", "answer", "sampler"])
def test_difference_of_a_stage(check, network_as_stages, stage, error):
    def wrong(*arrays):
        return tuple(
            result + np.float32(error) for result in getattr(network_as_stages, stage)(*arrays)
        )

    named = {"features": "features", "answer": "outputs", "sampler": "samples"}[stage]
    with pytest.raises(
        engine.EngineError, match=f"engine stub: expected .* within 0.0001.*{named}"
    ):
        check(**{stage: wrong})


def test_difference_that_clipping_hides(check, network_as_stages):
    """Outputs of 7 and 8 are both clipped to 1."""

    def wrong(features):
        parameters, outputs = network_as_stages.answer(features)
        return parameters, outputs + 1.0

    with pytest.raises(engine.EngineError, match="outputs 1 off"):
        check(answer=wrong)


def test_difference_of_what_samples_are_made_from(check, network_as_stages):
    """Distributions come from it; the samples themselves may be right."""

    def wrong(*arrays):
        samples, outputs = network_as_stages.sampler(*arrays)
        return samples, outputs + 1.0

    with pytest.raises(engine.EngineError, match="got outputs of samples 1 off"):
        check(sampler=wrong)


def test_another_shape(check, network_as_stages):
    with pytest.raises(engine.EngineError, match="samples inf off"):
        check(sampler=lambda *arrays: [one[:1] for one in network_as_stages.sampler(*arrays)])


def test_example_inputs(functions):
    image, embedding = equality_check.example_inputs(functions)

    assert (image.shape, image.dtype) == ((2, 64, 64, 3), np.uint8)
    assert (image.min(), image.max()) == (0, 255)
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1.0, rtol=1e-5)
    for again, first in zip(equality_check.example_inputs(functions), (image, embedding)):
        np.testing.assert_array_equal(again, first)
