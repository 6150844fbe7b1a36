#!/usr/bin/env python3
"""A ROS 1 node that asks the server where to move, for FLAIR, feeding-deployment and their like.

    python3 ros1/acquisition_node.py _api_url:=http://127.0.0.1:8080 \\
        _action:=skewering _food_type:=strawberry
    rosservice call /food_acquisition/acquire          # std_srvs/Trigger

It runs on the Python of ROS (3.8 and newer) with rospy, NumPy and requests, and answers in JSON.

| key                  | holds                                                                     |
|----------------------|---------------------------------------------------------------------------|
| keypoint, start, end | whole pixels [x, y]                                                       |
| major_axis           | radians in [-pi/2, pi/2), from +x towards +y                              |
| frame                | in the camera, metres: position and orientation (x, y, z, w) with x along |
|                      | the motion and z away, start, end; null: see frame_error                  |
| probability          | that the answer is right; null: unknown                                   |
| ask_human            | ask a person instead of acting; null: unknown                             |
| stamp, answer        | of the picture; all that /predict says                                    |

Private parameters, read at each call: action, food_type, text, passes, max_age_s (1) of a picture;
at the start: api_url, api_key, timeout_s (5) of the server, image_topic (CompressedImage if it ends
with /compressed), depth_topic and info_topic. `success` false comes with the reason as message.
"""

from __future__ import annotations

import json
import math
import pathlib
import sys
import threading

import numpy as np
import rospy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_srvs.srv import Trigger, TriggerResponse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import acquisition_frame
import api_client

_CHANNELS = {"rgb8": [0, 1, 2], "bgr8": [2, 1, 0]}  # Where red, green and blue are.
_DEPTHS = {"16UC1": ("u2", 0.001), "mono16": ("u2", 0.001), "32FC1": ("f4", 1.0)}  # REP 118.
_DISTORTIONS = ("plumb_bob", "rational_polynomial")  # As OpenCV computes them.
_MAX_APART_S = 0.1  # Between a photo and its depth.
_ASKED = ("action", "food_type", "text", "passes")


def array_of(message: Image, dtype: str, num_channels: int) -> np.ndarray:
    """[H, W, C]; rows of a message may be longer than the picture is wide."""
    kind = np.dtype(dtype).newbyteorder(">" if message.is_bigendian else "<")
    rows = np.frombuffer(message.data, kind).reshape(message.height, -1)
    return rows[:, : message.width * num_channels].reshape(message.height, message.width, -1)


def photo_of(message: Image | CompressedImage) -> bytes | np.ndarray:
    """What the client sends: the file as it came, or uint8 [H, W, 3] in RGB."""
    if isinstance(message, CompressedImage):
        return bytes(message.data)
    if message.encoding not in _CHANNELS:
        raise ValueError(f"picture: expected one of {list(_CHANNELS)}, got {message.encoding!r}.")
    return array_of(message, "u1", 3)[:, :, _CHANNELS[message.encoding]]


