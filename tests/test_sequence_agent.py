"""Loss, train step and policy on small models."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.trajectories import time_step

import policy_specs
from tests import small_model

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")

FIRST, MID, LAST = (int(x) for x in (time_step.StepType.FIRST, time_step.StepType.MID, 2))
PLAIN = (*small_model.TINY, *small_model.NO_DROPOUT, "Transformer.num_layers = 1")


def state_of(agent) -> list[tf.Variable]:
    return [*agent.network.variables, *agent.optimizer.variables, agent.global_step]


@pytest.fixture(scope="module")
def shared_agent():
    """Much dropout, which `outputs` without a seed leaves out."""
    made = small_model.build(*PLAIN, "DropoutSettings.transformer_feed_forward = 0.5")
    made.build_optimizer()
    return made


@pytest.fixture
def agent(shared_agent):
    """As if it were new; tests may train it."""
    before = small_model.values(state_of(shared_agent))
    yield shared_agent
    restore(shared_agent, before)


def restore(agent, values) -> None:
    for variable, value in zip(state_of(agent), values):
        variable.assign(value)


def test_which_steps_and_samples_count():
    """T = 2, vocabulary head."""
    steps = "TransformerNetwork.time_sequence_length = 2"
    agent = small_model.build(*PLAIN, small_model.CROSS_ENTROPY, steps)
    batch = small_model.food_experience(0, 2, 2)
    tokens = agent.network.action_tokenizer.tokenize(batch.action)
    logits = tf.nn.log_softmax(agent.network.outputs(batch.observation))
    nats = -tf.gather(logits, tokens, batch_dims=3).numpy().mean(axis=-1).ravel()
    for second, weights, counted in (
        (MID, None, [0, 1, 2, 3]),
        (LAST, None, [0, 2, 3]),
        (MID, tf.constant([0.0, 1.0]), [2, 3]),
    ):
        changed = batch._replace(step_type=tf.constant([[FIRST, second], [MID, MID]]))
        found = agent.sequence_agent.loss(changed, weights=weights).loss
        np.testing.assert_allclose(found, nats[counted].mean(), rtol=1e-5)


def test_step_reports_the_loss_before_it_and_the_gradient_norm():
    agent, batch = small_model.build(*PLAIN), small_model.food_experience(0, 2)
    start = small_model.values(state_of(agent))
    with tf.GradientTape() as tape:
        loss = agent.sequence_agent.loss(batch, training=True).loss
    norm = tf.linalg.global_norm(tape.gradient(loss, agent.network.trainable_variables))
    restore(agent, start)
    info = agent.sequence_agent.train(batch)
    np.testing.assert_allclose(info.loss, loss, rtol=1e-5)
    np.testing.assert_allclose(info.extra["gradient_norm"], norm, rtol=1e-4)


def test_micro_batches_give_the_gradient_of_the_batch():
    """Without BatchNorm's statistics, which are those of a micro-batch; 5 samples do not divide."""
    weights, norms = [], []
    for steps in (1, 2):
        agent = small_model.build(*PLAIN)
        agent.network.parts()["efficientnet"].trainable = False
        agent.sequence_agent._accumulation_steps = steps
        info = agent.sequence_agent.train(small_model.food_experience(0, 5))
        weights.append(small_model.values(agent.network.trainable_variables))
        norms.append([info.loss, info.extra["mae"], info.extra["gradient_norm"]])
    np.testing.assert_allclose(norms[0], norms[1], rtol=1e-5)
    for whole, pieces in zip(*weights):
        np.testing.assert_allclose(whole, pieces, atol=1e-5)


def test_dropout_follows_from_seed_step_and_micro_batch(agent, monkeypatch):
    batch, start, seen = small_model.food_experience(0, 2), small_model.values(state_of(agent)), []

    def loss(seed: int, step: int) -> float:
        restore(agent, start)
        agent.global_step.assign(step)
        monkeypatch.setattr(agent.sequence_agent, "_seed", seed)
        return float(agent.sequence_agent.train(batch).loss)

    assert loss(5, 0) == loss(5, 0)
    assert len({loss(5, 0), loss(5, 1), loss(6, 0)}) == 3
    outputs = agent.network.outputs
    monkeypatch.setattr(
        agent.network, "outputs", lambda *given: seen.append(outputs(*given)) or seen[-1]
    )
    monkeypatch.setattr(agent.sequence_agent, "_accumulation_steps", 2)
    agent.sequence_agent.train(tf.nest.map_structure(lambda x: tf.repeat(x[:1], 2, 0), batch))
    assert len(seen) == 2 and not np.array_equal(*seen)


