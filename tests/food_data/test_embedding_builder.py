import json

import numpy as np
import pytest

from food_data import embedding_builder, embedding_store


class StubEncoder:
    """A unit vector that depends on the text, and remembers the texts."""

    name = "stub"

    def __init__(self, version="1"):
        self.version = version
        self.texts = []

    def encode(self, text):
        self.texts.append(text)
        vector = np.random.default_rng(list(f"{self.version} {text}".encode())).normal(size=512)
        return (vector / np.linalg.norm(vector)).astype(np.float32)


def load(directory):
    return embedding_store.EmbeddingStore.load(directory)


@pytest.fixture
def directory(tmp_path):
    embedding_builder.build(tmp_path / "embeddings", StubEncoder())
    return tmp_path / "embeddings"


def test_build_makes_every_pair(directory):
    store = load(directory)
    assert len(store.combinations()) == 66
    assert store.text("twirling", "mac_and_cheese") == "twirling mac and cheese"
    expected = StubEncoder().encode("twirling mac and cheese")
    np.testing.assert_array_equal(store.lookup("twirling", "mac_and_cheese"), expected)
    assert (store.manifest["encoder"], store.manifest["encoder_version"]) == ("stub", "1")


def test_add_a_food(directory):
    encoder = StubEncoder()
    pairs = embedding_builder.add(directory, encoder, food="carrot", variants=("baby carrot",))
    assert pairs == [("skewering", "carrot"), ("scooping", "carrot"), ("twirling", "carrot")]
    assert encoder.texts == ["skewering carrot", "scooping carrot", "twirling carrot"]
    store = load(directory)
    assert len(store.combinations()) == 69
    assert store.resolve("skewer", "Baby carrots") == ("skewering", "carrot")


def test_add_an_action_takes_added_foods_along(directory):
    embedding_builder.add(directory, StubEncoder(), food="carrot")
    pairs = embedding_builder.add(directory, StubEncoder(), action="grasping", variants=("grasp",))
    assert len(pairs) == 23
    assert load(directory).resolve("grasp", "carrot") == ("grasping", "carrot")


def test_add_one_pair(directory):
    pairs = embedding_builder.add(directory, StubEncoder(), action="skewering", food="tofu")
    assert pairs == [("skewering", "tofu")]
    assert len(load(directory).combinations()) == 67


def test_build_anew_keeps_what_was_added_and_changes_the_encoder(directory):
    embedding_builder.add(directory, StubEncoder(), food="carrot", variants=("baby carrot",))
    with pytest.raises(FileExistsError, match="build --overwrite"):
        embedding_builder.build(directory, StubEncoder("2"))
    pairs = embedding_builder.build(directory, StubEncoder("2"), overwrite=True)
    assert len(pairs) == 69
    store = load(directory)
    assert store.manifest["encoder_version"] == "2"
    assert store.resolve("skewer", "baby carrot") == ("skewering", "carrot")
    for pair in store.combinations():
        expected = StubEncoder("2").encode(store.text(*pair))
        np.testing.assert_array_equal(store.lookup(*pair), expected)


def test_build_anew_mends_a_damaged_directory(directory):
    (directory / "scooping_rice.npy").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="SHA-256"):
        load(directory)
    embedding_builder.build(directory, StubEncoder(), overwrite=True)
    load(directory)


def test_build_does_not_touch_a_labs_directory(directory):
    (directory / "manifest.json").unlink()
    with pytest.raises(FileNotFoundError, match="were not made by"):
        embedding_builder.build(directory, StubEncoder("2"), overwrite=True)


def test_two_encoders_do_not_mix(directory):
    message = r"expected the encoder that made it, stub \(1\); got stub \(2\).*build --overwrite"
    with pytest.raises(ValueError, match=message):
        embedding_builder.add(directory, StubEncoder("2"), food="carrot")
    manifest = json.loads((directory / "manifest.json").read_text())
    unknown = {**manifest, "encoder": None, "encoder_version": None}
    (directory / "manifest.json").write_text(json.dumps(unknown))
    with pytest.raises(ValueError, match="which is unknown"):
        embedding_builder.add(directory, StubEncoder(), food="carrot")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"food": "Baby Carrot"}, "food 'Baby Carrot': expected snake_case, for .* 'baby_carrot'"),
        ({"food": "../x"}, "expected snake_case"),
        (
            {"food": "cherry_tomtato"},
            "'cherry_tomtato' is another name of the known 'cherry_tomato'",
        ),
        ({"food": "grapes"}, "'grapes' is another name of the known 'grape'"),
        ({"action": "scoop"}, "action 'scoop' is another name of the known 'scooping'"),
        ({"food": "bananna"}, "spelled much like the known 'banana'. .*--allow_similar"),
        ({"food": "bananna_s"}, "spelled much like|expected"),
        ({"action": "scoopping"}, "spelled much like the known 'scooping'"),
        ({"food": "rice"}, "Nothing to add"),
        ({"food": "rice", "action": "scooping"}, "Nothing to add"),
        ({"food": "tofu", "action": "grasping", "variants": ("x",)}, "got 2 new names"),
        ({"food": "rice", "variants": ("x",)}, "got 0 new names"),
    ],
)
def test_what_cannot_be_added(directory, options, message):
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    with pytest.raises(ValueError, match=message):
        embedding_builder.add(directory, StubEncoder(), **options)
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


def test_a_similar_name_may_be_insisted_on(directory):
    pairs = embedding_builder.add(directory, StubEncoder(), food="spaghettini", allow_similar=True)
    assert len(pairs) == 3
