"""The table that a load prints."""

from __future__ import annotations

import json

import pytest

from checkpoints import load_report, tensor_file


def _info(name: str, *shape: int, dtype: str = "float32") -> tensor_file.TensorInfo:
    return tensor_file.TensorInfo(name, shape, dtype)


@pytest.fixture
def report():
    return load_report.LoadReport(
        prefix="runs/7/ckpt-1",
        loaded=(_info("agent/net/a", 1000, 2), _info("agent/net/b", 5)),
        missing=(_info("agent/net/head", 3),),
        unexpected=(_info("agent/net/other", 7, 2),),
        mismatched=(
            load_report.Mismatch(_info("agent/net/p", 12, 4), _info("agent/net/p", 114, 4)),
        ),
        ignored=(
            _info("_CHECKPOINTABLE_OBJECT_GRAPH", dtype="string"),
            _info("agent/_actor_optimizer/_variables/1", 10),
            _info("agent/_actor_optimizer/_variables/2", 10),
        ),
    )


def test_counts(report):
    assert [info.name for info in report.left_at_init] == ["agent/net/head", "agent/net/p"]
    assert report.num_model_variables == 4
    assert report.num_loaded_parameters == 2005
    assert report.num_model_parameters == 2005 + 3 + 12 * 4


def test_text(report):
    assert str(report).splitlines() == [
        "Checkpoint runs/7/ckpt-1",
        "                          variables     parameters",
        "  in the model                    4          2,056",
        "  loaded                          2          2,005",
        "  missing in the file             1              3",
        "  mismatched                      1             48",
        "  left at init                    2             51",
        "  unexpected in the file          1             14",
        "  ignored in the file             3             21",
        "  missing: agent/net/head: expected float32 [3]",
        "  mismatched: agent/net/p: expected float32 [12, 4], got float32 [114, 4]",
        "  unexpected: agent/net/other: float32 [7, 2]",
        "  ignored: _CHECKPOINTABLE_OBJECT_GRAPH: 1 entries",
        "  ignored: agent/_actor_optimizer: 2 entries",
    ]


def test_to_dict_is_json(report):
    assert json.loads(json.dumps(report.to_dict())) == {
        "checkpoint": "runs/7/ckpt-1",
        "num_loaded": 2,
        "num_loaded_parameters": 2005,
        "num_model_parameters": 2056,
        "missing": ["agent/net/head"],
        "unexpected": ["agent/net/other"],
        "mismatched": ["agent/net/p: expected float32 [12, 4], got float32 [114, 4]"],
        "num_ignored": 3,
    }


@pytest.mark.parametrize(
    "count, last", [(0, None), (1, "  x: 0"), (20, "  x: 19"), (23, "  x: and 3 more")]
)
def test_listing_is_cut_after_twenty(count, last):
    lines = load_report.listing("x", map(str, range(count)))
    assert len(lines) == min(count, 21)
    assert (lines[-1] if lines else None) == last


def test_groups():
    infos = [_info(name) for name in ("a/b/c", "a/b/d/e", "a/x", "z")]
    assert load_report.groups(infos) == {"a/b": 2, "a/x": 1, "z": 1}
