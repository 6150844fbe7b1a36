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

import dataclasses
import json
import os
import pathlib
import re
import shutil
import struct
import threading
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import cv2
import numpy as np

import policy_specs
from food_data import atomic_files, npz_dataset

# TensorFlow takes seconds, and who reads an .npz does without.
if typing.TYPE_CHECKING:
    import tensorflow as tf

INFO_FILE, FEATURES_FILE, LABELS_FILE = "dataset_info.json", "features.json", "labels.npz"
LEROBOT_FILE = "meta/info.json"
VERSION = "1.0.0"
_SHARD_BYTES = 256 * 2**20
_STEPS = "steps/"
_PYTHON = "tensorflow_datasets.core.features."
_KINDS = {"tensor": "tensor_feature.Tensor", "image": "image_feature.Image"}
_KINDS["text"] = "text_feature.Text"


@dataclasses.dataclass(frozen=True)
class Feature:
    """What an episode holds under a name: 'tensor', 'image' or 'text', of every step if the name
    begins with "steps/"."""

    kind: str
    dtype: str = "string"
    shape: tuple[int, ...] = ()
    encoding: str = "none"  # of an image jpeg or png; 'bytes': a tensor as it lies in memory

    def decode(self, entry: tf.train.Feature, num_steps: int | None) -> Any:
        """The values of an entry: [T, ...], or without the axis T; images as T files."""
        values = getattr(entry, entry.WhichOneof("kind") or "bytes_list").value
        outer = () if num_steps is None else (num_steps,)
        if self.kind == "image" or (self.kind == "text" and num_steps is not None):
            return list(values)
        if self.kind == "text":
            return values[0]
        if self.encoding == "bytes":
            flat = np.frombuffer(b"".join(values), self.dtype)
        elif self.encoding == "none":
            flat = np.asarray(values, self.dtype)
        else:
            raise ValueError(f"expected tensors without compression, got {self.encoding!r}")
        return flat.reshape((*outer, *self.shape))


def find(directory: str | os.PathLike[str]) -> pathlib.Path:
    """The folder with `features.json`: this one or the newest version below it, three levels deep.

    Raises FileNotFoundError.
    """
    atomic_files.check_local(directory, "--data_dir")
    for pattern in (".", "*", "*/*"):
        found = sorted(pathlib.Path(directory).glob(f"{pattern}/{FEATURES_FILE}"), key=_version)
        if found:
            return found[-1].parent
    if (pathlib.Path(directory) / LEROBOT_FILE).is_file():
        raise FileNotFoundError(
            f"{directory}: expected shards (RLDS), got a LeRobot data set. build_dataset.py shards "
            "makes shards of a robot's episodes, build_dataset.py from_lerobot an .npz of food."
        )
    raise FileNotFoundError(
        f"{directory}: expected a data set of TensorFlow Datasets, a folder with {INFO_FILE}, "
        f"{FEATURES_FILE} and shards; there is no {FEATURES_FILE} in it."
    )


def _version(path: pathlib.Path) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", path.parent.name)]


def read_features(folder: pathlib.Path) -> dict[str, Feature]:
    """Path -> feature. Raises ValueError for kinds that are not read."""
    content = read_json(folder / FEATURES_FILE)
    found: dict[str, Feature] = {}

    def walk(node: Mapping[str, Any], path: str) -> None:
        name = path.rstrip("/")
        if "featuresDict" in node:
            for key, value in node["featuresDict"].get("features", {}).items():
                walk(value, f"{path}{key}/")
        elif "sequence" in node and name == "steps":
            walk(node["sequence"]["feature"], path)
        elif "text" in node:
            found[name] = Feature("text")
        elif "image" in node or "tensor" in node:
            kind = "image" if "image" in node else "tensor"
            about = node[kind]
            shape = tuple(int(size) for size in about["shape"].get("dimensions", ()))
            encoding = about.get("encodingFormat" if kind == "image" else "encoding", "none")
            found[name] = Feature(kind, about["dtype"], shape, encoding)
        else:
            kind = node.get("pythonClassName", "unknown").rpartition(".")[-1]
            raise ValueError(
                f"{folder / FEATURES_FILE}: {name!r} is a {kind}, which is not read; expected "
                "tensors, images and texts, of episodes and of their steps."
            )

    walk(content, "")
    return found


