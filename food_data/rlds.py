"""Episodes in shards: RLDS as TensorFlow Datasets write it (Open X-Embodiment), in and out.

    data/photos/1.0.0/dataset_info.json                 name, splits, how many episodes a shard has
                      features.json                     what an episode holds
                      photos-train.tfrecord-00000-of-00003

A record is a `tf.train.Example` with an entry for each feature, named by its path; one of a step
holds the values of all steps, one after the other. Example: "steps/action/world_vector" of an
episode of 10 steps is a list of 30 floats, "steps/observation/image" one of 10 files.

Records are found by their headers once, then read by number, with their checksum: an epoch may be
in any order, and each of several workers reads its own records alone. A food sample is an episode
of one step; what is small of it lies in `labels.npz` too, so that a data set opens at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import threading
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import cv2
import numpy as np

import policy_specs
from food_data import atomic_files, npz_dataset

INFO_FILE, FEATURES_FILE, LABELS_FILE = "dataset_info.json", "features.json", "labels.npz"
VERSION = "1.0.0"
_SHARD_BYTES = 256 * 2**20
_TEMPLATE = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
IMAGE = f"steps/observation/{policy_specs.IMAGE_KEY}"
EMBEDDING = f"steps/observation/{policy_specs.EMBEDDING_KEY}"
_ACTION = f"steps/action/{policy_specs.ACTION_KEY}"
_ENDS = ("steps/is_first", "steps/is_last", "steps/is_terminal")
_PYTHON = "tensorflow_datasets.core.features."
_CLASSES = {"tensor": "tensor_feature.Tensor", "image": "image_feature.Image"}
_CLASSES["text"] = "text_feature.Text"


class Feature(typing.NamedTuple):
    """What an episode holds under a name: 'tensor', 'image' or 'text', of every step if the name
    begins with "steps/"."""

    kind: str
    dtype: str = "string"
    shape: tuple[int, ...] = ()
    encoding: str = "none"  # of an image jpeg or png


# What every step has beside its picture and its action.
STEP_FEATURES = {
    EMBEDDING: Feature("tensor", "float32", (policy_specs.EMBEDDING_SIZE,)),
    **dict.fromkeys(_ENDS, Feature("tensor", "bool")),
    "steps/reward": Feature("tensor", "float32"),
}
# What a sample of food is as an episode.
_NAMES = {"action_name": "action_names", "food_type": "food_types", "source": "sources"}
_FOOD = {
    **{f"episode_metadata/{key}": Feature("text") for key in _NAMES},
    IMAGE: Feature("image", "uint8", npz_dataset.IMAGE_SHAPE, "png"),
    _ACTION: Feature("tensor", "float32", (policy_specs.NUM_COORDINATES,)),
    **STEP_FEATURES,
}


def step_values(number: int) -> dict[str, np.ndarray]:
    """Where an episode of so many steps begins and ends; no reward."""
    steps = np.arange(number)
    ends = dict.fromkeys(_ENDS[1:], steps == number - 1)
    return {_ENDS[0]: steps == 0, **ends, "steps/reward": np.zeros(number)}


def _read_features(path: pathlib.Path) -> dict[str, Feature]:
    """Path -> feature. Raises ValueError for kinds that are not read."""
    found: dict[str, Feature] = {}

    def walk(node: Mapping[str, Any], name: str) -> None:
        kind = next((one for one in _CLASSES if one in node), None)
        about = node.get(kind, {})
        encoding = about.get("encodingFormat", about.get("encoding", "none"))
        if "featuresDict" in node:
            for key, value in node["featuresDict"].get("features", {}).items():
                walk(value, f"{name}/{key}" if name else key)
        elif "sequence" in node and name == "steps":
            walk(node["sequence"]["feature"], name)
        elif kind is None or (kind == "tensor" and encoding != "none"):
            expected = f"{path}: expected plain tensors, images and texts of episodes and steps"
            raise ValueError(
                f"{expected}; {name!r} is a {node.get('pythonClassName')} ({encoding})."
            )
        else:
            shape = tuple(map(int, about.get("shape", {}).get("dimensions", ())))
            found[name] = Feature(kind, about.get("dtype", "string"), shape, encoding)

    walk(read_json(path), "")
    return found


def read_json(path: pathlib.Path) -> dict[str, Any]:
    """An object of a JSON file. Raises OSError, ValueError."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: expected an object in JSON: {error}") from error


def _offsets(path: pathlib.Path) -> Iterator[int]:
    """Where the records of a file begin; each is 8 bytes of length, 4, its data, and 4 more."""
    size, offset = path.stat().st_size, 0
    with path.open("rb") as file:
        while offset < size:
            yield offset
            file.seek(offset)
            offset += 16 + int.from_bytes(file.read(8), "little")
    if offset > size:
        raise ValueError(f"{path}: the file ends in the middle of a record.")


