"""The commands of build_dataset.py: their flags, and what they do.

`add_commands` adds all of them to a parser; `arguments.run(arguments)` then gives the exit code.
The commands that read photographs (`add_photo_commands`) also have `arguments.build(arguments)`,
which gives the data set in memory; evaluation asks for it.
"""

from __future__ import annotations

import argparse
import collections
import functools
import hashlib
import pathlib
import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import tqdm

from food_data import (
    annotation_files,
    annotation_formats,
    annotation_tables,
    annotations,
    atomic_files,
    dataset_builder,
    dataset_check,
    drawing,
    embedding_store,
    image_placement,
    mask_rules,
    npz_dataset,
    npz_files,
    recordings,
    splits,
    vocabulary,
)
from food_data.synthetic import camera as synthetic_camera
from food_data.synthetic import photographs as synthetic_photographs
from food_data.synthetic import plates as synthetic_plates

_EMBEDDINGS_DIR = pathlib.Path(__file__).resolve().parents[1] / "embeddings"
_BLOCK = 64
_PLATE_OPTIONS = ("max_foods", "samples_per_plate", "workers", "view")
_PHOTO_COMMANDS = {
    "from_annotations": "our annotation files",
    "from_coco": "COCO JSON: boxes, masks, keypoints",
    "from_labelme": "LabelMe JSON",
    "from_voc": "Pascal VOC XML: boxes",
    "from_cvat": "CVAT XML: boxes, masks, lines",
    "from_yolo": "YOLO txt: boxes, polygons",
    "from_csv": "a CSV of start and end points",
    "from_spanet": "a CSV of skewer points and fork angles",
}
Subparsers = argparse._SubParsersAction


def add_commands(subparsers: Subparsers) -> None:
    """Adds every command."""
    for parser in (
        *add_photo_commands(subparsers),
        _add_from_recordings(subparsers),
        _add_synthetic(subparsers),
        _add_merge(subparsers),
    ):
        add = parser.add_argument
        add("--output_file", type=pathlib.Path, required=True, help="the .npz")
        add("--embeddings_dir", default=_EMBEDDINGS_DIR)
        add("--validation_fraction", type=float, default=0.2, help="of the samples")
        add("--seed", type=int, default=0, help="of everything that is drawn")
        add("--preview_file", type=pathlib.Path, help="a picture of the first samples")
        add("--preview_samples", type=int, default=48)
        add("--overwrite", action="store_true", help="replace files that exist")
        parser.set_defaults(run=_build_and_write)
    text = "look for errors in a data set; exit code 1 if there are any"
    check = subparsers.add_parser("check", help=text)
    text = "default: FILE_split.npz, if there is one"
    check.add_argument("--split_file", type=pathlib.Path, help=text)
    check.set_defaults(run=_check)
    show = subparsers.add_parser("show", help="draw samples of each action and food")
    show.add_argument("--output_file", type=pathlib.Path, required=True, help="a .jpg or .png")
    show.add_argument("--samples_per_class", type=int, default=6)
    show.add_argument("--overwrite", action="store_true", help="replace a file that exists")
    show.set_defaults(run=_show)
    for parser in (check, show):
        parser.add_argument("file", type=pathlib.Path, help="the .npz")


def _build_and_write(args: argparse.Namespace) -> int:
    """Makes a data set and writes it with its split, and a preview if one is wanted."""
    # Fails before the work rather than after it.
    annotation_files.local_path(args.output_file, "--output_file")
    if args.output_file.suffix != ".npz":
        raise ValueError(f"--output_file: expected a name in .npz, got {args.output_file}.")
    splits.check_fraction(args.validation_fraction)
    split_file = splits.split_path(args.output_file)
    if args.preview_file:
        drawing.check_extension(args.preview_file)
    _check_new([args.output_file, split_file, args.preview_file], args.overwrite)
    dataset = args.build(args)
    written = dataset is None  # By `build`, since it does not fit into memory.
    if written:
        dataset = npz_dataset.read_npz(args.output_file)
    # Before anything is written, in case it cannot be split.
    split = splits.make_split(dataset, args.validation_fraction, args.seed)
    if not written:
        npz_dataset.write_npz(args.output_file, dataset)
    splits.write_split(split_file, split)
    print(f"{args.output_file}: {len(dataset)} samples")
    print(f"{split_file}: {len(split.train_idx)} train, {len(split.val_idx)} validate")
    if args.preview_file:
        sheet = drawing.contact_sheet(dataset, args.preview_samples)
        drawing.write_picture(args.preview_file, sheet)
        print(f"{args.preview_file}: a picture of the first samples")
    return 0