def read_json(path: pathlib.Path) -> dict[str, Any]:
    """An object of a JSON file. Raises OSError, ValueError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected an object, got a {type(content).__name__}.")
    return content


class Records:
    """The records of some shards by number; threads may share it."""

    def __init__(self, paths: list[pathlib.Path], lengths: list[int]) -> None:
        """Reads the header of every record, 12 bytes each.

        Raises OSError, ValueError if a shard is missing, broken off, or has another number of
        records than `lengths` says.
        """
        self._paths, self._open = paths, threading.local()
        self._places: list[tuple[int, int]] = []
        for number, (path, length) in enumerate(zip(paths, lengths)):
            places = [(number, offset) for offset in _offsets(path)]
            if len(places) != length:
                raise ValueError(f"{path}: expected {length} episodes, got {len(places)}.")
            self._places += places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> tf.train.Example:
        """Raises ValueError, which names shard and episode, for a record that is damaged."""
        import tensorflow as tf
        from tensorflow.python.lib.io import tf_record

        number, offset = self._places[index]
        readers = self._open.__dict__.setdefault("readers", {})
        if number not in readers:
            readers[number] = tf_record.tf_record_random_reader(str(self._paths[number]))
        try:
            record, _ = readers[number].read(offset)
            return tf.train.Example.FromString(record)
        except (tf.errors.DataLossError, IndexError, ValueError, RuntimeError) as error:
            first = next(i for i, place in enumerate(self._places) if place[0] == number)
            raise ValueError(
                f"{self._paths[number]}: episode {index - first} of the shard, {index} of the data "
                f"set, is damaged: {error}. Copy the shard again."
            ) from error


def _offsets(path: pathlib.Path) -> Iterator[int]:
    """Where the records of a file begin; each has 8 bytes of length and three checksums' 12."""
    size, offset = path.stat().st_size, 0
    with path.open("rb") as file:
        while offset < size:
            file.seek(offset)
            header = file.read(8)
            end = offset + 16 + struct.unpack("<Q", header)[0] if len(header) == 8 else size + 1
            if end > size:
                raise ValueError(f"{path}: the file ends in the middle of a record, at {offset}.")
            yield offset
            offset = end