class Episodes:
    """The training split of a data set: `episodes[3]` reads one episode; threads may share it. Its
    shards are in `folder`, `features` says what is in an episode, path -> `Feature`."""

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        """Of a folder, or of the newest version in it. Raises OSError, ValueError if something is
        missing, of another kind, or broken off."""
        atomic_files.check_local(directory, "--data_dir")
        places = [f"{depth}{FEATURES_FILE}" for depth in ("", "*/", "*/*/")]
        found = [one.parent for place in places for one in pathlib.Path(directory).glob(place)]
        if not found:
            text = f"{directory}: expected shards (RLDS), got no {FEATURES_FILE}. build_dataset.py "
            text += "shards makes shards of an .npz and of a LeRobot data set of a robot."
            raise FileNotFoundError(text)
        self.folder = max(found, key=lambda one: [*map(int, re.findall(r"\d+", one.name))])
        self.features = _read_features(self.folder / FEATURES_FILE)
        info = read_json(self.folder / INFO_FILE)
        splits = {one["name"]: one for one in info.get("splits", ())}
        kind = info.get("fileFormat", "tfrecord")
        if kind != "tfrecord" or "train" not in splits:
            expected = f"{self.folder / INFO_FILE}: expected TFRecord shards of a split 'train'"
            raise ValueError(f"{expected}, got {kind} of {', '.join(splits) or 'none'}.")
        lengths = list(map(int, splits["train"].get("shardLengths", ())))
        template = splits["train"].get("filepathTemplate", _TEMPLATE)
        names = {"DATASET": info["name"], "SPLIT": "train", "FILEFORMAT": kind}
        self._readers, self._places = threading.local(), []
        for shard, length in enumerate(lengths):
            names["SHARD_X_OF_Y"] = f"{shard:05d}-of-{len(lengths):05d}"
            path = self.folder / template.format(**names)
            places = [(path, offset, number) for number, offset in enumerate(_offsets(path))]
            if len(places) != length:
                raise ValueError(f"{path}: expected {length} episodes, got {len(places)}.")
            self._places += places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Path -> values [T, ...], or without T what is of the episode alone; images as files.
        Raises ValueError, which names shard and episode, for a record that is damaged."""
        import tensorflow as tf  # Here: it takes seconds, and who reads an .npz does without.
        from tensorflow.python.lib.io import tf_record

        path, offset, number = self._places[index]
        readers = self._readers.__dict__
        if str(path) not in readers:
            readers[str(path)] = tf_record.tf_record_random_reader(str(path))
        try:
            entries = tf.train.Example.FromString(readers[str(path)].read(offset)[0]).features
            num_steps, found = len(entries.feature[_ENDS[0]].int64_list.value), {}
            for name in [name for name in self.features if name in entries.feature]:
                entry, feature = entries.feature[name], self.features[name]
                values = getattr(entry, entry.WhichOneof("kind") or "bytes_list").value
                outer = (num_steps,) if name.startswith("steps/") else ()
                if feature.kind == "tensor":
                    found[name] = np.asarray(values, feature.dtype).reshape(outer + feature.shape)
                else:
                    found[name] = list(values) if outer or feature.kind == "image" else values[0]
            return found
        except (tf.errors.DataLossError, IndexError, ValueError, RuntimeError) as error:
            where = f"{path}: episode {number} of the shard, {index} of the data set"
            raise ValueError(f"{where}, is damaged: {error}. Copy it again.") from error


def decode_images(files: list[bytes], shape: tuple[int, ...]) -> np.ndarray:
    """Files to uint8 [T, H, W, 3], as TensorFlow Datasets decode them. Raises ValueError."""
    import tensorflow as tf

    images = [tf.io.decode_image(file, 3, expand_animations=False).numpy() for file in files]
    if any(image.shape != tuple(shape) for image in images):
        raise ValueError(f"expected images of {list(shape)}, got {[one.shape for one in images]}")
    return np.stack(images) if images else np.empty((0, *shape), np.uint8)


class _Images:
    """The pictures of food samples, read when they are asked for: what `FoodDataset.images` is."""

    dtype, ndim = np.dtype(np.uint8), 4

    def __init__(self, episodes: Episodes) -> None:
        self._episodes, self.shape = episodes, (len(episodes), *npz_dataset.IMAGE_SHAPE)

    def __len__(self) -> int:
        return len(self._episodes)

    def __getitem__(self, rows: int | slice | np.ndarray) -> np.ndarray:
        numbers = np.arange(len(self))[rows]
        files = [self._episodes[number][IMAGE][0] for number in np.atleast_1d(numbers).tolist()]
        images = decode_images(files, npz_dataset.IMAGE_SHAPE)
        return images if np.ndim(numbers) else images[0]


def read_dataset(path: str | os.PathLike[str]) -> npz_dataset.FoodDataset:
    """A data set of food: an .npz, or a folder of shards. Raises OSError, ValueError."""
    if not os.path.isdir(path):
        return npz_dataset.read_npz(path)
    episodes = Episodes(path)
    labels = episodes.folder / LABELS_FILE
    if not labels.is_file():
        text = "these are no samples of food. RT-1 trains on episodes by train.py --data_dir."
        raise ValueError(f"{episodes.folder}: expected {LABELS_FILE}: {text}")
    with np.load(labels, allow_pickle=False) as content:
        # `resize` and `format_version` are plain values.
        arrays = {name: one if one.ndim else one.item() for name, one in content.items()}
    return npz_dataset.FoodDataset(images=_Images(episodes), **arrays)


def png(image: np.ndarray) -> bytes:
    """A picture in RGB as a file."""
    return cv2.imencode(".png", image[..., ::-1])[1].tobytes()


def write_food(dataset: npz_dataset.FoodDataset, directory: str | os.PathLike[str]) -> pathlib.Path:
    """Writes a food data set as shards into a new folder `directory`/1.0.0 and returns it; pictures
    are PNG. Raises OSError."""
    names = {key: getattr(dataset, array) for key, array in _NAMES.items()}

    def values(number: int) -> dict[str, Any]:
        """One sample as an episode of one step."""
        return {
            **{
                f"episode_metadata/{key}": "" if array is None else str(array[number])
                for key, array in names.items()
            },
            IMAGE: png(np.asarray(dataset.images[number])),
            EMBEDDING: dataset.embeddings[number],
            _ACTION: dataset.actions[number],
            **step_values(1),
        }

    labels = {key: one for key, one in npz_dataset.present(dataset).items() if key != "images"}
    return write_episodes(directory, _FOOD, map(values, range(len(dataset))), labels)


def write_episodes(
    directory: str | os.PathLike[str],
    features: Mapping[str, Feature],
    episodes: Iterable[Mapping[str, Any]],
    labels: Mapping[str, Any] | None = None,
) -> pathlib.Path:
    """Writes episodes, path -> a string, bytes, a list of them, or an array, as shards into a new
    folder `directory`/1.0.0 and returns it; `labels` become `labels.npz`. Raises OSError;
    ValueError without episodes."""
    import tensorflow as tf

    name = re.sub(r"\W", "_", pathlib.Path(directory).name).lower()
    lengths, size, num_bytes = [], _SHARD_BYTES, 0
    with atomic_files.new_folder(pathlib.Path(directory) / VERSION) as folder:
        with contextlib.ExitStack() as stack:
            for values in episodes:
                record = _example(values, features).SerializeToString()
                if size + len(record) > _SHARD_BYTES:
                    path = folder / f"{name}-train.tfrecord-{len(lengths):05d}"
                    stack.close()
                    writer = stack.enter_context(tf.io.TFRecordWriter(str(path)))
                    lengths.append(0)
                    size = 0
                writer.write(record)
                lengths[-1] += 1
                size, num_bytes = size + len(record), num_bytes + len(record)
        if not lengths:
            raise ValueError(f"{directory}: expected at least one episode to write, got none.")
        for part in list(folder.iterdir()):
            part.rename(f"{part}-of-{len(lengths):05d}")
        if labels is not None:
            np.savez(folder / LABELS_FILE, **labels)
        split = {"name": "train", "shardLengths": list(map(str, lengths))}
        split |= {"numBytes": str(num_bytes), "filepathTemplate": _TEMPLATE}
        info = {"name": name, "version": VERSION, "fileFormat": "tfrecord", "splits": [split]}
        for file, content in ((FEATURES_FILE, _feature_tree(features)), (INFO_FILE, info)):
            (folder / file).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return pathlib.Path(directory) / VERSION


def _example(values: Mapping[str, Any], features: Mapping[str, Feature]) -> Any:
    """A `tf.train.Example`."""
    import tensorflow as tf

    result = tf.train.Example()
    for name, value in values.items():
        entry = result.features.feature[name]
        if features[name].kind != "tensor":
            items = value if isinstance(value, list) else [value]
            items = [one.encode() if isinstance(one, str) else one for one in items]
            entry.bytes_list.value.extend(items)
        elif np.dtype(features[name].dtype).kind == "f":
            entry.float_list.value.extend(np.ravel(value))
        else:
            entry.int64_list.value.extend(np.ravel(value).astype(np.int64))
    return result


def _feature_tree(features: Mapping[str, Feature]) -> dict[str, Any]:
    """`features.json` of paths: what TensorFlow Datasets' `builder_from_directory` reads."""
    inner: dict[str, dict[str, Feature]] = {}
    for path, feature in features.items():
        name, _, rest = path.partition("/")
        inner.setdefault(name, {})[rest] = feature
    described = {}
    for name, parts in inner.items():
        if "" not in parts:
            one = _feature_tree(parts)
            if name == "steps":
                sequence, python = {"feature": one, "length": "-1"}, "dataset_feature.Dataset"
                one = {"pythonClassName": _PYTHON + python, "sequence": sequence}
        else:
            kind, dtype, shape, encoding = parts[""]
            key = "encodingFormat" if kind == "image" else "encoding"
            dimensions = {"dimensions": list(map(str, shape))} if shape else {}
            about = {"dtype": dtype, "shape": dimensions, key: encoding} if kind != "text" else {}
            python = "scalar.Scalar" if kind == "tensor" and not shape else _CLASSES[kind]
            one = {"pythonClassName": _PYTHON + python, kind: about}
        described[name] = one
    python = _PYTHON + "features_dict.FeaturesDict"
    return {"pythonClassName": python, "featuresDict": {"features": described}}
