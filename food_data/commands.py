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
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import tqdm

from food_data import (
    annotation_formats,
    annotations,
    dataset_builder,
    dataset_check,
    drawing,
    embedding_store,
    image_placement,
    label_map,
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
    "from_csv": "a CSV of start and end points",
    "from_spanet": "a CSV of skewer points and fork angles",
}
Subparsers = argparse._SubParsersAction


def add_commands(subparsers: Subparsers) -> None:
    """Adds every command."""
    builders = [
        *add_photo_commands(subparsers),
        _add_from_recordings(subparsers),
        _add_synthetic(subparsers),
        _add_merge(subparsers),
    ]
    for parser in builders:
        add = parser.add_argument
        add("--output_file", type=pathlib.Path, required=True, help="the .npz")
        add("--embeddings_dir", default=_EMBEDDINGS_DIR)
        add("--validation_fraction", type=float, default=0.2, help="of the samples")
        add("--seed", type=int, default=0, help="of everything that is drawn")
        add("--preview_file", type=pathlib.Path, help="a picture of the first samples")
        add("--preview_samples", type=int, default=48)
        add("--overwrite", action="store_true", help="replace files that exist")
        parser.set_defaults(run=_build_and_write)
    _add_check(subparsers)
    _add_show(subparsers)


def _build_and_write(args: argparse.Namespace) -> int:
    """Makes a data set and writes it with its split, and a preview if one is wanted."""
    # Fails before the work rather than after it.
    if args.output_file.suffix != ".npz":
        raise ValueError(f"--output_file: expected a name in .npz, got {args.output_file}.")
    splits.check_fraction(args.validation_fraction)
    split_file = splits.split_path(args.output_file)
    outputs = [args.output_file, split_file]
    if args.preview_file:
        drawing.check_extension(args.preview_file)
        outputs.append(args.preview_file)
    _check_new(outputs, args.overwrite)
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


def _check_new(outputs: Sequence[pathlib.Path], overwrite: bool) -> None:
    """Makes the folders of files that are to be written; raises FileExistsError if one exists."""
    present = [str(path) for path in outputs if path.exists()]
    if present and not overwrite:
        raise FileExistsError(f"{', '.join(present)} exist; --overwrite replaces them.")
    for path in outputs:
        path.parent.mkdir(parents=True, exist_ok=True)


def add_photo_commands(subparsers: Subparsers) -> list[argparse.ArgumentParser]:
    """Adds from_annotations, from_coco, from_labelme, from_voc, from_csv and from_spanet.

    Returns:
        Their parsers, which lack the flags that all commands share (--output_file,
        --embeddings_dir, ...).
    """
    parsers = {}
    for name, source in _PHOTO_COMMANDS.items():
        parser = subparsers.add_parser(name, help=f"from photographs with {source}")
        ours = name == "from_annotations"
        parser.set_defaults(build=_build_ours if ours else _build_theirs, command=name)
        parser.add_argument("--annotations", nargs="+", required=True, help="files or folders")
        parser.add_argument("--action", help="what is done to objects that do not say it")
        parser.add_argument("--label_map", help="JSON of label -> food")
        if not ours:
            parser.add_argument("--images_dir", help="of the pictures, if not beside their file")
        _add_picture_flags(parser, required=True)
        parsers[name] = parser
    add = parsers["from_coco"].add_argument
    text = "names of the keypoints that are the motion (default: start end, if there are any)"
    add("--keypoints", nargs=2, metavar=("START", "END"), help=text)
    for name in ("from_coco", "from_labelme", "from_voc"):
        add = parsers[name].add_argument
        add("--mask_rules", help="JSON of action -> {part, direction, through}")
        text = "one change to the rules, after --mask_rules; may be repeated"
        add("--mask_rule", action="append", default=[], metavar="ACTION.KEY=VALUE", help=text)
        text = "leave objects out that have a box only, which says little of how they lie"
        add("--no_boxes", action="store_true", help=text)
    for name in ("from_csv", "from_spanet"):
        add, units = parsers[name].add_argument, annotation_formats.UNITS
        add("--units", choices=units, required=True, help="of x and y; never guessed")
    text = "of the motion about the skewer point, as a share of the picture's shorter side"
    add("--length", type=float, required=True, help=text)
    text = "image: 0 right, 90 down; mathematical: 0 right, 90 up; spanet: 0 down, 90 right"
    conventions = tuple(annotation_formats.CONVENTIONS)
    add("--angle_convention", choices=conventions, required=True, help=text)
    text = "the angle points from start to end; otherwise the start is the left end"
    add("--keep_direction", action="store_true", help=text)
    return list(parsers.values())


