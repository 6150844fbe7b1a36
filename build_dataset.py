"""Makes .npz data sets: from photographs with annotations, or from drawings.

    python build_dataset.py from_annotations --annotations day_1/annotations.json \\
        --action skewering --resize letterbox --output_file data/day_1.npz
    python build_dataset.py synthetic --num_plates 500 --output_file data/plates.npz

Beside `day_1.npz` it writes `day_1_split.npz`: which samples train, and which validate. What the
files hold is said in `food_data/npz_dataset.py`, what annotations look like in
`food_data/annotations.py`.
"""

from __future__ import annotations

import argparse
import functools
import pathlib
import sys

import tqdm

from food_data import (
    annotations,
    dataset_builder,
    embedding_store,
    image_placement,
    label_map,
    npz_dataset,
    preview,
    splits,
    synthetic_plates,
)

ROOT = pathlib.Path(__file__).resolve().parent


def _from_annotations(arguments: argparse.Namespace) -> npz_dataset.FoodDataset:
    store = embedding_store.EmbeddingStore.load(arguments.embeddings_dir)
    mapped = {}
    if arguments.label_map:
        mapped = label_map.read_label_map(arguments.label_map, store.vocabulary)
    dataset, report = dataset_builder.build_dataset(
        annotations.read_annotations(arguments.annotations),
        store,
        action=arguments.action,
        resize=arguments.resize,
        label_map=mapped,
        skip_unreadable=arguments.skip_unreadable,
        progress=functools.partial(tqdm.tqdm, unit="picture", disable=None),
    )
    print(report.text())
    return dataset


def _synthetic(arguments: argparse.Namespace) -> npz_dataset.FoodDataset:
    store = embedding_store.EmbeddingStore.load(arguments.embeddings_dir)
    return synthetic_plates.build_synthetic_dataset(
        arguments.num_plates,
        arguments.seed,
        store,
        max_foods=arguments.max_foods,
        progress=functools.partial(tqdm.tqdm, unit="plate", disable=None),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    photographs = commands.add_parser("from_annotations", help="from photographs")
    photographs.set_defaults(build=_from_annotations)
    photographs.add_argument("--annotations", nargs="+", required=True, metavar="A.json")
    photographs.add_argument("--action", required=True, help="what is done to every object")
    photographs.add_argument(
        "--resize",
        choices=image_placement.MODES,
        required=True,
        help="how a picture becomes square; serving does the same",
    )
    photographs.add_argument("--label_map", help="JSON of label -> food")
    photographs.add_argument(
        "--skip_unreadable", action="store_true", help="leave broken pictures out, and list them"
    )
    drawings = commands.add_parser("synthetic", help="from drawings of plates")
    drawings.set_defaults(build=_synthetic)
    drawings.add_argument("--num_plates", type=int, required=True)
    drawings.add_argument(
        "--max_foods",
        type=int,
        default=synthetic_plates.MAX_FOODS,
        help="on a plate; with more than 1 the instruction decides which one counts",
    )
    for command in (photographs, drawings):
        _add_common(command)
    return parser


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--output_file", type=pathlib.Path, required=True, help="the .npz")
    command.add_argument("--embeddings_dir", default=ROOT / "embeddings")
    command.add_argument("--validation_fraction", type=float, default=0.2, help="of the samples")
    command.add_argument("--seed", type=int, default=0, help="of everything that is drawn")
    command.add_argument("--preview_file", type=pathlib.Path, help="a picture of the first samples")
    command.add_argument("--preview_samples", type=int, default=48)
    command.add_argument("--overwrite", action="store_true", help="replace files that exist")


def _check_outputs(arguments: argparse.Namespace) -> None:
    """Fails before the work rather than after it."""
    if arguments.output_file.suffix != ".npz":
        raise ValueError(f"--output_file: expected a name in .npz, got {arguments.output_file}.")
    outputs = [arguments.output_file, splits.split_path(arguments.output_file)]
    if arguments.preview_file:
        preview.check_extension(arguments.preview_file)
        outputs.append(arguments.preview_file)
    present = [str(path) for path in outputs if path.exists()]
    if present and not arguments.overwrite:
        raise FileExistsError(f"{', '.join(present)} exist; --overwrite replaces them.")
    for path in outputs:
        path.parent.mkdir(parents=True, exist_ok=True)


def _write(arguments: argparse.Namespace, dataset: npz_dataset.FoodDataset) -> None:
    split = splits.make_split(dataset, arguments.validation_fraction, arguments.seed)
    split_file = splits.split_path(arguments.output_file)
    npz_dataset.write_npz(arguments.output_file, dataset)
    splits.write_split(split_file, split)
    print(f"{arguments.output_file}: {len(dataset)} samples")
    print(f"{split_file}: {len(split.train_idx)} train, {len(split.val_idx)} validate")
    if arguments.preview_file:
        preview.write_contact_sheet(arguments.preview_file, dataset, arguments.preview_samples)
        print(f"{arguments.preview_file}: a picture of the first samples")


def main(argv: list[str] | None = None) -> int:
    """Runs one command. Returns 0, or 1 after printing what is wrong."""
    arguments = _parser().parse_args(argv)
    try:
        _check_outputs(arguments)
        _write(arguments, arguments.build(arguments))
    except (OSError, ValueError, LookupError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
