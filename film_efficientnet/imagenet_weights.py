"""ImageNet weights from a local `.h5` file in Keras' own format, full or without the classifier.

The file is what `keras.applications.EfficientNetB3(...).save_weights("b3.h5")` writes and what
Keras publishes (`efficientnetb3.h5`, `efficientnetb3_notop.h5`). Layers are found by their Keras
names, so FiLM layers, which the file does not know, stay what they are: grafted in as the identity.
"""

from __future__ import annotations

import pathlib
import re

import h5py
import numpy as np
import tensorflow as tf
from absl import logging

from film_efficientnet import film_conditioning_layer, film_efficientnet_encoder

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_CLASSIFIER_LAYERS = ("predictions", "top_dropout")


class ImageNetWeightsError(ValueError):
    """The file is not a Keras EfficientNet weight file that fits the network."""


def check_is_hdf5(path: pathlib.Path) -> None:
    """Refuses anything but an HDF5 file.

    Raises:
        FileNotFoundError: if there is no such file.
        ImageNetWeightsError: if the file is of another kind, a TensorFlow checkpoint for one.
    """
    if not path.is_file():
        hint = (
            " It looks like a checkpoint prefix: use checkpoint_loading."
            if _is_prefix(path)
            else ""
        )
        raise FileNotFoundError(f"ImageNet weights: no file {path}.{hint}")
    with path.open("rb") as file:
        signature = file.read(len(_HDF5_SIGNATURE))
    if signature != _HDF5_SIGNATURE:
        hint = (
            "It is a Git LFS pointer: run `git lfs pull`."
            if signature.startswith(b"version")
            else "For a TensorFlow checkpoint (.index, .data-...) use checkpoint_loading."
        )
        raise ImageNetWeightsError(
            f"ImageNet weights: expected a Keras .h5 (HDF5) file, got {path} that starts with "
            f"{signature!r}. {hint}"
        )


def _is_prefix(path: pathlib.Path) -> bool:
    return path.with_name(path.name + ".index").is_file()


def _read_layers(path: pathlib.Path) -> dict[str, dict[str, np.ndarray]]:
    """{layer: {variable: array}}; Keras' counters ('normalization_1') are cut off the names."""
    try:
        opened = h5py.File(path, "r")
    except OSError as error:
        raise ImageNetWeightsError(
            f"ImageNet weights: expected a whole HDF5 file, got {path}, truncated or damaged "
            f"({error}). Download or copy it again."
        ) from error
    with opened as file:
        group = file.get("model_weights", file)
        layers: dict[str, dict[str, np.ndarray]] = {}
        for name, layer in group.items():
            arrays: dict[str, np.ndarray] = {}
            layer.visititems(
                lambda key, item, out=arrays: (
                    out.__setitem__(key.rsplit("/", 1)[-1].split(":")[0], item[()])
                    if isinstance(item, h5py.Dataset)
                    else None
                )
            )
            if arrays:
                layers[re.sub(r"^normalization_\d+$", "normalization", name)] = arrays
    return layers


def _variable_name(variable: tf.Variable) -> str:
    return variable.name.rsplit("/", 1)[-1].split(":")[0]


def _assignments(
    net: film_efficientnet_encoder.FilmEfficientNet, layers: dict[str, dict[str, np.ndarray]]
) -> tuple[list[tuple[tf.Variable, np.ndarray]], list[str]]:
    """Pairs of variable and value for every layer of `net` but FiLM's, and what does not fit."""
    pairs, problems = [], []
    known = {layer.name: layer for layer in net.layers_with_weights() if not _is_film(layer)}
    for name in sorted(set(layers) - set(known) - set(_CLASSIFIER_LAYERS)):
        problems.append(f"{name}: in the file, not in the network")
    for name, layer in known.items():
        for variable in layer.weights:
            value = layers.get(name, {}).get(_variable_name(variable))
            label = f"{name}/{_variable_name(variable)}"
            if value is None:
                problems.append(f"{label}: missing in the file")
            elif tuple(value.shape) != tuple(variable.shape):
                problems.append(
                    f"{label}: expected shape {tuple(variable.shape)}, got {tuple(value.shape)}"
                )
            else:
                pairs.append((variable, value))
    return pairs, problems


def _is_film(layer: tf.keras.layers.Layer) -> bool:
    return isinstance(layer, film_conditioning_layer.FilmConditioning)


def load_imagenet_weights(
    net: film_efficientnet_encoder.FilmEfficientNet, path: str | pathlib.Path
) -> int:
    """Fills the convolutions, BatchNorms and the image normalization of `net`; FiLM is left alone.

    Args:
        net: a network of the variant that the file was written for.
        path: the `.h5` file. A classifier in it is ignored.

    Returns:
        The number of variables that were set.

    Raises:
        FileNotFoundError: if there is no such file.
        ImageNetWeightsError: if it is not HDF5 or does not fit; the network keeps its old weights.
    """
    path = pathlib.Path(path)
    check_is_hdf5(path)
    pairs, problems = _assignments(net, _read_layers(path))
    if problems:
        raise ImageNetWeightsError(
            f"ImageNet weights: {path} does not fit this EfficientNet, {len(problems)} problems, "
            f"the first: {'; '.join(problems[:5])}. Is it the file of another variant?"
        )
    for variable, value in pairs:
        variable.assign(value)
    logging.info("ImageNet weights: %d variables from %s", len(pairs), path)
    return len(pairs)