def _add_picture_flags(parser: argparse.ArgumentParser, required: bool) -> None:
    how = "serving does the same" if required else "default: as in the recordings, if all agree"
    text, add = f"how a picture becomes square; {how}", parser.add_argument
    add("--resize", choices=image_placement.MODES, required=required, help=text)
    add("--skip_unreadable", action="store_true", help="leave broken pictures out, and list them")


def _progress(unit: str) -> Callable[[Iterable], Iterable]:
    return functools.partial(tqdm.tqdm, unit=unit, disable=None)


def _read_label_map(args: argparse.Namespace, names: vocabulary.Vocabulary) -> dict[str, str]:
    return label_map.read_label_map(args.label_map, names) if args.label_map else {}


def _finish(
    pictures: Sequence[annotations.LabelledPicture],
    store: embedding_store.EmbeddingStore,
    args: argparse.Namespace,
    notes: Sequence[str] = (),
    **options: object,
) -> npz_dataset.FoodDataset:
    """Builds the data set and prints what became of every object."""
    skip, progress = args.skip_unreadable, _progress("picture")
    dataset, report = dataset_builder.build_dataset(
        pictures, store, skip_unreadable=skip, progress=progress, **options
    )
    print("\n".join([*notes, report.text()]))
    return dataset


def _build_ours(args: argparse.Namespace) -> npz_dataset.FoodDataset:
    store = embedding_store.EmbeddingStore.load(args.embeddings_dir)
    mapped = _read_label_map(args, store.vocabulary)
    pictures = annotations.read_annotations(args.annotations)
    options = {"action": args.action, "resize": args.resize, "label_map": mapped}
    return _finish(pictures, store, args, **options)


def _read_theirs(args: argparse.Namespace) -> list[annotations.LabelledPicture]:
    files, folder = args.annotations, args.images_dir
    if args.command == "from_coco":
        keypoints = tuple(args.keypoints) if args.keypoints else None
        return annotation_formats.read_coco(files, folder, keypoints)
    if args.command == "from_labelme":
        return annotation_formats.read_labelme(files, folder)
    if args.command == "from_voc":
        return annotation_formats.read_voc(files, folder)
    options = {"images_dir": folder, "skip_unreadable": args.skip_unreadable}
    if args.command == "from_csv":
        return annotation_formats.read_csv(files, args.units, **options)
    fork = (args.length, args.angle_convention, args.keep_direction)
    return annotation_formats.read_spanet(files, args.units, *fork, **options)


def _build_theirs(args: argparse.Namespace) -> npz_dataset.FoodDataset:
    store = embedding_store.EmbeddingStore.load(args.embeddings_dir)
    mapped = _read_label_map(args, store.vocabulary)
    changes = getattr(args, "mask_rules", None), getattr(args, "mask_rule", ())
    rules = mask_rules.read_rules(*changes, store.vocabulary)
    read = _read_theirs(args)
    pictures = dataset_builder.resolve_actions(read, args.action, store.vocabulary)

    def is_known(one: annotations.LabelledObject) -> bool:
        """Whether the food has an embedding: of a street scene nobody draws the cars."""
        try:
            store.resolve(one.action, mapped.get(vocabulary.normalise(one.label), one.label))
        except embedding_store.UnknownInstructionError:
            return False
        return True

    if not args.skip_unreadable:
        needed = [one.path for one in pictures if any(map(is_known, one.objects))]
        absent = [path for path in needed if not path.is_file()]
        if absent:
            raise FileNotFoundError(
                f"{len(absent)} of {len(needed)} pictures are absent, the first is {absent[0]}. "
                "Say where they are with --images_dir, or leave them out with --skip_unreadable."
            )
    pictures, origins = dataset_builder.add_axes(
        pictures,
        rules,
        use_boxes=not getattr(args, "no_boxes", False),
        skip_unreadable=args.skip_unreadable,
        wanted=is_known,
        progress=_progress("picture"),
    )
    notes = [f"start and end {one}: {count} objects" for one, count in sorted(origins.items())]
    options = {"action": args.action, "resize": args.resize, "label_map": mapped}
    return _finish(pictures, store, args, notes, **options)


def _add_from_recordings(subparsers: Subparsers) -> argparse.ArgumentParser:
    """What a server recorded, to train on; `recordings` says what the folder holds.

    Where a person corrected an answer, the correction is the label; without --only_corrected the
    other answers are labels too, which teaches a model what it says already.
    """
    parser = subparsers.add_parser("from_recordings", help="from what a server recorded")
    parser.set_defaults(build=_build_recorded)
    parser.add_argument("record_dir", type=pathlib.Path, help="--record_dir of the server")
    parser.add_argument(
        "--only_corrected", action="store_true", help="leave out answers that nobody corrected"
    )
    _add_picture_flags(parser, required=False)
    return parser


