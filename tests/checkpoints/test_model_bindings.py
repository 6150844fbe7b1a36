"""The model read off the shapes is the one that was saved."""

from __future__ import annotations

import pytest

from checkpoints import errors, model_bindings, tensor_file
from tests import checkpoint_files as files

POSITION = f"{files.NETWORK}/_transformer/_position_emb/kernel"


def _tensors(rows: list) -> dict[str, tensor_file.TensorInfo]:
    names = [(key.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE"), s, d) for key, s, d in rows]
    return {name: tensor_file.TensorInfo(name, tuple(s), d) for name, s, d in names}


@pytest.mark.parametrize(
    "name, expected",
    [
        ("rt1main", {'Agent.action_space = "rt1"', "Transformer.key_dim = 128"}),
        ("rt1multirobot", {"Transformer.num_layers = 10", "Transformer.feed_forward_size = 1024"}),
        ("hitl_smooth_l1", {"TransformerNetwork.time_sequence_length = 1"}),
        ("hitl_cross_entropy", {'TransformerNetwork.loss_type = "cross_entropy"'}),
    ],
)
def test_public_models(name, expected):
    bindings = model_bindings.bindings_from_shapes(_tensors(files.golden_rows(name)))
    assert expected < set(bindings)
    assert 'FilmEfficientNet.variant = "b3"' in bindings
    assert "TokenLearner.num_tokens = 8" in bindings


@pytest.mark.parametrize(
    "extra",
    [(), ("TransformerNetwork.time_sequence_length = 3", "TokenLearner.num_tokens = 5")],
    ids=["one step", "three steps"],
)
def test_a_model_built_from_the_bindings_has_the_same_shapes(extra, tmp_path):
    agent = files.build_small(*extra)
    rows = files.rows_of(agent.checkpoint().write(str(tmp_path / "a")))
    again = files.build(*model_bindings.bindings_from_shapes(_tensors(rows)))
    assert files.rows_of(again.checkpoint().write(str(tmp_path / "b"))) == rows


def test_rows_that_are_no_whole_steps():
    tensors = _tensors(files.golden_rows("rt1main"))
    tensors[POSITION] = tensor_file.TensorInfo(POSITION, (113, 512), "float32")
    with pytest.raises(
        errors.CheckpointLoadError, match="113 positions are no multiple of 8 image"
    ):
        model_bindings.bindings_from_shapes(tensors)


def test_missing_and_odd_entries():
    tensors = _tensors(files.golden_rows("rt1main"))
    with pytest.raises(
        errors.CheckpointLoadError, match=f"{POSITION} of rank 2, got no such entry"
    ):
        model_bindings.bindings_from_shapes({k: v for k, v in tensors.items() if k != POSITION})
    tensors[POSITION] = tensor_file.TensorInfo(POSITION, (1, 114, 512), "float32")
    with pytest.raises(errors.CheckpointLoadError, match=r"got float32 \[1, 114, 512\]"):
        model_bindings.bindings_from_shapes(tensors)


def test_unknown_efficientnet():
    tensors = _tensors(files.golden_rows("rt1main"))
    name = f"{files.NETWORK}/_image_tokenizer/_tokenizer/conv1x1/kernel"
    tensors[name] = tensor_file.TensorInfo(name, (1, 1, 1000, 512), "float32")
    with pytest.raises(errors.CheckpointLoadError, match="26 blocks and 1000 channels"):
        model_bindings.bindings_from_shapes(tensors)
