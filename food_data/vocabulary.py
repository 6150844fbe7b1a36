"""The instructions: names of actions and foods, the ways people write them, and their embeddings.

A name is snake_case ("cherry_tomato"). What is written is first normalised, then looked up among
the names and variants of `vocabulary.json`, as it stands or without a plural "s" or "es": "Green
beans" is "green_bean". Foods and actions that a user adds are in the manifest of an embeddings
directory (`EmbeddingStore`), which extends this vocabulary by them.

An embeddings directory has one unit vector for each (action, food). Ours
(`embeddings/build_embeddings.py`) has a `manifest.json`. A lab's has only files such as
"scoop_cherry_tomtato.npy" (the names above tell what is meant); encoder and texts are unknown then.
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
import dataclasses
import difflib
import hashlib
import io
import json
import os
import pathlib
import re
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

import policy_specs
from food_data import atomic_files

# The one place that says how an action and a food become the text that is embedded.
INSTRUCTION_TEMPLATE = "{action} {food}"
NAME_PATTERN = re.compile(r"[a-z]+(_[a-z0-9]+)*")


class UnknownNameError(LookupError):
    """An action or a food that the vocabulary does not have; the message lists near names."""


def normalise(text: str) -> str:
    """Lower case, words joined by one underscore: " Green-beans" -> "green_beans"."""
    return "_".join(re.findall(r"[^\W_]+", text.lower()))


def instruction_text(action: str, food: str) -> str:
    """The text that is embedded: ("skewering", "cherry_tomato") -> "skewering cherry tomato"."""
    return INSTRUCTION_TEMPLATE.format(action=action.replace("_", " "), food=food.replace("_", " "))


def singulars(word: str) -> tuple[str, str, str]:
    """What a normalised word may be the plural of, itself first."""
    return word, word.removesuffix("s"), word.removesuffix("es")


def near_names(text: str, names: Iterable[str]) -> str:
    """Ends an error message: the names closest to `text`, then all of them."""
    names = sorted(names)
    close = difflib.get_close_matches(normalise(text), names, n=3, cutoff=0.6)
    hint = f"Did you mean {' or '.join(map(repr, close))}? " if close else ""
    return f"{hint}Known: {', '.join(names) or 'none'}."


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """Names and their variants, all normalised. `BASE` is the shipped one."""

    actions: Mapping[str, tuple[str, ...]]  # name -> its variants
    foods: Mapping[str, tuple[str, ...]]

    def canonical_action(self, text: str) -> str:
        """The action that `text` names. Raises UnknownNameError, listing near names."""
        return _canonical(text, self.actions, "action")

    def canonical_food(self, text: str) -> str:
        """The food that `text` names. Raises UnknownNameError, listing near names."""
        return _canonical(text, self.foods, "food")

    def split_instruction(self, text: str) -> tuple[str, str]:
        """Splits "scoop_cherry_tomtato" into ("scooping", "cherry_tomtato"): the longest action or
        variant that it begins with, and the rest, which is only normalised."""
        text, known = normalise(text), _variants(self.actions)
        matches = [word for word in known if text.startswith(word + "_")]
        if not matches:
            actions = ", ".join(sorted(known))
            raise UnknownNameError(f"Expected an action ({actions}) and a food, got {text!r}.")
        action = max(matches, key=len)
        return known[action], text[len(action) + 1 :]

    def extended(
        self, actions: Mapping[str, Iterable[str]], foods: Mapping[str, Iterable[str]]
    ) -> Vocabulary:
        """A vocabulary that also has these names and variants (normalised here)."""
        both = []
        for base, extra in ((self.actions, actions), (self.foods, foods)):
            merged = dict(base)
            for name, variants in extra.items():
                merged[name] = (*merged.get(name, ()), *map(normalise, variants))
            both.append({name: tuple(dict.fromkeys(words)) for name, words in merged.items()})
        return Vocabulary(*both)


def _variants(names: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Every variant, and every name itself, with its name."""
    variants = {variant: name for name, all_of in names.items() for variant in all_of}
    return variants | {name: name for name in names}