def _check_new(outputs: Sequence[pathlib.Path | None], overwrite: bool) -> None:
    """Raises OSError unless files can be written and do not exist; makes their folders."""
    outputs = [path for path in outputs if path]
    present = [str(path) for path in outputs if path.exists()]
    if present and not overwrite:
        raise FileExistsError(f"{', '.join(present)} exist; --overwrite replaces them.")
    for folder in {path.parent for path in outputs}:
        atomic_files.check_folder(folder, "--output_file")


def add_photo_commands(subparsers: Subparsers) -> list[argparse.ArgumentParser]:
    """Adds from_annotations, from_coco and the other commands of `_PHOTO_COMMANDS`.

    Returns:
        Their parsers, which lack the flags that all commands share (--output_file,
        --embeddings_dir, ...).
    """
    parsers = {}
    for name, source in _PHOTO_COMMANDS.items():
        parser = subparsers.add_parser(name, help=f"from photographs with {source}")
        parser.set_defaults(build=_build_photos, command=name)
        add = parser.add_argument
        add("--annotations", nargs="+", required=True, help="files or folders")
        add("--action", help="what is done to objects that do not say it")
        add("--label_map", help="JSON of label -> food")
        add("--images_dir", help="of the pictures, if not beside their file")
        text = "the picture that labels belong to, of photos that EXIF turns: as people see it, or "
        text += "as it is in the file; only needed where stated sizes do not show it"
        add("--labels_on", choices=annotation_files.LABELS_ON, help=text)
        text = "regular expression: pictures in whose name it finds the same stay on one side of "
        text += "the split; 'none': also frames of a video and versions of a photo are parted"
        add("--group_pattern", type=_pattern, metavar="REGEX", help=text)
        _add_picture_flags(parser, required=True)
        parsers[name] = parser
    add = parsers["from_coco"].add_argument
    text = "names of the keypoints that are the motion (default: start end, if there are any)"
    add("--keypoints", nargs=2, metavar=("START", "END"), help=text)
    text = "xywh: [x, y, width, height], which COCO says; xyxy: two corners, which some tools write"
    add("--box_format", choices=annotation_formats.BOX_FORMATS, help=text)
    text = "data.yaml, or a text file with a name in each line (default: found beside or above)"
    parsers["from_yolo"].add_argument("--class_names", help=text)
    for name in ("from_coco", "from_labelme", "from_voc", "from_cvat", "from_yolo"):
        add = parsers[name].add_argument
        add("--mask_rules", help="JSON of action -> {part, direction, through}")
        text = "one change to the rules, after --mask_rules; may be repeated"
        add("--mask_rule", action="append", default=[], metavar="ACTION.KEY=VALUE", help=text)
        text = "leave objects out that have a box only, which says little of how they lie"
        add("--no_boxes", action="store_true", help=text)
    for name in ("from_csv", "from_spanet"):
        add, units = parsers[name].add_argument, annotation_tables.UNITS
        add("--units", choices=units, required=True, help="of x and y; never guessed")
    text = "of the motion about the skewer point, as a share of the picture's shorter side"
    add("--length", type=float, required=True, help=text)
    text = "image: 0 right, 90 down; mathematical: 0 right, 90 up; spanet: 0 down, 90 right"
    conventions = tuple(annotation_tables.CONVENTIONS)
    add("--angle_convention", choices=conventions, required=True, help=text)
    text = "the angle points from start to end; otherwise the start is the left end"
    add("--keep_direction", action="store_true", help=text)
    return list(parsers.values())


def _pattern(text: str) -> str:
    """A regular expression, as argparse wants it."""
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from error
    return text


def _add_picture_flags(parser: argparse.ArgumentParser, required: bool) -> None:
    how = "serving does the same" if required else "default: as in the recordings, if all agree"
    text, add = f"how a picture becomes square; {how}", parser.add_argument
    add("--resize", choices=image_placement.MODES, required=required, help=text)
    add("--skip_unreadable", action="store_true", help="leave broken pictures out, and list them")


