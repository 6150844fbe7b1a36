"""Weight files in Keras' own layout, without keras.applications: for variants it does not have."""

from __future__ import annotations

import h5py

from film_efficientnet import film_conditioning_layer


def write_like_keras(path, net, change=None):
    """What `save_weights` writes for the layers that Keras knows, `layer/layer/variable:0`.

    `change` is {'layer/variable': array, or None to leave it out}.
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
