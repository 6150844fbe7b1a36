"""A real roscore, the node and a robot's program on the Python of ROS, and the HTTP server.

    apt-get install --no-install-recommends python3-rospy python3-roslaunch python3-std-srvs \\
        python3-sensor-msgs python3-requests python3-numpy

is what they need on Debian.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import pathlib
import shutil
import socket
import subprocess
import time

import numpy as np
import pytest
import requests

from serving import app, front
from tests import serving_stubs

pytestmark = pytest.mark.slow
ROOT = pathlib.Path(__file__).parents[2]
PYTHON = os.environ.get("ROS_PYTHON", "/usr/bin/python3")
NEEDED = "import rospy, numpy, requests, std_srvs.srv, sensor_msgs.msg"
PHOTOS = sorted((ROOT / "examples" / "photos" / "images").glob("*.jpg"))
ASKED = {"action": "skewering", "food_type": "strawberry"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Robot:
    """The processes; `ask` shows a picture and gives what came back."""

    def __init__(self, folder: pathlib.Path, stack: contextlib.ExitStack) -> None:
        core, self._stack, self.port = free_port(), stack, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {name: os.environ[name] for name in ("PATH", "HOME")}
        self._environment |= {"ROS_MASTER_URI": f"http://127.0.0.1:{core}", "ROS_IP": "127.0.0.1"}
        self._environment["ROS_HOME"] = str(folder)
        self._start("roscore", "-p", str(core))
        give_up = time.monotonic() + 120
        while socket.socket().connect_ex(("127.0.0.1", core)):
            assert time.monotonic() < give_up, "roscore did not start"
            time.sleep(0.05)
        node = [PYTHON, "ros1/acquisition_node.py", f"_api_url:={self.url}", "_timeout_s:=10"]
        node += [f"_{name}:={value}" for name, value in ASKED.items()]
        self._start(*node, "_image_topic:=/camera/color/image_raw/compressed", "_max_age_s:=30")
        self._start(*node, "__name:=raw")
        self._program = self._start(PYTHON, "tests/ros1/robot.py")
        assert self._program.stdout.readline() == "ready\n"

    def _start(self, *command: str) -> subprocess.Popen:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        process = subprocess.Popen(command, cwd=ROOT, env=self._environment, **pipes)
        self._stack.callback(process.communicate)
        # roscore has children to end; rospy's programs may be asleep.
        self._stack.callback(process.kill if command[0] == PYTHON else process.terminate)
        return process

    def ask(self, image=None, depth=None) -> dict | str:
        """The answer of the service, or why there is none; not later than after 10 seconds."""
        shown = {"image": image and str(image), "depth": depth and str(depth)}
        self._program.stdin.write(json.dumps(shown) + "\n")
        self._program.stdin.flush()
        success, message, seconds = json.loads(self._program.stdout.readline())
        assert success or seconds < 10
        return json.loads(message) if success else message


@pytest.fixture(scope="module")
def application(tmp_path_factory):
    store = serving_stubs.embedding_store_of(tmp_path_factory.mktemp("embeddings"))
    return app.create_app(serving_stubs.predictor_of(serving_stubs.MarkerModel(), store))


@pytest.fixture(scope="module")
def robot(tmp_path_factory):
    has_ros = shutil.which("roscore") and shutil.which(PYTHON)
    if not has_ros or subprocess.run([PYTHON, "-c", NEEDED]).returncode:
        pytest.skip("needs ROS 1: the Debian packages that tests/ros1 names")
    with contextlib.ExitStack() as stack:
        yield Robot(tmp_path_factory.mktemp("ros"), stack)


def server(application, robot):
    return front.Server(application, "127.0.0.1", robot.port)


def test_photos_are_answered_as_predict_answers(robot, application):
    assert len(PHOTOS) == 12
    with server(application, robot):
        for photo in PHOTOS:
            found = robot.ask(photo)
            files = {"image": photo.read_bytes()}
            expected = requests.post(f"{robot.url}/predict", files=files, data=ASKED).json()
            for key in ("prediction", "prediction_pixels", "image_width", "model_version"):
                assert found["answer"][key] == expected[key], photo
            assert found["ask_human"] == expected["ask_human"]
            turn = math.radians(expected["prediction_pixels"]["direction_degrees"])
            assert math.isclose(math.tan(found["major_axis"]), math.tan(turn), abs_tol=1e-9)
            assert -math.pi / 2 <= found["major_axis"] < math.pi / 2
            assert found["frame"] is None and "nothing on" in found["frame_error"]
    # The server is gone, and comes back.
    assert "cannot reach http://127.0.0.1" in robot.ask(PHOTOS[1])
    with server(application, robot):
        assert robot.ask(PHOTOS[1])["answer"]


def test_a_frame_in_space_from_an_image_with_padded_rows_that_is_new(robot, application, tmp_path):
    """The stub moves from the red square to the blue one; the table is 0.4 m away, f is 600."""
    image = serving_stubs.marker_picture(640, 480, (380, 240), (320, 300))
    np.save(tmp_path / "image.npy", image[:, :, ::-1])  # BGR.
    np.save(tmp_path / "depth.npy", np.full((480, 640), 400, np.uint16))
    np.save(tmp_path / "small.npy", np.full((240, 320), 400, np.uint16))
    with server(application, robot):
        found = robot.ask(tmp_path / "image.npy", tmp_path / "depth.npy")
        without = robot.ask(tmp_path / "image.npy", tmp_path / "small.npy")
        time.sleep(1.2)
        assert "no new picture on /camera/color/image_raw" in robot.ask()
    places = np.subtract([found["keypoint"], found["start"]], [(350, 270), (380, 240)])
    assert np.abs(places).max() <= 2
    assert abs(found["major_axis"] + math.pi / 4) < 0.02
    frame = found["frame"]
    np.testing.assert_allclose(frame["position"], [0.02, 0.02, 0.4], atol=1e-3)
    np.testing.assert_allclose(frame["start"], [0.04, 0, 0.4], atol=2e-3)
    roll = 2 * math.degrees(math.atan2(frame["orientation"][2], frame["orientation"][3]))
    assert abs(roll - 135) < 1 and frame["frame_id"] == "camera_color_optical_frame"
    assert found["probability"] is None  # The stub is not calibrated.
    assert without["frame"] is None and "(640, 480)" in without["frame_error"]
