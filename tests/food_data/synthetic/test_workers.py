import os

import cv2
import numpy as np
import pytest

from food_data.synthetic import workers as synthetic_workers


def square(i):
    return i * i


def process_and_threads(_):
    return os.getpid(), cv2.getNumThreads()


def blurred(i):
    return cv2.blur(np.full((600, 600, 3), i, np.uint8), (9, 9))[0, 0, 0]


def fail_at_5(i):
    if i == 5:
        raise RuntimeError("plate 5")
    return i


@pytest.mark.parametrize("workers", [None, 1, 2, 3])
@pytest.mark.parametrize("number", [0, 1, 10, 40])
def test_results_come_in_order(workers, number):
    results = synthetic_workers.ordered_map(square, number, workers)
    assert list(results) == [i * i for i in range(number)]


def test_other_processes_do_the_work_with_one_opencv_thread_each():
    before = cv2.getNumThreads()
    seen = set(synthetic_workers.ordered_map(process_and_threads, 40, 2))
    assert os.getpid() not in {process for process, _ in seen}
    assert {threads for _, threads in seen} == {1}
    assert cv2.getNumThreads() == before


def test_a_few_tasks_stay_in_this_process():
    assert {process for process, _ in synthetic_workers.ordered_map(process_and_threads, 3)} == {
        os.getpid()
    }


def test_opencv_threads_that_ran_before_do_not_stop_the_workers():
    """A forked process that meets its parent's OpenCV threads would wait for ever."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(4)
    try:
        blurred(1)
        assert list(synthetic_workers.ordered_map(blurred, 8, 2)) == list(range(8))
        assert cv2.getNumThreads() == 4
    finally:
        cv2.setNumThreads(before)


def test_an_error_in_a_worker_arrives():
    with pytest.raises(RuntimeError, match="plate 5"):
        list(synthetic_workers.ordered_map(fail_at_5, 30, 2))


def test_stopping_early_ends_the_workers():
    before = cv2.getNumThreads()
    results = synthetic_workers.ordered_map(square, 10_000, 2)
    assert next(results) == 0
    results.close()
    assert cv2.getNumThreads() == before


def test_no_workers_is_an_error():
    with pytest.raises(ValueError, match="workers: expected at least 1, got 0"):
        list(synthetic_workers.ordered_map(square, 3, 0))
    assert synthetic_workers.available_cores() >= 1
