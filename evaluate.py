"""Says how good the answers of a checkpoint are, beside answers that need no model.

    python evaluate.py --checkpoint_dir runs/plates --dataset_file plates.npz --split val
    python evaluate.py --checkpoint_dir runs/plates --dataset_file plates.npz --split val \\
        --uncertainty default mc_dropout:head:16 --shifts --report_dir runs/plates/report
    python evaluate.py --checkpoint_dir runs/plates --annotations instances.json \\
        --annotation_format coco --images_dir photos --action skewering

Prints tables, `docs/evaluation.md` says what they mean. Rates need a data set with masks. The row
"instruction swapped" asks for any food of the same picture, by lot, and judges by the sample's own:
a model that listens to the instruction falls to chance. If calibrate.py has written
`uncertainty.json` beside the checkpoint, its regions and its threshold are tested too, on pictures
that did not calibrate. With --annotations, flags that are not listed here are those of
build_dataset.py from_... .

Exit code 0: evaluated; 1: something was wrong, with the reason on stderr; 2: wrong flags.
"""

from __future__ import annotations

import keras2  # noqa: F401

import argparse
import datetime
import functools
import json
import pathlib
import sys
import typing

import tqdm

import checkpoint_directory
from evaluation import uncertainty_calibration, uncertainty_sources
from evaluation.study import document as study_document
from evaluation.study import parts as study_parts
from evaluation.study import photos as study_photos
from evaluation.study import samples as study_samples
from evaluation.study import sources as study_sources
from evaluation.study import text as study_text
from food_data import atomic_files, framing, npz_dataset, splits

if typing.TYPE_CHECKING:
    import agent_wrapper

_NUM_EXAMPLES = 6


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The flags, see `study_photos.parse`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--checkpoint_dir", required=True, type=pathlib.Path, help="what train.py wrote")
    study_photos.add_flags(parser)
    add(
        "--split_file", type=pathlib.Path, help="unless given: beside the data set, if there is one"
    )
    add("--split", choices=study_samples.SPLITS, help="which samples; val of a file, all of photos")
    add("--train_dataset_file", type=pathlib.Path, help="labels for the baselines, if of another")
    add("--compare", type=pathlib.Path, metavar="DIR", help="another checkpoint, same samples")
    add("--uncertainty", nargs="+", default=[], metavar="SOURCE", help=_source_help())
    add("--shifts", action="store_true", help="also plates unlike training")
    add("--shift_samples", type=int, default=500, help="pictures for each shift, at most")
    add("--coverage_splits", type=int, default=0, help="coverage over so many random splits")
    add("--without_calibration", action="store_true", help="leave out pictures that calibrated")
    add("--mm_per_px", type=float, help="millimetres in a pixel of the model's square picture")
    add("--batch_size", type=int, default=32)
    add("--seed", type=int, default=0, help="of all that is drawn")
    add("--report_dir", type=pathlib.Path, help="report.html and its tables")
    add("--output_file", type=pathlib.Path, help="all figures as JSON")
    return study_photos.parse(parser, arguments)


def run(args: argparse.Namespace) -> dict[str, object]:
    """Loads, asks, measures, prints, writes. Returns the document of `study`."""
    _check(args)
    metadata = checkpoint_directory.read_metadata(args.checkpoint_dir)
    samples = _samples(args, metadata)
    framed = study_photos.framing_of(args, metadata)
    calibration = uncertainty_calibration.read(args.checkpoint_dir)
    if calibration is not None and calibration.fitted_on.passes != framed.passes:
        print(
            f"{uncertainty_calibration.FILE_NAME} is of answers with --passes "
            f"{calibration.fitted_on.passes}, these are with {framed.passes}: it is left out"
        )
        calibration = None
    if calibration is not None:
        calibration.check_weights(checkpoint_directory.weights_digest(args.checkpoint_dir))
    if args.without_calibration and calibration is not None:
        samples, left_out = study_samples.without_calibrating(samples, calibration)
        print(f"{left_out} samples left out, whose pictures calibrated")
    elif calibration is not None:  # Now rather than after loading the model.
        study_document.check_unseen(samples, calibration)
    print(f"{_data_name(args)}, {args.split}: {len(samples)} samples")
    agent, frames = _load(args.checkpoint_dir, samples, framed)
    other = None
    if args.compare is not None:
        its_own = checkpoint_directory.read_metadata(args.compare)
        framed_too = study_photos.framing_of(args, its_own)
        other = args.compare.name, *_load(args.compare, samples, framed_too)
    question = study_parts.Question(
        samples,
        sources=study_sources.choose(
            args.uncertainty,
            agent,
            None if calibration is None else calibration.fitted_on,
            needed=bool(args.report_dir or args.shifts or args.coverage_splits),
        ),
        calibration=calibration,
        mm_per_px=args.mm_per_px,
        seed=args.seed,
        batch_size=args.batch_size,
        coverage_splits=args.coverage_splits,
        shift_samples=args.shift_samples if args.shifts else 0,
        num_examples=_NUM_EXAMPLES if args.report_dir else 0,
        frames=frames,
    )
    bar = functools.partial(tqdm.tqdm, unit="batch", leave=False, disable=None)
    document = _about(args, metadata, samples, framed) | study_document.run(
        question, agent, other, bar
    )
    print(study_text.text(document))
    _write(args, document)
    return document