def _canonical(text: str, names: Mapping[str, tuple[str, ...]], kind: str) -> str:
    known = _variants(names)
    found = [known[word] for word in singulars(normalise(text)) if word in known]
    if not found:
        raise UnknownNameError(f"Unknown {kind} {text!r}. {near_names(text, names)}")
    return found[0]


BASE = Vocabulary({}, {}).extended(
    **json.loads(pathlib.Path(__file__).with_name("vocabulary.json").read_text(encoding="utf-8"))
)
ACTIONS, FOODS = tuple(BASE.actions), tuple(BASE.foods)
canonical_action, canonical_food = BASE.canonical_action, BASE.canonical_food


MANIFEST_FILE = "manifest.json"
_VERSIONS = {"format_version": 1, "dimension": policy_specs.EMBEDDING_SIZE}
_UNIT_NORM_TOLERANCE = 1e-3

Pair = tuple[str, str]
Entry = dict[str, "str | list[str] | None"]


class UnknownInstructionError(UnknownNameError):
    """A pair of action and food that has no embedding; the message lists near names."""


def new_entry(action: str, food: str, text: str | None, file: str | None = None) -> Entry:
    """The manifest's entry of a pair and the text that was encoded; `save` fills in the SHA-256."""
    file = file or f"{action}_{food}.npy"
    return {"action": action, "food": food, "text": text, "file": file, "sha256": None}


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
        is_right = all(map(NAME_PATTERN.fullmatch, pair))
        is_right = is_right and re.fullmatch(r"[^/\\]+\.npy", file)
        if not is_right or not {"text", "sha256"} <= entry.keys():
            expected = "action and food in snake_case, a file 'x.npy', text and sha256"
            raise ValueError(f"Manifest: expected entries with {expected}; got {entry}")
        if pair in by_pair:
            raise ValueError(f"Two files for {pair}: {by_pair[pair]['file']} and {file}; keep one.")
        by_pair[pair] = entry
    return by_pair


def _entries_of_files(names: Iterable[str]) -> Iterator[Entry]:
    """What a manifest of a directory that has none would list; the texts are unknown."""
    for name in names:
        action, food = BASE.split_instruction(name.removesuffix(".npy"))
        # A lab's own food keeps its name: the store is the authority on what there is.
        with contextlib.suppress(UnknownNameError):
            food = canonical_food(food)
        yield new_entry(action, food, None, name)


