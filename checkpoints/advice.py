"""The ways out that an error about a mismatch names."""

from __future__ import annotations

from collections.abc import Iterable

from checkpoints import load_report, variable_names

_MAX_PATTERNS = 5


def on_weights(missing: list, unexpected: list, mismatched: list) -> str:
    """The arguments that would allow what was found; a pattern is the last two parts of a name.

    Args:
        missing: the missing variables that were not allowed.
        unexpected: the unexpected entries that were not allowed.
        mismatched: the mismatches that were not allowed.

    Returns:
        One line.
    """
    arguments = {"missing": missing, "unexpected": unexpected, "mismatch": mismatched}
    texts = [f"allow_{kind}={_patterns(items)}" for kind, items in arguments.items() if items]
    return (
        "  Build the model with the config that the checkpoint was trained with, or, for a partial "
        f"load, allow the differences: {', '.join(texts)}."
    )


def _patterns(items: Iterable) -> str:
    patterns = sorted({f"*/{'/'.join(item.name.split('/')[-2:])}" for item in items})
    rest = len(patterns) - _MAX_PATTERNS
    return str(patterns[:_MAX_PATTERNS]) + (f" and {rest} more" if rest > 0 else "")


def on_training_state(report: load_report.LoadReport) -> str:
    """What to do when training state, which has no names but numbers, does not fit."""
    different = report.mismatched
    in_model = (*report.loaded, *report.missing, *different)
    in_file = (*report.loaded, *report.unexpected, *different)
    return (
        "  The training state is that of other trained variables or of another optimizer "
        f"(expected {_count_training_state(in_model)} entries, got "
        f"{_count_training_state(in_file)}). To resume, use the network, the optimizer and the "
        "frozen layers of the run that wrote it; to load only the weights, leave restore_optimizer "
        "off."
    )


def _count_training_state(items: Iterable) -> int:
    return sum(variable_names.is_training_state(item.name) for item in items)
