"""Goldens f: gradients, BatchNorm updates and train steps. See `parity`."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import checkpoint_loading
from tests.golden import parity
from tests.golden.deterministic_weights import SUFFIX, generator

pytest_plugins = ["tests.model_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.golden, pytest.mark.usefixtures("clean_gin")]


def probe(name: str, value: np.ndarray) -> float:
    """The product with fixed noise, which notices signs and layouts that a norm does not."""
    noise = generator(name + "/probe", 1).standard_normal(value.shape)
    return float(np.sum(value.astype(np.float64) * noise))


@pytest.mark.parametrize("loss_type", ["cross_entropy", "smooth_l1"])
def test_f_gradients_and_train_steps(hitl_agent, loss_type):
    reference = parity.golden(f"f_gradients_{loss_type}")
    agent, batch = hitl_agent(loss_type), parity.hitl_batch()[2]
    variables = checkpoint_loading.variables_by_checkpoint_name(agent.network)
    names = [str(name).removesuffix(SUFFIX) for name in reference["names"]]
    trainable = {variable.ref() for variable in agent.network.trainable_variables}
    assert {variables[name].ref() for name in names} == trainable

    for mode in ("eval", "train"):
        with tf.GradientTape() as tape:
            info = agent.sequence_agent.loss(batch, training=mode == "train")
        gradients = tape.gradient(info.loss, [variables[name] for name in names])
        parity.assert_close(info.loss, reference[f"{mode}/loss"], "f losses")
        norms, probes = reference[f"{mode}/norm"], reference[f"{mode}/probe"]
        unused = np.array([gradient is None for gradient in gradients])
        np.testing.assert_array_equal(unused, np.isnan(norms))
        scale = norms + 1e-6 * np.sqrt(np.nansum(np.square(norms, dtype=np.float64)))
        pairs = [(n, g) for n, g in zip(names, gradients) if g is not None]
        our_norms = [np.linalg.norm(gradient) for _, gradient in pairs]
        our_probes = [probe(name, gradient.numpy()) for name, gradient in pairs]
        for what, ours, theirs in (("norm", our_norms, norms), ("probe", our_probes, probes)):
            error = np.abs(ours - theirs[~unused]) / scale[~unused]
            largest, median = parity.GRADIENT_NOISE[mode, what]
            name = pairs[int(error.argmax())][0]
            parity.assert_within(error.max(), largest, f"f largest {mode} {what}, {name}")
            parity.assert_within(np.median(error), median, f"f median {mode} {what}")

    # BatchNorm, after one loss in training mode.
    names = [str(name).removesuffix(SUFFIX) for name in reference["bn_names"]]
    assert set(names) == {name for name in variables if "/moving_" in name}
    values = [variables[name].numpy() for name in names]
    norms = np.array([np.linalg.norm(value.astype(np.float64)) for value in values])
    probes = np.array([probe(name, value) for name, value in zip(names, values)])
    error = np.abs(norms / reference["bn_norm"] - 1)
    parity.assert_within(error.max(), parity.NOISE["f bn norm"], "f bn norm")
    error = np.abs(probes - reference["bn_probe"]) / reference["bn_norm"]
    parity.assert_within(error.max(), parity.NOISE["f bn probe"], "f bn probe")

    # That was the forward and the backward pass of the first of three steps; the last needs none.
    found = {variables[name].ref(): gradient for name, gradient in pairs}
    used = agent.network.used_trainable_variables
    agent.optimizer.apply_gradients([(found[variable.ref()], variable) for variable in used])
    second = agent.sequence_agent.train(batch)
    third = agent.sequence_agent.loss(batch, training=True)
    step_losses = [info.loss, second.loss, third.loss]
    parity.assert_close(step_losses, reference["three_train_step_losses"], "f losses")
