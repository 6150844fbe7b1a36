"""What is counted, and that memory is there to be measured."""

import numpy as np

from evaluation.study import throughput as study_throughput


def test_pictures_of_every_loop_are_counted_and_all_batches_come_through():
    seen = []
    meter = study_throughput.Meter(lambda starts: seen.append(len(starts)) or starts)
    assert list(meter.wrap(5)(range(0, 5, 2))) == [0, 2, 4]
    assert list(meter.wrap(3)(range(0, 3, 2))) == [0, 2]
    assert seen == [3, 2]
    figures = meter.figures()
    assert figures["num_images"] == 8
    assert figures["images_per_s"] > 0


def test_nothing_asked_is_no_speed():
    assert study_throughput.Meter().figures()["images_per_s"] == 0


def test_memory_that_a_batch_holds_is_seen():
    meter = study_throughput.Meter()
    before = meter.peak_mb
    assert before > 1
    for _ in meter.wrap(1)(range(1)):
        held = np.ones(25_000_000)  # 200 MB
    assert meter.peak_mb - before > 150
    assert held.size


def test_calls_take_turns_after_one_of_each():
    called = []
    times = study_throughput.interleaved_ms(
        [lambda: called.append("a"), lambda: called.append("b")], num_images=4
    )
    assert called == list("ab" * 4)
    assert len(times) == 2
    assert min(times) > 0
