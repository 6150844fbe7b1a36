"""Files of keras.applications load, and our network then computes what Keras computes.

keras.applications adds a layer behind the normalization, x 1/sqrt(ImageNet std), only for
`weights="imagenet"`; a model of random weights is built without it. Ours always has it, because the
published weights were trained with it. So Keras is given pixels that lead to the same values at the
stem: with the normalization's mean m, variance v and the factor r = 1/sqrt(std),

    ours    r * (x / 255 - m) / sqrt(v)
    Keras       (y / 255 - m) / sqrt(v)     equal for y = 255 * (m + r * (x / 255 - m))

Both pad alike where Keras does not know the image's size (RT-1's case), and where every layer with
a stride gets an even number of pixels, as with 320 -> 160 -> 80 -> 40 -> 20 -> 10.
"""

from __future__ import annotations

import json
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

import dropout_settings
from film_efficientnet import (
    film_conditioning_layer,
    film_efficientnet_encoder,
    imagenet_weights,
)
from tests import small_model
from tests.film_efficientnet import keras_files

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")

OFF = dropout_settings.DropoutSettings.off()
LFS_POINTER = (
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)


def build(variant="small", context_size=None) -> film_efficientnet_encoder.FilmEfficientNet:
    return film_efficientnet_encoder.FilmEfficientNet(context_size, OFF, variant=variant)


def pixels(height: int, width: int) -> np.ndarray:
    """float32 0..255, two images."""
    generator = np.random.default_rng(0)
    return 255 * generator.random((2, height, width, 3), np.float32)


def context() -> tf.Tensor:
    return tf.constant(small_model.embeddings(1, 2, size=6))


def for_keras(images: np.ndarray, model: tf.keras.Model) -> np.ndarray:
    """See the module."""
    normalization = next(x for x in model.layers if x.name.startswith("normalization"))
    mean = normalization.mean.numpy()
    factor = 1 / np.sqrt(film_efficientnet_encoder.IMAGENET_VARIANCE)
    return np.float32(255 * (mean + factor * (images / 255 - mean)))


def check_equal_to_keras(
    name: str, path: pathlib.Path, include_top: bool, height: int, width: int
) -> None:
    """Keras writes the file, ours reads it, with and without FiLM; both see the same images."""
    shape = (height, width, 3) if include_top else (None, None, 3)
    model = keras_files.randomized_keras_model(name, include_top=include_top, input_shape=shape)
    model.save_weights(path)
    images = pixels(height, width)
    features = tf.keras.Model(model.input, model.get_layer("top_activation").output)
    expected = features(for_keras(images, model), training=False).numpy()
    variant = name[-2:].lower()
    scale = np.abs(expected).max()
    assert np.abs(expected[0] - expected[1]).max() > 1e-3 * scale  # the images matter

    for net in (build(variant), build(variant, context_size=6)):
        count = imagenet_weights.load_imagenet_weights(net, path)
        without_classifier = len(model.weights) - (2 if include_top else 0)
        assert count == without_classifier
        output = net(images, context()).numpy()
        assert output.shape == expected.shape
        assert np.abs(output - expected).max() <= 1e-5 * scale


@pytest.mark.slow
def test_b0_without_classifier_equals_keras(tmp_path):
    check_equal_to_keras("EfficientNetB0", tmp_path / "b0_notop.h5", False, 75, 100)


@pytest.mark.slow
def test_b0_with_classifier_equals_keras(tmp_path):
    check_equal_to_keras("EfficientNetB0", tmp_path / "b0.h5", True, 64, 96)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("include_top", "height", "width"),
    [
        pytest.param(False, 300, 300, id="notop, RT-1's size"),
        pytest.param(False, 236, 236, id="notop, food images", marks=pytest.mark.long),
        pytest.param(True, 320, 320, id="with classifier", marks=pytest.mark.long),
    ],
)
def test_b3_equals_keras(tmp_path, include_top, height, width):
    check_equal_to_keras("EfficientNetB3", tmp_path / "b3.h5", include_top, height, width)


# Other files


@pytest.fixture(scope="module")
def source():
    net = build()
    small_model.randomize(net.variables, seed=0)
    return net


@pytest.fixture
def net():
    """FiLM included; a failed load must leave every value alone."""
    net = build(context_size=6)
    small_model.randomize(net.variables, seed=1)
    return net


def test_own_variant_round_trip(tmp_path, source, net):
    film = [
        variable
        for layer in net.layers_with_weights()
        if isinstance(layer, film_conditioning_layer.FilmConditioning)
        for variable in layer.variables
    ]
    before = small_model.values(film)
    path = keras_files.write_like_keras(tmp_path / "small.h5", source)

    count = imagenet_weights.load_imagenet_weights(net, path)

    assert count == len(source.variables)
    loaded = {layer.name: layer for layer in net.layers_with_weights()}
    for layer in source.layers_with_weights():
        assert small_model.same(layer.get_weights(), loaded[layer.name].get_weights())
    assert len(film) == 40
    assert small_model.same(before, small_model.values(film))


