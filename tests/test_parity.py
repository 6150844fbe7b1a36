"""Frozen numbers of the public RT-1 code: ours computes the same on weights from a checkpoint file.

`tests/golden/README.md` says what each file holds, from which inputs and weights, and how much the
public code differs from itself between two sets of CPU kernels (`NOISE` below); ours is held to ten
times that, integers to equality. To make the goldens again:

1. Install the public code (google-research/robotics_transformer; for e and f empriselab/HITL-RT1)
   with TensorFlow 2.15.1, TF-Agents 0.19.0 and NumPy 1.26, build its network and assign
   `deterministic_weights.value(key, shape, seed=1)` to every variable, key being its name in
   `<model>.variables.json`; call `finalize_state()` on the image Normalization afterwards.
2. Feed it the arrays of `golden_inputs.py` with the seeds of the README, one section for each file,
   and `np.savez_compressed` what the section lists.
3. Run it all again with TF_ENABLE_ONEDNN_OPTS=0; the differences are the README's last table.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.trajectories import time_step

import attention_mask
import dropout_settings
import losses
import policy_specs
from film_efficientnet import preprocessors, pretrained_efficientnet_encoder
from tests import model_fixtures, small_model
from tests.golden import deterministic_weights, golden_inputs
from tokenizers import action_tokenizer

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")

# Largest difference of the public code from itself over its largest value: the README's last table.
NOISE = {
    "a encoder 300": 4.0e-6,
    "a tokens 300": 3.0e-6,
    "a encoder 236": 1.7e-5,
    "a tokens 236": 1.3e-5,
    "b logits": 9e-7,
    "c train logits": 2.5e-6,
    "c train loss": 4e-7,
    "c inference logits": 5.5e-6,
    "e cross_entropy logits": 1.3e-5,
    "e cross_entropy loss": 7e-7,
    "e regression bbox": 4.9e-6,
    "e regression loss": 6e-6,
    "f bn norm": 1.4e-7,
    "f bn probe": 8.4e-7,
    "f losses": 1.8e-6,
    # Not measured: float32 arithmetic on equal tokens or equal pixels.
    "float32": 1.2e-7,
}
# Largest and median difference of a gradient, over its norm + 1e-6 x the norm of all gradients.
GRADIENT_NOISE = {
    ("eval", "norm"): (1.0e-4, 3e-5),
    ("eval", "probe"): (3.4e-4, 2.5e-5),
    ("train", "norm"): (9.5e-4, 2e-6),
    ("train", "probe"): (1.8e-3, 2.5e-5),
}
ALLOWED_FACTOR = 10

RT1_BINDINGS = (
    'Agent.action_space = "rt1"',
    'TransformerNetwork.loss_type = "cross_entropy"',
    "TransformerNetwork.time_sequence_length = 6",
    "observation_spec.image_height = 256",
    "observation_spec.image_width = 320",
)
HITL_NETWORKS = {
    "cross_entropy": "hitl_cross_entropy",
    "l1": "hitl_smooth_l1",
    "smooth_l1": "hitl_smooth_l1",
}
FLOAT_ACTIONS = [key for key in policy_specs.rt1_action_spec() if key != "terminate_episode"]


@functools.cache
def golden(name: str) -> dict[str, np.ndarray]:
    with np.load(model_fixtures.GOLDEN / f"{name}.npz") as file:
        return dict(file)


def input_seed(number: int) -> int:
    """`S(n)` of the README."""
    return 1000 + number


def assert_close(ours, reference: np.ndarray, noise: str) -> None:
    ours = np.asarray(ours, np.float64)
    assert ours.shape == reference.shape
    relative = np.abs(ours - reference).max() / np.abs(reference).max()
    assert relative <= ALLOWED_FACTOR * NOISE[noise], f"{noise}: {relative:.2g}"


def rt1_actions(first_seed: int, shape: tuple[int, ...], factor: float) -> dict[str, np.ndarray]:
    """Float actions that exceed their bounds by `factor`."""
    spec = policy_specs.rt1_action_spec()
    actions = {}
    for k, key in enumerate(FLOAT_ACTIONS):
        low, high = factor * spec[key].minimum, factor * spec[key].maximum
        shape_of_key = (*shape, spec[key].shape[0])
        actions[key] = golden_inputs.uniform(input_seed(first_seed + k), shape_of_key, low, high)
    return actions


# a, b, c: the public network


@pytest.fixture(scope="module")
def rt1main(load_golden):
    return load_golden("rt1main", *RT1_BINDINGS)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "number"), [(300, 1), (236, 3)])
def test_a_image_tokenizer(rt1main, size, number):
    reference = golden("a_image_tokenizer")
    images = golden_inputs.images(input_seed(number), 2, size, size)
    context = golden_inputs.normal(input_seed(number + 1), (2, 512))
    tokenizer = rt1main.network._image_tokenizer
    encoder = tokenizer.encoder

    assert_close(encoder(images, context), reference[f"encoder_{size}"], f"a encoder {size}")
    tokens = tokenizer(images[:, np.newaxis], context[:, np.newaxis])
    assert_close(tokens, reference[f"tokens_{size}"], f"a tokens {size}")
    features = encoder.net(encoder.resize(images) * 255.0, context).numpy()
    mean = features.mean(axis=(1, 2))
    assert_close(mean, reference[f"net_channel_mean_{size}"], f"a encoder {size}")
    corner = features[:, [0, 0, 8, 8, 4], [0, 8, 0, 8, 4]]
    assert_close(corner, reference[f"net_corner_{size}"], f"a encoder {size}")


@pytest.mark.slow
def test_b_transformer(rt1main):
    reference = golden("b_transformer")
    tokens = golden_inputs.normal(input_seed(10), (2, 114, 512))
    causal = np.tril(np.ones((114, 114), np.float32))
    network = rt1main.network._transformer

    assert_close(network(tokens, causal), reference["causal_logits"], "b logits")
    masked = network(tokens[:1], attention_mask.attention_mask(6, 8, 11))
    assert_close(masked, reference["rt1_mask_logits"], "b logits")


def test_b_and_e_masks():
    rt1, food = attention_mask.attention_mask(6, 8, 11), attention_mask.attention_mask(1, 8, 4)

    np.testing.assert_array_equal(rt1, golden("b_transformer")["rt1_mask"])
    np.testing.assert_array_equal(food, golden("e_hitl")["rt1mask12"])


@pytest.mark.slow
def test_c_training_call(rt1main):
    reference = golden("c_network_train_call")
    images = golden_inputs.images_uint8(input_seed(20), 12, 256, 320)
    context = np.repeat(golden_inputs.normal(input_seed(21), (2, 1, 512)), 6, axis=1)
    observations = {
        policy_specs.IMAGE_KEY: tf.constant(images.reshape(2, 6, 256, 320, 3)),
        policy_specs.EMBEDDING_KEY: tf.constant(context),
    }
    action = rt1_actions(22, (2, 6), 1.1)
    terminate = golden_inputs.integers(input_seed(27), (2, 6), 3)
    action["terminate_episode"] = np.eye(3, dtype=np.int32)[terminate]
    step_types = reference["agent_loss_step_types"]
    network = rt1main.network

    labels = network.action_tokenizer.tokenize(action)
    np.testing.assert_array_equal(labels, reference["action_labels"])
    info = rt1main.sequence_agent.loss(small_model.experience(observations, action, step_types))
    logits = info.extra["outputs"]
    assert_close(logits, reference["action_logits"], "c train logits")
    np.testing.assert_array_equal(tf.argmax(logits, -1), reference["action_predictions"])
    for key, value in network.actions(logits[:, -1]).items():
        assert_close(value, reference[f"action/{key}"], "float32")
    features = network.image_features(observations)
    tokens = network._image_tokenizer.tokens(features)[:6]
    assert_close(tokens, reference["context_image_tokens_b0"], "c train logits")
    check_training_losses(info.loss, logits, labels, reference)


def check_training_losses(loss, logits, labels, reference) -> None:
    """The reference divides by B * T * 19 and lets a LAST step count as zero; ours is a mean."""
    scale = 2 * 6 * 19
    num_steps = reference["agent_loss_step_types"].size
    num_valid = (reference["agent_loss_step_types"] != time_step.StepType.LAST).sum()
    assert (num_steps, num_valid) == (12, 11)
    assert_close(loss * num_valid / num_steps / scale, reference["agent_loss"], "c train loss")
    all_mid, _ = losses.cross_entropy(logits, labels, tf.ones((2, 6)))
    assert_close(all_mid / scale, reference["agent_loss_all_mid"], "c train loss")
    one_step = [losses.cross_entropy(logits, labels, w)[0] for w in np.eye(12).reshape(12, 2, 6)]
    per_step = np.reshape(one_step, (2, 6)) / scale
    assert_close(per_step, reference["network_loss_bt"], "c train loss")


@pytest.mark.slow
def test_c_rolling_inference(rt1main):
    reference = golden("c_network_inference")
    images = golden_inputs.images_uint8(input_seed(28), 8, 256, 320)
    context = golden_inputs.normal(input_seed(29), (1, 512))
    policy = rt1main.sequence_agent.policy
    state = policy.get_initial_state(1)

    for i in range(8):
        observation = {
            policy_specs.IMAGE_KEY: tf.constant(images[i : i + 1]),
            policy_specs.EMBEDDING_KEY: tf.constant(context),
        }
        first_or_mid = time_step.StepType.FIRST if i == 0 else time_step.StepType.MID
        logits, _ = rt1main.network._policy_step(observation, state, False, None)
        action, state, _ = policy.action(small_model.step(observation, [first_or_mid]), state)

        assert_close(logits[0], reference["logits"][i], "c inference logits")
        np.testing.assert_array_equal(tf.argmax(logits[0], -1), reference["tokens"][i])
        np.testing.assert_array_equal(state["seq_idx"][0], reference["seq_idx"][i])
        stored = state["action_tokens"][0]
        np.testing.assert_array_equal(stored, reference["state_action_tokens"][i])
        for key, value in action.items():
            assert_close(value[0], reference[f"action/{key}"][i], "float32")
    window = state["context_image_tokens"][0]
    assert_close(window, reference["final_context_image_tokens"], "c inference logits")


# d: the action tokenizer


def test_d_rt1_action_tokenizer():
    reference = golden("d_action_tokenizer")
    tokenizer = action_tokenizer.RT1ActionTokenizer(policy_specs.rt1_action_spec())
    keys = policy_specs.rt1_action_spec()
    actions = {key: reference[f"rt1_action/{key}"] for key in keys}
    expected = rt1_actions(30, (64,), 1.3)
    for key in FLOAT_ACTIONS:  # the first five rows hold limits
        np.testing.assert_array_equal(actions[key][5:], expected[key][5:])

    np.testing.assert_array_equal(tokenizer.tokenize(actions), reference["rt1_tokens"])
    for name in ("rt1", "rt1_random"):
        back = tokenizer.detokenize(tf.constant(reference[f"{name}_tokens"]))
        assert list(back) == list(keys)
        for key, value in back.items():
            assert_close(value, reference[f"{name}_detok/{key}"], "float32")


def test_d_food_action_tokenizer():
    reference = golden("d_action_tokenizer")
    tokenizer = action_tokenizer.RT1ActionTokenizer(policy_specs.food_action_spec())

    tokens = tokenizer.tokenize({"bbox": reference["bbox_action"]})
    np.testing.assert_array_equal(tokens, reference["bbox_tokens"])
    assert_close(tokenizer.detokenize(tokens)["bbox"], reference["bbox_detok"], "float32")
    all_tokens = np.repeat(np.arange(256, dtype=np.int32)[:, np.newaxis], 4, axis=1)
    back = tokenizer.detokenize(tf.constant(all_tokens))["bbox"].numpy()
    assert_close(back[:, 0], reference["bbox_all_token_values"], "float32")
    np.testing.assert_array_equal(tokenizer.tokenize({"bbox": back}), all_tokens)
    np.testing.assert_array_equal(reference["bbox_all_tokens_retokenized"], all_tokens[:, 0])


# e, f: the fine-tuned form, four tokens, one image


@pytest.fixture(scope="module")
def hitl_agents(load_golden):
    bindings = small_model.NO_DROPOUT

    @functools.cache
    def agent(loss_type: str):
        loss = f'TransformerNetwork.loss_type = "{loss_type}"'
        return load_golden(HITL_NETWORKS[loss_type], loss, *bindings)

    return agent


@pytest.fixture
def hitl_agent(hitl_agents, load_golden):
    """A function loss type -> agent with the golden weights; the test may change them."""

    def agent(loss_type: str):
        agent = hitl_agents(loss_type)
        load_golden.reload(agent, HITL_NETWORKS[loss_type])
        return agent

    return agent


@functools.cache
def hitl_batch():
    """(images [4, 236, 236, 3], context [4, 512], trajectories [4, 1, ...]) of e and f."""
    images = golden_inputs.images_uint8(input_seed(40), 4, 236, 236)
    context = golden_inputs.normal(input_seed(41), (4, 512))
    bbox = golden_inputs.uniform(input_seed(42), (4, 4), 0, 1)
    observation = {
        policy_specs.IMAGE_KEY: tf.constant(images[:, np.newaxis]),
        policy_specs.EMBEDDING_KEY: tf.constant(context[:, np.newaxis]),
    }
    step_type = np.full((4, 1), time_step.StepType.FIRST, np.int32)
    action = {policy_specs.ACTION_KEY: bbox[:, np.newaxis]}
    return images, context, small_model.experience(observation, action, step_type)


@pytest.mark.slow
@pytest.mark.parametrize("loss_type", HITL_NETWORKS)
def test_e_outputs_loss_and_answer(hitl_agent, loss_type):
    reference = golden("e_hitl")
    agent = hitl_agent(loss_type)
    kind = "cross_entropy" if loss_type == "cross_entropy" else "regression"
    images, context, experience = hitl_batch()

    info = agent.sequence_agent.loss(experience)
    outputs = info.extra["outputs"]
    assert_close(info.loss, reference[f"{loss_type}/loss"], f"e {kind} loss")
    if loss_type == "cross_entropy":
        logits = outputs[:, 0]
        assert_close(logits, reference["cross_entropy/action_logits"], "e cross_entropy logits")
        predictions = tf.argmax(outputs, -1)
        np.testing.assert_array_equal(predictions, reference["cross_entropy/predictions"])
        tokens = agent.network.action_tokenizer.tokenize(experience.action)
        np.testing.assert_array_equal(tokens, reference["cross_entropy/tokens"])
    bbox = agent.network.actions(outputs[:, -1])[policy_specs.ACTION_KEY]
    assert_close(bbox, reference[f"{loss_type}/pred_bbox"], "e regression bbox")
    answer = agent.forward(images, context)
    assert_close(answer, reference[f"{loss_type}/policy_action_bbox"], "e regression bbox")
    step = small_model.step(tf.nest.map_structure(lambda x: x[:, 0], experience.observation))
    policy = agent.sequence_agent.policy
    action = policy.action(step, policy.get_initial_state(4)).action[policy_specs.ACTION_KEY]
    assert_close(action, reference[f"{loss_type}/policy_action_bbox"], "e regression bbox")


@pytest.mark.slow
def test_e_image_tokens(hitl_agent):
    network = hitl_agent("smooth_l1").network
    features = network.image_features(hitl_batch()[2].observation)

    tokens = network._image_tokenizer.tokens(features)

    assert_close(tokens, golden("e_hitl")["context_image_tokens"], "a tokens 236")


def probe(name: str, value: np.ndarray) -> float:
    """The product with fixed noise, which notices signs and layouts that a norm does not."""
    noise = deterministic_weights.generator(name + "/probe", 1).standard_normal(value.shape)
    return float(np.sum(value.astype(np.float64) * noise))


def variables_by_name(agent) -> dict[str, tf.Variable]:
    """Under the goldens' names."""
    from checkpoints import variable_names

    return {
        deterministic_weights.strip_suffix(name): variable
        for name, variable in variable_names.variables_by_checkpoint_name(agent.network).items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("loss_type", ["cross_entropy", "smooth_l1"])
def test_f_gradients(hitl_agent, loss_type, mode):
    reference = golden(f"f_gradients_{loss_type}")
    agent = hitl_agent(loss_type)
    variables = variables_by_name(agent)
    names = [deterministic_weights.strip_suffix(str(name)) for name in reference["names"]]
    assert set(names) == {n for n, variable in variables.items() if variable.trainable}

    with tf.GradientTape() as tape:
        info = agent.sequence_agent.loss(hitl_batch()[2], training=mode == "train")
    gradients = tape.gradient(info.loss, [variables[name] for name in names])

    assert_close(info.loss, reference[f"{mode}/loss"], "f losses")
    norms, probes = reference[f"{mode}/norm"], reference[f"{mode}/probe"]
    unused = np.array([gradient is None for gradient in gradients])
    np.testing.assert_array_equal(unused, np.isnan(norms))
    scale = norms + 1e-6 * np.sqrt(np.nansum(np.square(norms, dtype=np.float64)))
    pairs = [(n, g) for n, g in zip(names, gradients) if g is not None]
    our_norms = [np.linalg.norm(gradient) for _, gradient in pairs]
    our_probes = [probe(name, gradient.numpy()) for name, gradient in pairs]
    for what, ours, theirs in (("norm", our_norms, norms), ("probe", our_probes, probes)):
        error = np.abs(ours - theirs[~unused]) / scale[~unused]
        largest, median = GRADIENT_NOISE[mode, what]
        assert error.max() <= ALLOWED_FACTOR * largest, names[int(error.argmax())]
        assert np.median(error) <= ALLOWED_FACTOR * median


@pytest.mark.slow
@pytest.mark.parametrize("loss_type", ["cross_entropy", "smooth_l1"])
def test_f_batch_norm_updates(hitl_agent, loss_type):
    reference = golden(f"f_gradients_{loss_type}")
    agent = hitl_agent(loss_type)

    agent.sequence_agent.loss(hitl_batch()[2], training=True)

    variables = variables_by_name(agent)
    names = [deterministic_weights.strip_suffix(str(name)) for name in reference["bn_names"]]
    assert set(names) == {name for name in variables if "/moving_" in name}
    values = [variables[name].numpy() for name in names]
    norms = np.array([np.linalg.norm(value.astype(np.float64)) for value in values])
    probes = np.array([probe(name, value) for name, value in zip(names, values)])
    relative_norm = np.abs(norms / reference["bn_norm"] - 1)
    relative_probe = np.abs(probes - reference["bn_probe"]) / reference["bn_norm"]
    assert relative_norm.max() <= ALLOWED_FACTOR * NOISE["f bn norm"]
    assert relative_probe.max() <= ALLOWED_FACTOR * NOISE["f bn probe"]


@pytest.mark.slow
@pytest.mark.parametrize("loss_type", ["cross_entropy", "smooth_l1"])
def test_f_three_train_steps(hitl_agent, loss_type):
    agent = hitl_agent(loss_type)

    step_losses = [agent.train_function(hitl_batch()[2]).loss for _ in range(3)]

    reference = golden(f"f_gradients_{loss_type}")["three_train_step_losses"]
    assert_close(step_losses, reference, "f losses")
    assert agent.global_step.numpy() == 3


# g: preprocessing


def test_g_pad_and_crop():
    reference = golden("g_preprocess")
    image = golden_inputs.images_uint8(input_seed(50), 1, 256, 320)

    for i, seed in enumerate(reference["seeds"]):
        padding, offsets = preprocessors.crop_offsets(256, 320, tf.constant(seed))
        assert padding == (20, 50)
        np.testing.assert_array_equal(offsets, reference["offsets_yx"][i])
        shifted = preprocessors.preprocess(image, tf.constant(seed)).numpy()
        np.testing.assert_array_equal(shifted[0, ::32, ::32], reference["crop_sub"][i])
        assert_close(shifted.mean(dtype=np.float64), reference["crop_mean"][i], "float32")


def test_g_evaluation_and_resize():
    reference = golden("g_preprocess")
    image = golden_inputs.images_uint8(input_seed(50), 1, 256, 320)
    with small_model.gin_bindings(*small_model.BINDINGS[:1]):
        off = dropout_settings.DropoutSettings.off()
        encoder = pretrained_efficientnet_encoder.EfficientNetEncoder(off)

    plain = preprocessors.preprocess(image)
    np.testing.assert_array_equal(plain[0, ::32, ::32], reference["eval_sub"])
    resized = encoder.resize(plain)
    assert resized.shape == (1, 300, 300, 3)
    assert_close(resized[0, ::25, ::25], reference["resized300_sub"], "float32")
