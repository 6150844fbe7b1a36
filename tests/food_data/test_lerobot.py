"""LeRobot data sets: food there and back, samples that LeRobot wrote, and what is refused.

Releases 0.4.4 (v3.0, H.264) and 0.3.3 (v2.1, AV1) wrote the samples, three episodes of 64 x 96
pixels at 10 frames a second whose red says the episode and whose green the frame.
`tests/lerobot_programs.py` says how Rerun and LeRobot read ours.
"""

from __future__ import annotations

import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="needs requirements-lerobot.txt")
pytest.importorskip("av", reason="needs requirements-lerobot.txt")
from pyarrow import parquet

import build_dataset
from food_data import lerobot, npz_dataset, rlds
from tests import lerobot_programs

LENGTHS, TASKS = (5, 3, 9), ("skewering banana", "scoop rice", "twirl spaghetti")
ORDER = ["world_vector", "rotation_delta", "gripper_closedness_action"]
FRONT = "observation.images.front"
FILES = ("info", "stats")
ROWS, FILM = "data/chunk-000/file-000.parquet", f"videos/{FRONT}/chunk-000/file-000.mp4"


@pytest.fixture(scope="module")
def plates(store):
    random = np.random.default_rng(0)
    pairs = [store.combinations()[i % 20] for i in range(70)]
    return npz_dataset.FoodDataset(
        random.integers(0, 256, (70, *npz_dataset.IMAGE_SHAPE), np.uint8),
        random.uniform(size=(70, 4)).astype(np.float32),
        np.stack([store.lookup(*pair) for pair in pairs]),
        *(np.array(names) for names in zip(*pairs)),
        np.array([f"day_1/{i // 2}.jpg#{i}" for i in range(70)]),
        resize="crop",
    )


@pytest.fixture(scope="module")
def published(plates, tmp_path_factory):
    return lerobot.write_food(plates, tmp_path_factory.mktemp("hub") / "plates")


@pytest.fixture
def robot(tmp_path):
    shutil.unpack_archive(pathlib.Path(__file__).parent / "lerobot" / "robot_v30.zip", tmp_path)
    return tmp_path / "sample"


def expected():
    """(episode, frame, action of 7 numbers) of the samples."""
    for episode, length in enumerate(LENGTHS):
        for frame in range(length):
            yield episode, frame, np.float32(np.arange(7) / 10 + frame / 100 + episode / 10)


def test_food_there_and_back(plates, published, tmp_path):
    back = tmp_path / "back.npz"
    assert build_dataset.main(["from_lerobot", str(published), "--output_file", str(back)]) == 0
    found = npz_dataset.read_npz(back)
    assert npz_dataset.dataset_fingerprint(found) == npz_dataset.dataset_fingerprint(plates)
    assert found.resize == "crop"
    command = ["lerobot", str(back), "--output_dir"]
    assert build_dataset.main([*command, str(published)]) == 1  # It exists.
    assert build_dataset.main([*command, str(tmp_path / "again")]) == 0
    assert (published / ROWS).read_bytes() == (tmp_path / "again" / ROWS).read_bytes()
    episodes = parquet.read_table(published / "meta/episodes/chunk-000").to_pylist()
    assert [one["dataset_from_index"] for one in episodes] == list(range(70))
    info, stats = (json.loads((published / f"meta/{n}.json").read_text()) for n in FILES)
    assert [info[f"total_{what}"] for what in ("episodes", "frames", "tasks")] == [70, 70, 20]
    values = {"observation.image": plates.images / 255.0, "action": plates.actions.astype(float)}
    for key, name in itertools.product(values, ("min", "max", "mean", "std")):
        wanted = getattr(values[key], name)(axis=tuple(range(values[key].ndim - 1)))
        np.testing.assert_allclose(np.ravel(stats[key][name]), wanted, rtol=1e-9)


def test_food_of_v21_that_lerobot_wrote(tmp_path):
    shutil.unpack_archive(pathlib.Path(__file__).parent / "lerobot" / "food_v21.zip", tmp_path)
    flags = ["--output_file", str(tmp_path / "food.npz"), "--resize", "stretch"]
    assert build_dataset.main(["from_lerobot", str(tmp_path / "sample"), *flags]) == 0
    found = npz_dataset.read_npz(tmp_path / "food.npz")
    episodes, frames, actions = (np.array(column) for column in zip(*expected()))
    np.testing.assert_allclose(found.actions, actions[:, :4], atol=1e-7)
    colours = found.images[:, 118, 118, :2].astype(int)
    np.testing.assert_allclose(colours, np.stack([40 * episodes + 20, 20 * frames + 10], 1), atol=5)
    assert found.food_types.tolist() == ["banana"] * 5 + ["rice"] * 3 + ["spaghetti"] * 9
    assert found.sources.tolist() == [f"sample/episode_00000{episode}" for episode in episodes]


