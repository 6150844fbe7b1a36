"""A robot's program, on the Python of ROS: for each line of its input it shows the camera's topics
a picture, calls the node's service, and prints what the service says.

    {"image": "photo.jpg" or "photo.npy" or null, "depth": "depth.npy" or null}

A file is sent as CompressedImage to the node /food_acquisition, an array as Image to /raw.
"""

import json
import pathlib
import sys
import time

import numpy as np
import rospy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_srvs.srv import Trigger


def image_of(path):
    """A message whose rows are six bytes longer than the picture."""
    array = np.load(path)
    rows = np.pad(array.reshape(len(array), -1).view(np.uint8), ((0, 0), (0, 6)))
    encoding = "16UC1" if array.dtype == np.uint16 else "bgr8"
    message = Image(height=array.shape[0], width=array.shape[1], encoding=encoding)
    message.step, message.data = rows.shape[1], rows.tobytes()
    return message


def sender(topic, kind):
    publisher = rospy.Publisher(topic, kind, queue_size=1)
    give_up = time.monotonic() + 120
    while not publisher.get_num_connections():
        assert time.monotonic() < give_up, f"no node listens to {topic}"
        time.sleep(0.02)
    return publisher


def main():
    rospy.init_node("robot")
    file = sender("/camera/color/image_raw/compressed", CompressedImage)
    array = sender("/camera/color/image_raw", Image)
    depth = sender("/camera/aligned_depth_to_color/image_raw", Image)
    info = sender("/camera/color/camera_info", CameraInfo)
    print("ready", flush=True)  # noqa: T201
    for line in sys.stdin:
        shown = json.loads(line)
        stamp = rospy.Time.from_sec(round(time.time(), 3))
        if shown["depth"]:
            message = image_of(shown["depth"])
            message.header.stamp = stamp
            depth.publish(message)
            info.publish(CameraInfo(K=[600.0, 0, 320, 0, 600, 240, 0, 0, 1], D=[0.0] * 5))
        node, publisher, path = "/raw", array, pathlib.Path(shown["image"] or "none.npy")
        if path.suffix != ".npy":
            node, publisher = "/food_acquisition", file
        if shown["image"]:
            is_file = publisher is file
            message = CompressedImage(data=path.read_bytes()) if is_file else image_of(path)
            message.header.stamp, message.header.frame_id = stamp, "camera_color_optical_frame"
            publisher.publish(message)
        acquire = rospy.ServiceProxy(f"{node}/acquire", Trigger)
        acquire.wait_for_service(20)
        started = time.monotonic()
        while True:
            answer = acquire()
            new = not answer.success or json.loads(answer.message)["stamp"] == stamp.to_sec()
            if not shown["image"] or (new and "no new picture" not in answer.message):
                break
            time.sleep(0.02)  # The picture is still on its way.
        said = answer.success, answer.message, time.monotonic() - started
        print(json.dumps(said), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
