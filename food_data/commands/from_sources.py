"""The commands from_coco, from_labelme, from_voc, from_csv and from_spanet of build_dataset.py.

    python build_dataset.py from_coco --annotations instances.json --images_dir photos \\
        --action skewering --resize letterbox --output_file data/day_1.npz

`docs/data_sources.md` says what each format means here.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Mapping, Sequence

import tqdm

from food_data import (
    annotations,
    dataset_builder,
    embedding_store,
    image_placement,
    label_map,
    mask_rule_files,
    npz_dataset,
    vocabulary,
)
from food_data.sources import actions, axes, coco, csv_file, labelme, spanet, tables, voc

Read = Callable[[argparse.Namespace], "list[annotations.LabelledPicture]"]


def add_parser(subparsers: argparse._SubParsersAction) -> list[argparse.ArgumentParser]:
    """Adds the five commands; `arguments.build(arguments)` gives the data set.

    Returns:
        Their parsers, which lack the flags that all commands share (--output_file,
        --embeddings_dir, ...).
    """
    parsers = []
    for name, source, read in (
        ("from_coco", "COCO JSON: boxes, masks, keypoints", _read_coco),
        ("from_labelme", "LabelMe JSON", _read_labelme),
        ("from_voc", "Pascal VOC XML: boxes", _read_voc),
        ("from_csv", "a CSV of start and end points", _read_csv),
        ("from_spanet", "a CSV of skewer points and fork angles", _read_spanet),
    ):
        parser = subparsers.add_parser(name, help=f"from photographs with {source}")
        parser.set_defaults(build=functools.partial(_build, read=read))
        _add_source_flags(parser)
        parsers.append(parser)
    from_coco, from_labelme, from_voc, from_csv, from_spanet = parsers
    from_coco.add_argument(
        "--keypoints",
        nargs=2,
        metavar=("START", "END"),
        help="names of the keypoints that are the motion (default: start end, if there are any)",
    )
    for parser in (from_coco, from_labelme, from_voc):
        _add_rule_flags(parser)
    for parser in (from_csv, from_spanet):
        parser.add_argument(
            "--units", choices=tables.UNITS, required=True, help="of x and y; never guessed"
        )
    _add_fork_flags(from_spanet)
    return parsers


def _add_source_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--annotations", nargs="+", required=True, help="files or folders")
    parser.add_argument("--images_dir", help="where the pictures are, if not beside their file")
    parser.add_argument("--action", help="what is done to objects that do not say it themselves")
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


def _add_rule_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mask_rules", help="JSON of action -> {part, direction, through}")
    parser.add_argument(
        "--mask_rule",
        action="append",
        default=[],
        metavar="ACTION.KEY=VALUE",
        help="one change to the rules, after --mask_rules; may be repeated",
    )
    parser.add_argument(
        "--no_boxes",
        action="store_true",
        help="leave objects out that have a box only, which says little of how they lie",
    )


def _add_fork_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--length",
        type=float,
        required=True,
        help="of the motion about the skewer point, as a share of the picture's shorter side",
    )
    parser.add_argument(
        "--angle_convention",
        choices=tuple(spanet.CONVENTIONS),
        required=True,
        help="image: 0 right, 90 down; mathematical: 0 right, 90 up; spanet: 0 down, 90 right",
    )
    parser.add_argument(
        "--keep_direction",
        action="store_true",
        help="the angle points from start to end; otherwise the start is the left end",
    )


def _read_coco(arguments: argparse.Namespace) -> list[annotations.LabelledPicture]:
    keypoints = tuple(arguments.keypoints) if arguments.keypoints else None
    return coco.read_coco(arguments.annotations, arguments.images_dir, keypoints)


def _read_labelme(arguments: argparse.Namespace) -> list[annotations.LabelledPicture]:
    return labelme.read_labelme(arguments.annotations, arguments.images_dir)


def _read_voc(arguments: argparse.Namespace) -> list[annotations.LabelledPicture]:
    return voc.read_voc(arguments.annotations, arguments.images_dir)


def _read_csv(arguments: argparse.Namespace) -> list[annotations.LabelledPicture]:
    return csv_file.read_csv(
        arguments.annotations, arguments.units, arguments.images_dir, arguments.skip_unreadable
    )


def _read_spanet(arguments: argparse.Namespace) -> list[annotations.LabelledPicture]:
    return spanet.read_spanet(
        arguments.annotations,
        arguments.units,
        arguments.length,
        arguments.angle_convention,
        keep_direction=arguments.keep_direction,
        images_dir=arguments.images_dir,
        skip_unreadable=arguments.skip_unreadable,
    )


def _build(arguments: argparse.Namespace, read: Read) -> npz_dataset.FoodDataset:
    store = embedding_store.EmbeddingStore.load(arguments.embeddings_dir)
    mapped = {}
    if arguments.label_map:
        mapped = label_map.read_label_map(arguments.label_map, store.vocabulary)
    rules = mask_rule_files.read_rules(
        getattr(arguments, "mask_rules", None),
        getattr(arguments, "mask_rule", ()),
        store.vocabulary,
    )
    progress = functools.partial(tqdm.tqdm, unit="picture", disable=None)
    pictures = actions.resolve_actions(read(arguments), arguments.action, store.vocabulary)
    wanted = functools.partial(_is_known, store=store, mapped=mapped)
    if not arguments.skip_unreadable:
        _check_presence([one for one in pictures if any(map(wanted, one.objects))])
    pictures, origins = axes.add_axes(
        pictures,
        rules,
        use_boxes=not getattr(arguments, "no_boxes", False),
        skip_unreadable=arguments.skip_unreadable,
        wanted=wanted,
        progress=progress,
    )
    dataset, report = dataset_builder.build_dataset(
        pictures,
        store,
        action=arguments.action,
        resize=arguments.resize,
        label_map=mapped,
        skip_unreadable=arguments.skip_unreadable,
        progress=progress,
    )
    for origin, count in sorted(origins.items()):
        print(f"start and end {origin}: {count} objects")
    print(report.text())
    return dataset


def _is_known(
    one: annotations.LabelledObject,
    store: embedding_store.EmbeddingStore,
    mapped: Mapping[str, str],
) -> bool:
    """Whether the object's food has an embedding: of a street scene nobody draws the cars."""
    try:
        store.resolve(one.action, mapped.get(vocabulary.normalise(one.label), one.label))
    except embedding_store.UnknownInstructionError:
        return False
    return True


def _check_presence(pictures: Sequence[annotations.LabelledPicture]) -> None:
    absent = [str(one.path) for one in pictures if not one.path.is_file()]
    if absent:
        raise FileNotFoundError(
            f"{len(absent)} of {len(pictures)} pictures are absent, the first is {absent[0]}. Say "
            "where they are with --images_dir, or leave them out with --skip_unreadable."
        )
