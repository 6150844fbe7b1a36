import json
import pathlib

import pytest

from food_data import embedding_manifest, vocabulary

SOME = pathlib.Path("some")
RICE = embedding_manifest.new_entry("scooping", "rice", "scooping rice", b"rice")


def manifest_of(*entries):
    return embedding_manifest.new("an encoder", "1", entries)


def test_new_entry():
    assert RICE == {
        "action": "scooping",
        "food": "rice",
        "text": "scooping rice",
        "file": "scooping_rice.npy",
        # `printf rice | sha256sum`
        "sha256": "209f76418ece7c936b65ff4777a578d860f762c37ad6c7f08f5826242199ef51",
    }


def test_an_unknown_encoder_has_no_template():
    assert embedding_manifest.new(None, None, [])["instruction_template"] is None
    assert manifest_of()["instruction_template"] == "{action} {food}"


@pytest.mark.parametrize(
    "content, message",
    [
        ("{", "is not JSON"),
        ("[]", "expected format_version 1, got <class 'list'>"),
        ('{"format_version": 2}', "expected format_version 1, got 2"),
        ('{"format_version": 1, "dimension": 768}', "expected dimension 512, got 768"),
        ('{"format_version": 1, "dimension": 512}', "expected a list 'entries', got None"),
    ],
)
def test_read_refuses_other_files(tmp_path, content, message):
    path = tmp_path / "manifest.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=f"manifest.json.*{message}"):
        embedding_manifest.read(path)


def test_read_gives_what_was_written(tmp_path):
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(manifest_of(RICE)))
    assert embedding_manifest.read(path) == manifest_of(RICE)


def test_read_of_an_absent_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="were not made by embeddings/build_embeddings.py"):
        embedding_manifest.read(tmp_path / "manifest.json")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"food": "Green Bean"}, "expected snake_case, got 'Green Bean'"),
        ({"action": 3}, "expected snake_case, got 3"),
        ({"file": "../scooping_rice.npy"}, "expected a file 'x.npy', got '../scooping_rice.npy'"),
        ({"file": "scooping_rice.txt"}, "expected a file 'x.npy'"),
        ({"file": None}, "expected a file 'x.npy', got None"),
    ],
)
def test_bad_entries_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        embedding_manifest.entries_by_pair(manifest_of({**RICE, **change}))


def test_an_entry_without_a_key_is_refused():
    entry = {key: RICE[key] for key in RICE if key != "sha256"}
    with pytest.raises(ValueError, match=r"absent: \['sha256'\]"):
        embedding_manifest.entries_by_pair(manifest_of(entry))


def test_two_files_for_one_pair_are_refused():
    other = {**RICE, "file": "scoop_rice.npy"}
    message = r"Two files for \('scooping', 'rice'\): scooping_rice.npy and scoop_rice.npy"
    with pytest.raises(ValueError, match=message):
        embedding_manifest.entries_by_pair(manifest_of(RICE, other))


def test_check_files():
    embedding_manifest.check_files(manifest_of(RICE), {"scooping_rice.npy": b"rice"}, SOME)


@pytest.mark.parametrize(
    "files, error, message",
    [
        ({}, FileNotFoundError, "some/scooping_rice.npy .* in the manifest but absent"),
        (
            {"scooping_rice.npy": b"Rice"},
            ValueError,
            "scooping_rice.npy: expected SHA-256 209f7641",
        ),
        (
            {"scooping_rice.npy": b"rice", "b.npy": b""},
            ValueError,
            "some: not in the manifest: b.npy",
        ),
    ],
)
def test_check_files_refuses(files, error, message):
    with pytest.raises(error, match=message):
        embedding_manifest.check_files(manifest_of(RICE), files, SOME)


def test_the_vocabulary_has_the_manifests_names_with_shipped_and_own_variants():
    carrot = embedding_manifest.new_entry("scooping", "carrot", None, b"")
    words = embedding_manifest.vocabulary_of(
        manifest_of(RICE, {**carrot, "food_variants": ["Baby carrot"]})
    )
    assert words.canonical_action("scoop") == "scooping"
    assert words.canonical_food("baby carrots") == "carrot"
    with pytest.raises(vocabulary.UnknownNameError, match="Known: carrot, rice"):
        words.canonical_food("banana")


def test_a_manifest_for_a_directory_without_one():
    files = {"scoop_cherry_tomtato.npy": b"a", "twirling_soba.npy": b"b"}
    manifest = embedding_manifest.of_files(files, SOME)
    assert manifest["encoder"] is manifest["encoder_version"] is None
    tomato, soba = manifest["entries"]
    assert (tomato["action"], tomato["food"]) == ("scooping", "cherry_tomato")
    assert tomato["file"] == "scoop_cherry_tomtato.npy"
    assert tomato["text"] is None
    assert (soba["action"], soba["food"]) == ("twirling", "soba")


def test_a_file_name_without_an_action_is_refused():
    with pytest.raises(ValueError, match="some/rice.npy: Expected '<action>_<food>'"):
        embedding_manifest.of_files({"rice.npy": b""}, SOME)
