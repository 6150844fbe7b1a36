"""Says how good the answers of a checkpoint are, beside answers that need no model.

    python evaluate.py --checkpoint_dir runs/plates --dataset_file plates.npz --split val
    python evaluate.py --checkpoint_dir runs/plates --dataset_file plates.npz --split val \\
        --uncertainty default mc_dropout:head:16 --absent_food --report_dir runs/plates/report
    python evaluate.py --checkpoint_dir runs/plates --annotations instances.json \\
        --annotation_format coco --images_dir photos --action skewering

Prints tables, docs/evaluation.md says what they mean. Rates need a data set with masks. If
calibrate.py has written `uncertainty.json` beside the checkpoint, its regions and its threshold are
tested too, and all figures are of pictures that did not calibrate. With --annotations, flags that
are not listed here are those of build_dataset.py from_... .

Exit code 0: evaluated; 1: something was wrong, with the reason on stderr; 2: wrong flags.
"""

from __future__ import annotations

import keras2  # noqa: F401

import argparse
import dataclasses
import datetime
import json
import pathlib
import sys
import typing

import checkpoint_directory
from evaluation import report, study, uncertainty
from evaluation import samples as evaluation_samples
from food_data import atomic_files, npz_dataset, rlds, splits


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The flags, see `samples.parse`."""
    parser = evaluation_samples.parser(__doc__)
    add = parser.add_argument
    add("--split", choices=evaluation_samples.SPLITS, help="val of a file, all of photos")
    add("--train_dataset_file", type=pathlib.Path, help="labels for the baselines, if of another")
    add("--compare", type=pathlib.Path, metavar="DIR", help="another checkpoint, same samples")
    add("--uncertainty", nargs="+", default=[], metavar="SOURCE", help=uncertainty.FORMS)
    add("--absent_food", action="store_true", help="also ask for food that is not on the plate")
    add("--report_dir", type=pathlib.Path, help="report.html: the tables and examples")
    add("--output_file", type=pathlib.Path, help="all figures as JSON")
    args = evaluation_samples.parse(parser, arguments)
    args.split = args.split or ("all" if args.annotations and not args.split_file else "val")
    return args


def run(args: argparse.Namespace) -> dict[str, typing.Any]:
    """Loads, asks, measures, prints, writes. Returns the document of `study`."""
    if args.output_file is not None:
        atomic_files.check_folder(args.output_file.parent, "--output_file")
    if args.report_dir is not None:
        atomic_files.check_folder(args.report_dir, "--report_dir")
    contents = checkpoint_directory.read_contents(args.checkpoint_dir)
    args.checkpoint_dir = contents.directory
    samples = evaluation_samples.read(args, contents)
    if (path := args.train_dataset_file) is not None:
        split, labelled = splits.split_path(path), rlds.read_dataset(path)
        known = ("train", split) if split.is_file() else ("all", None)
        train = evaluation_samples.select(labelled, *known)
        samples = dataclasses.replace(samples, train=train)
    calibrated = uncertainty.calibration_of(contents)
    agent, framed = evaluation_samples.model(contents, args)
    if calibrated is not None and calibrated.fitted_on.passes != framed.passes:
        wanted = f"of answers with --passes {calibrated.fitted_on.passes}, not {framed.passes}"
        print(f"{uncertainty.FILE_NAME} is left out: it is {wanted}")
        calibrated = None
    fitted_on = calibrated and calibrated.fitted_on
    if fitted_on:
        kept = samples.without(fitted_on.picture_ids)
        if not kept.all():
            print(f"{(~kept).sum()} samples left out, whose pictures calibrated")
        samples = samples.part(kept)
    about = _about(args, contents.metadata, samples)
    about["checkpoint"]["passes"] = framed.passes
    print(f"{about['data']['name']}, {args.split}: {len(samples)} samples")
    other = instructions = None
    if args.absent_food:
        # Those that it was trained on, or, if it does not say, those that it has.
        pairs = contents.metadata.get("trained_pairs") or contents.embeddings.combinations()
        instructions = {tuple(pair): contents.embeddings.lookup(*pair) for pair in pairs}
    if args.compare is not None:
        theirs = checkpoint_directory.read_contents(args.compare)
        other = theirs.directory.name, *evaluation_samples.model(theirs, args)
    # The default source comes first where something needs it: it is the calibrated one.
    names = list(args.uncertainty)
    if fitted_on or (args.report_dir or args.absent_food) and not names:
        names.insert(0, "default")
    sources = [uncertainty.parse(one, agent, fitted_on) for one in names]
    document = about | study.run(
        samples,
        agent,
        framed,
        sources=list(dict.fromkeys(sources)),
        calibrated=calibrated,
        other=other,
        seed=args.seed,
        batch_size=args.batch_size,
        instructions=instructions,
        num_examples=6 if args.report_dir else 0,
    )
    print(report.text(document))
    if args.output_file is not None:
        with atomic_files.replace_file(args.output_file) as file:
            file.write(json.dumps(report.plain(document), indent=1).encode() + b"\n")
    if args.report_dir is not None:
        print(f"{report.write(document, args.report_dir)}: the report")
    return document


def _about(args: argparse.Namespace, metadata: dict, samples: evaluation_samples.Samples) -> dict:
    """What the figures are of: flags, versions, data and checkpoint."""
    # Without its folder, which says nothing to others.
    name = pathlib.Path(args.dataset_file or args.annotations[0]).name
    return {
        "title": f"{args.checkpoint_dir.name} on {name}, {args.split}",
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "settings": vars(args),
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
