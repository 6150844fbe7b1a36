"""Codings worked by hand, and their statistics against samples."""

import numpy as np
import pytest
import tensorflow as tf

import policy_specs
from tests import small_model
from tokenizers import action_coding, action_tokenizer

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")

CODINGS = action_coding.CODINGS
MIDPOINT_EXTENT = action_coding.MIDPOINT_EXTENT
EXAMPLE = np.array([0.2, 0.4, 0.6, 0.5], np.float32)
VOCAB_SIZE = 256


def tokenizer(spec=None, coding=MIDPOINT_EXTENT):
    return action_tokenizer.RT1ActionTokenizer(
        spec or policy_specs.food_action_spec(), coding=coding
    )


@pytest.mark.parametrize("convert", [np.asarray, tf.constant], ids=["numpy", "tensorflow"])
def test_example_of_the_module_and_a_motion_to_the_left(convert):
    actions = convert(np.stack([EXAMPLE, EXAMPLE[[2, 3, 0, 1]]]))

    coded = action_coding.encode(actions, MIDPOINT_EXTENT)

    expected = [[0.4, 0.45, 0.8, 0.575], [0.4, 0.45, 0.2, 0.425]]
    np.testing.assert_allclose(coded, expected, rtol=1e-6)
    back = action_coding.decode(coded, MIDPOINT_EXTENT)
    assert back.dtype == actions.dtype
    np.testing.assert_allclose(back, actions, atol=1e-6)
    assert action_coding.encode(actions, "endpoints") is actions


def test_tokens_by_hand():
    """A token is the middle of its bin, so no motion is exactly none; 2/3 is the longest."""
    tokens = tokenizer().tokenize({"bbox": tf.constant([EXAMPLE, [0.5] * 4, [0.0, 1.0, 1.0, 0.0]])})

    # 0.575 * 255 = 146.6; 0.5 + 0.75 = 1.25 is cut to 1.
    np.testing.assert_array_equal(tokens, [[102, 114, 204, 146], [127] * 4, [127, 127, 255, 0]])
    back = tokenizer().detokenize(tokens)["bbox"].numpy()
    np.testing.assert_allclose(back[0], [0.2007, 0.3993, 0.6033, 0.4987], atol=1e-4)
    np.testing.assert_allclose(back[1], [0.5] * 4, atol=1e-7)
    np.testing.assert_allclose(back[2], [1 / 6, 0.832, 5 / 6, 0.168], atol=2e-3)
    again = tokenizer().tokenize({"bbox": tf.constant(back)})
    np.testing.assert_array_equal(again, tokens)


def test_regression_learns_the_coded_numbers():
    joined = tokenizer().join({"bbox": tf.constant([EXAMPLE])})

    np.testing.assert_allclose(joined, [[0.4, 0.45, 0.8, 0.575]], rtol=1e-6)
    np.testing.assert_allclose(tokenizer().split(joined)["bbox"], [EXAMPLE], atol=1e-6)


def test_expected_action_is_the_mean_of_the_end_points():
    probabilities = np.random.default_rng(0).dirichlet(np.full(VOCAB_SIZE, 0.1), (3, 4))

    found = tokenizer().expected_action(tf.math.log(tf.constant(probabilities, tf.float32) + 1e-30))

    expected = action_coding.moments(probabilities, MIDPOINT_EXTENT).mean
    np.testing.assert_allclose(found["bbox"], expected, atol=1e-5)


@pytest.mark.parametrize("coding", CODINGS)
def test_moments_are_those_of_samples(coding):
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet(np.full(16, 0.3), 4)
    values = action_coding.bin_values(16)
    coded = np.stack([rng.choice(values, 400_000, p=one) for one in probabilities], axis=-1)
    samples = action_coding.decode(coded, coding)

    found = action_coding.moments(probabilities, coding)

    np.testing.assert_allclose(found.mean, samples.mean(axis=0), atol=3e-3)
    np.testing.assert_allclose(found.covariance, np.cov(samples.T), atol=1e-3)
    midpoints, extents = (samples[:, 2:] + samples[:, :2]) / 2, samples[:, 2:] - samples[:, :2]
    for one, (mean, covariance) in ((midpoints, found.midpoint()), (extents, found.extent())):
        np.testing.assert_allclose(mean, one.mean(axis=0), atol=3e-3)
        np.testing.assert_allclose(covariance, np.cov(one.T), atol=2e-3)
    answer = np.array([0.2, 0.3, 0.5, 0.6])
    offsets = coded - action_coding.encode(answer, coding)
    std, midpoint = action_coding.std_about(
        np.sqrt(np.square(offsets).mean(axis=0)), offsets.mean(axis=0), coding
    )
    np.testing.assert_allclose(std, np.sqrt(np.square(samples - answer).mean(axis=0)), atol=1e-3)
    if coding == MIDPOINT_EXTENT:
        squares = np.square(midpoints - (answer[:2] + answer[2:]) / 2).sum(axis=-1)
        np.testing.assert_allclose(midpoint, np.sqrt(squares.mean()), atol=1e-3)


@pytest.mark.parametrize("flips", [(True, False), (False, True), (True, True), (False, False)])
@pytest.mark.parametrize("swap_ends", [True, False])
@pytest.mark.parametrize("coding", CODINGS)
def test_tokens_flip_as_end_points_do(coding, flips, swap_ends):
    flipped, order = action_coding.mirrored_tokens(*flips, swap_ends, "endpoints")
    ends = np.where(flipped, 1 - EXAMPLE, EXAMPLE)[order]

    flipped, order = action_coding.mirrored_tokens(*flips, swap_ends, coding)
    coded = action_coding.encode(EXAMPLE, coding)
    coded = np.where(flipped, 1 - coded, coded)[order]

    np.testing.assert_allclose(action_coding.decode(coded, coding), ends, atol=1e-6)


def test_refuses_other_actions_and_other_names():
    with pytest.raises(ValueError, match="expected one of endpoints, midpoint_extent, got 'polar'"):
        tokenizer(coding="polar")
    with pytest.raises(ValueError, match=r"'midpoint_extent' is one of execution parameters"):
        tokenizer(policy_specs.rt1_action_spec())


@pytest.mark.parametrize("loss_type", ["cross_entropy", "smooth_l1"])
def test_network_answers_with_end_points(loss_type):
    """With outputs that say [0.4, 0.45, 0.8, 0.575], and on labels that say so a small loss."""
    loss = f'TransformerNetwork.loss_type = "{loss_type}"'
    coding = f'RT1ActionTokenizer.coding = "{MIDPOINT_EXTENT}"'
    agent = small_model.build(*small_model.TINY, loss, coding)
    outputs = tf.constant([[0.4, 0.45, 0.8, 0.575]])
    if loss_type == "cross_entropy":
        outputs = 50 * tf.one_hot([[102, 114, 204, 146]], VOCAB_SIZE)

    np.testing.assert_allclose(agent.network.actions(outputs)["bbox"], [EXAMPLE], atol=4e-3)
    assert agent.action_coding == agent.prediction_functions().action_coding == MIDPOINT_EXTENT
    experience = small_model.food_experience(0, 1)
    network, action = agent.network, {"bbox": tf.constant(EXAMPLE[np.newaxis, np.newaxis])}
    network.outputs = lambda *_: outputs[:, tf.newaxis]
    found = agent.sequence_agent._loss(experience._replace(action=action))
    assert float(found.loss) < 1e-4
