"""The gin bindings of the model that a checkpoint was made with, read off its shapes.

For inspecting a checkpoint whose config is lost. Shapes do not tell everything: image size and
dropout rates leave no trace in them, so training and serving use the config and not this.

Example, the public rt1main: position_emb has 114 rows = 6 steps x (8 image tokens + 11 action
tokens), there is an `_action_token_emb`, and 26 blocks with 1536 channels at the end are
EfficientNet-B3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from checkpoints import errors, tensor_file, variable_names
from film_efficientnet import efficientnet_variants as variants

_NUM_ACTION_TOKENS = {"food": 4, "rt1": 11}
_RT1_IMAGE = ("observation_spec.image_height = 256", "observation_spec.image_width = 320")


def bindings_from_shapes(tensors: Mapping[str, tensor_file.TensorInfo]) -> list[str]:
    """Gin bindings for an `agent_wrapper.Agent`.

    Args:
        tensors: entries of a checkpoint by name.

    Returns:
        One 'Configurable.parameter = value' each.

    Raises:
        CheckpointLoadError: if the shapes are those of no model this project can build.
    """
    regression = f"{variable_names.NETWORK_ROOT}/_regression_output/kernel" in tensors
    rows, width = _shape(tensors, "_transformer/_position_emb/kernel", rank=2)
    (num_tokens,) = _shape(
        tensors, "_image_tokenizer/_token_learner/mlp/_output_layer/bias", rank=1
    )
    _, num_heads, key_dim = _shape(
        tensors, "_transformer/_layers/0/mha1/_query_dense/kernel", rank=3
    )
    embedding_size, _ = _shape(tensors, "_transformer/_token_emb/kernel", rank=2)
    action_space, num_steps = _actions_and_steps(rows, num_tokens, regression)
    return [
        f'Agent.action_space = "{action_space}"',
        f'TransformerNetwork.loss_type = "{"smooth_l1" if regression else "cross_entropy"}"',
        f"TransformerNetwork.time_sequence_length = {num_steps}",
        f"TransformerNetwork.token_embedding_size = {embedding_size}",
        f"Transformer.num_layers = {_count(tensors, r'_transformer/_layers/[0-9]+/ff/kernel')}",
        f"Transformer.num_heads = {num_heads}",
        f"Transformer.key_dim = {key_dim}",
        f"Transformer.feed_forward_size = {width}",
        f"TokenLearner.num_tokens = {num_tokens}",
        f'FilmEfficientNet.variant = "{_variant(tensors)}"',
        *(_RT1_IMAGE if action_space == "rt1" else ()),
    ]


def _shape(tensors: Mapping[str, tensor_file.TensorInfo], path: str, rank: int) -> tuple[int, ...]:
    name = f"{variable_names.NETWORK_ROOT}/{path}"
    info = tensors.get(name)
    if info is None or len(info.shape) != rank:
        got = "no such entry" if info is None else info.type_text
        raise errors.CheckpointLoadError(
            f"Checkpoint: the model cannot be read off the shapes: expected {name} of rank {rank}, "
            f"got {got}. Give --config_file, or --list to see what the file holds."
        )
    return info.shape


def _count(tensors: Mapping[str, tensor_file.TensorInfo], pattern: str) -> int:
    return sum(bool(re.search(f"/{pattern}$", name)) for name in tensors)


def _actions_and_steps(rows: int, num_tokens: int, regression: bool) -> tuple[str, int]:
    """Which actions make whole steps out of `rows` positions; only food has a regression head."""
    for action_space, num_action_tokens in _NUM_ACTION_TOKENS.items():
        per_step = num_tokens + num_action_tokens
        if rows % per_step == 0 and (action_space == "food" or not regression):
            return action_space, rows // per_step
    raise errors.CheckpointLoadError(
        f"Checkpoint: the model cannot be read off the shapes: {rows} positions are no multiple of "
        f"{num_tokens} image tokens plus {_NUM_ACTION_TOKENS} action tokens. Give --config_file."
    )


def _variant(tensors: Mapping[str, tensor_file.TensorInfo]) -> str:
    channels = _shape(tensors, "_image_tokenizer/_tokenizer/conv1x1/kernel", rank=4)[2]
    num_blocks = _count(tensors, r"net/layer_with_weights-[0-9]+/_projection_add/kernel")
    for name, variant in variants.VARIANTS.items():
        if variant.lite:
            continue  # Only our own checkpoints have it, beside their configuration.
        blocks = variants.blocks(variant.width, variant.depth)
        if (variants.top_filters(variant.width), len(blocks)) == (channels, num_blocks):
            return name
    raise errors.CheckpointLoadError(
        f"Checkpoint: no EfficientNet variant of {sorted(variants.VARIANTS)} has {num_blocks} "
        f"blocks and {channels} channels at the end. Give --config_file."
    )
