"""Makes .npz data sets from photographs or drawings, and looks into them.

    python build_dataset.py from_coco --annotations instances.json --images_dir photos \\
        --action skewering --resize letterbox --output_file data/day_1.npz
    python build_dataset.py from_recordings records --only_corrected --output_file data/day_2.npz
    python build_dataset.py synthetic --num_plates 500 --output_file data/plates.npz
    python build_dataset.py merge data/plates.npz data/day_1.npz --output_file data/both.npz
    python build_dataset.py check data/plates.npz
    python build_dataset.py show data/plates.npz --output_file data/plates.jpg

Beside `day_1.npz` it writes `day_1_split.npz`: which samples train, and which validate. What files
hold is said in `food_data/npz_dataset.py`, what annotations look like in `docs/data_sources.md`.
"""

from __future__ import annotations

import keras2  # noqa: F401

import argparse
import functools
import hashlib
import pathlib
import sys

import numpy as np
import tqdm

from food_data import (
    annotations,
    atomic_files,
    dataset_builder,
    dataset_check,
    drawing,
    image_placement,
    npz_dataset,
    recordings,
    rlds,
    splits,
    text_encoders,
    vocabulary,
)
from food_data.synthetic import camera, photographs, plates

_EMBEDDINGS_DIR = pathlib.Path(__file__).resolve().parent / "embeddings"
_SHARES = {
    "composite": "of plates on which foods are cut out of photographs",
    "crop": "of parts of photographs instead of plates, one sample each",
    "long": "of plates and composites with a single long food",
    "equal": "of the other ones with several equal pieces of a food",
    "distractor": "of the other ones with things that are never asked for",
    "alike": "of the other ones with foods that are taken for each other",
}


