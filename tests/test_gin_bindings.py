"""No dead knobs: every gin parameter of the model changes something that can be seen.

Each test looks at the same thing in two small agents with equal weights (as far as shapes are
equal), one as it is and one with the parameter bound. Both are built through `Agent`: a call site
that passes what gin owns would win over the binding in silence, and is noticed here.

A new gin parameter without a case fails `test_every_parameter_has_a_case`.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from gin import config as gin_config

import agent_wrapper
import checkpoint_config
import policy_specs
from tests import small_model
from tests.film_efficientnet import keras_files

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")

MODULES = (
    "agent_wrapper",
    "dropout_settings",
    "film_efficientnet",
    "losses",
    "policy_specs",
    "prediction_functions",
    "sequence_agent",
    "tokenizers",
    "transformer",
    "transformer_network",
)
# More blocks than TINY has, because drop-connect needs residuals.
BASE = (
    *small_model.BINDINGS,
    *small_model.NO_DROPOUT,
    "FilmEfficientNet.width = 0.1",
    "FilmEfficientNet.depth = 0.5",
)
SEED = tf.constant([3, 0], tf.int32)
Look = Callable[[agent_wrapper.Agent], object]


@dataclasses.dataclass(frozen=True)
class Case:
    """What is bound, on top of what, and where one looks."""

    value: str
    look: Look
    also: tuple[str, ...] = ()


def shapes(agent: agent_wrapper.Agent) -> object:
    return sorted(tuple(variable.shape) for variable in agent.network.variables)


def stochastic_outputs(agent: agent_wrapper.Agent) -> object:
    return agent.network.outputs(small_model.observation(0, 3, 1), seed=SEED).numpy().tolist()


def trained_outputs(agent: agent_wrapper.Agent) -> object:
    observation = small_model.observation(0, 1, agent.network.time_sequence_length)
    return agent.network.outputs(observation, training=True, seed=SEED).numpy().tolist()


def feature_map(agent: agent_wrapper.Agent) -> object:
    return agent.network.image_features(small_model.observation(0, 1, 1)).shape.as_list()


def state(agent: agent_wrapper.Agent) -> object:
    spec = agent.network.state_spec
    return {key: tuple(part.shape) for key, part in spec.items()}


def policy_needs_a_seed(agent: agent_wrapper.Agent) -> object:
    policy = agent.sequence_agent.policy
    step = small_model.step(small_model.observation(0, 1))
    try:
        policy.action(step, policy.get_initial_state(1))
    except ValueError as error:
        return str(error)
    return "no"


def first_bin(agent: agent_wrapper.Agent) -> object:
    return agent.network.action_tokenizer.tokenize({"bbox": tf.fill((4,), 0.5)}).numpy().tolist()


def action_tokens(agent: agent_wrapper.Agent) -> object:
    action = {
        key: np.zeros(spec.shape, np.float32)
        for key, spec in policy_specs.rt1_action_spec().items()
    }
    action["terminate_episode"] = np.int32([0, 0, 1])
    return agent.network.action_tokenizer.tokenize(action).numpy().tolist()


def loss(agent: agent_wrapper.Agent) -> object:
    return float(agent.sequence_agent.loss(small_model.food_experience(0, 1)).loss)


def answer(agent: agent_wrapper.Agent) -> object:
    logits = np.linspace(0, 4, 4 * 256, dtype=np.float32).reshape(1, 4, 256)
    return agent.network.actions(tf.constant(logits))["bbox"].numpy().tolist()


def stem(agent: agent_wrapper.Agent) -> object:
    kernel = agent.network._image_tokenizer.encoder.net._stem_conv.kernel
    return kernel.numpy().tolist()


def learning_variables(agent: agent_wrapper.Agent) -> object:
    return len(agent.network.trainable_variables)


def image_shape(agent: agent_wrapper.Agent) -> object:
    spec = agent.sequence_agent.time_step_spec.observation
    return spec[policy_specs.IMAGE_KEY].shape.as_list()


REORDERED = str([*policy_specs.rt1_action_spec()][::-1])
RT1 = small_model.RT1_ACTIONS
GAUSSIAN = (small_model.CROSS_ENTROPY, "target_distribution.std_bins = 4.0")

CASES = {
    "Agent.action_space": Case('"rt1"', state, (small_model.CROSS_ENTROPY,)),
    "DropoutSettings.backbone_drop_connect": Case("0.9", stochastic_outputs),
    "DropoutSettings.spatial": Case("0.5", stochastic_outputs),
    "DropoutSettings.top": Case("0.5", stochastic_outputs),
    "DropoutSettings.token_learner": Case("0.5", stochastic_outputs),
    "DropoutSettings.action_embedding": Case("0.5", stochastic_outputs),
    "DropoutSettings.transformer_embedding": Case("0.5", stochastic_outputs),
    "DropoutSettings.transformer_attention": Case("0.5", stochastic_outputs),
    "DropoutSettings.transformer_feed_forward": Case("0.5", stochastic_outputs),
    "DropoutSettings.at_inference": Case("True", policy_needs_a_seed),
    "EfficientNetEncoder.image_size": Case("96", feature_map),
    "EfficientNetEncoder.imagenet_weights_file": Case('"{weights}"', stem),
    "FilmEfficientNet.variant": Case('"b0"', shapes, ("FilmEfficientNet.depth = None",)),
    "FilmEfficientNet.output_stride": Case("16", feature_map),
    "FilmEfficientNet.width": Case("0.3", shapes),
    "FilmEfficientNet.depth": Case("1.0", shapes),
    "FilmEfficientNet.num_stages": Case("5", shapes),
    "FilmEfficientNet.film_from_stage": Case("4", shapes),
    "FilmEfficientNet.frozen_stages": Case(
        "3", learning_variables, ("FilmEfficientNet.film_from_stage = 4",)
    ),
    "FilmEfficientNet.batch_norm_inference": Case("True", trained_outputs),
    "RT1ActionTokenizer.coding": Case('"midpoint_extent"', answer, (small_model.CROSS_ENTROPY,)),
    "RT1ActionTokenizer.vocab_size": Case("128", first_bin),
    "RT1ImageTokenizer.use_token_learner": Case("False", state),
    "TokenLearner.num_tokens": Case("5", state),
    "TokenLearner.hidden_size": Case("32", shapes),
    "Transformer.num_layers": Case("3", shapes),
    "Transformer.num_heads": Case("3", shapes),
    "Transformer.key_dim": Case("8", shapes),
    "Transformer.feed_forward_size": Case("48", shapes),
    "TransformerNetwork.loss_type": Case('"l1"', loss),
    "TransformerNetwork.time_sequence_length": Case("2", state),
    "TransformerNetwork.token_embedding_size": Case("32", state),
    "TransformerNetwork.action_order": Case(REORDERED, action_tokens, RT1),
    "TransformerNetwork.answer": Case('"mean"', answer, (small_model.CROSS_ENTROPY,)),
    "TransformerNetwork.pad_and_crop": Case("True", trained_outputs, RT1),
    "observation_spec.image_height": Case("96", image_shape),
    "observation_spec.image_width": Case("96", image_shape),
    "target_distribution.std_bins": Case("2.0", loss, (small_model.CROSS_ENTROPY,)),
    "target_distribution.truncation_bins": Case("1.0", loss, GAUSSIAN),
}


def gin_parameters() -> set[str]:
    """'Transformer.num_layers' and so on: what a gin file may bind in the model's modules."""
    parameters = set()
    for _, configurable in gin_config._REGISTRY.items():
        module = configurable.wrapped.__module__.split(".")[0]
        if module not in MODULES:
            continue
        signature = inspect.signature(configurable.wrapped)
        names = [name for name in signature.parameters if name not in ("self", "cls")]
        denied = configurable.denylist or ()
        allowed = configurable.allowlist or names
        parameters.update(
            f"{configurable.name}.{name}"
            for name in names
            if name in allowed and name not in denied
        )
    return parameters


