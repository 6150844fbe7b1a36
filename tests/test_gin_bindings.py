"""No dead knobs: every gin parameter of the model changes something that can be seen.

Each test looks at the same thing in two small agents with equal weights (as far as shapes are
equal), one as it is and one with the parameter bound. Both are built through `Agent`: a call site
that passes what gin owns would win over the binding in silence, and is noticed here.
"""

from __future__ import annotations

import functools
import inspect

import numpy as np
import pytest
import tensorflow as tf
from gin import config as gin_config

import agent_wrapper
import checkpoint_config
from tests import small_model

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")

# More blocks than TINY has, because drop-connect needs residuals.
TINY = (*small_model.TINY, "FilmEfficientNet.depth = 0.5")
BASE = (*small_model.BINDINGS, *small_model.NO_DROPOUT, *TINY)
SEED = tf.constant([3, 0], tf.int32)


def shapes(agent: agent_wrapper.Agent) -> object:
    trainable = agent.network.trainable_variables
    return len(trainable), sorted(tuple(variable.shape) for variable in agent.network.variables)


def outputs(agent: agent_wrapper.Agent, training: bool = False) -> object:
    observation = small_model.observation(0, 3, agent.network.time_sequence_length)
    return agent.network.outputs(observation, training, SEED).numpy().tolist()


def trained_outputs(agent: agent_wrapper.Agent) -> object:
    return outputs(agent, training=True)


def policy_specs_of(agent: agent_wrapper.Agent) -> object:
    policy = agent.sequence_agent.policy
    return str([policy.time_step_spec, policy.action_spec, policy.policy_state_spec])


def loss(agent: agent_wrapper.Agent) -> object:
    return float(agent.sequence_agent.loss(small_model.food_experience(0, 1)).loss)


def answer(agent: agent_wrapper.Agent) -> object:
    logits = np.random.default_rng(0).standard_normal((1, 4, 256)).astype(np.float32)
    return agent.network.actions(tf.constant(logits))["bbox"].numpy().tolist()


TOKENS, RT1 = (small_model.CROSS_ENTROPY,), small_model.RT1_ACTIONS
# Parameter -> value, where one looks, and what is bound in both agents.
CASES = {
    "Agent.action_space": ('"rt1"', policy_specs_of, TOKENS),
    "DropoutSettings.backbone_drop_connect": ("0.9", outputs),
    "DropoutSettings.transformer_attention": ("0.5", outputs),
    "DropoutSettings.transformer_feed_forward": ("0.5", outputs),
    "EfficientNetEncoder.image_size": ("96", outputs),
    "FilmEfficientNet.variant": ('"b0"', shapes, ("FilmEfficientNet.depth = None",)),
    "FilmEfficientNet.output_stride": ("16", outputs),
    "FilmEfficientNet.width": ("0.3", shapes),
    "FilmEfficientNet.depth": ("1.0", shapes),
    "FilmEfficientNet.num_stages": ("5", shapes),
    "FilmEfficientNet.film_from_stage": ("4", shapes),
    "FilmEfficientNet.frozen_stages": ("3", shapes, ("FilmEfficientNet.film_from_stage = 4",)),
    "FilmEfficientNet.batch_norm_inference": ("True", trained_outputs),
    "RT1ActionTokenizer.coding": ('"midpoint_extent"', answer, TOKENS),
    "RT1ActionTokenizer.vocab_size": ("128", shapes),
    "TokenLearner.num_tokens": ("5", policy_specs_of),
    "Transformer.num_layers": ("3", shapes),
    "Transformer.num_heads": ("3", shapes),
    "Transformer.key_dim": ("8", shapes),
    "Transformer.feed_forward_size": ("48", shapes),
    "TransformerNetwork.loss_type": ('"l1"', loss),
    "TransformerNetwork.time_sequence_length": ("2", policy_specs_of),
    "TransformerNetwork.token_embedding_size": ("32", policy_specs_of),
    "TransformerNetwork.answer": ('"mean"', answer, TOKENS),
    "TransformerNetwork.pad_and_crop": ("True", trained_outputs, RT1),
    "observation_spec.image_height": ("96", policy_specs_of),
    "observation_spec.image_width": ("96", policy_specs_of),
    "target_distribution.std_bins": ("2.0", loss, TOKENS),
}
FILE = "EfficientNetEncoder.imagenet_weights_file"


def test_every_parameter_has_a_case():
    """Of what a checkpoint's own configuration may bind."""
    parameters = set()
    for _, configurable in gin_config._REGISTRY.items():
        if configurable.name in checkpoint_config.MODEL:
            names = set(inspect.signature(configurable.wrapped).parameters) - {"self", "cls"}
            names -= set(configurable.denylist or ())
            parameters.update(f"{configurable.name}.{name}" for name in names)
    assert parameters == {*CASES, FILE}
    assert {name.split(".")[0] for name in parameters} == set(checkpoint_config.MODEL)


def build(*bindings: str) -> agent_wrapper.Agent:
    with small_model.gin_bindings(*bindings):
        agent = agent_wrapper.Agent(tf.keras.optimizers.Adam())
    small_model.randomize(agent.network.variables, seed=1)
    return agent


build_once = functools.cache(build)


@pytest.mark.parametrize("parameter", CASES)
def test_parameter_changes_something(parameter):
    value, look, *also = CASES[parameter]
    bindings = (*BASE, *(also[0] if also else ()))
    # A forward pass in training mode changes the moving statistics of an agent that others share.
    first, found = build if look is trained_outputs else build_once, []
    # Loss functions read gin when they are called, so bindings hold while one looks.
    for make, chosen in ((first, bindings), (build, (*bindings, f"{parameter} = {value}"))):
        agent = make(*chosen)
        with small_model.gin_bindings(*chosen):
            found.append(look(agent))
    assert found[0] != found[1]


def test_what_is_looked_at_differs_by_nothing_else():
    assert outputs(build_once(*BASE)) == outputs(build(*BASE, "TokenLearner.num_tokens = 8"))
    with pytest.raises(FileNotFoundError, match="no file absent.h5"):
        build(*BASE, f'{FILE} = "absent.h5"')