def main(argv: list[str] | None = None) -> int:
    """Runs one command. Returns its exit code: 0, or 1 after printing what is wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    _add_commands(parser.add_subparsers(dest="command", required=True))
    arguments = parser.parse_args(argv)
    try:
        return arguments.run(arguments)
    except (OSError, ValueError, LookupError, ModuleNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _add_commands(subparsers: argparse._SubParsersAction) -> None:
    def command(name: str, text: str, **defaults: object) -> argparse.ArgumentParser:
        parser = subparsers.add_parser(name, help=text)
        parser.set_defaults(**defaults)
        return parser

    photos, path = dataset_builder.add_photo_commands(subparsers), {"type": pathlib.Path}
    how = {"build": _build_recorded, "action": None, "label_map": None}
    recorded = command("from_recordings", "from what a server recorded", **how)
    recorded.add_argument("record_dir", **path, help="--record_dir of the server")
    text = "leave out answers that nobody corrected"
    recorded.add_argument("--only_corrected", action="store_true", help=text)
    text = "from a LeRobot data set, v3.0 or v2.1"
    shared = command("from_lerobot", text, build=_build_lerobot)
    shared.add_argument("lerobot_dir", **path, help="with meta/info.json")
    shared.add_argument("--action", help="what is done where the task does not say it")
    shared.add_argument("--label_map", help="JSON of label -> food")
    for parser in (recorded, shared):
        dataset_builder.add_picture_flags(parser, "default: as the data say", required=False)
    drawn = command("synthetic", "from drawings of plates", build=_build_synthetic)
    _add_synthetic_flags(drawn)
    merge = command("merge", "from other data sets", build=_build_merged)
    merge.add_argument("files", nargs="+", **path, metavar="A.npz")
    for parser in (*photos, recorded, shared, drawn, merge):
        add = parser.add_argument
        add("--output_file", **path, required=True, help="the .npz")
        add("--embeddings_dir", default=_EMBEDDINGS_DIR)
        add("--validation_fraction", type=float, default=0.2, help="of the samples")
        add("--seed", type=int, default=0, help="of everything that is drawn")
        add("--preview_file", **path, help="a picture of samples, as `show` makes it")
        parser.set_defaults(run=_build_and_write)
    check = command("check", "look for errors in a data set; exit code 1 if any", run=_check)
    check.add_argument("--split_file", **path, help="default: FILE_split.npz, if there is one")
    show = command("show", "draw samples of each action and food", run=_show)
    show.add_argument("--output_file", **path, required=True, help="a .jpg or .png")
    for parser in (*photos, recorded, shared, drawn, merge, show):
        parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    text = "an .npz, or a robot's LeRobot data set, as RLDS, for more than one file holds"
    shards = command("shards", text, run=_shards)
    text = "RT-1's keys that the numbers of LeRobot's action are, in their order"
    shards.add_argument("--action_order", nargs="+", default=[], metavar="KEY", help=text)
    text = "to embed LeRobot's tasks, such as USE-large/5, with which RT-1 was trained"
    shards.add_argument("--saved_model", **path, help=text)
    published = command("lerobot", "an .npz as LeRobot v3.0, to publish it", run=_lerobot)
    for parser in (check, show, shards, published):
        parser.add_argument("file", **path, help="the .npz, or a folder of shards")
    for parser in (shards, published):
        parser.add_argument("--output_dir", **path, required=True, help="new folder")
    for parser in (shards, shared):
        text = "feature with the pictures, if LeRobot's data set has several"
        parser.add_argument("--camera", metavar="FEATURE", help=text)


def _add_synthetic_flags(parser: argparse.ArgumentParser) -> None:
    """Drawings of plates, composites, crops of photographs; never of those of the test set."""
    add = parser.add_argument
    add("--num_plates", type=int, required=True)
    add("--max_foods", type=int, default=plates.MAX_FOODS, help="on a plate")
    add("--samples_per_plate", type=int, help="unless given, all foods of a plate become samples")
    text = "'arm': from above, a plate fills the picture; 'any': like photographs"
    add("--view", choices=camera.VIEW_NAMES, default="any", help=text)
    add("--workers", type=int, help="processes that draw; one per CPU if not given")
    for kind, text in _SHARES.items():
        add(f"--{kind}_share", type=float, default=0.0, help=text)
    add("--more_foods", action="store_true", help="draw apples, carrots, eggs, ... too")
    for flag, metavar, text in (
        ("--annotations", "A.json", "photographs to train on"),
        ("--fruit_tables", "T.csv", "photographs of whole fruit"),
        ("--no_cutouts", "FOOD", "foods of which boxes make no cut-outs, as rings of sausage"),
    ):
        add(flag, nargs="+", default=[], metavar=metavar, help=text)
    add("--label_map", help="JSON of label -> food")


def _build_and_write(args: argparse.Namespace) -> int:
    """Makes a data set and writes it with its split, and a preview if one is wanted."""
    atomic_files.check_local(args.output_file, "--output_file")
    if args.output_file.suffix != ".npz":
        raise ValueError(f"--output_file: expected a name in .npz, got {args.output_file}.")
    splits.check_fraction(args.validation_fraction)
    split_file = splits.split_path(args.output_file)
    if args.preview_file:
        drawing.check_extension(args.preview_file)
    _check_new([args.output_file, split_file, args.preview_file], args.overwrite)
    made = args.build(args)
    # None: written by `build`, since it does not fit into memory.
    dataset = npz_dataset.read_npz(args.output_file) if made is None else made
    # Before anything is written, in case it cannot be split.
    split = splits.make_split(dataset, args.validation_fraction, args.seed)
    if made is not None:
        npz_dataset.write_npz(args.output_file, made)
    splits.write_split(split_file, split)
    print(f"{args.output_file}: {len(dataset)} samples")
    print(f"{split_file}: {len(split.train_idx)} train, {len(split.val_idx)} validate")
    return _draw(args.preview_file, dataset) if args.preview_file else 0


def _draw(file: pathlib.Path, dataset: npz_dataset.FoodDataset) -> int:
    drawing.write_picture(file, drawing.class_sheet(dataset, 6))
    print(f"{file}: a picture of samples")
    return 0


def _check_new(outputs: list[pathlib.Path | None], overwrite: bool) -> None:
    """Raises OSError unless files can be written and do not exist; makes their folders."""
    outputs = [path for path in outputs if path]
    present = ", ".join(str(path) for path in outputs if path.exists())
    if present and not overwrite:
        raise FileExistsError(f"{present} exist; --overwrite replaces them.")
    for folder in {path.parent for path in outputs}:
        atomic_files.check_folder(folder, "--output_file")


def _build_recorded(args: argparse.Namespace) -> npz_dataset.FoodDataset:
    """What a server recorded: corrections, and without --only_corrected the other answers too."""
    directory, found = args.record_dir, recordings.read_recordings(args.record_dir)

    def corrected_at(i: int) -> tuple[bool, str]:
        correction = found[i].correction
        return correction is not None, str((correction or {}).get("corrected_at", ""))

    # A photo that was asked about several times with one instruction is one sample, or it would
    # have labels that contradict each other: the last correction, or else the last answer.
    best: dict[tuple, int] = {}
    for i in sorted(range(len(found)), key=corrected_at):
        if found[i].correction is not None or not args.only_corrected:
            photo = hashlib.sha256(found[i].image.read_bytes()).hexdigest()
            best[photo, found[i].stated("action", "food_type")] = i
    chosen = [found[i] for i in sorted(best.values())]
    corrected = sum(one.correction is not None for one in chosen)
    own, left_out = len(chosen) - corrected, len(found) - len(chosen)
    print(f"{directory}: {corrected} corrected, {own} of the model's own, {left_out} left out")
    if not chosen:
        way_out = "Correct some answers on the server's page, or leave --only_corrected away"
        raise ValueError(f"{directory}: no recording is left of {len(found)}. {way_out}.")
    stated = dict.fromkeys(one.answer.get("resize") for one in chosen)
    pictures = []
    for one in chosen:
        action, food = one.stated("action", "food_type")
        size = one.stated("image_width", "image_height")
        axis = np.reshape(one.motion(), (2, 2)) * size
        labelled = annotations.LabelledObject(label=food, axis=axis, action=action)
        source = f"{directory.resolve().name}/{one.image.relative_to(directory).as_posix()}"
        pictures.append(annotations.LabelledPicture(one.image, source, size, (labelled,)))
    return _build(args, pictures, list(stated))


def _build_lerobot(args: argparse.Namespace) -> npz_dataset.FoodDataset:
    """What others share: a photo for each frame, its task, and four numbers."""
    from food_data import lerobot  # Here, because its packages are extras.

    source = lerobot.Dataset(args.lerobot_dir, args.camera)
    return _build(args, lerobot.food_pictures(source), [source.info.get("resize")])


def _build(
    args: argparse.Namespace, pictures: list[annotations.LabelledPicture], stated: list[str | None]
) -> npz_dataset.FoodDataset:
    """The data set of pictures of which it is `stated` how they became square."""
    resize = args.resize or (stated[0] if len(stated) == 1 else None)
    if resize not in image_placement.MODES:
        found = ", ".join(map(str, stated))
        raise ValueError(f"Expected --resize, or data that say one; they say {found}.")
    reading = annotations.Reading(skip_unreadable=args.skip_unreadable)
    return dataset_builder.build_pictures(args, pictures, reading, resize)


def _build_synthetic(args: argparse.Namespace) -> None:
    """Writes the data set; photographs are read and cut out, and what became of them is printed."""
    store = vocabulary.EmbeddingStore.load(args.embeddings_dir)
    library = None
    if args.annotations or args.fruit_tables:
        library = (
            tuple(map(str, args.annotations)),
            tuple(map(str, args.fruit_tables)),
            tuple(sorted(dataset_builder.read_label_map(args.label_map, store.vocabulary).items())),
            tuple(sorted({food for _, food in store.combinations()})),
            tuple(map(store.vocabulary.canonical_food, args.no_cutouts)),
        )
        print(photographs.load(*library).text())
    shares = (getattr(args, f"{kind}_share") for kind in _SHARES)
    plates.write_synthetic_dataset(
        args.output_file,
        args.num_plates,
        args.seed,
        store,
        max_foods=args.max_foods,
        samples_per_plate=args.samples_per_plate,
        workers=args.workers,
        view=args.view,
        mix=plates.Mix(*shares, args.more_foods, library),
        progress=functools.partial(tqdm.tqdm, unit="plate", disable=None),
    )


def _build_merged(args: argparse.Namespace) -> None:
    """Writes several data sets as one, if they fit together."""
    datasets = [rlds.read_dataset(file) for file in args.files]
    for file, dataset in zip(args.files, datasets):
        absent = [name for name in npz_dataset.NAME_ARRAYS if getattr(dataset, name) is None]
        if absent or dataset.resize != datasets[0].resize:
            expected = f"names, and pictures made square by {datasets[0].resize!r}"
            got = " without ".join([repr(dataset.resize), *absent])
            raise ValueError(f"{file}: expected {expected} as in {args.files[0]}, got {got}.")
    npz_dataset.write_npz(args.output_file, *datasets)


def _check(args: argparse.Namespace) -> int:
    beside = splits.split_path(args.file)
    split_file = args.split_file or (beside if beside.is_file() else None)
    report = dataset_check.check_file(args.file, split_file, compare_pictures=True)
    print(f"{args.file}, {'no split file' if split_file is None else split_file}\n")
    print(report.text)
    return 1 if report.errors else 0


def _shards(args: argparse.Namespace) -> int:
    atomic_files.check_local(args.output_dir, "--output_dir")
    if not args.file.is_dir():
        print(rlds.write_food(npz_dataset.read_npz(args.file), args.output_dir))
        return 0
    load = functools.cache(text_encoders.load)  # Not all data sets need an encoder.
    encode = functools.cache(lambda text: load(args.saved_model).encode(text))
    from food_data import lerobot

    source = lerobot.Dataset(args.file, args.camera)
    print(lerobot.write_shards(source, args.output_dir, encode, args.action_order))
    return 0


def _lerobot(args: argparse.Namespace) -> int:
    atomic_files.check_local(args.output_dir, "--output_dir")
    from food_data import lerobot

    dataset = rlds.read_dataset(args.file)
    print(lerobot.write_food(dataset, args.output_dir))
    if dataset.masks is not None:
        print("masks are left out: LeRobot's format has no place for them")
    return 0


def _show(args: argparse.Namespace) -> int:
    drawing.check_extension(args.output_file)
    _check_new([args.output_file], args.overwrite)
    return _draw(args.output_file, rlds.read_dataset(args.file))


if __name__ == "__main__":
    sys.exit(main())