def test_a_robots_episodes_of_v30_that_lerobot_wrote(robot, tmp_path):
    found = lerobot.Dataset(robot, FRONT)
    embed = lambda text: np.full(512, len(text), np.float32)  # noqa: E731
    episodes = rlds.Episodes(lerobot.write_shards(found, tmp_path / "shards", embed, ORDER))
    for episode, frame, action in expected():
        read, text = episodes[episode], TASKS[episode]
        got = np.concatenate([read[f"steps/action/{key}"][frame] for key in ORDER])
        np.testing.assert_array_equal(got, action)
        image = rlds.decode_images(read["steps/observation/image"], (64, 96, 3))[frame]
        wanted = [40 * episode + 20, 20 * frame + 10]
        np.testing.assert_allclose(image[..., :2].mean((0, 1)), wanted, atol=3)
        ends = frame == LENGTHS[episode] - 1
        assert read["steps/action/terminate_episode"][frame].tolist() == [ends, 1 - ends, 0]
        assert read["steps/observation/natural_language_embedding"][frame][0] == len(text)


def change(old, new):
    def apply(folder):
        path = folder / "meta" / "info.json"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return apply


def cut(name):
    return lambda folder: os.truncate(folder / name, (folder / name).stat().st_size * 2 // 3)


def drop_rows(folder):
    parquet.write_table(parquet.read_table(folder / ROWS)[:7], folder / ROWS)


REFUSED = [
    (change("v3.0", "v2.0"), r"codebase_version v3\.0 or v2\.1, got v2\.0\. Convert it with"),
    (change('"data/chunk', '"../chunk'), "data_path of info.json leads out of the folder"),
    (change('"data/chunk', '"/chunk'), "data_path of info.json leads out of the folder"),
    (change('"fps"', '"rate"'), "episode 0: absent: 'fps'"),
    (change('"total_episodes": 3', '"total_episodes": 4'), "expected 4 episodes, it"),
    (change(FRONT, "front"), "--camera: expected one of front, observation.images.side"),
    (change("        96,", "        97,"), r"episode 0: expected pictures of \(64, 97, 3\)"),
    (change("        7\n", "        8\n"), r"the numbers of 'action', .*'shape': \[8\]"),
    (cut(ROWS), f"{ROWS}: expected a Parquet file"),
    (cut(FILM), f"episode 0: .*{FILM}: expected a film"),
    (lambda folder: (folder / ROWS).unlink(), f"No such file or directory: '.*{ROWS}'"),
    (drop_rows, f"{ROWS}: episode 1: expected 3 frames, got 2"),
]


@pytest.mark.parametrize(("fault", "reason"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_refused_is_named(robot, fault, reason, tmp_path, capsys):
    fault(robot)
    words = ["shards", str(robot), "--camera", FRONT, "--output_dir", str(tmp_path / "shards")]
    assert build_dataset.main([*words, "--action_order", *ORDER]) == 1
    assert re.search(f"^error: .*{reason}", capsys.readouterr().err)
    assert not list(tmp_path.glob("shards/*/features.json"))


@pytest.mark.long
@pytest.mark.parametrize("program", ["rerun", "lerobot"])
def test_other_programs_read_it(plates, published, program, tmp_path):
    name, output = f"{program.upper()}_PYTHON", tmp_path / "read.npz"
    if name not in os.environ:
        pytest.skip(f"needs {name}, see tests/lerobot_programs.py")
    command = [os.environ[name], lerobot_programs.__file__, program, published, output]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": ""})
    read = np.load(output)
    assert len(read["images"]) == 70
    np.testing.assert_array_equal(read["actions"].astype(np.float32), plates.actions)
    error = np.mean((read["images"].astype(float) - plates.images) ** 2)
    assert error == 0 or 10 * np.log10(255**2 / error) >= 40  # PSNR in dB.
    foods = [str(task).split(" ", 1)[1].replace(" ", "_") for task in read["tasks"]]
    assert foods == plates.food_types.tolist()
