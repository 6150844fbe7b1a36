"""train.py that stands still after a step, so that a test can disturb it there.

HOLD_AT_STEPS=2,5 holds the first start after step 2 and the second after step 5; later ones are not
held. What is held goes on when it is told to end, as every run does between two steps. Without
traces, which would cost more than the steps.
"""

from __future__ import annotations

import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

import tensorflow as tf  # noqa: E402

import train  # noqa: E402
from training import training_loop  # noqa: E402

LONGEST_HOLD_S = 900


def hold_at(step: int | None) -> None:
    """Makes training loops stand still after a step, until a signal comes."""
    train_step = training_loop.TrainingLoop._train_step

    def held(loop):
        loss = train_step(loop)
        if loop._agent.steps_done == step:
            task = os.environ.get("SLURM_PROCID")
            print(f"held after step {step}, process {os.getpid()}, task {task}", flush=True)  # noqa: T201
            give_up = time.monotonic() + LONGEST_HOLD_S
            while loop._signals._received is None and time.monotonic() < give_up:
                time.sleep(0.05)
        return loss

    training_loop.TrainingLoop._train_step = held


if __name__ == "__main__":
    holds = [int(step) for step in os.environ.get("HOLD_AT_STEPS", "").split(",") if step]
    start = int(os.environ.get("SLURM_RESTART_COUNT", 0))
    tf.config.run_functions_eagerly(True)
    hold_at(holds[start] if start < len(holds) else None)
    sys.exit(train.main())