class Episodes:
    """A split of a data set; `episodes[3]` reads one episode.

    Attributes:
        folder: with the shards.
        features: path -> `Feature`.
    """

    def __init__(self, directory: str | os.PathLike[str], split: str = "train") -> None:
        """Raises OSError, ValueError if something is missing, of another kind or broken off."""
        self.folder = find(directory)
        self.features = read_features(self.folder)
        info = read_json(self.folder / INFO_FILE)
        splits = {one["name"]: one for one in info.get("splits", ())}
        if info.get("fileFormat", "tfrecord") != "tfrecord" or split not in splits:
            raise ValueError(
                f"{self.folder / INFO_FILE}: expected TFRecord shards of a split {split!r}, got "
                f"{info.get('fileFormat', 'tfrecord')} of {', '.join(splits) or 'none'}."
            )
        lengths = [int(length) for length in splits[split].get("shardLengths", ())]
        template = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
        template = splits[split].get("filepathTemplate", template)
        names = {"DATASET": info["name"], "SPLIT": split, "FILEFORMAT": "tfrecord"}
        paths = []
        for number in range(len(lengths)):
            names["SHARD_X_OF_Y"] = f"{number:05d}-of-{len(lengths):05d}"
            paths.append(self.folder / template.format(**names))
        missing = [path.name for path in paths if not path.is_file()]
        if missing:
            raise FileNotFoundError(
                f"{self.folder}: {len(missing)} of {len(paths)} shards are missing: "
                f"{', '.join(missing[:3])}."
            )
        self.paths, self._records = paths, Records(paths, lengths)

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Path -> values [T, ...], or without T what is of the episode alone; images as files.

        Raises ValueError, which names shard and episode.
        """
        entries = self._records[index].features.feature
        try:
            first = next(name for name in self.features if name == f"{_STEPS}is_first")
            num_steps = len(entries[first].int64_list.value)
            return {
                name: feature.decode(entries[name], num_steps if name.startswith(_STEPS) else None)
                for name, feature in self.features.items()
                if name in entries
            }
        except (ValueError, IndexError, StopIteration) as error:
            raise ValueError(f"{self.folder}: episode {index}: {error}.") from error


def decode_images(files: list[bytes], shape: tuple[int, ...]) -> np.ndarray:
    """Files to uint8 [T, H, W, 3], as TensorFlow Datasets decode them. Raises ValueError."""
    import tensorflow as tf

    images = [tf.io.decode_image(file, 3, expand_animations=False).numpy() for file in files]
    if any(image.shape != tuple(shape) for image in images):
        raise ValueError(f"expected images of {list(shape)}, got {[one.shape for one in images]}")
    return np.stack(images)


class _Images:
    """The pictures of food samples, read when they are asked for: what `FoodDataset.images` is."""

    dtype = np.dtype(np.uint8)

    def __init__(self, episodes: Episodes) -> None:
        self._episodes = episodes
        self.shape = (len(episodes), *npz_dataset.IMAGE_SHAPE)
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        return len(self._episodes)

    def __getitem__(self, rows: int | slice | np.ndarray) -> np.ndarray:
        numbers = np.arange(len(self))[rows]
        files = [
            self._episodes[int(number)][f"{_STEPS}observation/{policy_specs.IMAGE_KEY}"][0]
            for number in np.atleast_1d(numbers)
        ]
        images = decode_images(files, npz_dataset.IMAGE_SHAPE) if files else None
        if images is None:
            return np.empty((0, *npz_dataset.IMAGE_SHAPE), np.uint8)
        return images if np.ndim(numbers) else images[0]


def read_dataset(path: str | os.PathLike[str]) -> npz_dataset.FoodDataset:
    """A data set of food: an .npz, or a folder of shards. Raises OSError, ValueError."""
    return read_food(path) if os.path.isdir(path) else npz_dataset.read_npz(path)


def read_food(directory: str | os.PathLike[str]) -> npz_dataset.FoodDataset:
    """A food data set of shards. Raises OSError, ValueError."""
    episodes = Episodes(directory)
    path = episodes.folder / LABELS_FILE
    if not path.is_file():
        raise ValueError(
            f"{episodes.folder}: expected {LABELS_FILE} beside the shards, as build_dataset.py "
            "shards writes it: these are no samples of food. RT-1 trains on episodes by "
            "train.py --data_dir."
        )
    with np.load(path, allow_pickle=False) as content:
        arrays = {name: content[name] for name in content.files}
    for name in {"resize", "format_version"} & arrays.keys():
        arrays[name] = arrays[name].tolist()
    if len(arrays["actions"]) != len(episodes):
        raise ValueError(
            f"{path}: expected labels of {len(episodes)} samples, as many as the shards have, got "
            f"{len(arrays['actions'])}."
        )
    return npz_dataset.FoodDataset(images=_Images(episodes), **arrays)


def write_food(
    dataset: npz_dataset.FoodDataset,
    directory: str | os.PathLike[str],
    shard_bytes: int = _SHARD_BYTES,
) -> pathlib.Path:
    """Writes a food data set as shards into a new folder `directory`/1.0.0 and returns it.

    Pictures are PNG. Raises OSError; FileExistsError if the folder exists.
    """
    labels = {
        key: value
        for key, value in vars(dataset).items()
        if value is not None and key not in ("images", "photos")
    }
    episodes = (_food_values(dataset, number) for number in range(len(dataset)))
    text = "Photos of plates with the start and the end of a motion."
    return write_episodes(directory, _FOOD, episodes, text, labels, shard_bytes)


def write_episodes(
    directory: str | os.PathLike[str],
    features: Mapping[str, Feature],
    episodes: Iterable[Mapping[str, Any]],
    description: str,
    labels: Mapping[str, Any] | None = None,
    shard_bytes: int = _SHARD_BYTES,
) -> pathlib.Path:
    """Writes episodes, as `example` takes them, as shards into a new folder `directory`/1.0.0 and
    returns it; `labels` become `labels.npz`.

    Raises OSError; FileExistsError if the folder exists; ValueError without episodes.
    """
    import tensorflow as tf

    final = pathlib.Path(directory) / VERSION
    if final.exists():
        raise FileExistsError(f"{final}: expected a new folder, got one that exists.")
    folder = final.with_name(VERSION + ".part")
    shutil.rmtree(folder, ignore_errors=True)  # Of a run that was killed.
    folder.mkdir(parents=True)
    name = re.sub(r"\W", "_", pathlib.Path(directory).name).lower()
    prefix = f"{name}-train.tfrecord-"
    lengths, writer, size, num_bytes = [], None, 0, 0
    for values in episodes:
        record = example(values).SerializeToString()
        if writer is None or size + len(record) > shard_bytes:
            if writer is not None:
                writer.close()
            writer = tf.io.TFRecordWriter(str(folder / f"{prefix}{len(lengths):05d}.part"))
            lengths.append(0)
            size = 0
        writer.write(record)
        lengths[-1] += 1
        size, num_bytes = size + len(record), num_bytes + len(record)
    if writer is None:
        raise ValueError(f"{directory}: expected at least one episode to write, got none.")
    writer.close()
    for number in range(len(lengths)):
        part = folder / f"{prefix}{number:05d}.part"
        part.rename(folder / f"{prefix}{number:05d}-of-{len(lengths):05d}")
    if labels is not None:
        np.savez(folder / LABELS_FILE, **labels)
    split = {"name": "train", "shardLengths": [str(length) for length in lengths]}
    split |= {"numBytes": str(num_bytes)}
    split |= {"filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"}
    info = {"name": name, "version": VERSION, "fileFormat": "tfrecord", "splits": [split]}
    info["description"] = description
    for file, content in ((FEATURES_FILE, feature_tree(features)), (INFO_FILE, info)):
        (folder / file).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    atomic_files.sync(*folder.iterdir(), folder)
    folder.rename(final)
    return final


# What every step has beside its picture and its action.
STEP_FEATURES = {
    f"{_STEPS}observation/{policy_specs.EMBEDDING_KEY}": Feature(
        "tensor", "float32", (policy_specs.EMBEDDING_SIZE,)
    ),
    **{
        f"{_STEPS}{key}": Feature("tensor", "bool")
        for key in ("is_first", "is_last", "is_terminal")
    },
    f"{_STEPS}reward": Feature("tensor", "float32"),
}
# What a sample of food is as an episode.
_FOOD = {
    "episode_metadata/action_name": Feature("text"),
    "episode_metadata/food_type": Feature("text"),
    "episode_metadata/source": Feature("text"),
    f"{_STEPS}observation/{policy_specs.IMAGE_KEY}": Feature(
        "image", "uint8", npz_dataset.IMAGE_SHAPE, "png"
    ),
    f"{_STEPS}action/{policy_specs.ACTION_KEY}": Feature(
        "tensor", "float32", (policy_specs.NUM_COORDINATES,)
    ),
    **STEP_FEATURES,
}


def _food_values(dataset: npz_dataset.FoodDataset, number: int) -> dict[str, Any]:
    """One sample as an episode of one step."""
    image = np.asarray(dataset.images[number])
    _, file = cv2.imencode(".png", image[..., ::-1])
    names = {"action_name": dataset.action_names, "food_type": dataset.food_types}
    names["source"] = dataset.sources
    values: dict[str, Any] = {
        f"episode_metadata/{key}": "" if array is None else str(array[number])
        for key, array in names.items()
    }
    values[f"{_STEPS}observation/{policy_specs.IMAGE_KEY}"] = file.tobytes()
    values[f"{_STEPS}observation/{policy_specs.EMBEDDING_KEY}"] = dataset.embeddings[number]
    values[f"{_STEPS}action/{policy_specs.ACTION_KEY}"] = dataset.actions[number]
    values |= {f"{_STEPS}{key}": True for key in ("is_first", "is_last", "is_terminal")}
    values[f"{_STEPS}reward"] = np.float32(0)
    return values


def example(values: Mapping[str, Any]) -> tf.train.Example:
    """Path -> a string, bytes, a list of them, or an array, as an Example."""
    import tensorflow as tf

    result = tf.train.Example()
    for name, value in values.items():
        entry = result.features.feature[name]
        if isinstance(value, (str, bytes, list)):
            items = value if isinstance(value, list) else [value]
            items = [one.encode() if isinstance(one, str) else one for one in items]
            entry.bytes_list.value.extend(items)
        elif np.asarray(value).dtype.kind == "f":
            entry.float_list.value.extend(np.asarray(value, np.float32).ravel())
        else:
            entry.int64_list.value.extend(np.asarray(value, np.int64).ravel())
    return result


def feature_tree(features: Mapping[str, Feature]) -> dict[str, Any]:
    """`features.json` of paths: what TensorFlow Datasets' `builder_from_directory` reads."""
    tree: dict[str, Any] = {}
    for path, feature in features.items():
        *folders, name = path.split("/")
        node = tree
        for folder in folders:
            node = node.setdefault(folder, {})
        node[name] = feature

    def describe(node: Any, name: str = "") -> dict[str, Any]:
        if isinstance(node, Feature):
            is_scalar = node.kind == "tensor" and not node.shape
            python = _PYTHON + ("scalar.Scalar" if is_scalar else _KINDS[node.kind])
            shape = {"dimensions": [str(size) for size in node.shape]} if node.shape else {}
            about: dict[str, Any] = {}
            if node.kind != "text":
                key = "encodingFormat" if node.kind == "image" else "encoding"
                about = {"dtype": node.dtype, "shape": shape, key: node.encoding}
            return {"pythonClassName": python, node.kind: about}
        inner = {
            "pythonClassName": _PYTHON + "features_dict.FeaturesDict",
            "featuresDict": {"features": {key: describe(one, key) for key, one in node.items()}},
        }
        if name != "steps":
            return inner
        sequence = {"feature": inner, "length": "-1"}
        return {"pythonClassName": _PYTHON + "dataset_feature.Dataset", "sequence": sequence}

    return describe(tree)