def _progress(unit: str) -> Callable[[Iterable], Iterable]:
    return functools.partial(tqdm.tqdm, unit=unit, disable=None)


def _read_label_map(args: argparse.Namespace, names: vocabulary.Vocabulary) -> dict[str, str]:
    return dataset_builder.read_label_map(args.label_map, names) if args.label_map else {}


def _read_photos(
    args: argparse.Namespace, reading: annotation_files.Reading
) -> list[annotations.LabelledPicture]:
    files, given = args.annotations, vars(args)
    keypoints, box_format = given.get("keypoints"), given.get("box_format")
    units, fork = given.get("units"), ("length", "angle_convention", "keep_direction")
    return {
        "from_annotations": lambda: annotations.read_annotations(files, reading),
        "from_coco": lambda: annotation_formats.read_coco(files, reading, keypoints, box_format),
        "from_labelme": lambda: annotation_formats.read_labelme(files, reading),
        "from_voc": lambda: annotation_formats.read_voc(files, reading),
        "from_cvat": lambda: annotation_formats.read_cvat(files, reading),
        "from_yolo": lambda: annotation_tables.read_yolo(files, reading, args.class_names),
        "from_csv": lambda: annotation_tables.read_csv(files, units, reading),
        "from_spanet": lambda: annotation_tables.read_spanet(
            files, units, *(given[name] for name in fork), reading
        ),
    }[args.command]()


def _build_photos(args: argparse.Namespace) -> npz_dataset.FoodDataset:
    """Reads, builds, and prints what became of every object."""
    store = embedding_store.EmbeddingStore.load(args.embeddings_dir)
    mapped = _read_label_map(args, store.vocabulary)
    reading = annotation_files.Reading(
        args.images_dir, labels_on=args.labels_on, skip_unreadable=args.skip_unreadable
    )
    pictures = dataset_builder.resolve_actions(
        _read_photos(args, reading), args.action, store.vocabulary, mapped
    )
    is_known = functools.partial(dataset_builder.is_known, store=store)
    needed = [one.path for one in pictures if any(map(is_known, one.objects))]
    absent = [path for path in needed if not path.is_file()]
    if absent and not args.skip_unreadable:
        raise FileNotFoundError(
            f"{len(absent)} of {len(needed)} pictures are absent, the first is {absent[0]}."
            f"{reading.near(absent[0])} Say where they are with --images_dir, or leave them out "
            "with --skip_unreadable."
        )
    notes = []
    pictures = dataset_builder.settle(pictures, reading, is_known)
    if args.command != "from_annotations":
        rules = mask_rules.read_rules(
            getattr(args, "mask_rules", None), getattr(args, "mask_rule", ()), store.vocabulary
        )
        pictures, origins = dataset_builder.add_axes(
            pictures,
            rules,
            reading,
            use_boxes=not getattr(args, "no_boxes", False),
            wanted=is_known,
            progress=_progress("picture"),
        )
        notes = [f"start and end {one}: {count} objects" for one, count in sorted(origins.items())]
    for line in (*notes, *reading.text()):
        print(line)
    return _finish(pictures, store, args, args.resize, args.group_pattern)


def _finish(
    pictures: Sequence[annotations.LabelledPicture],
    store: embedding_store.EmbeddingStore,
    args: argparse.Namespace,
    resize: str,
    group_pattern: str | None = None,
) -> npz_dataset.FoodDataset:
    """Builds the data set and prints what became of every object."""
    dataset, report = dataset_builder.build_dataset(
        pictures,
        store,
        resize=resize,
        group_pattern=group_pattern,
        skip_unreadable=args.skip_unreadable,
        progress=_progress("picture"),
    )
    print(report.text())
    return dataset


def _add_from_recordings(subparsers: Subparsers) -> argparse.ArgumentParser:
    """What a server recorded, to train on; `recordings` says what the folder holds.

    Where a person corrected an answer, the correction is the label; without --only_corrected the
    other answers are labels too, which teaches a model what it says already.
    """
    parser = subparsers.add_parser("from_recordings", help="from what a server recorded")
    parser.set_defaults(build=_build_recorded)
    parser.add_argument("record_dir", type=pathlib.Path, help="--record_dir of the server")
    text = "leave out answers that nobody corrected"
    parser.add_argument("--only_corrected", action="store_true", help=text)
    _add_picture_flags(parser, required=False)
    return parser


