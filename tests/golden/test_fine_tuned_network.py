"""Goldens e: the fine-tuned form, four tokens, one image, three losses. See `parity`."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import policy_specs
from tests import small_model
from tests.golden import parity

pytest_plugins = ["tests.model_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.golden, pytest.mark.usefixtures("clean_gin")]


@pytest.mark.parametrize("loss_type", parity.HITL_NETWORKS)
def test_e_outputs_loss_and_answer(hitl_agent, loss_type):
    reference = parity.golden("e_hitl")
    agent = hitl_agent(loss_type)
    kind = "cross_entropy" if loss_type == "cross_entropy" else "regression"
    images, context, experience = parity.hitl_batch()

    info = agent.sequence_agent.loss(experience)
    outputs = info.extra["outputs"]
    parity.assert_close(info.loss, reference[f"{loss_type}/loss"], f"e {kind} loss")
    if loss_type == "cross_entropy":
        logits = outputs[:, 0]
        parity.assert_close(
            logits, reference["cross_entropy/action_logits"], "e cross_entropy logits"
        )
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
    action = policy.action(step, policy.get_initial_state(4)).action[policy_specs.ACTION_KEY]
    parity.assert_close(action, clipped, "e regression bbox")


def test_e_image_tokens(hitl_agent):
    network = hitl_agent("smooth_l1").network
    features = network.image_features(parity.hitl_batch()[2].observation)

    tokens = network._image_tokenizer.tokens(features)

    parity.assert_close(tokens, parity.golden("e_hitl")["context_image_tokens"], "a tokens 236")