def test_counted_layer_names_are_found(tmp_path, source, net):
    """A process that builds two models calls the second normalization `normalization_1`."""
    mean, variance = np.float32([0.1, 0.2, 0.3]), np.float32([4, 5, 6])
    change = {
        "normalization/mean": None,
        "normalization/variance": None,
        "normalization/count": None,
        "normalization_1/mean": mean,
        "normalization_1/variance": variance,
        "normalization_1/count": np.int64(0),
    }
    path = keras_files.write_like_keras(tmp_path / "small.h5", source, change)

    imagenet_weights.load_imagenet_weights(net, path)

    np.testing.assert_array_equal(net.layers_with_weights()[0].mean, mean)
    np.testing.assert_array_equal(net.layers_with_weights()[0].variance, variance)


def checkpoint_prefix(directory: pathlib.Path) -> pathlib.Path:
    return pathlib.Path(tf.train.Checkpoint(x=tf.Variable(1.0)).write(str(directory / "ckpt")))


def text_file(text: str):
    def write(directory: pathlib.Path, source) -> pathlib.Path:
        path = directory / "weights.h5"
        path.write_text(text)
        return path

    return write


def changed_file(change: dict):
    def write(directory: pathlib.Path, source) -> pathlib.Path:
        return keras_files.write_like_keras(directory / "weights.h5", source, change)

    return write


def truncated_file(directory: pathlib.Path, source) -> pathlib.Path:
    path = keras_files.write_like_keras(directory / "weights.h5", source)
    path.write_bytes(path.read_bytes()[:-1000])
    return path


def other_variant(directory: pathlib.Path, source) -> pathlib.Path:
    other = film_efficientnet_encoder.FilmEfficientNet(None, OFF, variant="small", depth=1.0)
    return keras_files.write_like_keras(directory / "weights.h5", other)


BAD_FILES = {
    "absent": (lambda directory, _: directory / "b3.h5", FileNotFoundError, "no file .*b3.h5"),
    "checkpoint prefix": (
        lambda directory, _: checkpoint_prefix(directory),
        FileNotFoundError,
        "looks like a checkpoint prefix: use checkpoint_loading",
    ),
    "index file of a checkpoint": (
        lambda directory, _: checkpoint_prefix(directory).with_suffix(".index"),
        imagenet_weights.ImageNetWeightsError,
        r"expected a Keras \.h5 .*For a TensorFlow checkpoint",
    ),
    "Git LFS pointer": (
        text_file(LFS_POINTER),
        imagenet_weights.ImageNetWeightsError,
        "Git LFS pointer: run `git lfs pull`",
    ),
    "json": (
        text_file(json.dumps({})),
        imagenet_weights.ImageNetWeightsError,
        r"expected a Keras \.h5 \(HDF5\) or a PyTorch \.pth file, got .* starts with b'\{\}'",
    ),
    "empty": (text_file(""), imagenet_weights.ImageNetWeightsError, "starts with b''"),
    "truncated": (
        truncated_file,
        imagenet_weights.ImageNetWeightsError,
        "weights.h5.*truncated",
    ),
    "other variant": (
        other_variant,
        imagenet_weights.ImageNetWeightsError,
        "does not fit this EfficientNet.*block2b_bn: in the file, not in the network.*another",
    ),
    "missing variable": (
        changed_file({"top_bn/gamma": None}),
        imagenet_weights.ImageNetWeightsError,
        "1 problems, the first: top_bn/gamma: missing in the file",
    ),
    "other shape": (
        changed_file({"top_bn/gamma": np.ones(3, np.float32)}),
        imagenet_weights.ImageNetWeightsError,
        r"top_bn/gamma: expected shape \(448,\), got \(3,\)",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_file_leaves_the_weights_alone(tmp_path, source, net, case):
    write, error, message = BAD_FILES[case]
    path = write(tmp_path, source)
    before = small_model.values(net.variables)

    with pytest.raises(error, match=message):
        imagenet_weights.load_imagenet_weights(net, path)

    assert small_model.same(before, small_model.values(net.variables))


@pytest.mark.slow
def test_b0_file_for_b3(tmp_path):
    model = keras_files.randomized_keras_model("EfficientNetB0", include_top=False)
    model.save_weights(tmp_path / "b0.h5")
    shutil.copy(tmp_path / "b0.h5", tmp_path / "efficientnetb3.h5")
    net = build("b3")
    before = small_model.values(net.variables)

    with pytest.raises(imagenet_weights.ImageNetWeightsError, match="file of another variant"):
        imagenet_weights.load_imagenet_weights(net, tmp_path / "efficientnetb3.h5")

    assert small_model.same(before, small_model.values(net.variables))