class Node:
    """The service, and what the camera has shown last."""

    def __init__(self) -> None:
        image = rospy.get_param("~image_topic", "/camera/color/image_raw")
        depth = rospy.get_param("~depth_topic", "/camera/aligned_depth_to_color/image_raw")
        info = rospy.get_param("~info_topic", "/camera/color/camera_info")
        self._topics = {"image": image, "depth": depth, "info": info}
        self._last, self._lock = {}, threading.Lock()
        self._client = api_client.FoodAcquisitionClient(
            rospy.get_param("~api_url", "http://127.0.0.1:8080"),
            api_key=rospy.get_param("~api_key", None),
            timeout_s=rospy.get_param("~timeout_s", 5.0),
            retries=1,  # The server may have begun anew since.
        )
        self._client.max_wait_s = 1.0
        is_compressed = image.endswith("/compressed")
        types = {"image": CompressedImage if is_compressed else Image}
        types |= {"depth": Image, "info": CameraInfo}
        for name, topic in self._topics.items():
            buffer = {"queue_size": 1, "buff_size": 2**26}  # The newest, not a queue of old ones.
            rospy.Subscriber(topic, types[name], self._keep, callback_args=name, **buffer)
        rospy.Service("~acquire", Trigger, self._acquire)

    def _keep(self, message: rospy.Message, name: str) -> None:
        self._last[name] = (message, rospy.get_time())

    def _acquire(self, _: object) -> TriggerResponse:
        try:
            with self._lock:  # A client is for one thread.
                return TriggerResponse(True, json.dumps(self._answer()))
        except (api_client.ApiError, ValueError, TypeError) as error:
            rospy.logwarn("acquire: %s", error)
            return TriggerResponse(False, str(error))

    def _answer(self) -> dict[str, object]:
        """Asks; raises ApiError, ValueError."""
        last = dict(self._last)
        image, came = last.get("image", (None, -math.inf))
        if rospy.get_time() - came > rospy.get_param("~max_age_s", 1.0):
            raise ValueError(f"no new picture on {self._topics['image']}")
        asked = {key: rospy.get_param(f"~{key}", None) or None for key in _ASKED}
        found = self._client.predict(photo_of(image), **asked)
        motion = found.pixels
        points = [(motion.skewer_x, motion.skewer_y)]
        points += [(motion.start_x, motion.start_y), (motion.end_x, motion.end_y)]
        limit = np.array([found.image_width, found.image_height]) - 1
        whole = np.minimum(np.array(points).astype(int), limit).tolist()
        turn = math.radians(motion.direction_degrees)
        answer = {
            **dict(zip(("keypoint", "start", "end"), whole)),
            "major_axis": (turn + math.pi / 2) % math.pi - math.pi / 2,
            "probability": (found.content.get("uncertainty") or {}).get("chance"),
            "ask_human": True if found.trained is False else found.ask_human,
            "frame": None,
            "frame_error": None,
            "stamp": image.header.stamp.to_sec(),
            "answer": found.content,
        }
        try:
            frame = self._frame(np.ravel(points[1:]), found, image.header.stamp, last)
            half = math.radians(frame.roll_deg) / 2
            answer["frame"] = {
                "frame_id": image.header.frame_id,
                "position": ((frame.start_m + frame.end_m) / 2).tolist(),
                "orientation": [0.0, 0.0, math.sin(half), math.cos(half)],
                "start": frame.start_m.tolist(),
                "end": frame.end_m.tolist(),
            }
        except (ValueError, ImportError) as error:  # OpenCV, for a lens with distortion.
            answer["frame_error"] = str(error)
        return answer

    def _frame(
        self,
        ends: np.ndarray,
        found: api_client.Prediction,
        stamp: rospy.Time,
        last: dict[str, tuple],
    ) -> acquisition_frame.Frame:
        """Raises ValueError with the reason why there is none."""
        for name in ("depth", "info"):
            if name not in last:
                raise ValueError(f"nothing on {self._topics[name]}")
        depth, info = last["depth"][0], last["info"][0]
        shown = (found.image_width, found.image_height)
        is_known = not any(info.D) or info.distortion_model in _DISTORTIONS
        size, apart_s = (depth.width, depth.height), abs((depth.header.stamp - stamp).to_sec())
        for what, is_right, expected, got in (
            ("seconds from photo to depth", apart_s <= _MAX_APART_S, _MAX_APART_S, apart_s),
            ("size of the depth", size == shown, shown, size),
            ("encoding of the depth", depth.encoding in _DEPTHS, list(_DEPTHS), depth.encoding),
            ("distortion_model", is_known, _DISTORTIONS, info.distortion_model),
        ):
            if not is_right:
                raise ValueError(f"{what}: expected {expected}, got {got}")
        dtype, unit_m = _DEPTHS[depth.encoding]
        depth_m = array_of(depth, dtype, 1)[:, :, 0] * unit_m
        camera = acquisition_frame.Camera((info.K[0], info.K[4], info.K[2], info.K[5]), info.D)
        return acquisition_frame.acquisition_frame(ends, depth_m, camera)


if __name__ == "__main__":
    rospy.init_node("food_acquisition")
    Node()
    rospy.spin()
