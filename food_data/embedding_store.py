"""The instruction embeddings: one unit vector per (action, food), read from a directory.

Two kinds of directory are read:

  - ours: `manifest.json` names the encoder, its version and, for each pair, the text that was
    encoded, the file and its SHA-256. Made by `embeddings/build_embeddings.py`.
  - a lab's: only `<action>_<food>.npy` files. Names go through the vocabulary's variants
    ("scoop_cherry_tomtato.npy" is scooping, cherry_tomato); the manifest that is made for it says
    that encoder and texts are unknown (None).

`manifest.json`, abridged:

    {"format_version": 1, "encoder": "...", "encoder_version": "...", "dimension": 512,
     "instruction_template": "{action} {food}",
     "entries": [{"action": "skewering", "food": "carrot", "food_variants": ["baby_carrot"],
                  "text": "skewering carrot", "file": "skewering_carrot.npy", "sha256": "..."}]}

The store, not the vocabulary, is the authority on which pairs exist.
"""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Mapping

import numpy as np

from food_data import atomic_files, embedding_manifest, embedding_vectors, vocabulary

MANIFEST_FILE = "manifest.json"


class UnknownInstructionError(vocabulary.UnknownNameError):
    """A pair of action and food that has no embedding; the message lists near names."""


class EmbeddingStore:
    """Embeddings by (action, food); load with `EmbeddingStore.load(directory)`.

    Attributes:
        manifest: what `manifest.json` says, or what is known of a directory that has none.
        vocabulary: the names that have embeddings here, with all their variants.
    """

    def __init__(
        self, vectors: Mapping[tuple[str, str], np.ndarray], manifest: Mapping[str, object]
    ) -> None:
        """Takes vectors and manifest as they are on disk; each vector float32 [512], unit norm.

        Raises:
            ValueError: if a vector or the manifest is not what it should be, or their pairs differ.
        """
        self.manifest = dict(manifest)
        self._entries = embedding_manifest.entries_by_pair(self.manifest)
        if set(self._entries) != set(vectors):
            odd = sorted(set(self._entries) ^ set(vectors))
            raise ValueError(f"Vectors and manifest entries differ in the pairs {odd}.")
        self._vectors = {
            pair: embedding_vectors.check(vectors[pair], str(pair)) for pair in self._entries
        }
        self.vocabulary = embedding_manifest.vocabulary_of(self.manifest)

    @classmethod
    def load(cls, directory: str | os.PathLike[str]) -> EmbeddingStore:
        """Reads a directory of either kind.

        Raises:
            FileNotFoundError: if there is no such directory, no .npy in it, or a file is absent.
            ValueError: if a file is unreadable, not float32 [512] finite of unit norm, differs from
                its checksum, is not in the manifest, or gives a pair a second time.
        """
        directory = pathlib.Path(directory)
        if not directory.is_dir():
            raise FileNotFoundError(f"No embeddings directory {directory}.")
        files = {path.name: path.read_bytes() for path in sorted(directory.glob("*.npy"))}
        if not files:
            raise FileNotFoundError(
                f"No .npy file in {directory}. Fill it with "
                f"`python embeddings/build_embeddings.py build --embeddings_dir {directory}`."
            )
        manifest_file = directory / MANIFEST_FILE
        if manifest_file.is_file():
            manifest = embedding_manifest.read(manifest_file)
            embedding_manifest.check_files(manifest, files, directory)
        else:
            manifest = embedding_manifest.of_files(files, directory)
        vectors = {
            pair: embedding_vectors.read(files[entry["file"]], str(directory / entry["file"]))
            for pair, entry in embedding_manifest.entries_by_pair(manifest).items()
        }
        return cls(vectors, manifest)

    def lookup(self, action: str, food: str) -> np.ndarray:
        """The embedding float32 [512] of a pair, whose names may be variants ("Scoop", "carrots").

        Raises:
            UnknownInstructionError: if there is none; lists near names.
        """
        return self._vectors[self.resolve(action, food)].copy()

    def resolve(self, action: str, food: str) -> tuple[str, str]:
        """The canonical pair of an embedding that is here. Raises UnknownInstructionError."""
        try:
            pair = (
                self.vocabulary.canonical_action(action),
                self.vocabulary.canonical_food(food),
            )
        except vocabulary.UnknownNameError as error:
            raise UnknownInstructionError(
                f"No embedding for action {action!r} with food {food!r}. {error}"
            ) from error
        if pair not in self._entries:
            foods = [known for known_action, known in self._entries if known_action == pair[0]]
            raise UnknownInstructionError(
                f"No embedding for action {pair[0]!r} with food {pair[1]!r}. Foods with this "
                f"action: {vocabulary.near_names(pair[1], foods)}"
            )
        return pair

    def combinations(self) -> list[tuple[str, str]]:
        """All (action, food) that have an embedding, sorted."""
        return sorted(self._entries)

    def text(self, action: str, food: str) -> str | None:
        """The text that was encoded, or None if the directory does not say (a lab's)."""
        return self._entries[self.resolve(action, food)]["text"]

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Writes vectors and manifest, each file whole or not at all, the manifest last.

        Vectors of an earlier save that are no longer wanted are removed.

        Raises:
            FileExistsError: if there are .npy files that no earlier save has written.
        """
        directory = pathlib.Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        files = {entry["file"]: pair for pair, entry in self._entries.items()}
        unwanted = _replaceable(directory, set(files))
        entries = []
        for file_name, pair in files.items():
            data = embedding_vectors.to_bytes(self._vectors[pair])
            with atomic_files.replace_file(directory / file_name) as file:
                file.write(data)
            entries.append({**self._entries[pair], "sha256": embedding_manifest.sha256(data)})
        manifest = {**self.manifest, "entries": entries}
        with atomic_files.replace_file(directory / MANIFEST_FILE) as file:
            file.write((json.dumps(manifest, indent=1) + "\n").encode())
        for file_name in unwanted:
            (directory / file_name).unlink()


def _replaceable(directory: pathlib.Path, wanted: set[str]) -> set[str]:
    """The vectors of an earlier save that are in the way. Raises FileExistsError for others."""
    present = {path.name for path in directory.glob("*.npy")}
    manifest_file = directory / MANIFEST_FILE
    ours: set[str] = set()
    if manifest_file.is_file():
        entries = embedding_manifest.entries_by_pair(embedding_manifest.read(manifest_file))
        ours = {entry["file"] for entry in entries.values()}
    strangers = present - ours - wanted
    if strangers:
        raise FileExistsError(
            f"{directory} holds .npy files of another origin: {', '.join(sorted(strangers))}. "
            "Choose another directory or move them away."
        )
    return (present & ours) - wanted
