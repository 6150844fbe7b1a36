"""Loss, train step and policy on small models."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.trajectories import time_step

import losses
import policy_specs
from tests import small_model

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")

FIRST, MID, LAST = (int(x) for x in (time_step.StepType.FIRST, time_step.StepType.MID, 2))


@pytest.fixture
def tiny_agent():
    """The test may train it."""
    return small_model.build(*small_model.TINY)


@pytest.fixture(scope="module")
def two_step_agent():
    """T = 2, food actions, vocabulary head."""
    return small_model.build(
        *small_model.TINY,
        small_model.CROSS_ENTROPY,
        "TransformerNetwork.time_sequence_length = 2",
    )


def last_steps(agent, batch, step_type: list[list[int]]):
    """The loss with these step types."""
    return agent.sequence_agent.loss(batch._replace(step_type=tf.constant(step_type)))


# Loss


@pytest.mark.parametrize("loss_type", ["cross_entropy", "l1", "smooth_l1"])
def test_loss_is_the_pure_function_of_outputs_and_labels(loss_type):
    loss = f'TransformerNetwork.loss_type = "{loss_type}"'
    agent = small_model.build(*small_model.TINY, loss)
    batch = small_model.food_experience(0, 3)

    info = agent.sequence_agent.loss(batch)

    outputs = agent.network.outputs(batch.observation)
    labels, ones = batch.action["bbox"], tf.ones((3, 1))
    if loss_type == "cross_entropy":
        tokens = tf.cast(labels * 255, tf.int32)
        expected, metrics = losses.cross_entropy(outputs, tokens, ones)
    else:
        expected, metrics = losses.regression(outputs, labels, ones, loss_type)
    np.testing.assert_array_equal(info.extra["outputs"], outputs)
    np.testing.assert_allclose(info.loss, expected, rtol=1e-6)
    assert set(info.extra) == {"outputs", *metrics}
    for name, value in metrics.items():
        np.testing.assert_allclose(info.extra[name], value, rtol=1e-6)


def test_last_steps_do_not_count(two_step_agent):
    batch = small_model.food_experience(0, 2, 2)
    everything = last_steps(two_step_agent, batch, [[FIRST, MID], [MID, MID]])
    one_left_out = last_steps(two_step_agent, batch, [[FIRST, LAST], [MID, MID]])

    tokens = two_step_agent.network.action_tokenizer.tokenize(batch.action)
    outputs = everything.extra["outputs"]
    by_hand = [
        losses.cross_entropy(outputs[b : b + 1, t : t + 1], tokens[b : b + 1, t : t + 1], [[1.0]])
        for b, t in ((0, 0), (0, 1), (1, 0), (1, 1))
    ]
    nats = [loss.numpy() for loss, _ in by_hand]
    np.testing.assert_allclose(everything.loss, np.mean(nats), rtol=1e-5)
    np.testing.assert_allclose(one_left_out.loss, np.mean(np.delete(nats, 1)), rtol=1e-5)


def test_batch_of_last_steps_only(two_step_agent):
    batch = small_model.food_experience(0, 1, 2)

    with pytest.raises(tf.errors.InvalidArgumentError, match="got a batch of LAST steps only"):
        last_steps(two_step_agent, batch, [[LAST, LAST]])


def test_weights_of_samples(two_step_agent):
    batch = small_model.food_experience(0, 2, 2)
    alone = two_step_agent.sequence_agent.loss(tf.nest.map_structure(lambda x: x[1:], batch)).loss

    second_only = two_step_agent.sequence_agent.loss(batch, weights=tf.constant([0.0, 1.0])).loss

    np.testing.assert_allclose(second_only, alone, rtol=1e-5)


# Train step


@pytest.fixture(scope="module")
def traced_agent():
    """Its train step takes seconds to trace; tests may train it further."""
    agent = small_model.build(
        *small_model.TINY, *small_model.NO_DROPOUT, "Transformer.num_layers = 1"
    )
    agent.train_function(small_model.food_experience(0, 2))
    return agent


@pytest.mark.slow
def test_training_learns_one_batch(traced_agent):
    batch, start = small_model.food_experience(0, 2), traced_agent.global_step.numpy()

    step_losses = [float(traced_agent.train_function(batch).loss) for _ in range(30)]

    assert step_losses[-1] < 0.2 * step_losses[0]
    assert traced_agent.global_step.numpy() == start + 30


def test_step_reports_the_loss_before_it_and_the_gradient_norm():
    agent = small_model.build(*small_model.TINY, *small_model.NO_DROPOUT)
    batch = small_model.food_experience(0, 2)
    start = small_model.values(agent.network.variables)
    variables = agent.network.trainable_variables
    with tf.GradientTape() as tape:
        loss = agent.sequence_agent.loss(batch, training=True).loss
    norm = tf.linalg.global_norm(tape.gradient(loss, variables))
    for variable, value in zip(agent.network.variables, start):
        variable.assign(value)

    info = agent.sequence_agent.train(batch)

    np.testing.assert_allclose(info.loss, loss, rtol=1e-5)
    np.testing.assert_allclose(info.extra["gradient_norm"], norm, rtol=1e-4)
    assert not small_model.same(start, small_model.values(agent.network.variables))


@pytest.mark.parametrize("num_micro_batches", [2, 4])
def test_micro_batches_give_the_gradient_of_the_batch(num_micro_batches):
    """Without BatchNorm's statistics, which are those of a micro-batch; 5 samples do not divide."""
    weights, norms = [], []
    for steps in (1, num_micro_batches):
        agent = small_model.build(*small_model.TINY, *small_model.NO_DROPOUT)
        agent.network.parts()["efficientnet"].trainable = False
        agent.sequence_agent._accumulation_steps = steps
        info = agent.sequence_agent.train(small_model.food_experience(0, 5))
        weights.append(small_model.values(agent.network.trainable_variables))
        norms.append([float(info.loss), float(info.extra["mae"]), info.extra["gradient_norm"]])
    np.testing.assert_allclose(norms[0], norms[1], rtol=1e-5)
    for whole, pieces in zip(*weights):
        np.testing.assert_allclose(whole, pieces, atol=1e-5)