def _build_recorded(args: argparse.Namespace) -> npz_dataset.FoodDataset:
    found = recordings.read_recordings(args.record_dir)
    # A photo that was asked about several times with one instruction is one sample, or it would
    # have labels that contradict each other: the last correction, or else the last answer.
    best: dict[tuple[str, str, str], recordings.Recording] = {}

    def rank(one: recordings.Recording) -> tuple[bool, str]:
        correction = one.correction
        return (correction is not None, str((correction or {}).get("corrected_at", "")))

    for one in found:
        if args.only_corrected and one.correction is None:
            continue
        key = (hashlib.sha256(one.image.read_bytes()).hexdigest(), *_recorded_instruction(one))
        if key not in best or rank(one) >= rank(best[key]):
            best.pop(key, None)  # To the end: the order is that of the recordings chosen.
            best[key] = one
    chosen = list(best.values())
    corrected = sum(one.correction is not None for one in chosen)
    print(
        f"{args.record_dir}: {len(found)} recordings; {corrected} corrected samples, "
        f"{len(chosen) - corrected} of the model's own answers, {len(found) - len(chosen)} left out"
    )
    if not chosen:
        raise ValueError(
            f"{args.record_dir}: no recording is left of {len(found)}. Correct some answers "
            "on the server's page, or leave --only_corrected away."
        )
    resize = args.resize
    if resize is None:
        counts = collections.Counter(str(one.answer.get("resize")) for one in chosen)
        if len(counts) > 1 or not set(counts) <= set(image_placement.MODES):
            listed = ", ".join(f"{count} with {mode}" for mode, count in sorted(counts.items()))
            raise ValueError(
                f"resize: expected one of {', '.join(image_placement.MODES)} for all recordings, "
                f"got {listed}. Choose one with --resize."
            )
        (resize,) = counts
    pictures = [_recorded_picture(one, args.record_dir) for one in chosen]
    store = embedding_store.EmbeddingStore.load(args.embeddings_dir)
    return _finish(pictures, store, args, action=None, resize=resize)


def _recorded_instruction(one: recordings.Recording) -> tuple[str, str]:
    """Action and food as the server understood them."""
    names = (one.answer.get("action"), one.answer.get("food_type"))
    if not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"{one.folder}: expected the strings action and food_type in the answer, got {names}."
        )
    return names


def _recorded_picture(
    one: recordings.Recording, directory: pathlib.Path
) -> annotations.LabelledPicture:
    size = (one.answer.get("image_width"), one.answer.get("image_height"))
    if not all(isinstance(length, int) and length > 0 for length in size):
        raise ValueError(
            f"{one.folder}: expected image_width and image_height in pixels in the answer, got "
            f"{size}."
        )
    action, food = _recorded_instruction(one)
    axis = np.reshape(one.motion(), (2, 2)) * size
    labelled = annotations.LabelledObject(label=food, axis=axis, action=action)
    source = f"{directory.resolve().name}/{one.image.relative_to(directory).as_posix()}"
    return annotations.LabelledPicture(one.image, source, size, (labelled,))


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
            drawn = source.startswith("synthetic/") or "#" in source
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


def _add_check(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "check", help="look for errors in a data set; exit code 1 if there are any"
    )
    parser.set_defaults(run=_check)
    parser.add_argument("file", type=pathlib.Path, help="the .npz")
    parser.add_argument(
        "--split_file", type=pathlib.Path, help="default: FILE_split.npz, if there is one"
    )


def _check(args: argparse.Namespace) -> int:
    split_file = args.split_file
    if split_file is None and splits.split_path(args.file).is_file():
        split_file = splits.split_path(args.file)
    progress = functools.partial(tqdm.tqdm, unit="chunk", disable=None, leave=False)
    report = dataset_check.check_file(args.file, split_file, progress)
    print(f"{args.file}, {'no split file' if split_file is None else split_file}\n")
    print(report.text)
    return 1 if report.errors else 0


def _add_show(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("show", help="draw samples of each action and food")
    parser.set_defaults(run=_show)
    parser.add_argument("file", type=pathlib.Path, help="the .npz")
    parser.add_argument("--output_file", type=pathlib.Path, required=True, help="a .jpg or .png")
    parser.add_argument("--samples_per_class", type=int, default=6)
    parser.add_argument("--overwrite", action="store_true", help="replace a file that exists")


def _show(args: argparse.Namespace) -> int:
    drawing.check_extension(args.output_file)
    _check_new([args.output_file], args.overwrite)
    sheet = drawing.class_sheet(npz_dataset.read_npz(args.file), args.samples_per_class)
    drawing.write_picture(args.output_file, sheet)
    print(f"{args.output_file}: {sheet.shape[1]} x {sheet.shape[0]} pixels")
    return 0
