"""LeRobot data sets, as people share them on a hub: v3.0 out, v3.0 and v2.1 in, without torch.

    data/photos/meta/info.json                            version, features, where files lie, counts
                meta/stats.json                           feature -> min, max, mean, std
                meta/tasks.parquet                        instruction, task_index
                meta/episodes/chunk-000/file-000.parquet  a row for each episode: length, files
                data/chunk-000/file-000.parquet           a row for each frame, of many episodes
                videos/observation.image/chunk-000/file-000.mp4

Pictures are files within the rows ("image"), or frames of a film ("video"): frame 3 of an episode
that begins at 12.5 s of its film, at 10 frames a second, is the one at 12.8 s. v2.1 has
`tasks.jsonl` and `episodes.jsonl`, and for each episode a file of rows and a film.

A sample of food is an episode of one frame: `observation.image` as PNG, `action` with x1, y1, x2,
y2 in 0..1, "skewering cherry tomato" as its task, and `source`; all lie in one file of rows.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

try:
    import av
    import pyarrow as pa
    from pyarrow import parquet
except ModuleNotFoundError as error:
    command = "`pip install --no-deps -r requirements-lerobot.txt`"
    raise ModuleNotFoundError(f"LeRobot data sets need {error.name}: {command}.") from error

import policy_specs
from food_data import annotations, atomic_files, image_placement, npz_dataset, rlds, vocabulary

_IMAGE, _ACTION = "observation.image", "action"
_ROWS = "chunk-000/file-000.parquet"
_CHUNK_FILES, _BLOCK_ROWS = 1000, 64
# What is read of a frame beside its picture.
_READ = (_ACTION, "source", "timestamp", "episode_index", "task_index")
# What a frame of food holds.
_ABOUT = ("dtype", "shape", "names")
_FEATURES: dict[str, tuple[str, Sequence[int], list[str] | None]] = {
    _IMAGE: ("image", npz_dataset.IMAGE_SHAPE, ["height", "width", "channels"]),
    _ACTION: ("float32", (policy_specs.NUM_COORDINATES,), ["x1", "y1", "x2", "y2"]),
    "source": ("string", (1,), None),
    "timestamp": ("float32", (1,), None),
    **dict.fromkeys(("frame_index", "episode_index", "index", "task_index"), ("int64", (1,), None)),
}


class Dataset:
    """A data set in v3.0 or v2.1; iterating over it reads one episode of T frames after the other:
    feature -> array [T, ...], "task" and "image" -> lists of T texts and files (of films PNG).
    `info` is that of `info.json`, `image_shape` [H, W, 3] of the pictures of the `camera`."""

    def __init__(self, directory: str | os.PathLike[str], camera: str | None = None) -> None:
        """Reads what is in `meta`. Raises OSError, ValueError if it is absent, of another version,
        or has several cameras of which none was chosen."""
        atomic_files.check_local(directory, "LeRobot data set")
        self.folder = pathlib.Path(directory)
        path = self.folder / "meta" / "info.json"
        self.info = rlds.read_json(path)
        version = self.info.get("codebase_version")
        if version not in ("v3.0", "v2.1"):
            text = "Convert it with LeRobot; its release 0.3.3 makes v2.1 of v2.0: python -m "
            text += "lerobot.datasets.v21.convert_dataset_v20_to_v21 --repo-id=NAME"
            got = f"{path}: expected codebase_version v3.0 or v2.1, got {version}"
            raise ValueError(f"{got}. {text}")
        try:
            features = self.info["features"]
            cameras = [key for key, one in features.items() if one["dtype"] in ("image", "video")]
            self.camera = cameras[0] if camera is None and len(cameras) == 1 else camera
            if self.camera not in cameras:
                listed = ", ".join(cameras) or "none"
                raise ValueError(f"--camera: expected one of {listed} of {path}, got {camera}.")
            shape = features[self.camera]["shape"]
            self.image_shape = (*(shape[1:] if shape[0] in (1, 3) else shape[:2]), 3)
            if version == "v2.1":
                tasks, rows = (
                    [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
                    for file in (path.parent / "tasks.jsonl", path.parent / "episodes.jsonl")
                )
                self._tasks = {one["task_index"]: one["task"] for one in tasks}
            else:
                tasks, rows = _table(path.parent / "tasks.parquet").to_pydict(), []
                numbers = tasks.pop("task_index")
                (texts,) = tasks.values()  # "task", or what pandas calls an index without a name.
                self._tasks = dict(zip(numbers, texts))
                for file in sorted(path.parent.glob("episodes/*/*.parquet")):
                    table = _table(file)
                    names = [name for name in table.column_names if not name.startswith("stats/")]
                    rows += table.select(names).to_pylist()
            self._rows = sorted(rows, key=lambda row: row["episode_index"])
        except (KeyError, json.JSONDecodeError) as error:
            raise ValueError(f"{path.parent}: expected another content: {error!r}") from error
        if len(rows) != (count := self.info.get("total_episodes")):
            raise ValueError(f"{path.parent}: expected {count} episodes, it describes {len(rows)}.")

    def _path(self, key: str, row: Mapping[str, Any], group: str) -> pathlib.Path:
        """The file of an episode by the template `key` of info.json. It must not lead out of the
        folder; the file may be a symbolic link, as a hub's cache has them."""
        index = row["episode_index"]
        places = {name: row.get(f"{group}/{name}", 0) for name in ("chunk_index", "file_index")}
        places |= {"episode_index": index, "video_key": self.camera}
        places["episode_chunk"] = index // self.info.get("chunks_size", _CHUNK_FILES)
        path = pathlib.PurePath(self.info[key].format(**places))
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{self.folder}: {key} of info.json leads out of the folder: {path}")
        return self.folder / path

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Raises OSError, ValueError, which name the file and the episode."""
        opened = table = None
        kinds = {key: one["dtype"] for key, one in self.info["features"].items()}
        read = {*_READ, self.camera}  # Films are no columns.
        wanted = [key for key, kind in kinds.items() if key in read and kind != "video"]
        for row in self._rows:
            path = self._path("data_path", row, "data")
            if path != opened:
                opened, table = path, _table(path, wanted)
            try:
                yield self._episode(row, table)
            except (KeyError, ValueError) as error:
                text = f"absent: {error}" if isinstance(error, KeyError) else str(error)
                raise ValueError(f"{path}: episode {row['episode_index']}: {text}") from error

    def _episode(self, row: Mapping[str, Any], table: pa.Table) -> dict[str, Any]:
        frames = np.flatnonzero(np.asarray(table["episode_index"]) == row["episode_index"])
        if not len(frames) or len(frames) != row["length"]:
            raise ValueError(f"expected {row['length']} frames, got {len(frames)}.")
        columns = table.take(frames).to_pydict()
        if self.camera in columns:
            # None where the rows have names of files.
            images = [one["bytes"] or b"" for one in columns.pop(self.camera)]
        else:
            # In v2.1 an episode has a film of its own.
            start = row.get(f"videos/{self.camera}/from_timestamp", 0.0)
            film = self._path("video_path", row, f"videos/{self.camera}")
            times = [start + time for time in columns["timestamp"]]
            images = _film_frames(film, times, 0.5 / self.info["fps"])
        sizes = {image_placement.read_header(image)[0] for image in images}
        if sizes != {self.image_shape[1::-1]}:
            raise ValueError(f"expected pictures of {self.image_shape}, got {sizes}.")
        tasks = [self._tasks[number] for number in columns["task_index"]]
        arrays = {key: np.array(values) for key, values in columns.items()}
        return arrays | {"task": tasks, "image": images}


def _table(path: pathlib.Path, columns: Sequence[str] | None = None) -> pa.Table:
    atomic_files.refuse_pointer(path)
    try:
        # Of this file alone: a folder named "chunk=000" is no column.
        return parquet.read_table(path, columns=columns, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: expected a Parquet file: {error}") from error


def _film_frames(path: pathlib.Path, times_s: list[float], tolerance_s: float) -> list[bytes]:
    """The frames of a film at ascending times, as PNG."""
    found = []
    atomic_files.refuse_pointer(path)
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            # To the last frame before it that needs no other.
            container.seek(int(times_s[0] / stream.time_base), stream=stream)
            for frame in container.decode(stream):
                late_s = frame.time - times_s[len(found)]
                if abs(late_s) <= tolerance_s:
                    found.append(rlds.png(frame.to_ndarray(format="rgb24")))
                if late_s > tolerance_s or len(found) == len(times_s):
                    break
    except (av.FFmpegError, IndexError) as error:
        raise ValueError(f"{path}: expected a film: {error}") from error
    if len(found) < len(times_s):
        raise ValueError(f"{path}: expected a frame at {times_s[len(found)]:.3f} s, got none.")
    return found


def food_pictures(dataset: Dataset) -> list[annotations.LabelledPicture]:
    """Every frame as a photo of food, labelled with its task and the motion of `action`. Frames
    without a `source` have that of their episode. Raises OSError, ValueError."""
    found = dataset.info["features"].get(_ACTION, {})
    if list(found.get("shape", ())) != [policy_specs.NUM_COORDINATES]:
        text = f"{dataset.folder}: expected 'action' of 4 numbers, x1, y1, x2, y2 in 0..1; got "
        text += f"{found or 'none'}. A robot's episodes become shards by build_dataset.py shards."
        raise ValueError(text)
    size, name, pictures = dataset.image_shape[1::-1], dataset.folder.resolve().name, []
    for episode in dataset:
        axes, numbers = episode[_ACTION].reshape(-1, 2, 2) * size, episode["episode_index"]
        for frame, (number, task, file) in enumerate(
            zip(numbers, episode["task"], episode["image"])
        ):
            labelled = annotations.LabelledObject(task, axes[frame])
            where = dataset.folder / f"episode {number}, frame {frame}"
            source = (
                episode["source"][frame] if "source" in episode else f"{name}/episode_{number:06d}"
            )
            one = (where, str(source), size, (labelled,), None, functools.partial(bytes, file))
            pictures.append(annotations.LabelledPicture(*one))
    return pictures


def write_shards(
    dataset: Dataset,
    directory: str | os.PathLike[str],
    encode: Callable[[str], np.ndarray],
    action_order: Sequence[str] = (),
) -> pathlib.Path:
    """Writes a robot's episodes as RLDS, as `train.py --data_dir` reads them; returns the folder.

    `action_order` names RT-1's keys in the order in which `action` has their numbers. Keys that are
    absent are 0; `terminate_episode`, if absent, is 1, 0, 0 at the last step and 0, 1, 0 before.
    Instructions are embedded by `encode`. Raises OSError, ValueError, LookupError.
    """
    text_key = "steps/observation/natural_language_instruction"
    spec = policy_specs.action_spec("rt1")
    sizes = {key: one.shape[0] for key, one in spec.items()}
    about = dataset.info["features"].get(_ACTION, {})
    ends = np.cumsum([sizes.get(key, 0) for key in action_order], dtype=int).tolist()
    if ends[-1:] != about.get("shape") or not set(action_order) <= set(sizes):
        expected = f"keys that together are the numbers of {_ACTION!r}, {about}, of {sizes}"
        got = f"{' '.join(action_order) or 'none'}. Food becomes an .npz by from_lerobot"
        raise ValueError(f"--action_order: expected {expected}; got {got}.")

    def values(episode: dict[str, Any]) -> dict[str, Any]:
        number = len(episode["image"])
        actions = {key: np.zeros((number, size)) for key, size in sizes.items()}
        actions["terminate_episode"] = np.eye(3)[[1] * (number - 1) + [0]]
        actions |= zip(action_order, np.split(episode[_ACTION], ends[:-1], axis=1))
        return {
            rlds.IMAGE: episode["image"],
            rlds.EMBEDDING: np.stack([encode(task) for task in episode["task"]]),
            text_key: episode["task"],
            **{f"steps/action/{key}": one for key, one in actions.items()},
            **rlds.step_values(number),
        }

    written = {
        rlds.IMAGE: rlds.Feature("image", "uint8", dataset.image_shape, "png"),
        text_key: rlds.Feature("text"),
        **{
            f"steps/action/{key}": rlds.Feature("tensor", one.dtype.name, tuple(one.shape))
            for key, one in spec.items()
        },
        **rlds.STEP_FEATURES,
    }
    return rlds.write_episodes(directory, written, map(values, dataset))


def write_food(dataset: npz_dataset.FoodDataset, directory: str | os.PathLike[str]) -> pathlib.Path:
    """Writes a food data set as LeRobot v3.0 into a new folder and returns it. Raises OSError, and
    ValueError without names."""
    if any(getattr(dataset, name) is None for name in npz_dataset.NAME_ARRAYS) or not len(dataset):
        raise ValueError(f"expected samples with {', '.join(npz_dataset.NAME_ARRAYS)}.")
    pairs = zip(dataset.action_names.tolist(), dataset.food_types.tolist())
    texts = [vocabulary.instruction_text(*pair) for pair in pairs]
    tasks = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    final, rows = pathlib.Path(directory), np.arange(len(dataset))
    files = [f"{name}/{of}_index" for name in ("data", "meta/episodes") for of in ("chunk", "file")]
    episodes = {
        "episode_index": rows,
        "tasks": [[text] for text in texts],
        "length": rows * 0 + 1,
        "dataset_from_index": rows,
        "dataset_to_index": rows + 1,
        **dict.fromkeys(files, rows * 0),
    }
    # LeRobot reads tasks with pandas, and looks them up in the index.
    about = {"name": "task", "field_name": "task", "pandas_type": "unicode"}
    about |= {"numpy_type": "object", "metadata": None}
    about = {"index_columns": ["task"], "column_indexes": [], "columns": [about]}
    table = pa.table({"task_index": list(tasks.values()), "task": list(tasks)})
    table = table.replace_schema_metadata({"pandas": json.dumps(about)})
    info = {
        "codebase_version": "v3.0",
        "robot_type": None,
        **{"total_episodes": len(rows), "total_frames": len(rows), "total_tasks": len(tasks)},
        "chunks_size": _CHUNK_FILES,
        **{"data_files_size_in_mb": 100, "video_files_size_in_mb": 200},
        "fps": 1,
        "splits": {"train": f"0:{len(rows)}"},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": None,
        "features": {key: dict(zip(_ABOUT, one)) for key, one in _FEATURES.items()},
        "resize": dataset.resize,
    }
    with atomic_files.new_folder(final) as folder:
        for name in ("data", "meta/episodes"):
            (folder / name / _ROWS).parent.mkdir(parents=True)
        parquet.write_table(pa.table(episodes), folder / "meta" / "episodes" / _ROWS)
        parquet.write_table(table, folder / "meta" / "tasks.parquet")
        numbers = np.array([tasks[text] for text in texts])
        pixels = _write_frames(dataset, folder / "data" / _ROWS, numbers)
        stats = {
            _IMAGE: _statistics(np.arange(256)[:, np.newaxis] / 255, pixels, (3, 1, 1)),
            _ACTION: _statistics(dataset.actions, np.ones(dataset.actions.shape), (4,)),
        }
        stats = {key: {**one, "count": [len(rows)]} for key, one in stats.items()}
        for file, content in (("info", info), ("stats", stats)):
            text = json.dumps(content, indent=1)
            (folder / "meta" / f"{file}.json").write_text(f"{text}\n", encoding="utf-8")
    return final


def _statistics(values: np.ndarray, weights: np.ndarray, shape: tuple[int, ...]) -> dict[str, list]:
    """Of values [V, C or 1] that occur so often, [V, C]."""
    values, weights = np.asarray(values, np.float64), weights / weights.sum(axis=0)
    mean = (weights * values).sum(axis=0)
    found = {
        "min": np.where(weights, values, np.inf).min(axis=0),
        "max": np.where(weights, values, -np.inf).max(axis=0),
        "mean": mean,
        "std": np.sqrt((weights * (values - mean) ** 2).sum(axis=0)),
    }
    return {name: one.reshape(shape).tolist() for name, one in found.items()}


def _write_frames(
    dataset: npz_dataset.FoodDataset, path: pathlib.Path, tasks: np.ndarray
) -> np.ndarray:
    """Writes the rows of frames; how often each channel has each value, [256, 3]."""
    kinds = {"float32": pa.float32(), "int64": pa.int64(), "string": pa.string()}
    kinds["image"] = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    own = {key: kinds[dtype] for key, (dtype, _, _) in _FEATURES.items()}
    own[_ACTION] = pa.list_(pa.float32(), policy_specs.NUM_COORDINATES)
    pixels = np.zeros((256, 3), np.int64)
    with parquet.ParquetWriter(path, schema := pa.schema(own)) as writer:
        for start in range(0, len(dataset), _BLOCK_ROWS):
            images = np.asarray(dataset.images[start : start + _BLOCK_ROWS])
            block = np.arange(start, start + len(images))
            columns = {
                _IMAGE: [
                    {"bytes": rlds.png(image), "path": f"{row:06d}.png"}
                    for row, image in zip(block, images)
                ],
                _ACTION: list(dataset.actions[block]),
                "source": dataset.sources[block].tolist(),
                "timestamp": np.zeros(len(block), np.float32),
                "frame_index": block * 0,
                "episode_index": block,
                "index": block,
                "task_index": tasks[block],
            }
            writer.write_table(pa.table(columns, schema))
            for channel in range(3):
                pixels[:, channel] += np.bincount(images[..., channel].ravel(), minlength=256)
    return pixels
