"""Weight files in Keras' own layout, without keras.applications: for variants it does not have."""

from __future__ import annotations

import pathlib

import h5py
import numpy as np
import tensorflow as tf

from film_efficientnet import film_conditioning_layer, film_efficientnet_encoder
from tests import small_model


def write_like_keras(
    path: pathlib.Path, net: film_efficientnet_encoder.FilmEfficientNet, change: dict | None = None
) -> pathlib.Path:
    """What `save_weights` writes for the layers that Keras knows: `layer/layer/variable:0`.

    Args:
        path: of the `.h5` file.
        net: whose weights are written.
        change: {'layer/variable': array, or None to leave it out}.

    Returns:
        The path.
    """
    values = {}
    with h5py.File(path, "w") as file:
        for layer in net.layers_with_weights():
            if isinstance(layer, film_conditioning_layer.FilmConditioning):
                continue
            for variable in layer.weights:
                name = variable.name.rsplit("/", 1)[-1].split(":")[0]
                values[f"{layer.name}/{name}"] = variable.numpy()
        values.update(change or {})
        for key, value in values.items():
            if value is not None:
                layer_name, name = key.split("/")
                file[f"{layer_name}/{layer_name}/{name}:0"] = value
    return path


def randomized_keras_model(name: str, **arguments) -> tf.keras.Model:
    """A keras.applications model of random weights, with random BatchNorms and image constants.

    Args:
        name: 'EfficientNetB0', ...
        **arguments: of keras.applications, `weights` aside.

    Returns:
        The model.
    """
    generator = np.random.default_rng(4)
    model = getattr(tf.keras.applications, name)(weights=None, **arguments)
    normalization = next(x for x in model.layers if x.name.startswith("normalization"))
    for layer in model.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            small_model.randomize(layer.variables, seed=len(layer.name))
        elif isinstance(layer, tf.keras.layers.Conv2D):  # Keras' own draw, but from our seed
            shape = layer.weights[0].shape
            fan_out = shape[0] * shape[1] * shape[3]
            layer.weights[0].assign(generator.standard_normal(shape) * np.sqrt(2 / fan_out))
    normalization.set_weights(
        [np.float32([0.4, 0.5, 0.45]), np.float32([0.2, 0.3, 0.25]), np.int64(0)]
    )
    normalization.finalize_state()  # Keras caches the constants
    return model
