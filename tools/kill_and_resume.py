"""Kills a training run (SIGKILL) at random moments, resumes it each time, and compares the result
with a run that nobody disturbed: every variable must be equal, bit for bit.

    python tools/kill_and_resume.py --kills 10 --seed 0

Data set and model are tiny and made here. Moments are drawn over steps and within a step, so that
some kills hit a step, some a checkpoint that is being written, some a validation. Prints a table;
exit code 0 if all is equal, 1 if not.
"""

from __future__ import annotations

import argparse
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import checkpoint_writer  # noqa: E402
import train  # noqa: E402
from food_data import npz_dataset, splits  # noqa: E402

NUM_SAMPLES, BATCH_SIZE, STEPS_PER_EPOCH = 20, 4, 3
CONFIG = """
FilmEfficientNet.variant = "small"
FilmEfficientNet.width = 0.1
FilmEfficientNet.depth = 0.1
EfficientNetEncoder.image_size = 32
TransformerNetwork.token_embedding_size = 16
Transformer.num_layers = 1
Transformer.num_heads = 2
Transformer.key_dim = 8
Transformer.feed_forward_size = 16
create_optimizer.learning_rate = 1e-2
create_optimizer.schedule = "cosine"
create_optimizer.warmup_steps = 2
create_optimizer.weight_decay = 0.01
create_optimizer.ema_decay = 0.9
Augmentation.rotate_90_probability = 0.5
Augmentation.noise = 0.05
Augmentation.canonical_direction = False
"""


def write_data(folder: pathlib.Path) -> None:
    """A data set of noise, its split, and the configuration."""
    rng = np.random.default_rng(0)
    embeddings = rng.standard_normal((NUM_SAMPLES, 512)).astype(np.float32)
    dataset = npz_dataset.FoodDataset(
        rng.integers(0, 256, (NUM_SAMPLES, 236, 236, 3), np.uint8),
        rng.random((NUM_SAMPLES, 4), np.float32),
        embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True),
    )
    npz_dataset.write_npz(folder / "data.npz", dataset)
    order = np.arange(NUM_SAMPLES)
    splits.write_split(folder / "split.npz", splits.Split(order[:16], order[16:]))
    (folder / "tiny.gin").write_text(CONFIG)


def child(arguments: list[str]) -> int:
    """train.py, with a line on standard output after each step."""
    import tensorflow as tf  # Here and below, because it is slow, and --help does without.

    from training import training_loop

    if arguments[0] == "--eager":
        tf.config.run_functions_eagerly(True)
        arguments = arguments[1:]
    step = training_loop.TrainingLoop._train_step

    def told(loop: training_loop.TrainingLoop) -> float:
        loss = step(loop)
        print("step", loop._agent.steps_done, flush=True)
        return loss

    training_loop.TrainingLoop._train_step = told
    return train.main(arguments)


def run_until(arguments: list[str], last_step: int | None, wait_s: float) -> tuple[int, int]:
    """Runs, and kills `wait_s` after step `last_step` has been said; None lets the run end.

    Returns:
        (exit code, last step said).

    Raises:
        RuntimeError: if the run ends with an error of its own.
    """
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT
        ) as process,
    ):
        step = 0
        for line in process.stdout:
            if line.startswith("step "):
                step = int(line.split()[1])
            if last_step is not None and step >= last_step:
                time.sleep(wait_s)
                process.kill()
                break
        code = process.wait()
        if code not in (0, -9):
            errors.seek(0)
            raise RuntimeError(f"The run ended with {code}:\n{errors.read()[-2000:]}")
    return code, step


def same_arrays(one: pathlib.Path, other: pathlib.Path) -> tuple[int, int]:
    """(Equal tensors, all tensors) of the newest checkpoints of two runs."""
    import tensorflow as tf

    newest = [checkpoint_writer.find_resume_point(path).prefix for path in (one, other)]
    readers = [tf.train.load_checkpoint(str(prefix)) for prefix in newest]
    names = {name for reader in readers for name in reader.get_variable_to_shape_map()}
    names.discard("_CHECKPOINTABLE_OBJECT_GRAPH")
    equal = [
        all(reader.has_tensor(name) for reader in readers)
        and np.array_equal(*(reader.get_tensor(name) for reader in readers))
        for name in names
    ]
    return sum(equal), len(equal)


def kill_and_resume(
    folder: pathlib.Path, num_kills: int, num_epochs: int, seed: int, eager: bool = False
) -> bool:
    """The whole experiment in an empty folder, `eager` without traced graphs: whether both runs
    ended alike."""
    rng = np.random.default_rng(seed)
    write_data(folder)

    def command(run: str) -> list[str]:
        return [
            *(sys.executable, __file__, "--child", *(["--eager"] if eager else [])),
            *("--config_file", str(folder / "tiny.gin")),
            *("--dataset_file", str(folder / "data.npz")),
            *("--split_file", str(folder / "split.npz"), "--checkpoint_dir", str(folder / run)),
            *("--batch_size", str(BATCH_SIZE), "--num_epochs", str(num_epochs)),
            *("--steps_per_epoch", str(STEPS_PER_EPOCH), "--checkpoint_every_steps", "2"),
            *("--resume_checkpoint", "auto", "--embeddings_dir", str(ROOT / "embeddings")),
        ]

    run_until(command("undisturbed"), None, 0.0)
    print("| kill | after step | s later | resumed from |\n|---|---|---|---|", flush=True)
    # Rising, so that each kill finds the run further on; what was lost is done again.
    last_steps = sorted(rng.integers(1, (num_epochs - 1) * STEPS_PER_EPOCH + 1, num_kills))
    for kill, last_step in enumerate(last_steps, 1):
        wait_s = float(rng.uniform(0.0, 0.5))
        code, step = run_until(command("killed"), last_step, wait_s)
        if code == 0:
            raise RuntimeError("The run ended before it could be killed: use more --num_epochs.")
        newest = checkpoint_writer.find_resume_point(folder / "killed").prefix.name
        print(f"| {kill} | {step} | {wait_s:.2f} | {newest} |", flush=True)
    run_until(command("killed"), None, 0.0)
    equal, number = same_arrays(folder / "undisturbed", folder / "killed")
    logs = [_log(folder / run) for run in ("undisturbed", "killed")]
    print(f"{equal} of {number} tensors are bit-identical; logs equal: {logs[0] == logs[1]}")
    return equal == number and logs[0] == logs[1]


def _log(directory: pathlib.Path) -> list[list[str]]:
    """loss_log.csv without its last two columns, which say how fast the machine was."""
    rows = (directory / "loss_log.csv").read_text().splitlines()
    return [row.split(",")[:-2] for row in rows]


def main(arguments: list[str] | None = None) -> int:
    """The command line; see the module."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["--child"]:
        return child(arguments[1:])
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--num_epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--eager", action="store_true", help="no graphs: quicker if steps are few")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        is_same = kill_and_resume(
            pathlib.Path(folder), args.kills, args.num_epochs, args.seed, args.eager
        )
    return 0 if is_same else 1


if __name__ == "__main__":
    sys.exit(main())
