"""What TensorBoard itself reads from the files."""

from __future__ import annotations

import math
import time

import numpy as np
from tensorboard.backend.event_processing import plugin_event_accumulator
from tensorboard.util import tensor_util

from training.reports import tensorboard_log


def read(folder) -> plugin_event_accumulator.EventAccumulator:
    accumulator = plugin_event_accumulator.EventAccumulator(
        str(folder), tensor_size_guidance={"scalars": 0, "images": 0}
    )
    accumulator.Reload()
    return accumulator


def scalars(folder, tag: str) -> dict[int, float]:
    events = read(folder).Tensors(tag)
    return {event.step: float(tensor_util.make_ndarray(event.tensor_proto)) for event in events}


def test_scalars_over_steps_without_those_that_are_not_finite(tmp_path):
    log = tensorboard_log.TensorBoardLog(tmp_path)
    log.scalars(10, {"train/loss": 0.5, "train/bad": math.nan})
    log.scalars(20, {"train/loss": 0.25, "train/bad": math.inf})
    log.flush()
    assert scalars(tmp_path, "train/loss") == {10: 0.5, 20: 0.25}
    assert read(tmp_path).Tags()["tensors"] == ["train/loss"]
    log.close()


def test_a_picture(tmp_path):
    log = tensorboard_log.TensorBoardLog(tmp_path)
    log.picture(7, "sheet", np.zeros((10, 20, 3), np.uint8))
    log.close()
    (event,) = read(tmp_path).Tensors("sheet")
    width, height, png = tensor_util.make_ndarray(event.tensor_proto)
    assert (event.step, int(width), int(height)) == (7, 20, 10)
    assert png.startswith(b"\x89PNG")


def test_a_resumed_run_takes_the_place_of_what_it_repeats(tmp_path):
    first = tensorboard_log.TensorBoardLog(tmp_path)
    for step in range(1, 11):
        first.scalars(step, {"loss": step})
    first.close()
    # The names of TensorBoard's files, and with them their order, go by whole seconds.
    time.sleep(1.1)
    second = tensorboard_log.TensorBoardLog(tmp_path)
    for step in (6, 7):
        second.scalars(step, {"loss": 100 + step})
    second.close()
    assert scalars(tmp_path, "loss") == {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 106, 7: 107}
