"""An answer of /predict as the response of ada_feeding's service AcquisitionSelect (ROS 2).

    answer = client.predict(photo, "skewering", "carrot").content
    response = acquisition_select(answer, library["skewering"], food_axis_deg=75.8)

It gives plain dicts with the fields of `ada_feeding_msgs`, so it needs no ROS; the node that would
serve them has not been built. What the arm does, with its forces, is the robot's own: an element of
ada_feeding's `acquisition_library.yaml`, turned about the vertical to the answer's direction.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

_FORCES = ("pre_force", "pre_torque", "grasp_force", "grasp_torque", "ext_force", "ext_torque")
_VECTORS = ("grasp_linear", "grasp_angular", "ext_linear", "ext_angular")


def acquisition_select(
    content: Mapping[str, Any],
    element: Mapping[str, Any],
    food_axis_deg: float,
    offset_m: Sequence[float] = (0.0, 0.0),
) -> dict[str, Any]:
    """The response for the JSON of /predict; empty, with the reason as status, if a person is to be
    asked. `element` is one of the library of actions, for the food frame's axis; its quaternions
    are w, x, y, z. `food_axis_deg` says where that frame's x points in the photo, from +x towards
    +y, which is down; its z points to the camera. `offset_m`, x and y in that frame, leads from its
    origin to the answer's midpoint."""
    response = {"actions": [], "probabilities": [], "id": str(content.get("request_id") or "")}
    if content.get("ask_human") or content.get("trained") is False:
        return response | {"status": "Ask a person instead of acting on this answer"}
    # Seen from the camera +y of the photo is clockwise; the frame turns the other way about its z.
    turn = math.radians(food_axis_deg - content["prediction_pixels"]["direction_degrees"])
    turn = (turn + math.pi / 2) % math.pi - math.pi / 2  # A line has no head.
    cos, sin = math.cos(turn), math.sin(turn)
    half_cos, half_sin = math.cos(turn / 2), math.sin(turn / 2)

    def turned(vector: Sequence[float], moved: Sequence[float] = (0.0, 0.0)) -> dict[str, float]:
        x, y, z = vector
        return _xyz([cos * x - sin * y + moved[0], sin * x + cos * y + moved[1], z])

    w, x, y, z = element["pre_quat"]
    quaternion = {
        "x": half_cos * x - half_sin * y,
        "y": half_cos * y + half_sin * x,
        "z": half_cos * z + half_sin * w,
        "w": half_cos * w - half_sin * z,
    }
    action = {
        "pre_transform": {"position": turned(element["pre_pos"]), "orientation": quaternion},
        "pre_offset": turned(element["pre_offset"], offset_m),
        "pre_rot_hint": _xyz(element.get("pre_rot_hint", (0.0, 0.0, 0.0))),
        **{name: float(element[name]) for name in _FORCES},
        **{name: _xyz(element[name]) for name in _VECTORS},
    }
    for name in ("grasp_duration", "ext_duration"):
        seconds = math.floor(element[name])
        action[name] = {"sec": seconds, "nanosec": round(1e9 * (element[name] - seconds))}
    chance = (content.get("uncertainty") or {}).get("chance")
    chances = [] if chance is None else [float(chance)]
    return response | {"actions": [action], "probabilities": chances, "status": "Success"}


def _xyz(vector: Sequence[float]) -> dict[str, float]:
    return dict(zip("xyz", map(float, vector)))
