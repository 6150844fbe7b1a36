"""Goldens a, b and c: the network of the public checkpoint rt1main; e: the fine-tuned form, four
tokens, one image, three losses. See `parity`."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.trajectories import time_step

import losses
import policy_specs
import transformer
from tests import small_model
from tests.golden import golden_inputs, parity

pytest_plugins = ["tests.model_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.golden, pytest.mark.usefixtures("clean_gin")]


@pytest.fixture(scope="module")
def rt1main(load_golden):
    """As `configs/` describes it, with weights from a checkpoint file."""
    return load_golden("rt1main", "include 'configs/rt1main.gin'")


@pytest.mark.parametrize(("size", "number"), [(300, 1), (236, 3)])
def test_a_image_tokenizer(rt1main, size, number):
    reference = parity.golden("a_image_tokenizer")
    images = golden_inputs.images(parity.input_seed(number), 2, size, size)
    context = golden_inputs.normal(parity.input_seed(number + 1), (2, 512))
    tokenizer = rt1main.network._image_tokenizer
    encoder = tokenizer._tokenizer

    features = encoder.net(encoder.resize(images) * 255.0, context).numpy()
    found = {
        "encoder": encoder(images, context),
        "net_channel_mean": features.mean(axis=(1, 2)),
        "net_corner": features[:, [0, 0, 8, 8, 4], [0, 8, 0, 8, 4]],
    }
    for name, value in found.items():
        parity.assert_close(value, reference[f"{name}_{size}"], f"a encoder {size}")
    tokens = tokenizer.tokens(tokenizer.features(images, context))[:, np.newaxis]
    parity.assert_close(tokens, reference[f"tokens_{size}"], f"a tokens {size}")


def test_b_transformer(rt1main):
    reference = parity.golden("b_transformer")
    tokens = golden_inputs.normal(parity.input_seed(10), (2, 114, 512))
    causal = np.tril(np.ones((114, 114), np.float32))
    network = rt1main.network._transformer

    parity.assert_close(network(tokens, causal), reference["causal_logits"], "b logits")
    masked = network(tokens[:1], transformer.attention_mask(6, 8, 11))
    parity.assert_close(masked, reference["rt1_mask_logits"], "b logits")


def test_c_training_call(rt1main):
    reference = parity.golden("c_network_train_call")
    images = golden_inputs.images_uint8(parity.input_seed(20), 12, 256, 320)
    context = np.repeat(golden_inputs.normal(parity.input_seed(21), (2, 1, 512)), 6, axis=1)
    observations = {
        policy_specs.IMAGE_KEY: tf.constant(images.reshape(2, 6, 256, 320, 3)),
        policy_specs.EMBEDDING_KEY: tf.constant(context),
    }
    terminate = golden_inputs.integers(parity.input_seed(27), (2, 6), 3)
    action = {"terminate_episode": np.eye(3, dtype=np.int32)[terminate]}
    for number, (key, part) in enumerate(list(policy_specs.action_spec("rt1").items())[1:], 22):
        shape, bounds = (2, 6, *part.shape), (1.1 * part.minimum, 1.1 * part.maximum)
        action[key] = golden_inputs.uniform(parity.input_seed(number), shape, *bounds)
    step_types = reference["agent_loss_step_types"]
    network = rt1main.network

    labels = network.action_tokenizer.tokenize(action)
    np.testing.assert_array_equal(labels, reference["action_labels"])
    info = rt1main.sequence_agent.loss(small_model.experience(observations, action, step_types))
    logits = info.extra["outputs"]
    parity.assert_close(logits, reference["action_logits"], "c train logits")
    np.testing.assert_array_equal(tf.argmax(logits, -1), reference["action_predictions"])
    for key, value in network.actions(logits[:, -1]).items():
        parity.assert_close(value, reference[f"action/{key}"], "float32")
    features = network.image_features(observations)
    tokens = network._image_tokenizer.tokens(features)[:6]
    parity.assert_close(tokens, reference["context_image_tokens_b0"], "c train logits")
    # The reference divides by B * T * 19 and lets its one LAST step count as zero; ours is a mean.
    scale = 2 * 6 * 19
    assert (step_types == time_step.StepType.LAST).sum() == 1
    parity.assert_close(info.loss * 11 / 12 / scale, reference["agent_loss"], "c train loss")
    weights = [np.ones((2, 6), np.float32), *np.eye(12, dtype=np.float32).reshape(12, 2, 6)]
    found = [losses.imitation(logits, labels, w, "cross_entropy")[0] / scale for w in weights]
    parity.assert_close(found[0], reference["agent_loss_all_mid"], "c train loss")
    parity.assert_close(np.reshape(found[1:], (2, 6)), reference["network_loss_bt"], "c train loss")


def test_c_rolling_inference(rt1main, monkeypatch):
    reference = parity.golden("c_network_inference")
    images = golden_inputs.images_uint8(parity.input_seed(28), 8, 256, 320)
    context = golden_inputs.normal(parity.input_seed(29), (1, 512))
    policy, network, steps = rt1main.sequence_agent.policy, rt1main.network, []
    state, policy_step = policy.get_initial_state(1), network.policy_step
    monkeypatch.setattr(
        network, "policy_step", lambda *given: steps.append(policy_step(*given)) or steps[-1]
    )

    for i in range(8):
        observation = {
            policy_specs.IMAGE_KEY: tf.constant(images[i : i + 1]),
            policy_specs.EMBEDDING_KEY: tf.constant(context),
        }
        first_or_mid = time_step.StepType.FIRST if i == 0 else time_step.StepType.MID
        action, state, _ = policy.action(small_model.step(observation, [first_or_mid]), state)

        logits = steps[i][0]
        parity.assert_close(logits[0], reference["logits"][i], "c inference logits")
        for name, value in (
            ("tokens", tf.argmax(logits[0], -1)),
            ("seq_idx", state["seq_idx"][0]),
            ("state_action_tokens", state["action_tokens"][0]),
        ):
            np.testing.assert_array_equal(value, reference[name][i])
        for key, value in action.items():
            parity.assert_close(value[0], reference[f"action/{key}"][i], "float32")
    window = state["context_image_tokens"][0]
    parity.assert_close(window, reference["final_context_image_tokens"], "c inference logits")


@pytest.mark.parametrize("loss_type", losses.METRIC)
def test_e_outputs_loss_and_answer(hitl_agent, loss_type):
    reference = parity.golden("e_hitl")
    agent = hitl_agent(loss_type)
    kind = "cross_entropy" if loss_type == "cross_entropy" else "regression"
    images, context, experience = parity.hitl_batch()

    info = agent.sequence_agent.loss(experience)
    outputs = info.extra["outputs"]
    parity.assert_close(info.loss, reference[f"{loss_type}/loss"], f"e {kind} loss")
    if loss_type == "cross_entropy":
        logits = reference["cross_entropy/action_logits"]
        parity.assert_close(outputs[:, 0], logits, "e cross_entropy logits")
        predictions = tf.argmax(outputs, -1)
        np.testing.assert_array_equal(predictions, reference["cross_entropy/predictions"])
        tokens = agent.network.action_tokenizer.tokenize(experience.action)
        np.testing.assert_array_equal(tokens, reference["cross_entropy/tokens"])
    bbox = agent.network.actions(outputs[:, -1])[policy_specs.ACTION_KEY]
    parity.assert_close(bbox, reference[f"{loss_type}/pred_bbox"], "e regression bbox")
    clipped = reference[f"{loss_type}/policy_action_bbox"]
    if loss_type != "l1":  # the same network as smooth_l1
        parity.assert_close(agent.forward(images, context), clipped, "e regression bbox")
    step = small_model.step(tf.nest.map_structure(lambda x: x[:, 0], experience.observation))
    policy = agent.sequence_agent.policy
    action, state, _ = policy.action(step, policy.get_initial_state(4))
    parity.assert_close(action[policy_specs.ACTION_KEY], clipped, "e regression bbox")
    tokens = state["context_image_tokens"][:, 0]
    parity.assert_close(tokens, reference["context_image_tokens"], "a tokens 236")
