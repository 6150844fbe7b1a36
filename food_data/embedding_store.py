"""The instruction embeddings: one unit vector per (action, food), read from a directory.

Ours (`embeddings/build_embeddings.py`) has a `manifest.json`. A lab's has only files such as
"scoop_cherry_tomtato.npy" (the vocabulary knows what is meant); encoder and texts are unknown then.
`manifest.json`, abridged:

    {"format_version": 1, "encoder": "...", "encoder_version": "...", "dimension": 512,
     "instruction_template": "{action} {food}",
     "entries": [{"action": "skewering", "food": "carrot", "food_variants": ["baby_carrot"],
                  "text": "skewering carrot", "file": "skewering_carrot.npy", "sha256": "..."}]}

`food_variants` and `action_variants`, other names of the same, may be absent. The store, not the
vocabulary, is the authority on which pairs exist.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import pathlib
import re
from collections.abc import Iterable, Mapping

import numpy as np

import policy_specs
from food_data import atomic_files, vocabulary

MANIFEST_FILE = "manifest.json"
_VERSIONS = {"format_version": 1, "dimension": policy_specs.EMBEDDING_SIZE}
_UNIT_NORM_TOLERANCE = 1e-3
_SHAPE = (policy_specs.EMBEDDING_SIZE,)

Pair = tuple[str, str]
Entry = dict[str, "str | list[str] | None"]


class UnknownInstructionError(vocabulary.UnknownNameError):
    """A pair of action and food that has no embedding; the message lists near names."""


def new_manifest(
    encoder: str | None, version: str | None, entries: Iterable[Entry]
) -> dict[str, object]:
    """What `manifest.json` is to hold; two encoders of one name and version give equal vectors."""
    return {
        "format_version": 1,
        "encoder": encoder,
        "encoder_version": version,
        "dimension": policy_specs.EMBEDDING_SIZE,
        "instruction_template": None if encoder is None else vocabulary.INSTRUCTION_TEMPLATE,
        "entries": list(entries),
    }


def new_entry(action: str, food: str, text: str | None, data: bytes) -> Entry:
    """The manifest's entry of a pair: the text that was encoded (or None) and its .npy file."""
    digest, file = hashlib.sha256(data).hexdigest(), f"{action}_{food}.npy"
    return {"action": action, "food": food, "text": text, "file": file, "sha256": digest}


def read_manifest(path: pathlib.Path) -> dict[str, object]:
    """Reads `manifest.json`. Raises OSError, and ValueError if it is none or of another version."""
    atomic_files.refuse_pointer(path)
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        found = {key: manifest.get(key) for key in _VERSIONS}
        if found != _VERSIONS or not isinstance(manifest.get("entries"), list):
            raise ValueError(f"expected {_VERSIONS} and a list of entries, got {found}")
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{path} is no manifest of embeddings: {error}") from error
    return manifest


def entries_by_pair(manifest: Mapping[str, object]) -> dict[Pair, Entry]:
    """The entries by (action, food). Raises ValueError for entries of another form, or twice."""
    by_pair: dict[Pair, Entry] = {}
    for entry in manifest["entries"]:
        pair, file = (str(entry.get("action")), str(entry.get("food"))), str(entry.get("file"))
        are_names = all(map(vocabulary.NAME_PATTERN.fullmatch, pair))
        is_file = re.fullmatch(r"[^/\\]+\.npy", file)
        if not (are_names and is_file and {"text", "sha256"} <= entry.keys()):
            raise ValueError(
                "Manifest: expected entries with action and food in snake_case, a file 'x.npy', "
                f"text and sha256; got {entry}"
            )
        if pair in by_pair:
            raise ValueError(f"Two files for {pair}: {by_pair[pair]['file']} and {file}; keep one.")
        by_pair[pair] = entry
    return by_pair


def _manifest_of_files(files: Mapping[str, bytes]) -> dict[str, object]:
    """A manifest for a directory that has none: encoder and texts are unknown."""
    entries = []
    for name, data in files.items():
        action, food = vocabulary.BASE.split_instruction(name.removesuffix(".npy"))
        # A lab's own food keeps its name: the store is the authority on what there is.
        with contextlib.suppress(vocabulary.UnknownNameError):
            food = vocabulary.canonical_food(food)
        entries.append({**new_entry(action, food, None, data), "file": name})
    return new_manifest(None, None, entries)


def _check_vector(vector: np.ndarray, name: str) -> np.ndarray:
    """Returns `vector`. Raises ValueError that gives `name` unless unit norm, float32 [512]."""
    fits = vector.shape == _SHAPE and vector.dtype == np.float32
    norm = float(np.linalg.norm(vector)) if fits else np.nan
    if not abs(norm - 1.0) <= _UNIT_NORM_TOLERANCE:  # A NaN is not <= anything.
        raise ValueError(
            f"{name}: expected a unit vector float32 {_SHAPE}, got {vector.dtype} {vector.shape} "
            f"of norm {norm}."
        )
    return vector


def vector_bytes(vector: np.ndarray) -> bytes:
    """The bytes of the .npy file that holds `vector`."""
    buffer = io.BytesIO()
    np.save(buffer, vector, allow_pickle=False)
    return buffer.getvalue()