def _build_recorded(args: argparse.Namespace) -> npz_dataset.FoodDataset:
    directory, found = args.record_dir, recordings.read_recordings(args.record_dir)
    # A photo that was asked about several times with one instruction is one sample, or it would
    # have labels that contradict each other: the last correction, or else the last answer.
    best: dict[tuple[str, ...], tuple[tuple[bool, str], recordings.Recording]] = {}
    for one in found:
        rank = (one.correction is not None, str((one.correction or {}).get("corrected_at", "")))
        if rank[0] or not args.only_corrected:
            key = (hashlib.sha256(one.image.read_bytes()).hexdigest(), *one.instruction())
            if key not in best or rank >= best[key][0]:
                best.pop(key, None)  # To the end: the order is that of the recordings chosen.
                best[key] = rank, one
    chosen = [one for _, one in best.values()]
    corrected = sum(one.correction is not None for one in chosen)
    print(
        f"{directory}: {len(found)} recordings; {corrected} corrected samples, "
        f"{len(chosen) - corrected} of the model's own answers, {len(found) - len(chosen)} left out"
    )
    if not chosen:
        raise ValueError(
            f"{directory}: no recording is left of {len(found)}. Correct some answers on the "
            "server's page, or leave --only_corrected away."
        )
    counts = collections.Counter(str(one.answer.get("resize")) for one in chosen)
    if args.resize is None and (len(counts) > 1 or not set(counts) <= set(image_placement.MODES)):
        listed = ", ".join(f"{count} with {mode}" for mode, count in sorted(counts.items()))
        raise ValueError(
            f"resize: expected one of {', '.join(image_placement.MODES)} for all recordings, got "
            f"{listed}. Choose one with --resize."
        )
    pictures = []
    for one in chosen:
        (action, food), size = one.instruction(), one.size()
        axis = np.reshape(one.motion(), (2, 2)) * size
        labelled = annotations.LabelledObject(label=food, axis=axis, action=action)
        source = f"{directory.resolve().name}/{one.image.relative_to(directory).as_posix()}"
        pictures.append(annotations.LabelledPicture(one.image, source, size, (labelled,)))
    store = embedding_store.EmbeddingStore.load(args.embeddings_dir)
    pictures = dataset_builder.resolve_actions(pictures, None, store.vocabulary)
    return _finish(pictures, store, args, args.resize or next(iter(counts)))


