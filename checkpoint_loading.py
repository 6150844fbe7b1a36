"""Loads a checkpoint into an agent, all of it or nothing, and says what was loaded.

Takes the public RT-1 checkpoints, our own, and fine-tuned ones with a regression head; each is
`tf.train.Checkpoint(agent=agent, ...)` with the same names. Values are read by name, so the object
graph in the file is not needed. Names follow from the attributes by which a variable is reached;
Keras' own repeat (`kernel:0`) or count the layers that a process has built (`dense_26`):

    attributes       agent._actor_network._transformer._token_emb.bias
    model name       _actor_network/_transformer/_token_emb/bias          seen from the agent
                     _transformer/_token_emb/bias                         seen from its network
    checkpoint name  agent/_actor_network/_transformer/_token_emb/bias/.ATTRIBUTES/VARIABLE_VALUE

    python checkpoint_loading.py --checkpoint_path runs/7 --list    # names, shapes; builds no model
    python checkpoint_loading.py --checkpoint_path runs/7           # as the config.gin in it says
    python checkpoint_loading.py --checkpoint_path rt1main --config_file configs/rt1main.gin

Exit code 0: loaded, with the report on stdout; 1: not, with the reason on stderr.
"""

from __future__ import annotations

import keras2  # noqa: F401

import argparse
import collections
import dataclasses
import fnmatch
import os
import pathlib
import sys
import typing
from collections.abc import Iterable, Mapping, Sequence

from absl import logging

import checkpoint_config
import checkpoint_files
import saved_models
from checkpoint_files import CheckpointLoadError, TensorFile, TensorInfo, resolve_prefix

# TensorFlow takes seconds: functions import it, so that --help of programs does not wait.
if typing.TYPE_CHECKING:
    import tensorflow as tf

    import agent_wrapper

NETWORK_ROOT = "agent/_actor_network"
# What may differ when an RT-1 checkpoint is the start of a model with another head, another number
# of action tokens or another time_sequence_length:
#     custom_load_checkpoint(agent, path, **OTHER_HEAD_OR_LENGTH)
OTHER_HEAD_OR_LENGTH = {
    "allow_missing": ("*/_regression_output/*", "*/_action_token_emb/*"),
    "allow_unexpected": ("*/_regression_output/*", "*/_action_token_emb/*"),
    "allow_mismatch": ("*/_position_emb/kernel",),
}
# The agent's optimizer, one at the top level, slots of older Keras optimizers, the step counter.
_TRAINING_STATE = (
    *("agent/_actor_optimizer/*", "optimizer/*", "*/.OPTIMIZER_SLOT/*", "global_step"),
    *("train_step", "metadata/*"),  # Of a policy's SavedModel.
)
_KINDS = ("missing", "unexpected", "mismatch")
_MAX_LISTED = 20


def variables_by_checkpoint_name(model: tf.Module) -> dict[str, tf.Variable]:
    """{checkpoint name: variable} of an agent or its network, without the name's suffix, which is
    how reports and patterns name variables."""
    import sequence_agent

    root = "agent" if hasattr(model, "_actor_network") else NETWORK_ROOT
    return {f"{root}/{path}": one for path, one in sequence_agent.variables_by_path(model).items()}


def map_model_name_to_checkpoint_name(model: tf.Module) -> dict[str, str]:
    """{model name: checkpoint name} of every variable of an agent or of its network, as shown
    above; the same whatever else the process has built."""
    import sequence_agent

    paths, names = sequence_agent.variables_by_path(model), variables_by_checkpoint_name(model)
    return {path: name + checkpoint_files.VARIABLE_SUFFIX for path, name in zip(paths, names)}


def map_checkpoint_name_to_model_name(model: tf.Module) -> dict[str, str]:
    """The reverse of `map_model_name_to_checkpoint_name`: {checkpoint name: model name}."""
    return {key: path for path, key in map_model_name_to_checkpoint_name(model).items()}


def _matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a shell pattern (case matters, `*` matches slashes too) fits the name."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


