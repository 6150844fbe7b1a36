"""Every einsum of the table, against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from serving.engines import einsum_rewriting, frozen_graph

# Sizes that differ, so that no two axes can be taken for each other.
SHAPES = {
    "bnd,dhk->bnhk": ((2, 3, 4), (4, 5, 6)),
    "bnhk,hkd->bnd": ((2, 3, 5, 6), (5, 6, 4)),
    "bmhk,bnhk->bhnm": ((2, 3, 5, 6), (2, 7, 5, 6)),
    "bhnm,bmhk->bnhk": ((2, 5, 7, 3), (2, 3, 5, 6)),
}


def rewritten(equation: str, shapes):
    graph = frozen_graph.freeze(
        lambda x, y: tf.einsum(equation, x, y), [tf.TensorSpec(shape) for shape in shapes]
    )
    result = einsum_rewriting.replace_einsums(graph)
    return result, {node.op for node in result.graph_def.node}


@pytest.mark.parametrize("equation", list(SHAPES))
def test_equals_numpy(equation):
    left, right = SHAPES[equation]
    generator = np.random.default_rng(0)
    arrays = [generator.standard_normal(shape).astype(np.float32) for shape in (left, right)]
    open_batch = [(None, *shape[1:]) if shape[0] == 2 else shape for shape in (left, right)]

    graph, operations = rewritten(equation, open_batch)

    assert "Einsum" not in operations
    (found,) = frozen_graph.FrozenFunction(graph)(*arrays)
    np.testing.assert_allclose(found, np.einsum(equation, *arrays), rtol=1e-5, atol=1e-5)


def test_others_stay():
    _, operations = rewritten("ab,cb->ac", ((2, 3), (4, 3)))

    assert "Einsum" in operations


def test_canonical():
    assert einsum_rewriting.canonical("bnd,dhk->bnhk") == "abc,cde->abde"
    assert einsum_rewriting.canonical("xyzw,xvzw->xzvy") == "abcd,aecd->aceb"
