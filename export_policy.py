"""Exports a checkpoint as a policy that other programs load without this project.

    python export_policy.py --checkpoint_path runs/first --output_dir exported/first
    python export_policy.py --checkpoint_path rt1main --config_file configs/rt1main.gin \\
        --output_dir exported/rt1main --format onnx

`saved_model` is what TF-Agents' `PolicySaver` writes, and clients of the public RT-1 SavedModels
take: `action(time_step, policy_state)`, the public ones' 14 observations, of which 12 are ignored,
`policy_specs.pbtxt`, and the public ones' numbers of the variables. `onnx` is one file,
`policy.onnx`, with the names of the specs; a state is zero at first, then the `next_...` of the
step before. Beside either lie `export.json` (origin, names of the variables), `config.gin` of the
model and, for food, the embeddings of the instructions.

What was written is compared with the checkpoint's own policy over an episode before the folder gets
its name. Nothing is dropped out. Exit code 0: exported; 1: not, with the reason on stderr.
"""

from __future__ import annotations

import keras2  # noqa: F401

import argparse
import json
import os
import pathlib
import shutil
import sys
import tempfile
import typing
from collections.abc import Callable

import numpy as np

import checkpoint_directory
import checkpoint_files
import checkpoint_loading
import policy_specs
import saved_models
from food_data import atomic_files

# TensorFlow takes seconds: functions import it, so that --help does not wait.
if typing.TYPE_CHECKING:
    import tensorflow as tf
    from tf_agents.policies import tf_policy
    from tf_agents.trajectories import time_step

    import agent_wrapper

Tensors = dict[str, typing.Any]
# What an export answers to an observation and a state: the actions, and the state after.
Run = Callable[[Tensors, Tensors], tuple[Tensors, Tensors]]
TOLERANCE = 1e-4
# What the public RT-1 policies take beside the image and the instruction, and do not look at:
# key, name, shape; float32 but for the instruction's text.
IGNORED_OBSERVATIONS = (
    ("base_pose_tool_reached", "base_pose_tool_reached", (7,)),
    ("gripper_closed", "gripper_closed", (1,)),
    ("gripper_closedness_commanded", "gripper_closedness_commanded", (1,)),
    ("height_to_bottom", "height_to_bottom", (1,)),
    ("natural_language_instruction", "natural_language_instruction", ()),
    ("orientation_box", "orientation_box", (2, 3)),
    ("orientation_start", "orientation_in_camera_space", (4,)),
    ("robot_orientation_positions_box", "robot_orientation_positions_box", (3, 3)),
    ("rotation_delta_to_go", "rotation_delta_to_go", (3,)),
    ("src_rotation", "transform_camera_robot", (4,)),
    ("vector_to_go", "vector_to_go", (3,)),
    ("workspace_bounds", "workspace_bounds", (3, 3)),
)


def exported_policy(agent: agent_wrapper.Agent) -> tf_policy.TFPolicy:
    """The agent's policy as public clients expect it, with all of their observations."""
    import tensorflow as tf
    from tf_agents.trajectories import time_step

    import sequence_agent

    used = agent.sequence_agent.policy.time_step_spec.observation
    specs = dict(used)
    if policy_specs.ACTION_KEY not in agent.sequence_agent.policy.action_spec:
        specs = {key: tf.TensorSpec(one.shape, one.dtype, one.name) for key, one in used.items()}
        for key, name, shape in IGNORED_OBSERVATIONS:
            dtype = tf.string if key == "natural_language_instruction" else tf.float32
            specs[key] = tf.TensorSpec(shape, dtype, name)

    class ExportedPolicy(sequence_agent.SequencePolicy):
        @tf.autograph.experimental.do_not_convert  # It doubles the time of tracing.
        def _action(
            self, time_step: time_step.TimeStep, policy_state: object, seed: tf.Tensor | None
        ) -> object:
            observation = {key: time_step.observation[key] for key in used}
            return super()._action(time_step._replace(observation=observation), policy_state, seed)

    return ExportedPolicy(
        time_step.time_step_spec(specs), agent.sequence_agent.action_spec, agent.network
    )


