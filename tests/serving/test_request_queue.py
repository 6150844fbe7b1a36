"""The queue with models that show what was in one call, and that wait until they are told to go."""

from __future__ import annotations

import concurrent.futures
import threading
import time

import numpy as np
import pytest

from serving import request_queue

LIMIT_S = 30


class GatedModel:
    """Answers with the first number of picture and embedding, once it is let through."""

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale
        self.open = threading.Event()
        self.entered = threading.Event()
        self.batch_sizes = []

    def forward(self, image, embedding):
        self.batch_sizes.append(len(image))
        self.entered.set()
        assert self.open.wait(LIMIT_S)
        answers = np.zeros((len(image), 4), np.float32)
        answers[:, 0] = image[:, 0, 0, 0] * self.scale
        answers[:, 1] = embedding[:, 0]
        return answers


def inputs(number):
    return np.full((2, 2, 3), number, np.uint8), np.full(512, number + 0.5, np.float32)


def wait_until(condition):
    give_up = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.005)


@pytest.fixture
def threads():
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        yield pool


@pytest.fixture
def make_queue():
    queues = []

    def make(**options):
        queues.append(request_queue.RequestQueue(**options))
        return queues[-1]

    yield make
    for queue in queues:
        queue.close()


def block(queue, threads, model):
    """A first request that keeps the only worker in the model until the model is opened."""
    first = threads.submit(queue.predict, model, *inputs(99), LIMIT_S)
    assert model.entered.wait(LIMIT_S)
    return first


def test_each_request_gets_its_own_answer_and_those_that_wait_go_together(threads, make_queue):
    model, queue = GatedModel(), make_queue(max_batch=4)
    first = block(queue, threads, model)
    waiting = [threads.submit(queue.predict, model, *inputs(n), LIMIT_S) for n in range(9)]
    wait_until(lambda: len(queue) == 9)
    model.open.set()
    assert first.result().value.tolist() == [99.0, 99.5, 0.0, 0.0]
    for number, future in enumerate(waiting):
        assert future.result().value.tolist() == [number, number + 0.5, 0.0, 0.0]
    assert model.batch_sizes == [1, 4, 4, 1]
    assert len(queue) == 0


def test_two_models_never_share_a_call(threads, make_queue):
    old, new, queue = GatedModel(1.0), GatedModel(2.0), make_queue(max_batch=8)
    block(queue, threads, old)
    waiting = []
    for number in range(6):
        model = (old, new)[number % 2]
        waiting.append(threads.submit(queue.predict, model, *inputs(number), LIMIT_S))
        wait_until(lambda: len(queue) == len(waiting))
    old.open.set()
    new.open.set()
    values = [float(future.result().value[0]) for future in waiting]
    assert values == [0, 2, 2, 6, 4, 10]
    assert (old.batch_sizes, new.batch_sizes) == ([1, 3], [3])


def test_a_full_queue_refuses_and_goes_on(threads, make_queue):
    model, queue = GatedModel(), make_queue(max_waiting=2)
    block(queue, threads, model)
    waiting = [threads.submit(queue.predict, model, *inputs(n), LIMIT_S) for n in range(2)]
    wait_until(lambda: len(queue) == 2)
    with pytest.raises(request_queue.QueueFullError, match="at most 2 waiting"):
        queue.predict(model, *inputs(7), LIMIT_S)
    model.open.set()
    assert [float(future.result().value[0]) for future in waiting] == [0, 1]
    assert float(queue.predict(model, *inputs(7), LIMIT_S).value[0]) == 7


def test_a_late_request_is_taken_out_and_never_reaches_the_model(threads, make_queue):
    model, queue = GatedModel(), make_queue()
    first = block(queue, threads, model)
    with pytest.raises(request_queue.DeadlineError, match="within 0.05 s"):
        queue.predict(model, *inputs(1), 0.05)
    assert len(queue) == 0
    model.open.set()
    first.result()
    assert model.batch_sizes == [1]


def test_functions_run_alone_and_in_their_turn(threads, make_queue):
    model, queue = GatedModel(), make_queue(max_batch=8)
    block(queue, threads, model)
    order = []
    called = threads.submit(queue.call, lambda: order.append(len(model.batch_sizes)), LIMIT_S)
    wait_until(lambda: len(queue) == 1)
    threads.submit(queue.predict, model, *inputs(1), LIMIT_S)
    wait_until(lambda: len(queue) == 2)
    model.open.set()
    timed = called.result()
    assert order == [1], "the function ran between the two calls of the model"
    assert timed.queue_ms > 0 and timed.model_ms >= 0


def test_what_the_model_raises_reaches_those_who_wait_and_nobody_else(threads, make_queue):
    class FailingModel:
        def forward(self, image, embedding):
            raise FloatingPointError("no number")

    queue, good = make_queue(), GatedModel()
    good.open.set()
    with pytest.raises(FloatingPointError, match="no number"):
        queue.predict(FailingModel(), *inputs(1), LIMIT_S)
    with pytest.raises(TimeoutError, match="of its own"):
        queue.call(lambda: (_ for _ in ()).throw(TimeoutError("of its own")), LIMIT_S)
    assert float(queue.predict(good, *inputs(3), LIMIT_S).value[0]) == 3


def test_closing_finishes_what_waits_and_refuses_the_rest(threads):
    model, queue = GatedModel(), request_queue.RequestQueue()
    first = block(queue, threads, model)
    second = threads.submit(queue.predict, model, *inputs(2), LIMIT_S)
    wait_until(lambda: len(queue) == 1)
    closing = threads.submit(queue.close)
    model.open.set()
    closing.result(LIMIT_S)
    assert float(first.result().value[0]) == 99
    assert float(second.result().value[0]) == 2
    with pytest.raises(request_queue.QueueFullError):
        queue.predict(model, *inputs(1), LIMIT_S)


def test_several_workers_run_calls_at_the_same_time(threads, make_queue):
    queue = make_queue(num_workers=2)
    both = threading.Barrier(2, timeout=LIMIT_S)
    calls = [threads.submit(queue.call, both.wait, LIMIT_S) for _ in range(2)]
    assert sorted(call.result().value for call in calls) == [0, 1]
