"""The ways out are ones that work."""

from __future__ import annotations

from checkpoints import advice, load_report, tensor_file


def _info(name: str, *shape: int) -> tensor_file.TensorInfo:
    return tensor_file.TensorInfo(name, shape, "float32")


def test_names_the_arguments_and_one_pattern_for_equal_ends():
    missing = [_info("agent/net/_regression_output/bias", 1)]
    mismatched = [_info(f"agent/net/{index}/ff/kernel", 2) for index in range(3)]
    text = advice.on_weights(missing, [], mismatched)
    assert "allow_missing=['*/_regression_output/bias']" in text
    assert "allow_mismatch=['*/ff/kernel']" in text
    assert "allow_unexpected" not in text


def test_many_patterns_are_counted():
    text = advice.on_weights([_info(f"a/{index}/bias") for index in range(7)], [], [])
    assert "'*/4/bias'] and 2 more" in text


def test_training_state_counts_both_sides():
    state = "agent/_actor_optimizer/_variables"
    report = load_report.LoadReport(
        prefix="ckpt",
        loaded=(_info("agent/_actor_network/a"), _info("global_step")),
        missing=(_info(f"{state}/1"), _info(f"{state}/2")),
        unexpected=(_info(f"{state}/7"),),
        mismatched=(load_report.Mismatch(_info(f"{state}/3", 1), _info(f"{state}/3", 2)),),
        ignored=(),
    )
    assert "expected 4 entries, got 3" in advice.on_training_state(report)
