"""Names, the ways people write them, and the directories of embeddings."""

import json

import numpy as np
import pytest

from food_data import dataset_builder, vocabulary


def unit(position):
    return np.eye(512, dtype=np.float32)[position]


load = vocabulary.EmbeddingStore.load


@pytest.fixture
def lab_directory(tmp_path):
    """Four files as labs name them, each a different vector."""
    directory = tmp_path / "lab"
    directory.mkdir()
    names = ("scoop_cherry_tomtato", "scoop_rice", "skewering_banana", "twirling_soba")
    for position, name in enumerate(names):
        np.save(directory / f"{name}.npy", unit(position))
    return directory


@pytest.fixture
def our_directory(lab_directory, tmp_path):
    """The same, saved by us."""
    load(lab_directory).save(tmp_path / "ours")
    return tmp_path / "ours"


def test_a_lab_directory(lab_directory):
    store = load(lab_directory)
    expected = [("scooping", "cherry_tomato"), ("scooping", "rice"), ("skewering", "banana")]
    assert store.combinations() == [*expected, ("twirling", "soba")]
    assert store.manifest["encoder"] is None
    np.testing.assert_array_equal(store.lookup("Twirl", "Soba"), unit(3))
    store.lookup("scooping", "rice")[:] = 7
    np.testing.assert_array_equal(store.lookup("scooping", "rice"), unit(1))
    for action, food, message in (
        ("stir", "rice", "No embedding for action 'stir' .*Known: scooping, skewering, twirling"),
        ("scoop", "ricee", "Unknown food 'ricee'. Did you mean 'rice'"),
        ("scoop", "banana", "'scoop' with food 'banana'. Foods .*Known: cherry_tomato, rice"),
    ):
        with pytest.raises(vocabulary.UnknownInstructionError, match=message):
            store.lookup(action, food)


def test_saved_and_loaded_it_is_the_same(our_directory, store, tmp_path):
    ours = load(our_directory)
    np.testing.assert_array_equal(ours.lookup("scoop", "rice"), unit(1))
    assert len(store.combinations()) == 3 * 29
    vectors = np.stack([store.lookup(*pair) for pair in store.combinations()])
    assert (vectors @ vectors.T - np.eye(len(vectors))).max() < 0.95
    store.save(tmp_path / "copy")
    assert load(tmp_path / "copy").manifest == store.manifest
    ours.save(tmp_path / "copy")  # Removes the vectors of the first one.
    assert len(list((tmp_path / "copy").iterdir())) == 5


def entry_with(**change):
    def apply(folder):
        manifest = json.loads((folder / "manifest.json").read_text())
        (manifest if "format_version" in change else manifest["entries"][1]).update(change)
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return apply


def file_with(name, content):
    if isinstance(content, np.ndarray):
        return lambda folder: np.save(folder / name, content)
    return lambda folder: (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    "directory, change, message",
    [
        ("ours", entry_with(format_version=2), "manifest.json is no .*, got {'format_version': 2"),
        ("ours", entry_with(food="Green Bean"), "in snake_case.* got .*Green Bean"),
        ("ours", entry_with(file="../scoop_rice.npy"), "a file 'x.npy'.* got .*../scoop_rice"),
        ("ours", entry_with(sha256="0"), "scoop_rice.npy: expected SHA-256 0 "),
        ("ours", entry_with(sha256=None), "scoop_rice.npy: expected SHA-256 None "),
        ("ours", entry_with(file="b.npy"), "not in it: b.npy, scoop_rice.npy"),
        ("ours", file_with("manifest.json", b"{"), "manifest.json is no manifest"),
        ("ours", file_with("scooping_fish.npy", unit(9)), "not in it: scooping_fish.npy"),
        ("lab", file_with("scooping_rice.npy", unit(9)), "Two files for .*scoop_rice.*scooping_r"),
        ("lab", file_with("scoop_rice.npy", b"\x93NUMPY"), "scoop_rice.npy is not a readable"),
        ("lab", file_with("stir_rice.npy", unit(9)), "lab: Expected an action .* 'stir_rice'"),
        ("lab", file_with("scoop_rice.npy", np.ones(768, "f4")), r"_rice.npy: .* got .*\[768\]"),
        ("lab", file_with("scoop_rice.npy", unit(0) * np.nan), "unit vector .*of norm nan"),
        ("lab", file_with("scoop_rice.npy", b"version https://git-lfs.github.com/spec/"), "LFS"),
    ],
)
def test_what_is_wrong_is_named(our_directory, directory, change, message):
    folder = our_directory.with_name(directory)
    change(folder)
    with pytest.raises(ValueError, match=message):
        load(folder)


@pytest.mark.parametrize("text, name", [
    ("skewering", "skewering"),
    ("Scoop", "scooping"),
    ("  skewer ", "skewering"),
    ("green beans", "green_bean"),
    ("cherry_tomtato", "cherry_tomato"),
    ("cherry tomatoes", "cherry_tomato"),
    ("Mac & Cheese", "mac_and_cheese"),
])  # fmt: skip
def test_what_people_write_becomes_a_name(text, name):
    find = vocabulary.canonical_action if name.endswith("ing") else vocabulary.canonical_food
    assert find(text) == name


def test_unknown_food_lists_near_names():
    with pytest.raises(vocabulary.UnknownNameError, match="Did you mean 'banana'.*Known: banana"):
        vocabulary.canonical_food("banan")


def test_split_instruction():
    split = vocabulary.BASE.split_instruction
    assert split("scoop_cherry_tomtato") == ("scooping", "cherry_tomtato")
    assert split("Twirling mac and cheese") == ("twirling", "mac_and_cheese")
    extended = vocabulary.BASE.extended({"scooping_up": ["scoop_up"]}, {})
    assert extended.split_instruction("scoop_up_rice") == ("scooping_up", "rice")


def test_label_maps(tmp_path):
    def read(text):
        (tmp_path / "map.json").write_text(text)
        return dataset_builder.read_label_map(tmp_path / "map.json", vocabulary.BASE)

    mapped = read('{"Tomato": "cherry tomatoes", "pale  cube": "cantaloupe"}')
    assert mapped == {"tomato": "cherry_tomato", "pale_cube": "cantaloupe"}
    with pytest.raises(ValueError, match="map.json: expected {label: food}, got {'a': 1}"):
        read('{"a": 1}')
    message = "map.json maps 'tomato' to 'chery_tomato'. .*Did you mean 'cherry_tomato'.*add --food"
    with pytest.raises(vocabulary.UnknownNameError, match=message):
        read('{"tomato": "chery_tomato"}')
    with pytest.raises(ValueError, match="one food for the label 'Cube ', got cantaloupe and rice"):
        read('{"cube": "cantaloupe", "Cube ": "rice"}')
