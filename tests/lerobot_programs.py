"""Other people's programs: Rerun and LeRobot read what `build_dataset.py lerobot` writes, and
LeRobot wrote the samples in tests/food_data/lerobot.

    python3 -m venv viewer
    viewer/bin/pip install rerun-sdk==0.41.0 pillow
    python3.11 -m venv robot                               # LeRobot brings PyTorch along.
    robot/bin/pip install lerobot==0.4.4
    RERUN_PYTHON=viewer/bin/python LEROBOT_PYTHON=robot/bin/python python -m pytest -m long \\
        -k other_programs tests/food_data/test_lerobot.py

The samples are made by these; 0.3.3 is the last LeRobot that writes v2.1:

    robot/bin/python tests/lerobot_programs.py sample tests/food_data/lerobot/robot_v30
    robot/bin/pip install lerobot==0.3.3
    robot/bin/python tests/lerobot_programs.py sample tests/food_data/lerobot/food_v21
"""

import io
import os
import pathlib
import shutil
import sys
import tempfile

import numpy as np

LENGTHS = (5, 3, 9)
TASKS = ("skewering banana", "scoop rice", "twirl spaghetti")


def rerun(folder):
    """Images, actions and tasks as Rerun's LeRobot reader streams them."""
    from PIL import Image
    from rerun.experimental import LeRobotReader

    reader, blobs, actions, texts = LeRobotReader(folder), [], [], []
    wanted = {"EncodedImage:blob": blobs, "Scalars:scalars": actions, "/task": texts}
    for episode in reader.episodes():
        for chunk in reader.stream(episode):
            batch = chunk.to_record_batch()
            for name in batch.schema.names:
                key = "/task" if chunk.entity_path == "/task" and "text" in name else name
                wanted.get(key, []).extend(batch[name].to_pylist())
    images = [np.asarray(Image.open(io.BytesIO(bytes(blob)))) for (blob,) in blobs]
    return images, actions, [text for (text,) in texts]


def lerobot(folder):
    """The same as LeRobotDataset gives it to whoever trains."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    frames = list(LeRobotDataset("me/photos", root=folder))
    images = [frame["observation.image"].numpy().transpose(1, 2, 0) for frame in frames]
    images = [np.rint(image * 255).astype(np.uint8) for image in images]
    return images, [f["action"].numpy() for f in frames], [f["task"] for f in frames]


def sample(archive):
    """Films whose red says the episode, and whose green the frame."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    is_food = pathlib.Path(archive).name.startswith("food")
    camera = "observation.image" if is_food else "observation.images.front"
    names = ["x1", "y1", "x2", "y2"] if is_food else ["x", "y", "z", "rx", "ry", "rz", "gripper"]
    features = {
        key: {"dtype": "video", "shape": (64, 96, 3), "names": ["height", "width", "channels"]}
        for key in ([camera] if is_food else [camera, "observation.images.side"])
    }
    features["action"] = {"dtype": "float32", "shape": (len(names),), "names": names}
    with tempfile.TemporaryDirectory() as parent:
        root = pathlib.Path(parent) / "sample"
        more = {} if is_food else {"vcodec": "h264"}  # The other one has AV1.
        dataset = LeRobotDataset.create("me/sample", 10, features, root=root, **more)
        for episode, (length, task) in enumerate(zip(LENGTHS, TASKS)):
            for number in range(length):
                image = np.zeros((64, 96, 3), np.uint8)
                image[..., 0], image[..., 1] = 40 * episode + 20, 20 * number + 10
                action = np.arange(len(names)) / 10 + number / 100 + episode / 10
                frame = dict.fromkeys((key for key in features if key != "action"), image)
                frame["action"] = action.astype(np.float32)
                if is_food:
                    dataset.add_frame(frame, task=task)
                else:
                    dataset.add_frame({**frame, "task": task})
            dataset.save_episode()
        if not is_food:
            dataset.finalize()
            shutil.rmtree(root / "videos" / "observation.images.side")  # Nothing reads them.
        shutil.make_archive(archive, "zip", parent, "sample")


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    if sys.argv[1] == "sample":
        sample(*sys.argv[2:])
    else:
        images, actions, tasks = {"rerun": rerun, "lerobot": lerobot}[sys.argv[1]](sys.argv[2])
        np.savez(sys.argv[3], images=images, actions=actions, tasks=tasks)
