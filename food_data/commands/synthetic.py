"""The command synthetic of build_dataset.py: drawings of plates, composites, crops of photographs.

    python build_dataset.py synthetic --num_plates 20000 --view mixed --samples_per_plate 2 \\
        --more_foods --long_share 0.1 --equal_share 0.1 --distractor_share 0.1 \\
        --composite_share 0.35 --crop_share 0.08 --annotations photos/annotations.json \\
        --fruit_tables fruit/table.csv --label_map configs/real_food_label_map.json \\
        --no_cutouts sausage cucumber garlic --output_file data/mixed.npz

Photographs that a model is tested on must not be named here.
"""

from __future__ import annotations

import argparse
import functools

import tqdm

from food_data import embedding_store, label_map, npz_dataset
from food_data.synthetic import camera as synthetic_camera
from food_data.synthetic import photographs as synthetic_photographs
from food_data.synthetic import plates as synthetic_plates


def add_parser(subparsers: argparse._SubParsersAction) -> list[argparse.ArgumentParser]:
    """Adds the command; `arguments.build(arguments)` gives the data set, or writes it.

    Returns:
        Its parser, which lacks the flags of `output.add_flags`.
    """
    parser = subparsers.add_parser("synthetic", help="from drawings of plates")
    parser.set_defaults(build=_build)
    parser.add_argument("--num_plates", type=int, required=True)
    parser.add_argument(
        "--max_foods",
        type=int,
        default=synthetic_plates.MAX_FOODS,
        help="on a plate; with more than 1 the instruction decides which one counts",
    )
    parser.add_argument(
        "--samples_per_plate",
        type=int,
        help="so many of a plate's foods become samples; all of them if not given",
    )
    parser.add_argument(
        "--view",
        choices=synthetic_camera.VIEW_NAMES,
        default="any",
        help="how pictures are taken; 'arm': from above, a plate fills it; 'any': like photographs",
    )
    parser.add_argument("--workers", type=int, help="processes that draw; one per CPU if not given")
    for flag, text in (
        ("--composite_share", "of plates on which foods are cut out of photographs"),
        ("--crop_share", "of parts of photographs instead of plates, one sample each"),
        ("--long_share", "of plates and composites with a single long food"),
        ("--equal_share", "of the other ones with several equal pieces of a food"),
        ("--distractor_share", "of the other ones with things that are never asked for"),
    ):
        parser.add_argument(flag, type=float, default=0.0, help=text)
    parser.add_argument(
        "--more_foods", action="store_true", help="draw apples, carrots, eggs, ... too"
    )
    parser.add_argument(
        "--annotations", nargs="+", default=[], metavar="A.json", help="photographs to train on"
    )
    parser.add_argument(
        "--fruit_tables", nargs="+", default=[], metavar="T.csv", help="photographs of whole fruit"
    )
    parser.add_argument("--label_map", help="JSON of label -> food")
    parser.add_argument(
        "--no_cutouts",
        nargs="+",
        default=[],
        metavar="FOOD",
        help="foods of which boxes alone make no cut-outs, as rings of sausage",
    )
    return [parser]


def _mix(
    arguments: argparse.Namespace, store: embedding_store.EmbeddingStore
) -> synthetic_plates.Mix:
    """The shares; photographs are read and cut out, and what became of them is printed."""
    photographs = None
    if arguments.annotations or arguments.fruit_tables:
        mapped = {}
        if arguments.label_map:
            mapped = label_map.read_label_map(arguments.label_map, store.vocabulary)
        photographs = (
            tuple(map(str, arguments.annotations)),
            tuple(map(str, arguments.fruit_tables)),
            tuple(sorted(mapped.items())),
            tuple(sorted({food for _, food in store.combinations()})),
            tuple(map(store.vocabulary.canonical_food, arguments.no_cutouts)),
        )
        print(synthetic_photographs.load(*photographs).text())
    return synthetic_plates.Mix(
        arguments.composite_share,
        arguments.crop_share,
        arguments.long_share,
        arguments.equal_share,
        arguments.distractor_share,
        arguments.more_foods,
        photographs,
    )


def _build(arguments: argparse.Namespace) -> npz_dataset.FoodDataset | None:
    store = embedding_store.EmbeddingStore.load(arguments.embeddings_dir)
    synthetic_plates.write_synthetic_dataset(
        arguments.output_file,
        arguments.num_plates,
        arguments.seed,
        store,
        max_foods=arguments.max_foods,
        samples_per_plate=arguments.samples_per_plate,
        progress=functools.partial(tqdm.tqdm, unit="plate", disable=None),
        workers=arguments.workers,
        view=arguments.view,
        mix=_mix(arguments, store),
    )
