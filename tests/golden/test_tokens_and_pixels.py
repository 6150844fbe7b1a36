"""Goldens d and g and the masks of b and e: what needs no network. See `parity`."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import dropout_settings
import policy_specs
import transformer
from film_efficientnet import film_efficientnet_encoder
from tests import small_model
from tests.golden import golden_inputs, parity
from tokenizers import action_tokenizer

pytest_plugins = ["tests.model_fixtures"]
pytestmark = [pytest.mark.golden, pytest.mark.usefixtures("clean_gin")]


def test_b_and_e_masks():
    rt1, food = transformer.attention_mask(6, 8, 11), transformer.attention_mask(1, 8, 4)

    np.testing.assert_array_equal(rt1, parity.golden("b_transformer")["rt1_mask"])
    np.testing.assert_array_equal(food, parity.golden("e_hitl")["rt1mask12"])


def test_d_rt1_action_tokenizer():
    reference = parity.golden("d_action_tokenizer")
    tokenizer = action_tokenizer.RT1ActionTokenizer(policy_specs.action_spec("rt1"))
    keys = policy_specs.action_spec("rt1")
    actions = {key: reference[f"rt1_action/{key}"] for key in keys}
    expected = parity.rt1_actions(30, (64,), 1.3)
    for key in parity.FLOAT_ACTIONS:  # the first five rows hold limits
        np.testing.assert_allclose(actions[key][5:], expected[key][5:], rtol=1e-6)

    np.testing.assert_array_equal(tokenizer.tokenize(actions), reference["rt1_tokens"])
    for name in ("rt1", "rt1_random"):
        back = tokenizer.detokenize(tf.constant(reference[f"{name}_tokens"]))
        assert list(back) == list(keys)
        for key, value in back.items():
            parity.assert_close(value, reference[f"{name}_detok/{key}"], "float32")


def test_d_food_action_tokenizer():
    reference = parity.golden("d_action_tokenizer")
    tokenizer = action_tokenizer.RT1ActionTokenizer(policy_specs.action_spec("food"))

    tokens = tokenizer.tokenize({"bbox": reference["bbox_action"]})
    np.testing.assert_array_equal(tokens, reference["bbox_tokens"])
    parity.assert_close(tokenizer.detokenize(tokens)["bbox"], reference["bbox_detok"], "float32")
    all_tokens = np.repeat(np.arange(256, dtype=np.int32)[:, np.newaxis], 4, axis=1)
    back = tokenizer.detokenize(tf.constant(all_tokens))["bbox"].numpy()
    parity.assert_close(back[:, 0], reference["bbox_all_token_values"], "float32")
    np.testing.assert_array_equal(tokenizer.tokenize({"bbox": back}), all_tokens)
    np.testing.assert_array_equal(reference["bbox_all_tokens_retokenized"], all_tokens[:, 0])


def test_g_pad_and_crop():
    reference = parity.golden("g_preprocess")
    image = golden_inputs.images_uint8(parity.input_seed(50), 1, 256, 320)

    for i, seed in enumerate(reference["seeds"]):
        shifted = film_efficientnet_encoder.preprocess(image, tf.constant(seed)).numpy()
        np.testing.assert_array_equal(shifted[0, ::32, ::32], reference["crop_sub"][i])
        parity.assert_close(shifted.mean(dtype=np.float64), reference["crop_mean"][i], "float32")


def test_g_evaluation_and_resize():
    reference = parity.golden("g_preprocess")
    image = golden_inputs.images_uint8(parity.input_seed(50), 1, 256, 320)
    with small_model.gin_bindings(*small_model.BINDINGS[:1]):
        off = dropout_settings.DropoutSettings.off()
        encoder = film_efficientnet_encoder.EfficientNetEncoder(off)

    plain = film_efficientnet_encoder.preprocess(image)
    np.testing.assert_array_equal(plain[0, ::32, ::32], reference["eval_sub"])
    resized = encoder.resize(plain)
    assert resized.shape == (1, 300, 300, 3)
    parity.assert_close(resized[0, ::25, ::25], reference["resized300_sub"], "float32")
