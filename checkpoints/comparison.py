"""Compares a model with a checkpoint, and refuses every difference that was not allowed.

Patterns are shell patterns (`fnmatch`, case matters) on checkpoint names without
`/.ATTRIBUTES/VARIABLE_VALUE`: `*/_position_emb/kernel` matches
`agent/_actor_network/_transformer/_position_emb/kernel`. A `*` matches slashes too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from checkpoints import advice, errors, load_report, tensor_file, variable_names

_COUNTER = "save_counter"


@dataclasses.dataclass(frozen=True)
class Allowed:
    """Shell patterns of what may be missing, unexpected, or of another shape or dtype."""

    missing: Sequence[str] = ()
    unexpected: Sequence[str] = ()
    mismatch: Sequence[str] = ()

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, str):
                raise TypeError(
                    f"allow_{field.name}: expected a list of patterns, got the string {value!r}; "
                    f"give ({value!r},)."
                )


def compare(
    model: Mapping[str, tensor_file.TensorInfo],
    file: tensor_file.TensorFile,
    restore_optimizer: bool = False,
) -> load_report.LoadReport:
    """Sorts every variable of the model and every entry of the file into one list of the report.

    Args:
        model: the variables to load, by checkpoint name.
        file: the open checkpoint.
        restore_optimizer: training state counts too; otherwise it is ignored.

    Returns:
        The report of a load that has not happened yet.
    """
    both = sorted(model.keys() & file.tensors.keys())
    equal = [name for name in both if model[name] == file.tensors[name]]
    ignored, unexpected = [], []
    for name in sorted(file.tensors.keys() - model.keys()):
        target = ignored if _is_ignored(name, file, restore_optimizer) else unexpected
        target.append(file.tensors[name])
    return load_report.LoadReport(
        prefix=file.prefix,
        loaded=tuple(model[name] for name in equal),
        missing=tuple(model[name] for name in sorted(model.keys() - file.tensors.keys())),
        unexpected=tuple(unexpected),
        mismatched=tuple(
            load_report.Mismatch(model[name], file.tensors[name])
            for name in both
            if model[name] != file.tensors[name]
        ),
        ignored=tuple(ignored),
    )


def check(report: load_report.LoadReport, allowed: Allowed) -> None:
    """Refuses what was not allowed.

    Raises:
        NoOverlapError: if no variable of the network is in the file, whatever is allowed.
        CheckpointMismatchError: if anything else differs and no pattern allows it.
    """
    _check_overlap(report)
    missing = _not_matching(report.missing, allowed.missing)
    unexpected = _not_matching(report.unexpected, allowed.unexpected)
    mismatched = _not_matching(report.mismatched, allowed.mismatch)
    if not (missing or unexpected or mismatched):
        return
    lines = [
        f"Checkpoint: {report.prefix} does not fit the model: {len(missing)} missing, "
        f"{len(unexpected)} unexpected, {len(mismatched)} mismatched ({len(report.loaded)} of "
        f"{report.num_model_variables} variables fit).",
        *load_report.listing("missing", (f"{i.name}: expected {i.type_text}" for i in missing)),
        *load_report.listing("unexpected", (f"{i.name}: got {i.type_text}" for i in unexpected)),
        *load_report.listing("mismatched", map(str, mismatched)),
    ]
    refused = (*missing, *unexpected, *mismatched)
    if any(variable_names.is_training_state(item.name) for item in refused):
        lines.append(advice.on_training_state(report))
    if not all(variable_names.is_training_state(item.name) for item in refused):
        lines.append(advice.on_weights(missing, unexpected, mismatched))
    lines.append("  The model keeps its old weights.")
    raise errors.CheckpointMismatchError("\n".join(lines), report)


def _not_matching(items: Iterable, patterns: Sequence[str]) -> list:
    return [item for item in items if not variable_names.matches(item.name, patterns)]


def _is_ignored(name: str, file: tensor_file.TensorFile, restore_optimizer: bool) -> bool:
    if name == _COUNTER or not file.is_variable(name):
        return True
    return variable_names.is_training_state(name) and not restore_optimizer


def _check_overlap(report: load_report.LoadReport) -> None:
    in_both = (*report.loaded, *report.mismatched)
    root = variable_names.NETWORK_ROOT
    if any(item.name.startswith(f"{root}/") for item in in_both):
        return
    found = load_report.groups((*report.unexpected, *report.ignored))
    raise errors.NoOverlapError(
        f"Checkpoint: {report.prefix} has no variable of this model: expected names that start "
        f"with {root}/, got "
        f"{', '.join(f'{name} ({count})' for name, count in found.items()) or 'nothing'}. Is it "
        "the checkpoint of another model? `python checkpoint_loading.py --list` shows all names.",
        report,
    )