class EmbeddingStore:
    """Embeddings by (action, food); load with `EmbeddingStore.load(directory)`.

    Attributes:
        manifest: what `manifest.json` says, or what is known of a directory that has none.
        vocabulary: the names that have embeddings here, with all their variants.
    """

    def __init__(self, vectors: Mapping[Pair, np.ndarray], manifest: Mapping[str, object]) -> None:
        """Vectors float32 [512] of the manifest's pairs, as they are on disk."""
        self.manifest = dict(manifest)
        self._entries = entries_by_pair(self.manifest)
        self._vectors = {pair: _check_vector(vectors[pair], str(pair)) for pair in self._entries}
        names: dict[str, dict[str, list[str]]] = {"action": {}, "food": {}}
        shipped = {"action": vocabulary.BASE.actions, "food": vocabulary.BASE.foods}
        for entry in self._entries.values():
            for kind, known in names.items():
                words = known.setdefault(entry[kind], list(shipped[kind].get(entry[kind], ())))
                words += entry.get(f"{kind}_variants", ())
        self.vocabulary = vocabulary.Vocabulary({}, {}).extended(names["action"], names["food"])

    @classmethod
    def load(cls, directory: str | os.PathLike[str]) -> EmbeddingStore:
        """Reads a directory of either kind. Raises FileNotFoundError, and ValueError if a file is
        not float32 [512] of unit norm, or not what the manifest says."""
        directory = pathlib.Path(directory)
        atomic_files.check_local(directory, "embeddings")
        files = {path.name: path.read_bytes() for path in sorted(directory.glob("*.npy"))}
        if not files:
            raise FileNotFoundError(
                f"No embeddings directory {directory} with .npy files. Fill it with "
                f"`python embeddings/build_embeddings.py build --embeddings_dir {directory}`."
            )
        for name in files:
            atomic_files.refuse_pointer(directory / name)
        path = directory / MANIFEST_FILE
        try:
            manifest = read_manifest(path) if path.is_file() else _manifest_of_files(files)
        except vocabulary.UnknownNameError as error:
            raise ValueError(f"{directory}: {error}") from error
        entries, vectors = entries_by_pair(manifest), {}
        odd = set(files) ^ {entry["file"] for entry in entries.values()}
        if odd:
            raise ValueError(
                f"{directory}: absent, or not in it: {', '.join(sorted(odd))} of the manifest. Add "
                "foods or actions with `python embeddings/build_embeddings.py add`."
            )
        for pair, entry in entries.items():
            path, data = directory / entry["file"], files[entry["file"]]
            if (found := hashlib.sha256(data).hexdigest()) != entry["sha256"]:
                raise ValueError(
                    f"{path}: expected SHA-256 {entry['sha256']} (manifest), got {found}. Build it "
                    "anew with embeddings/build_embeddings.py."
                )
            try:
                vectors[pair] = np.load(io.BytesIO(data), allow_pickle=False)
            except (ValueError, EOFError, OSError) as error:
                raise ValueError(f"{path} is not a readable .npy file: {error}") from error
            _check_vector(vectors[pair], str(path))
        return cls(vectors, manifest)

    def lookup(self, action: str, food: str) -> np.ndarray:
        """The embedding float32 [512] of a pair, whose names may be variants ("Scoop", "carrots").
        Raises UnknownInstructionError if there is none; lists near names."""
        return self._vectors[self.resolve(action, food)].copy()

    def resolve(self, action: str, food: str) -> Pair:
        """The canonical pair of an embedding that is here. Raises UnknownInstructionError."""
        try:
            pair = self.vocabulary.canonical_action(action), self.vocabulary.canonical_food(food)
        except vocabulary.UnknownNameError as error:
            text = f"No embedding for action {action!r} with food {food!r}."
            raise UnknownInstructionError(f"{text} {error}") from error
        if pair not in self._entries:
            foods = [known for known_action, known in self._entries if known_action == pair[0]]
            near = vocabulary.near_names(pair[1], foods)
            text = f"No embedding for action {pair[0]!r} with food {pair[1]!r}."
            raise UnknownInstructionError(f"{text} Foods with this action: {near}")
        return pair

    def combinations(self) -> list[Pair]:
        """All (action, food) that have an embedding, sorted."""
        return sorted(self._entries)

    def text(self, action: str, food: str) -> str | None:
        """The text that was encoded, or None if the directory does not say (a lab's)."""
        return self._entries[self.resolve(action, food)]["text"]

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Writes vectors and manifest, each file whole or not at all, the manifest last. Vectors of
        an earlier save that are no longer wanted are removed."""
        directory = pathlib.Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        entries, old = [], []
        if (directory / MANIFEST_FILE).is_file():
            old = read_manifest(directory / MANIFEST_FILE)["entries"]
        for pair, entry in self._entries.items():
            data = vector_bytes(self._vectors[pair])
            with atomic_files.replace_file(directory / entry["file"], durable=False) as file:
                file.write(data)
            entries.append({**entry, "sha256": hashlib.sha256(data).hexdigest()})
        files = {entry["file"] for entry in entries}
        atomic_files.sync(*(directory / name for name in files), directory)
        with atomic_files.replace_file(directory / MANIFEST_FILE) as file:
            text = json.dumps({**self.manifest, "entries": entries}, indent=1)
            file.write(f"{text}\n".encode())
        for name in {entry["file"] for entry in old} - files:
            (directory / name).unlink(missing_ok=True)
