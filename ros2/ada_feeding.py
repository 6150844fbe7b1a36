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


def acquisition_select(
    content: Mapping[str, Any],
    element: Mapping[str, Any],
    food_axis_deg: float,
    offset_m: Sequence[float] = (0.0, 0.0),
) -> dict[str, Any]:
    """The response for one answer; empty, with the reason as status, if a person is to be asked.

    Args:
        content: JSON of /predict.
        element: of the library of actions, for the food frame's axis. Quaternions are w, x, y, z.
        food_axis_deg: where the food frame's x points in the photo, as `direction_degrees`: from +x
            of the photo towards +y, which is down. The frame's z points to the camera.
        offset_m: from the food frame's origin to the answer's midpoint, x and y in that frame.

    Returns:
        actions, probabilities, status, id.
    """
    request_id = str(content.get("request_id") or "")
    if content.get("ask_human") or content.get("trained") is False:
        text = "Ask a person instead of acting on this answer"
        return {"actions": [], "probabilities": [], "status": text, "id": request_id}
    # Seen from the camera +y of the photo is clockwise; the frame turns the other way about its z.
    turn = math.radians(food_axis_deg - content["prediction_pixels"]["direction_degrees"])
    turn = (turn + math.pi / 2) % math.pi - math.pi / 2  # A line has no head.
    cos, sin = math.cos(turn), math.sin(turn)

    def turned(vector: Sequence[float]) -> list[float]:
        x, y, z = vector
        return [cos * x - sin * y, sin * x + cos * y, z]

    w, x, y, z = element["pre_quat"]
    half_cos, half_sin = math.cos(turn / 2), math.sin(turn / 2)
    quaternion = {
        "x": half_cos * x - half_sin * y,
        "y": half_cos * y + half_sin * x,
        "z": half_cos * z + half_sin * w,
        "w": half_cos * w - half_sin * z,
    }
    offset = turned(element["pre_offset"])
    action = {
        "pre_transform": {"position": _xyz(turned(element["pre_pos"])), "orientation": quaternion},
        "pre_offset": _xyz([offset[0] + offset_m[0], offset[1] + offset_m[1], offset[2]]),
        "pre_rot_hint": _xyz(element.get("pre_rot_hint", (0.0, 0.0, 0.0))),
        **{name: float(element[name]) for name in _FORCES},
    }
    for part in ("grasp", "ext"):
        action |= {
            f"{part}_{kind}": _xyz(element[f"{part}_{kind}"]) for kind in ("linear", "angular")
        }
        seconds = math.floor(element[f"{part}_duration"])
        nanoseconds = round(1e9 * (element[f"{part}_duration"] - seconds))
        action[f"{part}_duration"] = {"sec": seconds, "nanosec": nanoseconds}
    chance = (content.get("uncertainty") or {}).get("chance")
    probabilities = [] if chance is None else [float(chance)]
    return {
        "actions": [action],
        "probabilities": probabilities,
        "status": "Success",
        "id": request_id,
    }


def _xyz(vector: Sequence[float]) -> dict[str, float]:
    return dict(zip("xyz", map(float, vector)))