class EmbeddingStore:
    """Embeddings by (action, food); load with `EmbeddingStore.load(directory)`. `manifest` is what
    `manifest.json` says, or what is known of a directory that has none; `vocabulary` the names that
    have embeddings here, with all their variants."""

    def __init__(self, vectors: Mapping[Pair, np.ndarray], manifest: Mapping[str, object]) -> None:
        """Vectors float32 [512] of unit norm, of the pairs of the manifest's `entries`; it has
        `encoder` and `encoder_version`, too: what they name gives equal vectors."""
        self.manifest, self._vectors = dict(manifest), vectors
        self._entries = entries_by_pair(self.manifest)
        names: dict[str, dict[str, list[str]]] = {"action": {}, "food": {}}
        shipped = {"action": BASE.actions, "food": BASE.foods}
        for entry in self._entries.values():
            for kind, known in names.items():
                words = known.setdefault(entry[kind], list(shipped[kind].get(entry[kind], ())))
                words += entry.get(f"{kind}_variants", ())
        self.vocabulary = Vocabulary({}, {}).extended(names["action"], names["food"])

    @classmethod
    def load(cls, directory: str | os.PathLike[str]) -> EmbeddingStore:
        """Reads a directory of either kind. Raises FileNotFoundError, and ValueError if a file is
        not float32 [512] of unit norm, or not what the manifest says."""
        directory = pathlib.Path(directory)
        atomic_files.check_local(directory, "embeddings")
        files = {path.name: path for path in sorted(directory.glob("*.npy"))}
        if not files:
            command = f"`python embeddings/build_embeddings.py build --embeddings_dir {directory}`"
            text = f"No embeddings directory {directory} with .npy files. Fill it with {command}."
            raise FileNotFoundError(text)
        path = directory / MANIFEST_FILE
        manifest = {"encoder": None, "encoder_version": None}
        try:
            if is_ours := path.is_file():
                manifest = read_manifest(path)
            else:
                manifest["entries"] = list(_entries_of_files(files))
        except UnknownNameError as error:
            raise ValueError(f"{directory}: {error}") from error
        store = cls({}, manifest)
        odd = set(files) ^ {entry["file"] for entry in store._entries.values()}
        if odd:
            text = f"{directory}: absent, or not in it: {', '.join(sorted(odd))} of the manifest."
            command = "`python embeddings/build_embeddings.py add`"
            raise ValueError(f"{text} Add foods or actions with {command}.")
        for pair, entry in store._entries.items():
            atomic_files.refuse_pointer(files[entry["file"]])
            digest = str(entry["sha256"]) if is_ours else None
            store._vectors[pair] = _read(files[entry["file"]], digest)
        return store

    def lookup(self, action: str, food: str) -> np.ndarray:
        """The embedding float32 [512] of a pair, whose names may be variants ("Scoop", "carrots").
        Raises UnknownInstructionError if there is none; lists near names."""
        return self._vectors[self.resolve(action, food)].copy()

    def resolve(self, action: str, food: str) -> Pair:
        """The canonical pair of an embedding that is here. Raises UnknownInstructionError."""
        text = f"No embedding for action {action!r} with food {food!r}."
        try:
            pair = self.vocabulary.canonical_action(action), self.vocabulary.canonical_food(food)
        except UnknownNameError as error:
            raise UnknownInstructionError(f"{text} {error}") from error
        if pair not in self._entries:
            foods = [known for known_action, known in self._entries if known_action == pair[0]]
            near = near_names(pair[1], foods)
            raise UnknownInstructionError(f"{text} Foods with this action: {near}")
        return pair

    def combinations(self) -> list[Pair]:
        """All (action, food) that have an embedding, sorted."""
        return sorted(self._entries)

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Writes vectors and manifest, each file whole or not at all, the manifest last. Vectors of
        an earlier save that are no longer wanted are removed."""
        directory = pathlib.Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        entries, old, path = [], [], directory / MANIFEST_FILE
        if path.is_file():
            old = read_manifest(path)["entries"]
        for pair, entry in self._entries.items():
            buffer = io.BytesIO()
            np.save(buffer, self._vectors[pair], allow_pickle=False)
            with atomic_files.replace_file(directory / entry["file"], durable=False) as file:
                file.write(buffer.getvalue())
            entries.append({**entry, "sha256": hashlib.sha256(buffer.getvalue()).hexdigest()})
        files = {entry["file"] for entry in entries}
        atomic_files.sync(*(directory / name for name in files), directory)
        with atomic_files.replace_file(path) as file:
            manifest = {**self.manifest, **_VERSIONS, "entries": entries}
            if manifest["encoder"] is not None:
                manifest["instruction_template"] = INSTRUCTION_TEMPLATE
            file.write(f"{json.dumps(manifest, indent=1)}\n".encode())
        for name in {entry["file"] for entry in old} - files:
            (directory / name).unlink(missing_ok=True)


def _read(path: pathlib.Path, sha256: str | None) -> np.ndarray:
    """A vector, which has to be the one of that SHA-256 if there is one. Raises ValueError."""
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if sha256 not in (None, found):
        text = f"{path}: expected SHA-256 {sha256} (manifest), got {found}."
        raise ValueError(f"{text} Build it anew with embeddings/build_embeddings.py.")
    try:
        vector = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path} is not a readable .npy file: {error}") from error
    fits = vector.shape == (policy_specs.EMBEDDING_SIZE,) and vector.dtype == np.float32
    norm = float(np.linalg.norm(vector)) if fits else np.nan
    if not abs(norm - 1.0) <= _UNIT_NORM_TOLERANCE:  # A NaN is not <= anything.
        got = f"{vector.dtype} {list(vector.shape)} of norm {norm}"
        raise ValueError(f"{path}: expected a unit vector float32 [512], got {got}.")
    return vector
