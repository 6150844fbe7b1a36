"""Building a directory of embeddings, and adding foods and actions to one.

Both end in `EmbeddingStore.save`; what is asked of the user is in `embeddings/build_embeddings.py`.
"""

from __future__ import annotations

import difflib
import pathlib
from collections.abc import Mapping

import numpy as np

from food_data import (
    embedding_manifest,
    embedding_store,
    embedding_vectors,
    text_encoders,
    vocabulary,
)

Pair = tuple[str, str]
_SIMILAR = 0.85


def build(
    directory: pathlib.Path, encoder: text_encoders.TextEncoder, overwrite: bool = False
) -> list[Pair]:
    """Makes all embeddings of a directory anew: the shipped pairs and those added to it before.

    Args:
        directory: made if need be.
        encoder: what makes them.
        overwrite: allow embeddings to be there already.

    Returns:
        The pairs that were made.

    Raises:
        FileExistsError: if there are some already and `overwrite` is off.
        FileNotFoundError: if there are some without a manifest: they are not ours to replace.
    """
    pairs = {(action, food): {} for action in vocabulary.ACTIONS for food in vocabulary.FOODS}
    if any(directory.glob("*.npy")):
        if not overwrite:
            raise FileExistsError(
                f"{directory} holds embeddings already. Add to them with `add`, or make all of "
                "them anew with `build --overwrite`."
            )
        # Not `EmbeddingStore.load`: making all of them anew is the cure for a damaged vector.
        manifest = embedding_manifest.read(directory / embedding_store.MANIFEST_FILE)
        for pair, entry in embedding_manifest.entries_by_pair(manifest).items():
            pairs[pair] = {key: entry[key] for key in entry if key.endswith("_variants")}
    _write(directory, embedding_manifest.new(encoder.name, encoder.version, []), {}, pairs, encoder)
    return sorted(pairs)


def add(
    directory: pathlib.Path,
    encoder: text_encoders.TextEncoder,
    action: str | None = None,
    food: str | None = None,
    variants: tuple[str, ...] = (),
    allow_similar: bool = False,
) -> list[Pair]:
    """Adds a food for every action, an action for every food, or one pair if both are given.

    Args:
        directory: as `build` made it.
        encoder: the one that made it.
        action: canonical or new name.
        food: canonical or new name.
        variants: other names of the one name that is new.
        allow_similar: accept a new name that is spelled much like a known one.

    Returns:
        The pairs that were added.

    Raises:
        ValueError: if the encoder is another one, a name is not snake_case or means a known one, or
            there is nothing to add.
    """
    store = embedding_store.EmbeddingStore.load(directory)
    _check_encoder(store.manifest, encoder, directory)
    actions, foods = store.vocabulary.actions, store.vocabulary.foods
    extras = {}
    for kind, name, here, shipped in (
        ("action", action, actions, vocabulary.BASE.actions),
        ("food", food, foods, vocabulary.BASE.foods),
    ):
        if name is not None and name not in {**shipped, **here}:
            check_new_name(name, {**shipped, **here}, kind, allow_similar)
            extras[f"{kind}_variants"] = list(variants)
    if variants and len(extras) != 1:
        raise ValueError(f"Variants are of one new name, got {len(extras)} new names.")
    have = store.combinations()
    wanted = [
        (a, f) for a in ([action] if action else actions) for f in ([food] if food else foods)
    ]
    pairs = [pair for pair in wanted if pair not in have]
    if not pairs:
        raise ValueError(f"Nothing to add: {directory} has {len(wanted)} of {len(wanted)} pairs.")
    new = {pair: extras if variants else {} for pair in pairs}
    _write(directory, store.manifest, {pair: store.lookup(*pair) for pair in have}, new, encoder)
    return pairs


def check_new_name(
    name: str, known: Mapping[str, tuple[str, ...]], kind: str, allow_similar: bool
) -> None:
    """Checks that `name` may become the name of a new action or food.

    Args:
        name: the new one.
        known: name -> variants.
        kind: "action" or "food", for messages.
        allow_similar: do not compare spellings.

    Raises:
        ValueError: if it is not snake_case, means a known one, or is spelled much like one.
    """
    if not vocabulary.NAME_PATTERN.fullmatch(name):
        raise ValueError(
            f"{kind} {name!r}: expected snake_case, for instance {vocabulary.normalise(name)!r}."
        )
    spellings = {word: one for one, all_of in known.items() for word in (one, *all_of)}
    forms = vocabulary.singulars(name)
    same = [spellings[form] for form in forms if form in spellings]
    if same:
        raise ValueError(f"{kind} {name!r} is another name of the known {same[0]!r}; use that one.")
    similar = [difflib.get_close_matches(form, spellings, n=1, cutoff=_SIMILAR) for form in forms]
    if any(similar) and not allow_similar:
        raise ValueError(
            f"{kind} {name!r} is spelled much like the known {max(similar)[0]!r}. If it is another "
            f"{kind}, add it with --allow_similar."
        )


def _check_encoder(
    manifest: Mapping[str, object], encoder: text_encoders.TextEncoder, directory: pathlib.Path
) -> None:
    made_with = (manifest["encoder"], manifest["encoder_version"])
    if made_with != (encoder.name, encoder.version):
        raise ValueError(
            f"{directory}: expected the encoder that made it, {made_with[0] or 'which is unknown'} "
            f"({made_with[1]}); got {encoder.name} ({encoder.version}). Vectors of two encoders do "
            "not mix: use that one, or make all of them anew with `build --overwrite`."
        )


def _write(
    directory: pathlib.Path,
    manifest: Mapping[str, object],
    vectors: dict[Pair, np.ndarray],
    new: Mapping[Pair, dict[str, list[str]]],
    encoder: text_encoders.TextEncoder,
) -> None:
    """Encodes the new pairs, and saves them with the old ones. `new` holds extra keys per pair."""
    entries = list(manifest["entries"])
    for (action, food), extras in new.items():
        text = vocabulary.instruction_text(action, food)
        vectors[action, food] = encoder.encode(text)
        data = embedding_vectors.to_bytes(vectors[action, food])
        entries.append({**embedding_manifest.new_entry(action, food, text, data), **extras})
    store = embedding_store.EmbeddingStore(vectors, {**manifest, "entries": entries})
    store.save(directory)
