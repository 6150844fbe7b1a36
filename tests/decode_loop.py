"""The original's way to decode, written out: one run of the transformer for each action token.

The product has one pass instead (`TransformerNetwork`); a test compares the two.
"""

from __future__ import annotations

import tensorflow as tf

import transformer
import transformer_network


def decode_in_a_loop(
    network: transformer_network.TransformerNetwork, image_tokens: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The action tokens of the last step, each predicted with those before it as input.

    Args:
        network: one with the vocabulary head.
        image_tokens: float [B, T, N, D].

    Returns:
        Tokens int32 [B, A] and their logits float [B, A, vocab_size].
    """
    batch_size, num_steps, num_image_tokens, width = image_tokens.shape
    num_tokens = network.action_tokenizer.num_tokens
    vocab_size = network.action_tokenizer.vocab_size
    mask = transformer.attention_mask(num_steps, num_image_tokens, num_tokens)
    positions = transformer.action_positions(num_steps, num_image_tokens, num_tokens)[-1]
    earlier_steps = tf.zeros((batch_size, num_steps - 1, num_tokens), tf.int32)
    predicted = tf.zeros((batch_size, 0), tf.int32)
    rows = []
    for position in positions:
        missing = ((0, 0), (0, num_tokens - predicted.shape[1]))
        current = tf.pad(predicted, missing)[:, tf.newaxis]
        action_tokens = tf.concat([earlier_steps, current], axis=1)
        # Multiplied by zero, as in RT-1: which is why one pass is enough.
        embedded = network._action_token_emb(tf.one_hot(action_tokens, vocab_size)) * 0.0
        sequence = tf.concat([image_tokens, embedded], axis=2)
        sequence = tf.reshape(sequence, (batch_size, len(mask), width))
        logits = network._transformer(sequence, mask)[:, position - 1]
        token = tf.argmax(logits, axis=-1, output_type=tf.int32)
        predicted = tf.concat([predicted, token[:, tf.newaxis]], axis=1)
        rows.append(logits)
    return predicted, tf.stack(rows, axis=1)
