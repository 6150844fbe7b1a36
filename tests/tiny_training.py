"""train.py without traces, which would cost more than the steps of a tiny network.

HOLD_AT_STEPS=2,5 holds the first start after step 2 and the second after step 5, until a signal
comes, as every run notices between two steps.
"""

from __future__ import annotations

import os
import pathlib
import sys
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import checkpoint_directory  # noqa: E402
import train  # noqa: E402
from food_data import npz_dataset, splits  # noqa: E402
from tests import training_fixtures  # noqa: E402

LONGEST_HOLD_S = 900
CONFIG = f"""{training_fixtures.TINY_CONFIG}
DropoutSettings.transformer_feed_forward = 0.1
create_optimizer.schedule = "cosine"
create_optimizer.warmup_steps = 2
create_optimizer.weight_decay = 0.01
create_optimizer.ema_decay = 0.9
Augmentation.rotate_90_probability = 0.5
Augmentation.noise = 0.05
Augmentation.canonical_direction = False
"""


def write_data(folder: pathlib.Path) -> None:
    """A data set of 20 squares, its split, and the configuration."""
    npz_dataset.write_npz(folder / "data.npz", training_fixtures.squares(20))
    splits.write_split(folder / "split.npz", splits.Split(np.arange(16), np.arange(16, 20)))
    (folder / "tiny.gin").write_text(CONFIG)


def same_arrays(one: pathlib.Path, other: pathlib.Path) -> tuple[int, int]:
    """(Equal tensors, all tensors) of the newest checkpoints of two runs."""
    import tensorflow as tf

    newest = [checkpoint_directory.find_resume_point(path).prefix for path in (one, other)]
    readers = [tf.train.load_checkpoint(str(prefix)) for prefix in newest]
    names = {name for reader in readers for name in reader.get_variable_to_shape_map()}
    names.discard("_CHECKPOINTABLE_OBJECT_GRAPH")
    both = [name for name in names if all(reader.has_tensor(name) for reader in readers)]
    pairs = [[reader.get_tensor(name) for reader in readers] for name in both]
    return sum(np.array_equal(*pair) for pair in pairs), len(names)


def main(arguments: list[str]) -> int:
    """`train.main`, held between two steps."""
    import tensorflow as tf

    from training import training_loop

    holds = [int(step) for step in os.environ.get("HOLD_AT_STEPS", "").split(",") if step]
    start, task = int(os.environ.get("SLURM_RESTART_COUNT", 0)), os.environ.get("SLURM_PROCID")
    hold_at = holds[start] if start < len(holds) else None
    train_step = training_loop.TrainingLoop._train_step

    def said(loop):
        train_step(loop)
        if loop._agent.steps_done == hold_at:
            print(f"held after step {hold_at}, process {os.getpid()}, task {task}", flush=True)  # noqa: T201
            give_up = time.monotonic() + LONGEST_HOLD_S
            while loop._workers.signals.received is None and time.monotonic() < give_up:
                time.sleep(0.05)

    training_loop.TrainingLoop._train_step = said
    tf.config.run_functions_eagerly(True)
    return train.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