def _saved_model(
    agent: agent_wrapper.Agent, folder: pathlib.Path, metadata: dict[str, object]
) -> Run:
    """Writes the SavedModel, and runs it."""
    import tensorflow as tf
    from tf_agents.policies import policy_saver
    from tf_agents.trajectories import time_step

    import sequence_agent

    policy = exported_policy(agent)
    variable = tf.Variable(json.dumps(metadata), trainable=False, name="metadata")
    how = {"train_step": agent.global_step, "metadata": {"metadata": variable}}
    saver = policy_saver.PolicySaver(policy, **how)
    paths = sequence_agent.variables_by_path(agent.network)
    # Number 0 is the step counter, which is saved as train_step.
    ordered = [paths[path] for path in saved_models.in_public_order(paths)]
    saver.policy.model_variables = [agent.global_step, *ordered]
    saver.save(str(folder))
    loaded = tf.saved_model.load(str(folder))

    def run(observation: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        given = {
            key: observation.get(key, tf.zeros((1, *spec.shape), spec.dtype))
            for key, spec in policy.time_step_spec.observation.items()
        }
        answer = loaded.action(time_step.transition(given, tf.zeros(1)), state)
        return answer.action, answer.state

    return run


def _onnx(agent: agent_wrapper.Agent, folder: pathlib.Path, metadata: dict[str, object]) -> Run:
    """Writes policy.onnx, and runs it."""
    import onnx
    import onnxruntime
    import tensorflow as tf
    from tf_agents.trajectories import time_step

    from serving import engines

    policy = agent.sequence_agent.policy
    observed = policy.time_step_spec.observation
    # With one step nothing is left of the step before.
    state_spec = policy.policy_state_spec if agent.network.time_sequence_length > 1 else {}
    inputs = {**observed, **state_spec}
    outputs = [*policy.action_spec, *(f"next_{key}" for key in state_spec)]

    def step(*tensors: tf.Tensor) -> list[tf.Tensor]:
        given = dict(zip(inputs, tensors))
        batch = tf.shape(given[policy_specs.IMAGE_KEY])[0]
        observation = {key: given[key] for key in observed}
        now = time_step.transition(observation, tf.zeros(batch))
        state = {key: given[key] for key in state_spec} or policy.get_initial_state(batch)
        answer = policy.action(now, state)
        after = [answer.state[key] for key in state_spec]
        return [*(answer.action[key] for key in policy.action_spec), *after]

    signature = [tf.TensorSpec((None, *one.shape), one.dtype) for one in inputs.values()]
    frozen = engines.freeze(step, signature)
    (converted,) = engines.convert(frozen)
    model = onnx.load_from_string(converted)
    renamed = dict(zip(engines.tensors(frozen, "input"), inputs))
    renamed |= dict(zip(engines.tensors(frozen, "output"), outputs))
    for part in (*model.graph.input, *model.graph.output):
        part.name = renamed[part.name]
    for node in model.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    onnx.helper.set_model_props(model, {"metadata": json.dumps(metadata)})
    onnx.checker.check_model(model)
    onnx.save(model, str(folder / "policy.onnx"))
    how = {"providers": ["CPUExecutionProvider"]}
    session = onnxruntime.InferenceSession(str(folder / "policy.onnx"), **how)

    def run(observation: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        given = {name: np.asarray(value) for name, value in {**observation, **state}.items()}
        results = session.run(outputs, {name: given[name] for name in inputs})
        found = dict(zip(outputs, results))
        after = {key: found[f"next_{key}"] for key in state_spec}
        return {key: found[key] for key in policy.action_spec}, after

    return run


WRITERS = {"saved_model": _saved_model, "onnx": _onnx}


def check(agent: agent_wrapper.Agent, run: Run) -> float:
    """The largest difference of an action between an export and the agent's own policy, until the
    window has rolled. ValueError if an action or the state differs by more than `TOLERANCE`,
    relative to 1 or to the largest value."""
    import tensorflow as tf
    from tf_agents.trajectories import time_step

    policy = agent.sequence_agent.policy
    shape = policy.time_step_spec.observation[policy_specs.IMAGE_KEY].shape
    generator = np.random.default_rng(0)
    expected_state = state = policy.get_initial_state(1)
    worst = 0.0
    for number in range(agent.network.time_sequence_length + 2):
        embedding = generator.standard_normal((1, policy_specs.EMBEDDING_SIZE)).astype(np.float32)
        observation = {
            policy_specs.IMAGE_KEY: tf.constant(generator.integers(0, 256, (1, *shape), np.uint8)),
            policy_specs.EMBEDDING_KEY: tf.constant(embedding / np.linalg.norm(embedding)),
        }
        now = time_step.transition(observation, tf.zeros(1))
        expected = policy.action(now, expected_state)
        expected_state = expected.state
        action, state = run(observation, state)
        for key, value in {**expected.action, **{k: expected_state[k] for k in state}}.items():
            value, got = np.asarray(value), np.asarray({**state, **action}[key])
            difference = np.max(np.abs(got - value)) if got.shape == value.shape else np.inf
            if not difference <= TOLERANCE * max(1.0, np.max(np.abs(value))):  # NaN is none.
                off = f"within {TOLERANCE:g} of the checkpoint's own policy, got {difference:.2g}"
                raise ValueError(f"expected {key} of step {number} {off} off. Use another --format")
            worst = max(worst, float(difference) if key in action else 0.0)
    return worst


def run(args: argparse.Namespace) -> float:
    """Exports; the largest difference of an action from the checkpoint's own policy."""
    output, path = pathlib.Path(args.output_dir), pathlib.Path(args.checkpoint_path)
    if output.exists():
        raise ValueError(f"--output_dir: expected a new folder, got {output}, which exists.")
    atomic_files.check_folder(output.absolute().parent, "--output_dir")
    import gin

    import sequence_agent

    how = {"config_file": args.config_file, "trust_config": args.trust_config}
    if (path / checkpoint_directory.METADATA_FILE).is_file():  # One of ours.
        agent, contents = checkpoint_directory.load(path, **how)
        prefix, source = contents.prefix, contents.metadata
    else:
        agent, report = checkpoint_loading.load_agent(path, **how)
        print(report)
        prefix, source = pathlib.Path(report.prefix), {}
    file = checkpoint_files.TensorFile(str(prefix))
    steps = [file.read(name) for name in ("global_step", "train_step") if name in file.tensors]
    agent.global_step.assign(steps[0] if steps else 0)
    paths = sequence_agent.variables_by_path(agent.network)
    values = {path: paths[path].numpy() for path in saved_models.in_public_order(paths)}
    metadata = {
        "checkpoint": prefix.name,
        "train_step": agent.steps_done,
        "actions": list(agent.sequence_agent.action_spec),
        "action_coding": agent.action_coding,
        "time_sequence_length": agent.network.time_sequence_length,
        "versions": checkpoint_directory.package_versions(),
        "source": source,
    }
    with tempfile.TemporaryDirectory(dir=output.absolute().parent, prefix=".export-") as folder:
        folder = pathlib.Path(folder) / output.name
        folder.mkdir()
        worst = check(agent, WRITERS[args.format](agent, folder, metadata))
        exported = {**metadata, "variables": saved_models.checksums(values)}
        (folder / saved_models.EXPORT_FILE).write_text(json.dumps(exported, indent=1) + "\n")
        (folder / checkpoint_directory.CONFIG_FILE).write_text(gin.config_str())
        if source:
            embeddings = checkpoint_directory.EMBEDDINGS_DIR
            shutil.copytree(prefix.parent / embeddings, folder / embeddings)
        os.replace(folder, output)
    return worst


def main(arguments: list[str] | None = None) -> int:
    """The command line: the exit code; without arguments those of `sys.argv`."""
    parser = argparse.ArgumentParser(
        prog="export_policy.py",
        description="Exports a checkpoint as a policy that other programs load.",
    )
    add = parser.add_argument
    text = "checkpoint directory, prefix or stem, or SavedModel"
    add("--checkpoint_path", required=True, help=text)
    add("--output_dir", required=True, help="new folder for what is written")
    add("--format", choices=WRITERS, default="saved_model", help="default %(default)s")
    add("--config_file", help="gin file of the model; unless given, the checkpoint's own")
    add("--trust_config", action="store_true", help="let gin run the config.gin beside it")
    args = parser.parse_args(arguments)
    try:
        worst = run(args)
    except (ValueError, LookupError, OSError) as error:
        print(f"export_policy.py: {error}", file=sys.stderr)
        return 1
    print(f"{args.output_dir}: actions within {worst:.1g} of the checkpoint's own policy")
    return 0


if __name__ == "__main__":
    sys.exit(main())
