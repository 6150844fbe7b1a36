"""Answers for ada_feeding, and the bytes (CDR) that ROS 2 makes of them.

`pip install rosbags==0.11.9`, in an environment of its own beside ours, has what writes and reads
those bytes. `RESPONSE` and `FIELDS` are the fields of ada_feeding_msgs.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from ros2 import ada_feeding

# A fork from above whose tines lie across x, 1 cm beside the middle, pulled along.
ELEMENT = {
    "pre_pos": [0.0, 0.3, 1.0],
    "pre_quat": [0.0, math.sqrt(0.5), -math.sqrt(0.5), 0.0],
    "pre_offset": [0.01, 0.0, -0.025],
    **{"pre_force": 20.0, "grasp_force": 15.0, "ext_force": 50.0},
    **dict.fromkeys(("pre_torque", "grasp_torque", "ext_torque"), 4.0),
    **{"grasp_linear": [0.1, 0.0, 0.0], "grasp_angular": [0.0, 0.2, 0.0]},
    **{"ext_linear": [0.0, 0.0, 0.08], "ext_angular": [-0.4, 0.0, 0.0]},
    **{"grasp_duration": 1.25, "ext_duration": 1},
}
CONTENT = {
    "prediction_pixels": {"direction_degrees": -150.0},
    "request_id": "7f",
    "ask_human": False,
    "trained": True,
    "uncertainty": {"chance": 0.8},
}
_VECTORS = (
    "pre_offset",
    "pre_rot_hint",
    "grasp_linear",
    "grasp_angular",
    "ext_linear",
    "ext_angular",
)
FIELDS = "geometry_msgs/Pose pre_transform\n"
FIELDS += "".join(f"geometry_msgs/Vector3 {name}\n" for name in _VECTORS)
for _part in ("pre", "grasp", "ext"):
    FIELDS += f"float64 {_part}_force\nfloat64 {_part}_torque\n"
FIELDS += "".join(f"builtin_interfaces/Duration {name}_duration\n" for name in ("grasp", "ext"))
RESPONSE = "ada_feeding_msgs/AcquisitionSchema[] actions\nfloat64[] probabilities\n"
RESPONSE += "string status\nstring id\n"


def test_an_element_is_turned_to_the_answer_or_a_person_is_asked():
    """Food at 120 degrees of the photo, answer at -150: across, so a quarter about the vertical."""
    (action,) = ada_feeding.acquisition_select(CONTENT, ELEMENT, 120.0, (0.0, 0.02))["actions"]
    assert action["pre_offset"] == pytest.approx({"x": 0.0, "y": 0.01, "z": -0.025})
    assert action["pre_transform"]["position"] == pytest.approx({"x": 0.3, "y": 0.0, "z": 1.0})
    found = action["pre_transform"]["orientation"]
    assert abs(found["x"]) < 1e-9 and abs(abs(found["y"]) - 1) < 1e-9
    assert action["grasp_duration"] == {"sec": 1, "nanosec": 250_000_000}
    same = ada_feeding.acquisition_select(CONTENT, ELEMENT, 30.0)["actions"][0]
    quaternion = dict(zip("wxyz", ELEMENT["pre_quat"]))
    assert same["pre_transform"]["orientation"] == pytest.approx(quaternion)
    for change in ({"ask_human": True}, {"trained": False}):
        response = ada_feeding.acquisition_select(CONTENT | change, ELEMENT, 0.0)
        assert response["actions"] == [] and response["status"] != "Success"


def test_nothing_changes_on_the_wire():
    pytest.importorskip("rosbags", reason="needs rosbags, see above")
    from rosbags import typesys

    store = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)
    schema, whole = (f"ada_feeding_msgs/msg/{name}" for name in ("AcquisitionSchema", "Response"))
    store.register(typesys.get_types_from_msg(FIELDS, schema))
    store.register(typesys.get_types_from_msg(RESPONSE, whole))

    def message(kind, value):
        """The message of a dict, which has exactly its fields."""
        fields = dict(store.fielddefs[kind][1])
        assert set(fields) == set(value)
        for name, (_, inner) in fields.items():
            if isinstance(value[name], dict):
                value = value | {name: message(inner, value[name])}
        return store.types[kind](**value)

    response = ada_feeding.acquisition_select(CONTENT, ELEMENT, 75.0, (0.01, 0.02))
    actions = [message(schema, action) for action in response["actions"]]
    probabilities = np.array(response["probabilities"])
    sent = message(whole, response | {"actions": actions, "probabilities": probabilities})
    received = store.deserialize_cdr(store.serialize_cdr(sent, whole), whole)
    public = lambda items: {name: one for name, one in items if name != "__msgtype__"}  # noqa: E731
    again = dataclasses.asdict(received, dict_factory=public)
    assert again.pop("probabilities").tolist() == response.pop("probabilities")
    assert again == response