def test_micro_batches_drop_different_units(monkeypatch):
    agent = small_model.build(*small_model.TINY, "DropoutSettings.top = 0.5")
    twice = small_model.food_experience(0, 1)
    twice = tf.nest.map_structure(lambda x: tf.concat([x, x], 0), twice)
    agent.network.parts()["efficientnet"].trainable = False
    seen, imitation = [], losses.imitation

    def spy(*arguments):
        results = imitation(*arguments)
        seen.append(float(results[0]))
        return results

    monkeypatch.setattr(losses, "imitation", spy)
    agent.sequence_agent._accumulation_steps = 2
    agent.sequence_agent.train(twice)
    assert len(seen) == 2
    assert seen[0] != seen[1]


def first_loss(seed: int) -> float:
    agent = small_model.build(*small_model.TINY, "DropoutSettings.top = 0.5", seed=seed)
    return float(agent.sequence_agent.train(small_model.food_experience(0, 2)).loss)


def test_dropout_of_training_follows_from_the_seed():
    first, again, other = first_loss(5), first_loss(5), first_loss(6)

    assert first == again
    assert first != other


def test_steps_draw_different_units():
    """Without an update in between only the step differs."""
    agent = small_model.build(*small_model.TINY, "DropoutSettings.top = 0.5")
    batch = small_model.food_experience(0, 2)
    start = small_model.values(agent.network.variables)
    seen = []
    for _ in range(2):
        seen.append(float(agent.sequence_agent.train(batch).loss))
        for variable, value in zip(agent.network.variables, start):
            variable.assign(value)

    assert seen[0] != seen[1]


def not_a_number(batch, where: str):
    if where == "embedding":
        key = policy_specs.EMBEDDING_KEY
        return batch._replace(
            observation={**batch.observation, key: batch.observation[key] * np.nan}
        )
    return batch._replace(action={"bbox": batch.action["bbox"] * np.nan})


def check_nothing_changes(agent, train) -> None:
    """BatchNorm's statistics included, although the forward pass has changed them by then."""
    batch = small_model.food_experience(0, 2)
    variables = (*agent.network.variables, *agent.optimizer.variables, agent.global_step)
    before = small_model.values(variables)

    for where in ("embedding", "label"):
        with pytest.raises(tf.errors.InvalidArgumentError, match="the loss is not finite"):
            train(not_a_number(batch, where))
        assert small_model.same(before, small_model.values(variables))
    train(batch)
    assert not small_model.same(before, small_model.values(variables))


def test_loss_that_is_not_finite_changes_nothing(tiny_agent):
    tiny_agent.optimizer.build(tiny_agent.network.trainable_variables)

    check_nothing_changes(tiny_agent, tiny_agent.sequence_agent.train)


@pytest.mark.slow
def test_loss_that_is_not_finite_changes_nothing_traced(traced_agent):
    check_nothing_changes(traced_agent, traced_agent.train_function)