def test_every_parameter_has_a_case():
    assert gin_parameters() == set(CASES)
    # What a checkpoint's own configuration may bind.
    assert {name.split(".")[0] for name in CASES} == set(checkpoint_config.MODEL)


def build(bindings: tuple[str, ...], with_random_weights: bool) -> agent_wrapper.Agent:
    with small_model.gin_bindings(*bindings):
        agent = agent_wrapper.Agent(tf.keras.optimizers.Adam())
    if with_random_weights:
        small_model.randomize(agent.network.variables, seed=1)
    return agent


build_once = functools.cache(build)


def look(case: Case, *bindings: str) -> object:
    """Loss functions read gin when they are called, so bindings hold while one looks."""
    # A forward pass in training mode changes the moving statistics of an agent that others share.
    make = build if bindings or case.look is trained_outputs else build_once
    bindings = (*BASE, *case.also, *bindings)
    agent = make(bindings, with_random_weights=case.look is not stem)
    with small_model.gin_bindings(*bindings):
        return case.look(agent)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    """An ImageNet weight file of the small variant."""
    agent = small_model.build(*BASE)
    path = tmp_path_factory.mktemp("weights") / "small.h5"
    net = agent.network._image_tokenizer.encoder.net
    return str(keras_files.write_like_keras(path, net))


@pytest.mark.parametrize("parameter", CASES)
def test_parameter_changes_something(parameter, weights):
    case = CASES[parameter]
    value = case.value.replace("{weights}", weights)

    before, after = look(case), look(case, f"{parameter} = {value}")

    assert before != after


def test_equal_bindings_look_equal():
    """Otherwise a difference would prove nothing."""
    case = CASES["DropoutSettings.top"]
    assert look(case) == look(case, "DropoutSettings.top = 0.0")
