"""openpi's own client, unchanged, asks the websocket server; a stub and a tiny RT-1 answer."""

from __future__ import annotations

import contextlib
import time

import numpy as np
import pytest
import requests

pytest.importorskip("openpi_client", reason="needs openpi-client (requirements-dev.txt)")
import websockets.sync.client
from openpi_client import msgpack_numpy, websocket_client_policy

from serving import front, openpi
from tests import serving_stubs

IMAGE = serving_stubs.marker_picture(320, 240, (60, 60), (200, 150))
ASKED = {"action": "skewering", "food_type": "strawberry"}
SEEN = {"image": IMAGE, **ASKED}


@contextlib.contextmanager
def running(rt1=None, **limits):
    """A server with both protocols; yields its address, the gateway and the service."""
    application, port = serving_stubs.application(**limits), serving_stubs.free_port()
    with (
        front.Server(application, "127.0.0.1", port) as server,
        openpi.Gateway(server, "127.0.0.1", 0, rt1) as found,
    ):
        yield f"http://127.0.0.1:{port}", found, server.service


@pytest.fixture(scope="module")
def plain():
    """Address and gateway of a server that nothing changes."""
    with running() as (url, gateway, _):
        yield url, gateway


def client_of(gateway, key=None):
    return websocket_client_policy.WebsocketClientPolicy("127.0.0.1", gateway.port, key)


def test_answers_are_those_of_predict_bit_for_bit(plain):
    url, gateway = plain
    client = client_of(gateway)
    assert client.get_server_metadata()["policy"] == "food"
    file = serving_stubs.file_bytes(IMAGE)
    expected = requests.post(f"{url}/predict", files={"image": file}, data=ASKED).json()
    for image in (IMAGE, file):
        answer = client.infer({"observation/image": image, **ASKED, "state": np.zeros(7)})
        motion = answer["prediction"]
        assert (motion, answer["ignored"]) == (expected["prediction"], ["state"])
        ends = [motion[name] for name in ("start_x", "start_y", "end_x", "end_y")]
        np.testing.assert_array_equal(answer["actions"], np.float32([ends]))
    assert answer["server_timing"]["prev_total_ms"] > 0


def test_an_episode_keeps_its_model_through_an_exchange():
    with running() as (_, gateway, service):
        old = client_of(gateway)
        old.infer(SEEN)
        constant = serving_stubs.ConstantModel([0.1, 0.2, 0.3, 0.4])
        service.current = serving_stubs.predictor_of(
            constant, serving_stubs.store(), version="stub-2"
        )
        assert old.infer(SEEN)["model_version"] == "stub-1"
        assert client_of(gateway).infer(SEEN)["model_version"] == "stub-2"
        assert old.infer({**SEEN, "reset": True})["model_version"] == "stub-2"
        assert old.infer({"reset": True})["reset"]


class Counting:
    """An RT-1 policy whose action is how many steps of its episode there were, and what it saw."""

    version, image_shape = "counting", (2, 2, 3)

    def initial_state(self):
        return 0

    def step(self, image, embedding, state):
        if image.shape != self.image_shape:
            raise ValueError(f"image: expected {self.image_shape}, got {image.shape}.")
        vector = np.float32([state + 1, image[0, 0, 0], embedding[0]])
        return {"world_vector": vector, "terminate_episode": np.int32([1, 0, 0])}, state + 1


def test_every_connection_has_a_window_of_its_own():
    image, embedding = np.zeros((2, 2, 3), np.uint8), np.zeros(512, np.float32)
    with running(rt1=Counting()) as (_, gateway, _):
        clients = [client_of(gateway) for _ in range(2)]
        for step in range(1, 21):
            for number, client in enumerate(clients):
                more = {"reset": True} if number and step == 11 else {}
                seen = {"image": image + number, "natural_language_embedding": embedding, **more}
                expected = step - 10 if number and step > 10 else step
                answer = client.infer(seen)
                assert answer["world_vector"].tolist() == [expected, number, 0]
                assert answer["terminate_episode"].tolist() == [1, 0, 0]
        with pytest.raises(RuntimeError, match="image: expected"):
            clients[0].infer({**seen, "image": image[:1]})


def array(dtype, shape):
    return {b"__ndarray__": True, b"data": b"12", b"dtype": dtype, b"shape": shape}


def test_bad_messages_are_answered_in_words_and_the_session_goes_on(plain):
    messages = (
        ("text", "msgpack"),
        (b"\xc1", "msgpack"),
        (msgpack_numpy.packb([1, 2]), "maps names"),
        (msgpack_numpy.packb({"image": IMAGE}), "action"),
        (msgpack_numpy.packb({**SEEN, "image": IMAGE[..., 0]}), "uint8 [H, W, 3]"),
        (msgpack_numpy.packb(array("|O", [1])), "numbers"),
        (msgpack_numpy.packb(array("<f4", [9])), "msgpack"),
    )
    with websockets.sync.client.connect(f"ws://127.0.0.1:{plain[1].port}") as connection:
        connection.recv()
        for message, said in messages:
            connection.send(message)
            assert said in connection.recv()
        connection.send(msgpack_numpy.packb(SEEN))
        assert msgpack_numpy.unpackb(connection.recv())["actions"].shape == (1, 4)


def test_keys_limits_and_sizes_are_those_of_http():
    limits = {"api_keys": {"robot": "secret"}, "requests_per_minute": 3, "max_body_bytes": 300_000}
    with running(**limits) as (_, gateway, _):
        assert requests.get(f"http://127.0.0.1:{gateway.port}/healthz").text == "OK\n"
        for key in (None, "wrong"):
            with pytest.raises(websockets.exceptions.InvalidStatus, match="401"):
                client_of(gateway, key)
        client = client_of(gateway, "secret")
        for _ in range(2):
            client.infer(SEEN)
        with pytest.raises(RuntimeError, match="requests a minute"):
            client.infer(SEEN)
        with pytest.raises(websockets.exceptions.ConnectionClosedError, match="1009"):
            client.infer({**SEEN, "image": np.zeros((400, 400, 3), np.uint8)})


def test_sessions_have_a_cap_and_end_when_nobody_speaks(monkeypatch):
    monkeypatch.setattr(openpi, "MAX_SESSIONS", 1)
    monkeypatch.setattr(openpi, "IDLE_S", 1.0)
    with running() as (_, gateway, _):
        # What never becomes a websocket takes no session.
        assert requests.get(f"http://127.0.0.1:{gateway.port}/").status_code == 426
        first = client_of(gateway)
        with pytest.raises(websockets.exceptions.InvalidStatus, match="503"):
            client_of(gateway)
        with pytest.raises(websockets.exceptions.ConnectionClosed, match="1001"):
            first._ws.recv(timeout=30)
        while gateway.num_sessions:
            time.sleep(0.01)
        client_of(gateway).infer(SEEN)


def test_a_full_line_refuses_websockets_too():
    with running(max_waiting=0) as (_, gateway, _), pytest.raises(RuntimeError, match="busy"):
        client_of(gateway).infer(SEEN)
