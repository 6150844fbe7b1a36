"""`manifest.json` of an embeddings directory: reading, checking, making one where there is none."""

from __future__ import annotations

import hashlib
import json
import pathlib
import re
from collections.abc import Iterable, Mapping

import policy_specs
from food_data import vocabulary

FORMAT_VERSION = 1
_ENTRY_KEYS = ("action", "food", "text", "file", "sha256")

Entry = dict[str, str | list[str] | None]


def sha256(data: bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()


def new(encoder: str | None, version: str | None, entries: Iterable[Entry]) -> dict[str, object]:
    """A manifest.

    Args:
        encoder: what made the vectors; None if unknown.
        version: of the encoder, exact enough that two equal ones give equal vectors.
        entries: of `new_entry`.

    Returns:
        What `manifest.json` is to hold.
    """
    template = None if encoder is None else vocabulary.INSTRUCTION_TEMPLATE
    return {
        "format_version": FORMAT_VERSION,
        "encoder": encoder,
        "encoder_version": version,
        "dimension": policy_specs.EMBEDDING_SIZE,
        "instruction_template": template,
        "entries": list(entries),
    }


def new_entry(action: str, food: str, text: str | None, data: bytes) -> Entry:
    """The entry of one pair.

    Args:
        action: canonical name.
        food: canonical name.
        text: that was encoded; None if unknown.
        data: the bytes of the .npy file.

    Returns:
        The entry; its file is called "<action>_<food>.npy".
    """
    file = f"{action}_{food}.npy"
    return {"action": action, "food": food, "text": text, "file": file, "sha256": sha256(data)}


def read(path: pathlib.Path) -> dict[str, object]:
    """Reads `manifest.json`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not the JSON of a manifest of this version.
    """
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{path} is absent: the embeddings beside it were not made by "
            "embeddings/build_embeddings.py. Choose another --embeddings_dir."
        ) from error
    if not isinstance(manifest, dict) or manifest.get("format_version") != FORMAT_VERSION:
        got = manifest.get("format_version") if isinstance(manifest, dict) else type(manifest)
        raise ValueError(f"{path}: expected format_version {FORMAT_VERSION}, got {got}.")
    expected = policy_specs.EMBEDDING_SIZE
    if manifest.get("dimension") != expected:
        raise ValueError(f"{path}: expected dimension {expected}, got {manifest.get('dimension')}.")
    if not isinstance(manifest.get("entries"), list):
        raise ValueError(f"{path}: expected a list 'entries', got {manifest.get('entries')!r}.")
    return manifest


def entries_by_pair(manifest: Mapping[str, object]) -> dict[tuple[str, str], Entry]:
    """The entries by (action, food).

    Raises:
        ValueError: if an entry lacks a key, names are not snake_case, a file is not a plain .npy
            name, or a pair comes twice.
    """
    by_pair = {}
    for entry in manifest["entries"]:
        absent = [key for key in _ENTRY_KEYS if key not in entry]
        if absent:
            raise ValueError(f"Manifest entry {entry}: expected {_ENTRY_KEYS}, absent: {absent}.")
        pair, file = (entry["action"], entry["food"]), entry["file"]
        for name in pair:
            if not isinstance(name, str) or not vocabulary.NAME_PATTERN.fullmatch(name):
                raise ValueError(f"Manifest entry {pair}: expected snake_case, got {name!r}.")
        if not isinstance(file, str) or not re.fullmatch(r"[^/\\]+\.npy", file):
            raise ValueError(f"Manifest entry {pair}: expected a file 'x.npy', got {file!r}.")
        if pair in by_pair:
            raise ValueError(f"Two files for {pair}: {by_pair[pair]['file']} and {file}; keep one.")
        by_pair[pair] = entry
    return by_pair


def vocabulary_of(manifest: Mapping[str, object]) -> vocabulary.Vocabulary:
    """The names in the manifest, with their shipped variants and those that the manifest adds."""
    actions: dict[str, list[str]] = {}
    foods: dict[str, list[str]] = {}
    for entry in manifest["entries"]:
        action, food = entry["action"], entry["food"]
        actions.setdefault(action, list(vocabulary.BASE.actions.get(action, ())))
        foods.setdefault(food, list(vocabulary.BASE.foods.get(food, ())))
        actions[action] += entry.get("action_variants", ())
        foods[food] += entry.get("food_variants", ())
    return vocabulary.Vocabulary({}, {}).extended(actions, foods)


def check_files(
    manifest: Mapping[str, object], files: Mapping[str, bytes], directory: pathlib.Path
) -> None:
    """Compares the entries with the .npy files there are.

    Args:
        manifest: as read.
        files: name -> bytes of every .npy file in the directory.
        directory: for messages.

    Raises:
        FileNotFoundError: if an entry's file is absent.
        ValueError: if a checksum differs, or a file is in no entry.
    """
    for pair, entry in entries_by_pair(manifest).items():
        name = entry["file"]
        if name not in files:
            raise FileNotFoundError(f"{directory / name} of {pair} is in the manifest but absent.")
        found = sha256(files[name])
        if found != entry["sha256"]:
            raise ValueError(
                f"{directory / name}: expected SHA-256 {entry['sha256']} (manifest), got {found}. "
                "The file was changed or damaged; build anew with embeddings/build_embeddings.py."
            )
    strays = sorted(set(files) - {entry["file"] for entry in manifest["entries"]})
    if strays:
        raise ValueError(
            f"{directory}: not in the manifest: {', '.join(strays)}. Delete them, and add foods or "
            "actions with `python embeddings/build_embeddings.py add`."
        )


def of_files(files: Mapping[str, bytes], directory: pathlib.Path) -> dict[str, object]:
    """A manifest for a directory that has none: encoder and texts are unknown.

    Args:
        files: name -> bytes of every .npy file.
        directory: for messages.

    Raises:
        ValueError: if a file name is not "<action>_<food>.npy".
    """
    entries = []
    for name, data in files.items():
        try:
            action, rest = vocabulary.BASE.split_instruction(name.removesuffix(".npy"))
        except vocabulary.UnknownNameError as error:
            raise ValueError(f"{directory / name}: {error}") from error
        try:
            food = vocabulary.canonical_food(rest)
        except vocabulary.UnknownNameError:
            food = rest  # A lab's own food: the store is the authority on what there is.
        entries.append({**new_entry(action, food, None, data), "file": name})
    return new(None, None, entries)
