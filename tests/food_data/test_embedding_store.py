"""Directories of embeddings: ours with a manifest, a lab's without, and what is wrong with some."""

import json

import numpy as np
import pytest

from food_data import embedding_store


def unit(position):
    return np.eye(512, dtype=np.float32)[position]


def load(directory):
    return embedding_store.EmbeddingStore.load(directory)


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


def test_the_shipped_embeddings(store):
    assert len(store.combinations()) == 3 * 29
    assert store.text("skewering", "cherry_tomato") == "skewering cherry tomato"
    assert store.lookup("Scoop", "green beans").shape == (512,)
    assert "multilingual v3" in store.manifest["encoder"]
    vectors = np.stack([store.lookup(*pair) for pair in store.combinations()])
    assert (vectors @ vectors.T - np.eye(len(vectors))).max() < 0.95


def test_a_lab_directory(lab_directory):
    store = load(lab_directory)
    expected = [("scooping", "cherry_tomato"), ("scooping", "rice"), ("skewering", "banana")]
    assert store.combinations() == [*expected, ("twirling", "soba")]
    np.testing.assert_array_equal(store.lookup("Twirl", "Soba"), unit(3))
    assert store.text("scoop", "rice") is store.manifest["encoder"] is None
    store.lookup("scooping", "rice")[:] = 7
    np.testing.assert_array_equal(store.lookup("scooping", "rice"), unit(1))


@pytest.mark.parametrize(
    "action, food, message",
    [
        ("stir", "rice", "No embedding for action 'stir' .*Known: scooping, skewering, twirling"),
        ("scoop", "ricee", "Unknown food 'ricee'. Did you mean 'rice'"),
        ("scoop", "banana", "'scooping' with food 'banana'. Foods .*Known: cherry_tomato, rice"),
    ],
)
def test_what_is_not_there_is_an_error_with_near_names(lab_directory, action, food, message):
    with pytest.raises(embedding_store.UnknownInstructionError, match=message):
        load(lab_directory).lookup(action, food)


def test_saved_and_loaded_it_is_the_same(lab_directory, our_directory, store, tmp_path):
    lab, ours = load(lab_directory), load(our_directory)
    assert ours.manifest == lab.manifest
    np.testing.assert_array_equal(ours.lookup("scoop", "rice"), lab.lookup("scoop", "rice"))
    store.save(tmp_path / "copy")
    assert load(tmp_path / "copy").manifest == store.manifest
    ours.save(tmp_path / "copy")  # Removes the vectors of the first one.
    assert len(list((tmp_path / "copy").iterdir())) == 5
    with pytest.raises(FileExistsError, match="of another origin: scoop_cherry_tomtato.npy, sco"):
        store.save(lab_directory)
    assert len(list(lab_directory.iterdir())) == 4


@pytest.mark.parametrize(
    "array, message",
    [
        (None, "scoop_rice.npy is not a readable .npy file"),
        (np.ones(768, np.float32), r"scoop_rice.npy: expected float32 \(512,\), got .*\(768,\)"),
        (unit(0) * np.nan, "scoop_rice.npy: expected a unit vector .*got nan"),
    ],
)
def test_vectors_that_are_none(lab_directory, array, message):
    np.save(lab_directory / "scoop_rice.npy", np.zeros(1) if array is None else array)
    if array is None:
        (lab_directory / "scoop_rice.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(ValueError, match=message):
        load(lab_directory)
    np.save(lab_directory / "scoop_rice.npy", unit(9))
    np.save(lab_directory / "scooping_rice.npy", unit(9))
    with pytest.raises(ValueError, match="Two files for .*scoop_rice.npy and scooping_rice.npy"):
        load(lab_directory)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"format_version": 2}, "expected format_version 1, got 2"),
        ({"entries": None}, "expected a list 'entries', got None"),
        ({"food": "Green Bean"}, "expected snake_case, got 'Green Bean'"),
        ({"file": "../scoop_rice.npy"}, "expected a file 'x.npy', got '../scoop_rice.npy'"),
        ({"sha256": "0"}, "scoop_rice.npy: expected SHA-256 0 "),
        ({"file": "b.npy"}, "b.npy of .*rice.* is in the manifest but absent"),
    ],
)
def test_manifests_that_are_wrong(our_directory, change, message):
    path = our_directory / "manifest.json"
    manifest = json.loads(path.read_text())
    wrong = manifest if set(change) & set(manifest) else manifest["entries"][1]
    wrong.update(change)
    path.write_text(json.dumps(manifest))
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        load(our_directory)
    path.write_text("{")
    with pytest.raises(ValueError, match="manifest.json is not JSON"):
        load(our_directory)


def test_files_and_directories_that_are_absent_or_too_many(our_directory, tmp_path):
    np.save(our_directory / "scooping_fish.npy", unit(9))
    with pytest.raises(ValueError, match="not in the manifest: scooping_fish.npy"):
        load(our_directory)
    with pytest.raises(FileNotFoundError, match="No embeddings directory .*absent"):
        load(tmp_path / "absent")
    with pytest.raises(FileNotFoundError, match="No .npy file in .*build_embeddings.py build"):
        load(tmp_path)
    manifest = {"entries": [embedding_store.new_entry("scooping", "rice", None, b"")]}
    with pytest.raises(ValueError, match=r"differ in the pairs \[\('scooping', 'rice'\)\]"):
        embedding_store.EmbeddingStore({}, manifest)
