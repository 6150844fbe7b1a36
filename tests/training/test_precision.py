"""Half as wide products: nearly the same numbers, the same variables, and a run that learns."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests import small_model
from training import precision, train_steps

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")


def batch(num_samples: int) -> dict[str, tf.Tensor]:
    return {
        "image": tf.constant(small_model.images(0, num_samples)),
        "natural_language_embedding": tf.constant(small_model.embeddings(1, num_samples)),
        "bbox": tf.constant(np.random.default_rng(2).random((num_samples, 4), np.float32)),
    }


@pytest.fixture
def traces_afterwards():
    """Whatever the test chose."""
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.slow
def test_nearly_the_loss_and_it_falls(traces_afterwards):
    bindings = (*small_model.TINY, 'TransformerNetwork.loss_type = "cross_entropy"')
    losses = {}
    # One step of float32 is enough to compare with, and costs less than its trace.
    for name, num_steps in ((None, 1), ("bfloat16", 12)):
        tf.config.run_functions_eagerly(name is None)
        with precision.precision(name):
            agent = small_model.build(*bindings, *small_model.NO_DROPOUT)
        losses[name] = [train_steps.train_step(agent, batch(4))["loss"] for _ in range(num_steps)]
        assert {variable.dtype.name for variable in agent.network.variables} <= {"float32", "int64"}
        assert train_steps.predict_step(agent, batch(4))[1].dtype == np.float32
    assert losses["bfloat16"][0] != losses[None][0]  # Something was computed in fewer bits.
    # bfloat16 has 8 bits; the random network is deep and its weights are large.
    np.testing.assert_allclose(losses["bfloat16"][0], losses[None][0], rtol=0.15)
    assert np.mean(losses["bfloat16"][-3:]) < 0.8 * losses["bfloat16"][0]


def test_the_policy_is_put_back():
    with pytest.raises(KeyError), precision.precision("bfloat16"):
        assert tf.keras.layers.Dense(1).compute_dtype == "bfloat16"
        raise KeyError
    assert tf.keras.layers.Dense(1).compute_dtype == "float32"
