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


@pytest.mark.parametrize(("space", "key"), [("rt1", "rt1_"), ("food", "bbox_")])
def test_d_action_tokenizer(space, key):
    reference, spec = parity.golden("d_action_tokenizer"), policy_specs.action_spec(space)
    tokenizer = action_tokenizer.RT1ActionTokenizer(spec)
    actions = (
        {"bbox": reference["bbox_action"]}
        if space == "food"
        else {name: reference[f"rt1_action/{name}"] for name in spec}
    )
    np.testing.assert_array_equal(tokenizer.tokenize(actions), reference[f"{key}tokens"])
    for source in ("rt1", "rt1_random") if space == "rt1" else ("bbox",):
        back = tokenizer.detokenize(tf.constant(reference[f"{source}_tokens"]))
        for name, value in back.items():
            found = f"{source}_detok/{name}" if space == "rt1" else "bbox_detok"
            parity.assert_close(value, reference[found], "float32")

    if space == "food":
        all_tokens = np.repeat(np.arange(256, dtype=np.int32)[:, np.newaxis], 4, axis=1)
        back = tokenizer.detokenize(tf.constant(all_tokens))["bbox"].numpy()
        parity.assert_close(back[:, 0], reference["bbox_all_token_values"], "float32")
        np.testing.assert_array_equal(tokenizer.tokenize({"bbox": back}), all_tokens)


def test_g_pixels():
    reference = parity.golden("g_preprocess")
    image = golden_inputs.images_uint8(parity.input_seed(50), 1, 256, 320)

    for i, seed in enumerate(reference["seeds"]):
        shifted = film_efficientnet_encoder.preprocess(image, tf.constant(seed)).numpy()
        np.testing.assert_array_equal(shifted[0, ::32, ::32], reference["crop_sub"][i])
        parity.assert_close(shifted.mean(dtype=np.float64), reference["crop_mean"][i], "float32")
    with small_model.gin_bindings(*small_model.BINDINGS[:1]):
        rates = dropout_settings.DropoutSettings()
        encoder = film_efficientnet_encoder.EfficientNetEncoder(rates)
    plain = film_efficientnet_encoder.preprocess(image)
    np.testing.assert_array_equal(plain[0, ::32, ::32], reference["eval_sub"])
    resized = encoder.resize(plain)
    assert resized.shape == (1, 300, 300, 3)
    parity.assert_close(resized[0, ::25, ::25], reference["resized300_sub"], "float32")
