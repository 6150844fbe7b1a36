import json
import pathlib
import shutil

import numpy as np
import pytest

from food_data import embedding_store, embedding_vectors

LAB = pathlib.Path(__file__).resolve().parents[3] / "shared" / "data" / "lab_embeddings"


def unit(position):
    vector = np.zeros(512, np.float32)
    vector[position] = 1
    return vector


@pytest.fixture
def lab_directory(tmp_path):
    """Four files as labs name them, each a different vector."""
    directory = tmp_path / "lab"
    directory.mkdir()
    names = ("scoop_cherry_tomtato", "scoop_rice", "skewering_banana", "twirling_soba")
    for position, name in enumerate(names):
        np.save(directory / f"{name}.npy", unit(position))
    return directory


def load(directory):
    return embedding_store.EmbeddingStore.load(directory)


def test_the_shipped_embeddings(store):
    assert len(store.combinations()) == 3 * 29
    assert store.text("skewering", "cherry_tomato") == "skewering cherry tomato"
    assert store.lookup("Scoop", "green beans").shape == (512,)
    assert store.manifest["dimension"] == 512
    assert "multilingual v3" in store.manifest["encoder"]


def test_the_shipped_embeddings_differ(store):
    vectors = np.stack([store.lookup(*pair) for pair in store.combinations()])
    similarity = vectors @ vectors.T - np.eye(len(vectors))
    assert similarity.max() < 0.95


def test_a_lab_directory(lab_directory):
    store = load(lab_directory)
    expected = [("scooping", "cherry_tomato"), ("scooping", "rice"), ("skewering", "banana")]
    assert store.combinations() == [*expected, ("twirling", "soba")]
    np.testing.assert_array_equal(store.lookup("scooping", "cherry_tomato"), unit(0))
    np.testing.assert_array_equal(store.lookup("Twirl", "Soba"), unit(3))
    assert store.text("scoop", "rice") is None
    assert store.manifest["encoder"] is None


@pytest.mark.skipif(not LAB.is_dir(), reason="needs ../shared/data/lab_embeddings")
def test_a_real_lab_directory(store):
    lab = load(LAB)
    assert set(lab.combinations()) <= set(store.combinations())
    np.testing.assert_array_equal(
        lab.lookup("scooping", "cherry_tomato"), np.load(LAB / "scoop_cherry_tomtato.npy")
    )


@pytest.mark.parametrize(
    "action, food, message",
    [
        ("stir", "rice", "No embedding for action 'stir' .*Known: scooping, skewering, twirling"),
        ("scoop", "ricee", "Unknown food 'ricee'. Did you mean 'rice'"),
        ("scoop", "banana", "'scooping' with food 'banana'. Foods .*Known: cherry_tomato, rice"),
        ("scoop", "lettuce", "Unknown food 'lettuce'. Known: banana, cherry_tomato, rice, soba"),
    ],
)
def test_what_is_not_there_is_an_error_with_near_names(lab_directory, action, food, message):
    store = load(lab_directory)
    for method in (store.lookup, store.text, store.resolve):
        with pytest.raises(embedding_store.UnknownInstructionError, match=message) as caught:
            method(action, food)
        assert isinstance(caught.value, LookupError)


def test_a_looked_up_vector_is_the_callers_own(lab_directory):
    store = load(lab_directory)
    store.lookup("scooping", "rice")[:] = 7
    np.testing.assert_array_equal(store.lookup("scooping", "rice"), unit(1))


def test_saved_and_loaded_it_is_the_same(lab_directory, tmp_path):
    store = load(lab_directory)
    store.save(tmp_path / "new" / "copy")
    copy = load(tmp_path / "new" / "copy")
    assert copy.manifest == store.manifest
    for pair in store.combinations():
        np.testing.assert_array_equal(copy.lookup(*pair), store.lookup(*pair))
    assert len(list((tmp_path / "new" / "copy").iterdir())) == 5


def test_the_shipped_directory_survives_a_save(store, tmp_path):
    store.save(tmp_path)
    assert load(tmp_path).manifest == store.manifest


def test_a_second_save_removes_vectors_of_the_first(lab_directory, store, tmp_path):
    store.save(tmp_path / "copy")
    load(lab_directory).save(tmp_path / "copy")
    assert len(load(tmp_path / "copy").combinations()) == 4


def test_save_leaves_files_of_others_alone(lab_directory, store):
    with pytest.raises(
        FileExistsError, match="of another origin: scoop_cherry_tomtato.npy, scoop_r"
    ):
        store.save(lab_directory)
    assert len(list(lab_directory.iterdir())) == 4


def test_two_files_for_one_pair(lab_directory):
    np.save(lab_directory / "scooping_rice.npy", unit(9))
    with pytest.raises(ValueError, match="Two files for .*scoop_rice.npy and scooping_rice.npy"):
        load(lab_directory)


def test_a_changed_file_is_found_by_its_checksum(store, tmp_path):
    store.save(tmp_path)
    np.save(tmp_path / "scooping_rice.npy", unit(0))
    with pytest.raises(ValueError, match="scooping_rice.npy: expected SHA-256"):
        load(tmp_path)


def test_an_unreadable_file_is_named(lab_directory):
    (lab_directory / "scoop_rice.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(ValueError, match="scoop_rice.npy is not a readable .npy file"):
        load(lab_directory)


def test_a_pickle_is_not_opened(lab_directory):
    np.save(lab_directory / "scoop_rice.npy", np.array([print], object), allow_pickle=True)
    with pytest.raises(ValueError, match="scoop_rice.npy is not a readable .npy file"):
        load(lab_directory)


def test_a_vector_of_another_size_is_named(lab_directory):
    np.save(lab_directory / "scoop_rice.npy", np.ones(768, np.float32))
    with pytest.raises(
        ValueError, match=r"scoop_rice.npy: expected float32 \(512,\), got .*\(768,\)"
    ):
        load(lab_directory)


def test_no_directory_and_no_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="No embeddings directory .*absent"):
        load(tmp_path / "absent")
    with pytest.raises(FileNotFoundError, match="No .npy file in .*build_embeddings.py build"):
        load(tmp_path)


def test_vectors_and_manifest_must_name_the_same_pairs(lab_directory):
    manifest = load(lab_directory).manifest
    with pytest.raises(ValueError, match=r"differ in the pairs \[\('scooping', 'cherry_tomato'\)"):
        embedding_store.EmbeddingStore({}, manifest)


def test_a_copied_directory_is_worth_the_original(store, tmp_path):
    store.save(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert json.loads((tmp_path / "b" / "manifest.json").read_text()) == store.manifest


def test_stored_bytes_are_those_of_the_checksum(store, tmp_path):
    store.save(tmp_path)
    data = (tmp_path / "scooping_rice.npy").read_bytes()
    assert data == embedding_vectors.to_bytes(store.lookup("scooping", "rice"))
