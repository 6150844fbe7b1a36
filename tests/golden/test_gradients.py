"""Goldens f: gradients, BatchNorm updates and train steps. See `parity`."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import checkpoint_loading
from tests.golden import deterministic_weights, parity

pytest_plugins = ["tests.model_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.golden, pytest.mark.usefixtures("clean_gin")]


def probe(name: str, value: np.ndarray) -> float:
    """The product with fixed noise, which notices signs and layouts that a norm does not."""
    noise = deterministic_weights.generator(name + "/probe", 1).standard_normal(value.shape)
    return float(np.sum(value.astype(np.float64) * noise))


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("loss_type", ["cross_entropy", "smooth_l1"])
def test_f_gradients(hitl_agent, loss_type, mode):
    reference = parity.golden(f"f_gradients_{loss_type}")
    agent = hitl_agent(loss_type)
    variables = checkpoint_loading.variables_by_checkpoint_name(agent.network)
    names = [deterministic_weights.strip_suffix(str(name)) for name in reference["names"]]
    trainable = {variable.ref() for variable in agent.network.trainable_variables}
    assert {variables[name].ref() for name in names} == trainable

    with tf.GradientTape() as tape:
        info = agent.sequence_agent.loss(parity.hitl_batch()[2], training=mode == "train")
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
    if mode == "train":
        check_batch_norm_updates(variables, reference)


def check_batch_norm_updates(variables: dict[str, tf.Variable], reference: dict) -> None:
    """After one loss in training mode."""
    names = [deterministic_weights.strip_suffix(str(name)) for name in reference["bn_names"]]
    assert set(names) == {name for name in variables if "/moving_" in name}
    values = [variables[name].numpy() for name in names]
    norms = np.array([np.linalg.norm(value.astype(np.float64)) for value in values])
    probes = np.array([probe(name, value) for name, value in zip(names, values)])
    relative_norm = np.abs(norms / reference["bn_norm"] - 1)
    relative_probe = np.abs(probes - reference["bn_probe"]) / reference["bn_norm"]
    for error, what in ((relative_norm, "f bn norm"), (relative_probe, "f bn probe")):
        parity.assert_within(error.max(), parity.NOISE[what], what)


@pytest.mark.parametrize("loss_type", ["cross_entropy", "smooth_l1"])
def test_f_three_train_steps(hitl_agent, loss_type):
    agent = hitl_agent(loss_type)

    # Traced as training does it, and without the trace, which takes a minute.
    train = agent.train_function if loss_type == "smooth_l1" else agent.sequence_agent.train
    step_losses = [train(parity.hitl_batch()[2]).loss for _ in range(3)]

    reference = parity.golden(f"f_gradients_{loss_type}")["three_train_step_losses"]
    parity.assert_close(step_losses, reference, "f losses")
    assert agent.global_step.numpy() == 3
