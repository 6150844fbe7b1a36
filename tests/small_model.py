"""A model that builds in half a second and answers in milliseconds, and the inputs for it: the real
network, only smaller, with 2 x 2 features of 64 numbers and two transformer layers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import gin
import numpy as np
import tensorflow as tf
from tf_agents.trajectories import time_step, trajectory

import agent_wrapper
import policy_specs
from training import optimizer

SIDE = 64
BINDINGS = (
    'FilmEfficientNet.variant = "small"',
    f"EfficientNetEncoder.image_size = {SIDE}",
    f"observation_spec.image_height = {SIDE}",
    f"observation_spec.image_width = {SIDE}",
    "TransformerNetwork.token_embedding_size = 64",
    "Transformer.num_layers = 2",
    "Transformer.num_heads = 2",
    "Transformer.key_dim = 16",
    "Transformer.feed_forward_size = 32",
)
# One block for each stage, eight channels: for tests that build many models.
TINY = ("FilmEfficientNet.width = 0.1", "FilmEfficientNet.depth = 0.1")
CROSS_ENTROPY = 'TransformerNetwork.loss_type = "cross_entropy"'
RT1_ACTIONS = (CROSS_ENTROPY, 'Agent.action_space = "rt1"')
NO_DROPOUT = (
    "DropoutSettings.backbone_drop_connect = 0.0",
    "DropoutSettings.transformer_attention = 0.0",
    "DropoutSettings.transformer_feed_forward = 0.0",
)


@contextlib.contextmanager
def gin_bindings(*bindings: str) -> Iterator[None]:
    """Gin holds exactly these bindings inside, and none before and after."""
    gin.clear_config()
    gin.parse_config(list(bindings))
    try:
        yield
    finally:
        gin.clear_config()


def build(*bindings: str, seed: int = 0, weights_seed: int = 1) -> agent_wrapper.Agent:
    """A small agent; the same seed gives the same weights, none of them zero, and regressed answers
    in 0..1. Later bindings win over earlier ones and over `BINDINGS`."""
    with gin_bindings(*BINDINGS, *bindings):
        agent = agent_wrapper.Agent(optimizer.FusedAdam(1e-3), seed=seed)
    randomize(agent.network.variables, weights_seed)
    if hasattr(agent.network, "_regression_output"):
        head = agent.network._regression_output
        head.kernel.assign(0.02 * head.kernel)
        head.bias.assign([0.5])
    return agent


def randomize(variables: list[tf.Variable], seed: int) -> None:
    """Random weights that keep the signal's size, so that every input matters (fresh FiLM layers
    and biases are zero). The image normalization stays."""
    generator = np.random.default_rng(seed)
    for variable in variables:
        name, shape = variable.name.rsplit("/", 1)[-1].split(":")[0], tuple(variable.shape)
        if name in ("count", "mean", "variance"):
            continue
        noise = generator.standard_normal(shape)
        if name in ("gamma", "moving_variance"):
            value = 1.0 + 0.2 * np.abs(noise)
        elif name in ("bias", "beta", "moving_mean"):
            value = 0.1 * noise
        elif name == "depthwise_kernel":
            value = 1.5 * noise / np.sqrt(shape[0] * shape[1])
        else:
            fan_in = np.prod(shape[:-1]) if len(shape) in (2, 4) else np.prod(shape) ** 0.5
            value = 1.5 * noise / np.sqrt(fan_in)
        variable.assign(value.astype(np.float32))


def images(seed: int, *outer: int, side: int = SIDE) -> np.ndarray:
    """uint8 [*outer, side, side, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (*outer, side, side, 3), np.uint8)


def embeddings(seed: int, *outer: int, size: int = policy_specs.EMBEDDING_SIZE) -> np.ndarray:
    """float32 [*outer, size], unit norm."""
    values = np.random.default_rng(seed).standard_normal((*outer, size))
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


def observation(seed: int, *outer: int, side: int = SIDE) -> dict[str, tf.Tensor]:
    """Images and embeddings with outer axes (B, T) for a sequence, (B,) for a policy step."""
    return {
        policy_specs.IMAGE_KEY: tf.constant(images(seed, *outer, side=side)),
        policy_specs.EMBEDDING_KEY: tf.constant(embeddings(seed + 1, *outer)),
    }


def execution_parameters(seed: int, *outer: int) -> np.ndarray:
    """float32 [*outer, 4] in 0..1."""
    return np.random.default_rng(seed).random((*outer, 4), np.float32)


def experience(
    observations: dict[str, tf.Tensor],
    action: dict[str, np.ndarray],
    step_type: np.ndarray | None = None,
) -> trajectory.Trajectory:
    """Trajectories [B, T, ...] for `SequenceAgent.loss` and `train`; all steps MID unless given."""
    outer = observations[policy_specs.IMAGE_KEY].shape[:2]
    mid = tf.fill(outer, time_step.StepType.MID)
    step_type = mid if step_type is None else tf.constant(step_type)
    action = {key: tf.constant(value) for key, value in action.items()}
    rewards = tf.zeros(outer), tf.ones(outer)
    return trajectory.Trajectory(step_type, observations, action, (), mid, *rewards)


def food_experience(seed: int, batch_size: int, num_steps: int = 1) -> trajectory.Trajectory:
    """A random batch of the food action space."""
    outer = (batch_size, num_steps)
    action = {policy_specs.ACTION_KEY: execution_parameters(seed + 2, *outer)}
    return experience(observation(seed, *outer), action)


def step(
    observations: dict[str, tf.Tensor], step_type: np.ndarray | None = None
) -> time_step.TimeStep:
    """The time step [B, ...] of a policy; MID unless given."""
    size = observations[policy_specs.IMAGE_KEY].shape[:1]
    mid = tf.fill(size, time_step.StepType.MID)
    step_type = mid if step_type is None else tf.constant(step_type)
    return time_step.TimeStep(step_type, tf.zeros(size), tf.ones(size), observations)


def values(variables: list[tf.Variable]) -> list[np.ndarray]:
    """Copies, to compare with later."""
    return [variable.numpy().copy() for variable in variables]


def same(before: list[np.ndarray], after: list[np.ndarray]) -> bool:
    """Bit equality of two such lists."""
    return len(before) == len(after) and all(map(np.array_equal, before, after))