@pytest.mark.slow
def test_a_traced_step_learns_and_does_what_an_untraced_one_does():
    agent, batch = small_model.build(*PLAIN), small_model.food_experience(0, 2)
    step_losses = [float(agent.train_function(batch).loss) for _ in range(30)]
    assert step_losses[-1] < 0.2 * step_losses[0]
    assert agent.global_step.numpy() == 30
    check_nothing_changes(agent, agent.train_function)
    untraced = small_model.build(*PLAIN)
    found = [float(untraced.sequence_agent.train(batch).loss) for _ in range(3)]
    np.testing.assert_allclose(found, step_losses[:3], rtol=1e-4)


def check_nothing_changes(agent, train) -> None:
    """BatchNorm's statistics included, although the forward pass has changed them by then."""
    batch, key = small_model.food_experience(0, 2), policy_specs.EMBEDDING_KEY
    before = small_model.values(state_of(agent))
    nan = {**batch.observation, key: batch.observation[key] * np.nan}
    with pytest.raises(tf.errors.InvalidArgumentError, match="the loss is not finite, at step"):
        train(batch._replace(observation=nan))
    assert small_model.same(before, small_model.values(state_of(agent)))


def test_what_is_not_finite_changes_nothing(agent):
    check_nothing_changes(agent, agent.sequence_agent.train)
    # A finite loss whose square overflows on the way back.
    kernel = agent.network._regression_output.kernel
    kernel.assign(tf.fill(kernel.shape, 1e33))
    before = small_model.values(state_of(agent))
    message = "a gradient is not finite.*gradients that are not: _image_tokenizer.* in all"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        agent.sequence_agent.train(small_model.food_experience(0, 2))
    assert small_model.same(before, small_model.values(state_of(agent)))


def test_what_learns_is_what_is_used():
    """RT-1's embedding of action tokens is not, and has no slot; nothing else may be idle."""
    agent = small_model.build(*PLAIN, small_model.CROSS_ENTROPY)
    embedding = agent.network._action_token_emb
    before = small_model.values(embedding.variables)
    agent.sequence_agent.train(small_model.food_experience(0, 1))
    # The step count, and Adam's two moments of every variable that is used.
    num_used = len(agent.network.trainable_variables) - len(embedding.variables)
    assert len(agent.optimizer.variables) == 1 + 2 * num_used
    assert small_model.same(before, small_model.values(embedding.variables))
    agent.network.stray = tf.Variable(1.0, name="stray")
    with pytest.raises(ValueError, match=r"a gradient for every variable, got none for \['stray"):
        agent.sequence_agent.train(small_model.food_experience(0, 1))


def test_policy_answers_as_forward_clipped_and_without_dropout(food_agent, agent):
    observation = small_model.observation(0, 3)
    policy, step = food_agent.sequence_agent.policy, small_model.step(observation)
    answer = policy.action(step, policy.get_initial_state(3), seed=(1, 2)).action["bbox"]
    np.testing.assert_allclose(answer, food_agent.forward(*observation.values()), atol=1e-5)
    policy = agent.sequence_agent.policy
    for bias, expected in ((-7.0, 0.0), (7.0, 1.0)):
        agent.network._regression_output.bias.assign([bias])
        answer = policy.action(step, policy.get_initial_state(3)).action["bbox"]
        np.testing.assert_array_equal(answer, np.full((3, 4), expected))


def test_first_step_forgets_the_last_episode(rt1_agent):
    """Episode 0 goes on, episode 1 starts again."""
    policy = rt1_agent.sequence_agent.policy
    state = policy.get_initial_state(2)
    for t in range(2):
        state = policy.action(small_model.step(small_model.observation(10 * t, 2)), state).state
    observation = small_model.observation(90, 2)
    step = small_model.step(observation, np.int32([MID, FIRST]))
    action, after, _ = policy.action(step, state)
    assert after["seq_idx"].numpy().tolist() == [[3], [1]]
    fresh = policy.action(small_model.step(observation), policy.get_initial_state(2))
    np.testing.assert_array_equal(after["action_tokens"][1], fresh.state["action_tokens"][1])
    assert not after["context_image_tokens"][1, 1:].numpy().any()
    for key, value in action.items():
        np.testing.assert_allclose(value[1], fresh.action[key][1], atol=1e-6)