def _add_synthetic(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Drawings of plates, composites, crops of photographs; never of those of the test set."""
    parser = subparsers.add_parser("synthetic", help="from drawings of plates")
    parser.set_defaults(build=_build_synthetic)
    add = parser.add_argument
    add("--num_plates", type=int, required=True)
    text = "on a plate; with more than 1 the instruction decides which one counts"
    add("--max_foods", type=int, default=synthetic_plates.MAX_FOODS, help=text)
    text = "so many of a plate's foods become samples; all of them if not given"
    add("--samples_per_plate", type=int, help=text)
    text = "how pictures are taken; 'arm': from above, a plate fills it; 'any': like photographs"
    add("--view", choices=synthetic_camera.VIEW_NAMES, default="any", help=text)
    add("--workers", type=int, help="processes that draw; one per CPU if not given")
    for flag, text in (
        ("--composite_share", "of plates on which foods are cut out of photographs"),
        ("--crop_share", "of parts of photographs instead of plates, one sample each"),
        ("--long_share", "of plates and composites with a single long food"),
        ("--equal_share", "of the other ones with several equal pieces of a food"),
        ("--distractor_share", "of the other ones with things that are never asked for"),
        ("--alike_share", "of the other ones with foods that are taken for each other"),
    ):
        add(flag, type=float, default=0.0, help=text)
    add("--more_foods", action="store_true", help="draw apples, carrots, eggs, ... too")
    for flag, metavar, text in (
        ("--annotations", "A.json", "photographs to train on"),
        ("--fruit_tables", "T.csv", "photographs of whole fruit"),
        ("--no_cutouts", "FOOD", "foods of which boxes make no cut-outs, as rings of sausage"),
    ):
        add(flag, nargs="+", default=[], metavar=metavar, help=text)
    add("--label_map", help="JSON of label -> food")
    return parser


def _build_synthetic(args: argparse.Namespace) -> None:
    """Writes the data set; photographs are read and cut out, and what became of them is printed."""
    store = embedding_store.EmbeddingStore.load(args.embeddings_dir)
    photographs = None
    if args.annotations or args.fruit_tables:
        photographs = (
            tuple(map(str, args.annotations)),
            tuple(map(str, args.fruit_tables)),
            tuple(sorted(_read_label_map(args, store.vocabulary).items())),
            tuple(sorted({food for _, food in store.combinations()})),
            tuple(map(store.vocabulary.canonical_food, args.no_cutouts)),
        )
        print(synthetic_photographs.load(*photographs).text())
    kinds = ("composite", "crop", "long", "equal", "distractor", "alike")
    shares = (getattr(args, f"{kind}_share") for kind in kinds)
    mix = synthetic_plates.Mix(*shares, args.more_foods, photographs)
    options = {name: getattr(args, name) for name in _PLATE_OPTIONS}
    plates = (args.output_file, args.num_plates, args.seed, store)
    synthetic_plates.write_synthetic_dataset(
        *plates, progress=_progress("plate"), mix=mix, **options
    )


def _add_merge(subparsers: Subparsers) -> argparse.ArgumentParser:
    parser = subparsers.add_parser("merge", help="from other data sets")
    parser.set_defaults(build=_build_merged)
    parser.add_argument("files", nargs="+", type=pathlib.Path, metavar="A.npz")
    return parser


def _build_merged(args: argparse.Namespace) -> None:
    """Writes several data sets as one, if they can be told apart and fit together."""
    datasets = [npz_dataset.read_npz(file) for file in args.files]
    seen: dict[str, pathlib.Path] = {}
    for file, dataset in zip(args.files, datasets):
        absent = [name for name in npz_dataset.NAME_ARRAYS if getattr(dataset, name) is None]
        if absent:
            raise ValueError(f"{file}: expected {', '.join(absent)}, which a merged file needs.")
        if dataset.resize != datasets[0].resize:
            raise ValueError(
                f"{file}: expected pictures made square by {datasets[0].resize!r} as in "
                f"{args.files[0]}, got {dataset.resize!r}."
            )
        for source in dict.fromkeys(dataset.sources.tolist()):
            # Drawn with a seed; photographs may be in several files.
            drawn = re.match("synthetic/|photos/[^/#]*#seed_", source)
            if drawn and seen.setdefault(source, file) != file:
                raise ValueError(
                    f"{source} is in {seen[source]} and in {file}: draw them with different seeds."
                )
    number = sum(map(len, datasets))
    with npz_files.open_writer(args.output_file) as writer:
        with writer.stream("images", (number, *npz_dataset.IMAGE_SHAPE), np.uint8) as images:
            for dataset in datasets:
                for start in range(0, len(dataset), _BLOCK):
                    images.append(np.asarray(dataset.images[start : start + _BLOCK]))
        for name in ("actions", "embeddings", *npz_dataset.NAME_ARRAYS):
            writer.write(name, np.concatenate([getattr(one, name) for one in datasets]))
        if any(one.masks is not None for one in datasets):
            none = np.zeros((1, *npz_dataset.PACKED_SHAPE), np.uint8)
            masks = [none.repeat(len(d), 0) if d.masks is None else d.masks for d in datasets]
            writer.write("masks", np.concatenate(masks))
        writer.write("resize", np.array(datasets[0].resize))
        writer.write("format_version", np.array(npz_dataset.FORMAT_VERSION))


def _check(args: argparse.Namespace) -> int:
    split_file = args.split_file
    if split_file is None and splits.split_path(args.file).is_file():
        split_file = splits.split_path(args.file)
    progress = functools.partial(tqdm.tqdm, unit="chunk", disable=None, leave=False)
    report = dataset_check.check_file(args.file, split_file, progress, compare_pictures=True)
    print(f"{args.file}, {'no split file' if split_file is None else split_file}\n")
    print(report.text)
    return 1 if report.errors else 0


def _show(args: argparse.Namespace) -> int:
    drawing.check_extension(args.output_file)
    _check_new([args.output_file], args.overwrite)
    sheet = drawing.class_sheet(npz_dataset.read_npz(args.file), args.samples_per_class)
    drawing.write_picture(args.output_file, sheet)
    print(f"{args.output_file}: {sheet.shape[1]} x {sheet.shape[0]} pixels")
    return 0
