"""Pairs are looked up, sentences are encoded, and neither is ever made up."""

from __future__ import annotations

import numpy as np
import pytest

from serving import errors, instructions, request_schemas
from tests import serving_stubs


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return serving_stubs.embedding_store_of(tmp_path_factory.mktemp("embeddings"))


class LengthEncoder:
    """The unit vector of the text's length."""

    name, version = "lengths", "1"

    def encode(self, text):
        if not text.isascii():
            raise ValueError("no letters that it knows")
        return np.eye(512, dtype=np.float32)[len(text)]


def ask(known, action=None, food=None, text=None):
    return known.resolve(request_schemas.Instruction(action, food, text))


def test_variants_of_names_are_understood(store):
    found = ask(instructions.Instructions(store), "Scoop", "mac and cheese", "ignored")
    assert (found.action, found.food) == ("scooping", "mac_and_cheese")
    np.testing.assert_array_equal(found.embedding, store.lookup("scooping", "mac_and_cheese"))


@pytest.mark.parametrize(
    ("action", "food", "message"),
    [
        ("skewering", "strawbery", "Did you mean 'strawberry'"),
        ("twirl it", "spaghetti", "Unknown action 'twirl it'"),
        ("twirling", "strawberry", "with this action: .*spaghetti"),
    ],
)
def test_what_has_no_embedding_is_refused(store, action, food, message):
    with pytest.raises(errors.RequestError, match=message) as caught:
        ask(instructions.Instructions(store, LengthEncoder()), action, food)
    assert caught.value.status == 422


def test_a_sentence_needs_the_encoder(store):
    with pytest.raises(errors.RequestError, match="needs the sentence encoder") as caught:
        ask(instructions.Instructions(store), text="eat")
    assert caught.value.status == 422
    known = instructions.Instructions(store, LengthEncoder())
    found = ask(known, text="eat")
    assert (found.action, found.food, int(found.embedding.argmax())) == (None, None, 3)
    with pytest.raises(errors.RequestError, match="cannot be encoded: no letters"):
        ask(known, text="é")


def test_combinations_are_sorted(store):
    found = instructions.Instructions(store).combinations()
    assert found == sorted(serving_stubs.INSTRUCTIONS)


def test_the_encoder_has_to_be_the_one_that_made_the_embeddings(store, monkeypatch):
    from food_data import text_encoders

    class Installed(LengthEncoder):
        pass

    monkeypatch.setattr(text_encoders, "PackageEncoder", Installed)
    assert instructions.encoder_of(store) is None, "a lab's directory does not say which it was"
    monkeypatch.setitem(store.manifest, "encoder", "lengths")
    monkeypatch.setitem(store.manifest, "encoder_version", "2")
    assert instructions.encoder_of(store) is None
    monkeypatch.setitem(store.manifest, "encoder_version", "1")
    assert isinstance(instructions.encoder_of(store), Installed)


def test_no_encoder_is_no_error(store, monkeypatch):
    from food_data import text_encoders

    def absent():
        raise ModuleNotFoundError("not installed")

    monkeypatch.setattr(text_encoders, "PackageEncoder", absent)
    assert instructions.encoder_of(store) is None
