"""Pictures of a batch keep their order, and only a single one in an idle process is alone."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from serving.engines import workers


def double(row, alone):
    return row[0] * 2, np.array([alone])


def test_batch_keeps_its_order():
    pool = workers.Workers(3)

    doubled, alone = pool.run(double, np.arange(20)[:, np.newaxis])

    np.testing.assert_array_equal(doubled[:, 0], np.arange(20) * 2)
    assert not alone.any()


def test_single_picture_is_alone_and_stays_in_its_thread():
    pool, threads = workers.Workers(2), []

    def run(row, alone):
        threads.append(threading.current_thread())
        return double(row, alone)

    for _ in range(2):  # The second time too: what ended is counted as ended.
        assert pool.run(run, np.zeros((1, 1)))[1].tolist() == [True]
    assert threads == [threading.current_thread()] * 2


def test_second_call_is_not_alone():
    pool = workers.Workers(2)

    def outer(row, alone):
        return pool.run(double, row[0])

    assert pool.run(outer, np.zeros((1, 1)))[1].tolist() == [False]


def test_error_reaches_the_caller_and_leaves_nothing_counted():
    pool = workers.Workers(2)

    def fail(row, alone):
        raise FloatingPointError("no number")

    for count in (1, 3):
        with pytest.raises(FloatingPointError, match="no number"):
            pool.run(fail, np.zeros((count, 1)))
    assert pool.run(double, np.zeros((1, 1)))[1].tolist() == [True]


def test_several_arrays_are_split_together():
    def add(row, alone):
        return (row[0] + row[1],)

    (total,) = workers.Workers(2).run(add, np.array([1, 2]), np.array([10, 20]))

    assert total.tolist() == [11, 22]


def test_cores():
    assert 1 <= workers.num_cores() <= 8
