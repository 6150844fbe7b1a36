"""The command from_annotations of build_dataset.py: photographs with our annotation files."""

from __future__ import annotations

import argparse
import functools

import tqdm

from food_data import (
    annotations,
    dataset_builder,
    embedding_store,
    image_placement,
    label_map,
    npz_dataset,
)


def add_parser(subparsers: argparse._SubParsersAction) -> list[argparse.ArgumentParser]:
    """Adds the command; `arguments.build(arguments)` gives the data set.

    Returns:
        Its parser, which lacks the flags of `output.add_flags`.
    """
    parser = subparsers.add_parser("from_annotations", help="from photographs")
    parser.set_defaults(build=_build)
    parser.add_argument("--annotations", nargs="+", required=True, metavar="A.json")
    parser.add_argument("--action", help="what is done to every object that does not say it itself")
    parser.add_argument(
        "--resize",
        choices=image_placement.MODES,
        required=True,
        help="how a picture becomes square; serving does the same",
    )
    parser.add_argument("--label_map", help="JSON of label -> food")
    parser.add_argument(
        "--skip_unreadable", action="store_true", help="leave broken pictures out, and list them"
    )
    return [parser]


def _build(arguments: argparse.Namespace) -> npz_dataset.FoodDataset:
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
