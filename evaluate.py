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
import dataclasses
import datetime
import pathlib
import sys
import typing

import checkpoint_directory
from evaluation import calibration, report, study, uncertainty
from evaluation import samples as evaluation_samples
from food_data import atomic_files, npz_dataset

_NUM_EXAMPLES = 6


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The flags, see `samples.parse`."""
    parser = evaluation_samples.parser(__doc__)
    add = parser.add_argument
    add("--split", choices=evaluation_samples.SPLITS, help="val of a file, all of photos")
    add("--train_dataset_file", type=pathlib.Path, help="labels for the baselines, if of another")
    add("--compare", type=pathlib.Path, metavar="DIR", help="another checkpoint, same samples")
    add("--uncertainty", nargs="+", default=[], metavar="SOURCE", help=uncertainty.FORMS)
    add("--shifts", action="store_true", help="also plates unlike training")
    add("--without_calibration", action="store_true", help="leave out pictures that calibrated")
    add("--report_dir", type=pathlib.Path, help="report.html and its tables")
    add("--output_file", type=pathlib.Path, help="all figures as JSON")
    args = evaluation_samples.parse(parser, arguments)
    if args.split is None:
        args.split = "val" if args.annotations is None or args.split_file else "all"
    return args


def run(args: argparse.Namespace) -> dict[str, typing.Any]:
    """Loads, asks, measures, prints, writes. Returns the document of `study`."""
    if args.output_file is not None:
        atomic_files.check_folder(args.output_file.parent, "--output_file")
    if args.report_dir is not None:
        atomic_files.check_folder(args.report_dir, "--report_dir")
    contents = checkpoint_directory.read_contents(args.checkpoint_dir)
    args.checkpoint_dir, metadata = contents.directory, contents.metadata
    samples = evaluation_samples.read(args, metadata)
    if args.train_dataset_file is not None:
        train = evaluation_samples.training_samples(args.train_dataset_file)
        samples = dataclasses.replace(samples, train=train)
    framed = checkpoint_directory.framing_of(metadata).instead(args.passes)
    calibrated = calibration.of_checkpoint(contents)
    if calibrated is not None and calibrated.fitted_on.passes != framed.passes:
        print(
            f"{calibration.FILE_NAME} is of answers with --passes {calibrated.fitted_on.passes}, "
            f"these are with {framed.passes}: it is left out"
        )
        calibrated = None
    if calibrated is not None:
        if args.without_calibration:
            rest = evaluation_samples.without_calibrating(samples, calibrated)
            print(f"{len(samples) - len(rest)} samples left out, whose pictures calibrated")
            samples = rest
        calibrated.check_unseen(samples.picture_ids)
    # A data set without its folder, which says nothing to others.
    name = pathlib.Path(args.dataset_file or args.annotations[0]).name
    print(f"{name}, {args.split}: {len(samples)} samples")
    agent, frames, loaded = _model(contents, args, samples)
    # The instructions that it was trained on, or, if it does not say, those that it has.
    pairs = map(tuple, metadata.get("trained_pairs") or contents.embeddings.combinations())
    other = None
    if args.compare is not None:
        theirs = checkpoint_directory.read_contents(args.compare)
        other = theirs.directory.name, *_model(theirs, args, samples)[:2]
    # The default source is asked too where something needs it.
    fitted_on = None if calibrated is None else calibrated.fitted_on
    sources = [uncertainty.parse(one, agent, fitted_on) for one in args.uncertainty]
    if fitted_on is not None and not any(source.is_of(fitted_on) for source in sources):
        sources.insert(0, uncertainty.parse("default", agent, fitted_on))
    elif (args.report_dir or args.shifts) and not sources:
        sources.append(uncertainty.parse("default", agent))
    figures = study.run(
        samples,
        agent,
        frames=frames,
        sources=sources,
        calibrated=calibrated,
        other=other,
        seed=args.seed,
        batch_size=args.batch_size,
        shifts=args.shifts,
        instructions={pair: contents.embeddings.lookup(*pair) for pair in pairs},
        num_examples=_NUM_EXAMPLES if args.report_dir else 0,
    )
    document = _about(args, metadata, samples, framed.passes) | figures
    print(report.text(document))
    if args.output_file is not None:
        means = {
            kind: {key: one["mean"] for key, one in row.items() if one["mean"] is not None}
            for kind, row in document["errors"].items()
        }
        figures = {"split": args.split, "num_samples": len(samples), "answers": means}
        with atomic_files.replace_file(args.output_file) as file:
            file.write(report.json_text(figures | document).encode())
    if args.report_dir is not None:
        report.write(document, args.report_dir)
        print(f"{args.report_dir}: the report")
    return document


def _model(
    contents: checkpoint_directory.Contents,
    args: argparse.Namespace,
    samples: evaluation_samples.Samples,
) -> tuple[typing.Any, uncertainty.Frames, checkpoint_directory.LoadedCheckpoint]:
    """A checkpoint's model, what it looks at, and the rest of it."""
    framed = checkpoint_directory.framing_of(contents.metadata).instead(args.passes)
    loaded = checkpoint_directory.load(contents, trust_config=args.trust_config)
    model = framed.model(loaded.agent)
    return model, uncertainty.Frames(model, samples.dataset, framed), loaded


def _about(
    args: argparse.Namespace,
    metadata: dict[str, typing.Any],
    samples: evaluation_samples.Samples,
    passes: str,
) -> dict[str, typing.Any]:
    """What the figures are of: flags, versions, data and checkpoint."""
    name = pathlib.Path(args.dataset_file or args.annotations[0]).name
    return {
        "title": f"{args.checkpoint_dir.name} on {name}, {args.split}",
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "settings": {
            key: str(value) if isinstance(value, pathlib.Path) else value
            for key, value in vars(args).items()
        },
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
            "passes": passes,
        },
    }


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
