"""What `python checkpoint_loading.py` is made of: arguments, the table of names, the model."""

from __future__ import annotations

import argparse
import pathlib
import resource
import sys
import typing

from checkpoints import load_report, model_bindings, tensor_file

if typing.TYPE_CHECKING:
    import agent_wrapper

CONFIG_NAME = "config.gin"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line; None reads `sys.argv`."""
    parser = argparse.ArgumentParser(
        prog="checkpoint_loading.py",
        description="Loads a checkpoint into a model, all or nothing, and prints what was loaded.",
    )
    parser.add_argument(
        "--checkpoint_path",
        required=True,
        help="prefix, directory (its latest checkpoint) or stem, as in runs/7/best_checkpoint",
    )
    parser.add_argument("--list", action="store_true", help="names and shapes; builds no model")
    parser.add_argument(
        "--config_file",
        help=f"gin file of the model; unless given, {CONFIG_NAME} beside the checkpoint, or else "
        "what the shapes in the checkpoint tell",
    )
    parser.add_argument(
        "--gin_bindings",
        action="append",
        default=[],
        metavar="'Transformer.num_layers = 8'",
        help="on top of the config; may be repeated",
    )
    for kind in ("missing", "unexpected", "mismatch"):
        parser.add_argument(
            f"--allow_{kind}",
            action="append",
            default=[],
            metavar="'*/_position_emb/kernel'",
            help="pattern of variables; may be repeated",
        )
    parser.add_argument(
        "--restore_optimizer", action="store_true", help="load the training state too"
    )
    parser.add_argument(
        "--answer", action="store_true", help="also let the model answer to a grey image"
    )
    return parser.parse_args(arguments)


def table(file: tensor_file.TensorFile) -> str:
    """Name, dtype, shape and parameters of every entry, and sums."""
    infos = list(file.tensors.values())
    width = max((len(info.name) for info in infos), default=0)
    lines = [f"{i.name:{width}}  {i.type_text:28}{_parameters_text(i):>12}".rstrip() for i in infos]
    variables = [info for info in infos if file.is_variable(info.name)]
    lines.append(f"Checkpoint {file.prefix}: {len(infos)} entries")
    for group, count in load_report.groups(infos).items():
        parts = [i for i in variables if f"{i.name}/".startswith(f"{group}/")]
        lines.append(
            f"  {group:32}{count:>7,} entries{load_report.num_parameters(parts):>15,} parameters"
        )
    return "\n".join(lines)


def _parameters_text(info: tensor_file.TensorInfo) -> str:
    return "" if info.dtype == "string" else f"{info.num_parameters:,}"


def configure(args: argparse.Namespace, file: tensor_file.TensorFile) -> str:
    """Sets gin up for the model of the checkpoint.

    Args:
        args: as `parse` returns them.
        file: the open checkpoint.

    Returns:
        Where the configuration comes from, for the reader.
    """
    import gin

    import utils  # noqa: F401, gin needs to know all configurables; slow, so not for --list

    beside = pathlib.Path(file.prefix).with_name(CONFIG_NAME)
    config_file = args.config_file or (str(beside) if beside.is_file() else None)
    if config_file:
        gin.parse_config_file(config_file)
        source = config_file
    else:
        bindings = model_bindings.bindings_from_shapes(file.tensors)
        gin.parse_config(bindings)
        source = "\n  ".join(["read off the shapes in the checkpoint:", *bindings])
    gin.parse_config(args.gin_bindings)
    return "\n  + ".join([source, *args.gin_bindings])


def build() -> agent_wrapper.Agent:
    """An agent as gin describes it."""
    import tensorflow as tf

    import agent_wrapper

    return agent_wrapper.Agent(tf.keras.optimizers.Adam())


def answer(agent: agent_wrapper.Agent) -> str:
    """What the policy says to a grey image."""
    from tf_agents.trajectories import time_step

    import policy_specs

    observation = policy_specs.example_observation(1)
    policy = agent.sequence_agent.policy
    step = policy.action(
        time_step.restart(observation, batch_size=1), policy.get_initial_state(1), seed=(0, 0)
    )
    return str(
        {key: [round(float(x), 4) for x in value.numpy()[0]] for key, value in step.action.items()}
    )


def peak_memory_mib() -> float:
    """The most memory this process has held so far, MiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