def test_infinite_gradient_changes_nothing(tiny_agent):
    """A finite loss whose square overflows on the way back."""
    tiny_agent.network._regression_output.kernel.assign(
        tf.fill(tiny_agent.network._regression_output.kernel.shape, 1e33)
    )
    before = small_model.values(tiny_agent.network.variables)

    with pytest.raises(tf.errors.InvalidArgumentError, match="a gradient is not finite"):
        tiny_agent.sequence_agent.train(small_model.food_experience(0, 2))

    assert small_model.same(before, small_model.values(tiny_agent.network.variables))


def test_label_that_is_not_a_number_has_no_token(two_step_agent):
    batch = not_a_number(small_model.food_experience(0, 1, 2), "label")

    with pytest.raises(tf.errors.InvalidArgumentError, match="not a number"):
        two_step_agent.sequence_agent.train(batch)


def test_action_token_embedding_gets_no_optimizer_slot():
    agent = small_model.build(*small_model.TINY, small_model.CROSS_ENTROPY)
    embedding = agent.network._action_token_emb
    before = small_model.values(embedding.variables)

    agent.sequence_agent.train(small_model.food_experience(0, 1))

    # The step count, and Adam's two moments of every variable that is used.
    num_used = len(agent.network.trainable_variables) - len(embedding.variables)
    assert len(agent.optimizer.variables) == 1 + 2 * num_used
    assert small_model.same(before, small_model.values(embedding.variables))


def test_variable_without_gradient_is_an_error(tiny_agent):
    """Nothing may silently never learn."""
    network = tiny_agent.network
    network.stray = tf.Variable(1.0, name="stray")

    with pytest.raises(ValueError, match=r"a gradient for every variable, got none for \['stray"):
        tiny_agent.sequence_agent.train(small_model.food_experience(0, 1))


# Policy


def test_policy_answers_as_forward(food_agent):
    observation = small_model.observation(0, 3)
    policy = food_agent.sequence_agent.policy

    action = policy.action(small_model.step(observation), policy.get_initial_state(3)).action

    expected = food_agent.forward(*observation.values())
    np.testing.assert_allclose(action["bbox"], expected, atol=1e-5)


def test_policy_clips_to_the_spec(tiny_agent):
    tiny_agent.network._regression_output.bias.assign([-7.0])
    policy = tiny_agent.sequence_agent.policy
    step = small_model.step(small_model.observation(0, 2))

    assert not policy.action(step, policy.get_initial_state(2)).action["bbox"].numpy().any()
    tiny_agent.network._regression_output.bias.assign([7.0])
    high = policy.action(step, policy.get_initial_state(2)).action["bbox"]
    np.testing.assert_array_equal(high, np.ones((2, 4)))


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


def test_policy_state_is_the_rolling_window(rt1_agent):
    spec = rt1_agent.sequence_agent.policy.policy_state_spec

    assert {key: tuple(part.shape) for key, part in spec.items()} == {
        "context_image_tokens": (3, 8, 64),
        "action_tokens": (3, 11),
        "seq_idx": (1,),
    }


def test_policy_changes_no_variable_and_ignores_the_seed(food_agent):
    policy = food_agent.sequence_agent.policy
    step = small_model.step(small_model.observation(0, 2))
    before = small_model.values(policy.variables())

    plain = policy.action(step, policy.get_initial_state(2)).action["bbox"]
    seeded = policy.action(step, policy.get_initial_state(2), seed=(1, 2)).action["bbox"]

    np.testing.assert_array_equal(plain, seeded)
    assert len(before) == len(food_agent.network.variables)
    assert small_model.same(before, small_model.values(policy.variables()))


def test_dropout_at_inference_needs_a_seed():
    agent = small_model.build(
        *small_model.TINY,
        "DropoutSettings.at_inference = True",
        "DropoutSettings.transformer_feed_forward = 0.5",
    )
    policy = agent.sequence_agent.policy
    step = small_model.step(small_model.observation(0, 2))
    before = small_model.values(agent.network.variables)

    with pytest.raises(ValueError, match="expected seed, an int32 tensor .*at_inference is on"):
        policy.action(step, policy.get_initial_state(2))
    first, again, other = (
        policy.action(step, policy.get_initial_state(2), seed=seed).action["bbox"].numpy()
        for seed in ((1, 2), (1, 2), (1, 3))
    )

    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert small_model.same(before, small_model.values(agent.network.variables))


def test_policy_has_no_distribution(food_agent):
    policy = food_agent.sequence_agent.policy
    step = small_model.step(small_model.observation(0, 1))

    with pytest.raises(NotImplementedError, match=r"use action\(\)"):
        policy.distribution(step, policy.get_initial_state(1))
