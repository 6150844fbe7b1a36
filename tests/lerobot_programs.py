"""Other people's programs: Rerun and LeRobot read what `build_dataset.py lerobot` writes.

    python3 -m venv viewer
    viewer/bin/pip install rerun-sdk==0.41.0 pillow
    python3.11 -m venv robot                               # LeRobot brings PyTorch along.
    robot/bin/pip install lerobot==0.4.4
    RERUN_PYTHON=viewer/bin/python LEROBOT_PYTHON=robot/bin/python python -m pytest -m long \\
        -k other_programs tests/food_data/test_lerobot.py
"""

import io
import os
import sys

import numpy as np


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


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    images, actions, tasks = {"rerun": rerun, "lerobot": lerobot}[sys.argv[1]](sys.argv[2])
    np.savez(sys.argv[3], images=images, actions=actions, tasks=tasks)
