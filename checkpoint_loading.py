"""Loads a checkpoint into an agent, all of it or nothing, and says what was loaded.

Takes the public RT-1 checkpoints, our own, and fine-tuned ones with a regression head; each is
`tf.train.Checkpoint(agent=agent, ...)` with the same names. Values are read by name, so the object
graph in the file is not needed.

    python checkpoint_loading.py --checkpoint_path runs/7 --list    # names, shapes; builds no model
    python checkpoint_loading.py --checkpoint_path runs/7           # loads into the model that fits
    python checkpoint_loading.py --checkpoint_path rt1main --config_file configs/rt1main.gin

Exit code 0: loaded, with the report on stdout; 1: not, with the reason on stderr.
"""

from __future__ import annotations

import keras2  # noqa: F401

import functools
import os
import sys
import time
import typing
from collections.abc import Callable, Sequence

from absl import logging

from checkpoints import (
    checkpoint_paths,
    command_line,
    comparison,
    errors,
    finite_values,
    load_report,
    optimizer_state,
    tensor_file,
    variable_names,
)

if typing.TYPE_CHECKING:
    import tensorflow as tf

    import agent_wrapper

_Result = typing.TypeVar("_Result")

CheckpointLoadError = errors.CheckpointLoadError
CheckpointMismatchError = errors.CheckpointMismatchError
LoadReport = load_report.LoadReport
build_optimizer = optimizer_state.build_optimizer
checkpoint_name_of = variable_names.checkpoint_name_of
map_checkpoint_name_to_model_name = variable_names.map_checkpoint_name_to_model_name
map_model_name_to_checkpoint_name = variable_names.map_model_name_to_checkpoint_name
resolve_prefix = checkpoint_paths.resolve_prefix
variables_by_checkpoint_name = variable_names.variables_by_checkpoint_name

# What may differ when an RT-1 checkpoint is the start of a model with another head, another number
# of action tokens or another time_sequence_length:
#     custom_load_checkpoint(agent, path, **OTHER_HEAD_OR_LENGTH)
OTHER_HEAD_OR_LENGTH = {
    "allow_missing": ("*/_regression_output/*", "*/_action_token_emb/*"),
    "allow_unexpected": ("*/_regression_output/*", "*/_action_token_emb/*"),
    "allow_mismatch": ("*/_position_emb/kernel",),
}


def custom_load_checkpoint(
    agent: agent_wrapper.Agent,
    path: str | os.PathLike,
    *,
    allow_missing: Sequence[str] = (),
    allow_unexpected: Sequence[str] = (),
    allow_mismatch: Sequence[str] = (),
    restore_optimizer: bool = False,
) -> load_report.LoadReport:
    """Loads weights, and for a resumed run the whole training state, from a checkpoint.

    Everything is read and checked before the first variable changes. Patterns are shell patterns on
    the names of the report, `*/_position_emb/kernel`; a variable they allow keeps its old value.

    Args:
        agent: the agent to load into.
        path: a prefix, a directory (its latest checkpoint) or a stem (`runs/7/best_checkpoint`).
        allow_missing: patterns of variables that the file need not have.
        allow_unexpected: patterns of entries of the file that the model need not have.
        allow_mismatch: patterns of variables that may differ in shape or dtype.
        restore_optimizer: also restore the optimizer's variables and the step counter; an optimizer
            that has no variables yet gets them, see `build_optimizer`.

    Returns:
        The report; also logged.

    Raises:
        CheckpointLoadError: if the files are not a whole checkpoint, if anything differs that was
            not allowed, or if values are not finite. The agent is unchanged.
    """
    allowed = comparison.Allowed(allow_missing, allow_unexpected, allow_mismatch)
    file = tensor_file.TensorFile(checkpoint_paths.resolve_prefix(path))
    variables = _variables_to_load(agent, restore_optimizer)
    report = comparison.compare(_infos(variables), file, restore_optimizer)
    comparison.check(report, allowed)
    values = finite_values.read(file, [info.name for info in report.loaded])
    for name, value in values.items():
        variables[name].assign(value)
    logging.info("%s", report)
    return report


def _variables_to_load(
    agent: agent_wrapper.Agent, restore_optimizer: bool
) -> dict[str, tf.Variable]:
    if not restore_optimizer:
        return variable_names.variables_by_checkpoint_name(agent.network)
    optimizer_state.build_optimizer(agent)
    return variable_names.variables_by_path(agent.checkpoint())


def _infos(variables: dict[str, tf.Variable]) -> dict[str, tensor_file.TensorInfo]:
    return {
        name: tensor_file.TensorInfo(name, tuple(variable.shape), variable.dtype.name)
        for name, variable in variables.items()
    }


def main(arguments: list[str] | None = None) -> int:
    """The command line: see the module.

    Args:
        arguments: without the program's name; `sys.argv` unless given.

    Returns:
        The exit code.
    """
    args = command_line.parse(arguments)
    try:
        file = tensor_file.TensorFile(checkpoint_paths.resolve_prefix(args.checkpoint_path))
        if args.list:
            print(command_line.table(file))
            return 0
        print(f"Model: {command_line.configure(args, file)}")
        agent = _timed("Built", command_line.build)
        load = functools.partial(
            custom_load_checkpoint,
            agent,
            file.prefix,
            allow_missing=args.allow_missing,
            allow_unexpected=args.allow_unexpected,
            allow_mismatch=args.allow_mismatch,
            restore_optimizer=args.restore_optimizer,
        )
        print(_timed("Loaded", load))
        if args.answer:
            print(_timed("First answer", lambda: command_line.answer(agent)))
    except (ValueError, OSError, SyntaxError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def _timed(label: str, function: Callable[[], _Result]) -> _Result:
    start = time.perf_counter()
    result = function()
    seconds = time.perf_counter() - start
    print(f"{label}: {seconds:.2f} s, peak memory {command_line.peak_memory_mib():,.0f} MiB")
    return result


if __name__ == "__main__":
    sys.exit(main())
