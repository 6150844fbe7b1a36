"""The end of a server under load: what it accepted is answered, what comes later is refused."""

from __future__ import annotations

import socket
import threading
import time

import flask
import pytest
import requests
import waitress

from serving import draining

LIMIT_S = 30


class Slow:
    """A server whose answers wait until they are let go."""

    def __init__(self, drain_s=LIMIT_S, threads=2):
        self.inside, self.go_on = threading.Semaphore(0), threading.Event()
        app = flask.Flask("slow")
        app.add_url_rule("/<number>", view_func=self.answer)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        server = waitress.create_server(app, sockets=[self.listener], threads=threads)
        self.server = draining.DrainingServer(server, drain_s)
        self.unfinished = None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        self.unfinished = self.server.run()

    def answer(self, number):
        self.inside.release()
        assert self.go_on.wait(LIMIT_S)
        # Longer than a socket takes at once, so that sending takes several rounds of the loop.
        return number * 300_000

    def ask(self, answers, number):
        answers[number] = requests.get(f"{self.url}/{number}", timeout=LIMIT_S)


@pytest.fixture
def make_slow():
    made = []

    def make(**options):
        made.append(Slow(**options))
        return made[-1]

    yield make
    for slow in made:
        slow.go_on.set()
        slow.server.stop()
        slow.thread.join(LIMIT_S)
        slow.listener.close()


def wait_until(condition):
    give_up = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_accepted_requests_are_answered_whole_also_those_without_a_thread(make_slow):
    slow, answers = make_slow(threads=2), {}
    clients = [threading.Thread(target=slow.ask, args=(answers, n)) for n in range(1, 7)]
    for client in clients:
        client.start()
    for _ in range(2):
        assert slow.inside.acquire(timeout=LIMIT_S)
    wait_until(lambda: len(slow.server._server.active_channels) == 6)
    wait_until(lambda: all(map(draining._is_busy, slow.server._channels())))
    slow.server.stop()
    wait_until(lambda: not slow.server._server.accepting)
    with pytest.raises(requests.ConnectionError):
        requests.get(slow.url, timeout=LIMIT_S)
    assert slow.thread.is_alive() and not answers
    slow.go_on.set()
    for client in clients:
        client.join(LIMIT_S)
    slow.thread.join(LIMIT_S)
    assert slow.unfinished == 0
    assert {n: answer.text for n, answer in answers.items()} == {
        n: str(n) * 300_000 for n in range(1, 7)
    }


def test_idle_connections_do_not_hold_the_end_up(make_slow):
    slow = make_slow()
    slow.go_on.set()
    with requests.Session() as session:
        assert session.get(f"{slow.url}/1", timeout=LIMIT_S).ok
        with socket.create_connection(slow.listener.getsockname()):
            slow.server.stop()
            slow.thread.join(LIMIT_S)
    assert slow.unfinished == 0


def test_what_takes_too_long_is_given_up_and_counted(make_slow):
    slow, errors = make_slow(drain_s=0.2), {}

    def ask():
        try:
            slow.ask({}, 1)
        except requests.ConnectionError as error:
            errors["lost"] = error

    client = threading.Thread(target=ask)
    client.start()
    assert slow.inside.acquire(timeout=LIMIT_S)
    slow.server.stop()
    slow.thread.join(LIMIT_S)
    assert slow.unfinished == 1
    slow.go_on.set()
    client.join(LIMIT_S)
    assert errors