def _load(
    directory: pathlib.Path, samples: study_samples.Samples, framed: framing.Framing
) -> tuple[agent_wrapper.Agent | framing.Voted, uncertainty_sources.Frames]:
    """A checkpoint's model, which votes if it is to, and what its last pass looks at."""
    agent = framed.model(checkpoint_directory.load(directory).agent)
    return agent, uncertainty_sources.Frames(agent, samples.dataset, framed)


def _source_help() -> str:
    return "where uncertainty comes from: " + "; ".join(study_sources.FORMS.values())


def _check(args: argparse.Namespace) -> None:
    """Before anything is loaded."""
    for name in ("batch_size", "shift_samples"):
        if getattr(args, name) < 1:
            raise ValueError(f"--{name}: expected at least 1, got {getattr(args, name)}.")
    if args.coverage_splits < 0:
        raise ValueError(f"--coverage_splits: expected at least 0, got {args.coverage_splits}.")
    if args.split is None:
        args.split = "val" if args.annotations is None or args.split_file else "all"


def _samples(args: argparse.Namespace, metadata: dict[str, object]) -> study_samples.Samples:
    dataset, split_file = study_photos.read(args, metadata), args.split_file
    if args.annotations is None and split_file is None and args.split != "all":
        split_file = splits.split_path(args.dataset_file)
    samples = study_samples.select(dataset, args.split, split_file)
    if args.train_dataset_file is not None:
        train = study_samples.training_labels(args.train_dataset_file)
        samples = study_samples.Samples(samples.dataset, samples.indices, train)
    return samples


def _about(
    args: argparse.Namespace,
    metadata: dict[str, object],
    samples: study_samples.Samples,
    framed: framing.Framing,
) -> dict[str, object]:
    name = _data_name(args)
    return {
        "title": f"{args.checkpoint_dir.name} on {name}, {args.split}",
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "settings": {key: _given(value) for key, value in vars(args).items()},
        "versions": checkpoint_directory.package_versions(),
        "data": {
            "name": name,
            "fingerprint": npz_dataset.dataset_fingerprint(samples.dataset),
            "split": args.split,
            "num_samples": len(samples),
            "num_pictures": len(set(samples.pictures.tolist())),
        },
        "checkpoint": {
            "name": f"{args.checkpoint_dir.name}/{metadata['checkpoint']}",
            "loss_type": metadata.get("loss_type"),
            "global_step": metadata.get("global_step"),
            "passes": framed.passes,
        },
    }


def _data_name(args: argparse.Namespace) -> str:
    """Without its folder, which says nothing to others."""
    return args.dataset_file.name if args.dataset_file else pathlib.Path(args.annotations[0]).name


def _given(value: object) -> object:
    return str(value) if isinstance(value, pathlib.Path) else value


def _write(args: argparse.Namespace, document: dict[str, object]) -> None:
    if args.output_file is not None:
        args.output_file.parent.mkdir(parents=True, exist_ok=True)
        means = {
            kind: {key: one["mean"] for key, one in row.items() if one["mean"] is not None}
            for kind, row in document["errors"].items()
        }
        contents = {"split": args.split, "num_samples": document["data"]["num_samples"]}
        contents |= {"answers": means, **study_document.json_ready(document)}
        with atomic_files.replace_file(args.output_file) as file:
            file.write((json.dumps(contents, indent=1, allow_nan=False) + "\n").encode())
    if args.report_dir is not None:
        # Here, because matplotlib takes a second to import.
        from evaluation import report

        report.write(document, args.report_dir)
        print(f"{args.report_dir}: the report")


def main(arguments: list[str] | None = None) -> int:
    """The command line; see the module for exit codes."""
    args = parse_arguments(arguments)
    try:
        run(args)
    except (ValueError, LookupError, OSError) as error:
        print(f"evaluate.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