@dataclasses.dataclass(frozen=True)
class LoadReport:
    """A model beside a checkpoint: every variable and every entry is in one of the lists."""

    prefix: str  # the checkpoint
    loaded: tuple[TensorInfo, ...]  # in both, equal in shape and dtype
    missing: tuple[TensorInfo, ...]  # in the model, not in the file
    unexpected: tuple[TensorInfo, ...]  # in the file, not in the model
    mismatched: tuple[tuple[TensorInfo, TensorInfo], ...]  # in both, but different: model, file
    # In the file and known not to be asked for: object graph, counters, optimizer state.
    ignored: tuple[TensorInfo, ...]
    note: str = ""  # what is known of the weights

    @property
    def left_at_init(self) -> tuple[TensorInfo, ...]:
        """Variables of the model that keep the values they had: missing and mismatched ones."""
        return tuple(sorted([*self.missing, *(ours for ours, _ in self.mismatched)]))

    def __str__(self) -> str:
        lines = [f"Checkpoint {self.prefix}", f"{'':24}{'variables':>11}{'parameters':>15}"]
        for label, infos in (
            ("in the model", (*self.loaded, *self.left_at_init)),
            ("loaded", self.loaded),
            ("missing in the file", self.missing),
            ("mismatched", [ours for ours, _ in self.mismatched]),
            ("left at init", self.left_at_init),
            ("unexpected in the file", self.unexpected),
            ("ignored in the file", self.ignored),
        ):
            parameters = sum(info.num_parameters for info in infos)
            lines.append(f"  {label:22}{len(infos):>11,}{parameters:>15,}")
        for items in (
            [f"  missing: {one.name}: expected {one}" for one in self.missing],
            [f"  mismatched: {a.name}: expected {a}, got {b}" for a, b in self.mismatched],
            [f"  unexpected: {one.name}: got {one}" for one in self.unexpected],
            [f"  ignored: {group}" for group in _groups(self.ignored)],
            [f"  note: {self.note}"] if self.note else [],
        ):
            rest = len(items) - _MAX_LISTED
            lines += items[:_MAX_LISTED] + ([f"  and {rest} more"] if rest > 0 else [])
        return "\n".join(lines)


def _groups(infos: Iterable[TensorInfo]) -> list[str]:
    """How many entries there are under each first part of a name: 'agent/_actor_network (730)'."""
    counts = collections.Counter("/".join(info.name.split("/")[:2]) for info in infos)
    return [f"{name} ({count})" for name, count in sorted(counts.items())]


def _compare(
    model: Mapping[str, TensorInfo], file: TensorFile, restore_optimizer: bool
) -> LoadReport:
    """The report of a load that has not happened yet; training state counts only to be restored."""
    pairs = [(model[name], file.tensors[name]) for name in sorted(model.keys() & file.tensors)]
    ignored, unexpected = [], []
    for name in sorted(file.tensors.keys() - model.keys()):
        is_ignored = (
            name == "save_counter"
            or not file.is_variable(name)
            or (_matches(name, _TRAINING_STATE) and not restore_optimizer)
        )
        (ignored if is_ignored else unexpected).append(file.tensors[name])
    return LoadReport(
        prefix=file.prefix,
        loaded=tuple(ours for ours, theirs in pairs if ours == theirs),
        missing=tuple(model[name] for name in sorted(model.keys() - file.tensors.keys())),
        unexpected=tuple(unexpected),
        mismatched=tuple(pair for pair in pairs if pair[0] != pair[1]),
        ignored=tuple(ignored),
    )


def _check(report: LoadReport, allowed: Mapping[str, Sequence[str]]) -> None:
    """Refuses what no pattern allows, and a file that has no variable of the network at all."""
    mismatched = [ours for ours, _ in report.mismatched]
    if not any(one.name.startswith(f"{NETWORK_ROOT}/") for one in (*report.loaded, *mismatched)):
        found = ", ".join(_groups((*report.unexpected, *report.ignored))) or "nothing"
        raise CheckpointLoadError(
            f"Checkpoint: {report.prefix} has no variable of this model: expected names that start "
            f"with {NETWORK_ROOT}/, got {found}. Is it the checkpoint of another model?"
        )
    ways = []
    for kind, items in zip(_KINDS, (report.missing, report.unexpected, mismatched)):
        names = [item.name for item in items if not _matches(item.name, allowed[kind])]
        patterns = sorted({f"'*/{'/'.join(name.split('/')[-2:])}'" for name in names})
        ways += [f"allow_{kind}=[{checkpoint_files.some(patterns, 5)}]"] if patterns else []
    if ways:
        raise CheckpointLoadError(
            f"Checkpoint: expected one that fits the model, got: {report}\nBuild the model (to "
            "resume, its optimizer and frozen layers too) with the config of the run that wrote it "
            f"or, for a partial load, allow the differences: {', '.join(ways)}. The model keeps "
            "its old weights."
        )


def custom_load_checkpoint(
    agent: agent_wrapper.Agent,
    path: str | os.PathLike,
    *,
    allow_missing: Sequence[str] = (),
    allow_unexpected: Sequence[str] = (),
    allow_mismatch: Sequence[str] = (),
    restore_optimizer: bool = False,
) -> LoadReport:
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
            that has no variables yet gets them. Freeze layers first: only what learns has state.

    Returns the report, which is also logged. Raises:
        CheckpointLoadError: a ValueError, if the files are not a whole checkpoint, if anything
            differs that was not allowed, or if values are not finite. The agent is unchanged.
    """
    import sequence_agent

    allowed = dict(zip(_KINDS, (allow_missing, allow_unexpected, allow_mismatch)))
    file = TensorFile(resolve_prefix(path))
    if restore_optimizer:
        agent.build_optimizer()
        variables = sequence_agent.variables_by_path(agent.checkpoint())
    else:
        variables = variables_by_checkpoint_name(agent.network)
    infos = {name: TensorInfo(name, tuple(v.shape), v.dtype.name) for name, v in variables.items()}
    report = _compare(infos, file, restore_optimizer)
    _check(report, allowed)
    values = file.read_finite(info.name for info in report.loaded)
    note = saved_models.check(file.prefix, values, file.num_numbered)
    report = dataclasses.replace(report, note=note)
    for name, value in values.items():
        variables[name].assign(value)
    logging.info("%s", report)
    return report


# The command line.


def load_agent(
    path: str | os.PathLike,
    config_file: str | None = None,
    trust_config: bool = False,
    **allowed: Sequence[str],
) -> tuple[agent_wrapper.Agent, LoadReport]:
    """A new agent with the weights of a checkpoint, built as a gin file says or, without one, the
    config.gin beside it. Raises OSError or ValueError; `allowed` as in `custom_load_checkpoint`."""
    import tensorflow as tf

    import agent_wrapper

    file = TensorFile(resolve_prefix(path))
    prefix = pathlib.Path(file.prefix)
    in_saved_model = prefix.parts[-2:] == ("variables", "variables")
    source = pathlib.Path(config_file or prefix.parents[1 if in_saved_model else 0] / "config.gin")
    if not config_file and not source.is_file():
        raise CheckpointLoadError(
            f"Checkpoint: {prefix} has no config.gin beside it. Give --config_file, such as "
            "configs/rt1main.gin; the shapes that checkpoint_loading.py --list shows tell which."
        )
    trusted = trust_config or bool(config_file)
    checkpoint_config.apply(source.read_text(encoding="utf-8"), source, trusted, file.lengths)
    agent = agent_wrapper.Agent(tf.keras.optimizers.Adam())
    return agent, custom_load_checkpoint(agent, prefix, **allowed)


def main(arguments: list[str] | None = None) -> int:
    """The command line, see the module: the exit code; without arguments those of `sys.argv`."""
    parser = argparse.ArgumentParser(
        prog="checkpoint_loading.py",
        description="Loads a checkpoint into a model, all or nothing, and prints what was loaded.",
    )
    add = parser.add_argument
    path_help = "prefix, directory (its latest checkpoint) or stem, as in runs/7/best_checkpoint"
    add("--checkpoint_path", required=True, help=path_help)
    add("--list", action="store_true", help="names and shapes; builds no model")
    add("--config_file", help="gin file of the model; unless given, config.gin beside it")
    add("--trust_config", action="store_true", help="let gin run the config.gin beside it")
    for kind in _KINDS:
        pattern = "of variables, such as '*/_position_emb/kernel'; may be repeated"
        add(f"--allow_{kind}", action="append", default=[], metavar="PATTERN", help=pattern)
    args = parser.parse_args(arguments)
    try:
        if args.list:
            file = TensorFile(resolve_prefix(args.checkpoint_path))
            width = max(map(len, file.tensors), default=0)
            for info in file.tensors.values():
                print(f"{info.name:{width}}  {info!s:28}{info.num_parameters:>12,}")
            print(f"Checkpoint {file.prefix}: {len(file.tensors)} entries")
            print("\n".join(f"  {group}" for group in _groups(file.tensors.values())))
            return 0
        allowed = {f"allow_{kind}": getattr(args, f"allow_{kind}") for kind in _KINDS}
        how = (args.config_file, args.trust_config)
        print(load_agent(args.checkpoint_path, *how, **allowed)[1])
    except (ValueError, OSError, SyntaxError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
