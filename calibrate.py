"""Calibrates a checkpoint's uncertainty on plates that did not train it: `uncertainty.json`.

    python calibrate.py --checkpoint_dir runs/plates --dataset_file plates.npz --split val
    python calibrate.py --checkpoint_dir runs/plates --dataset_file day_2.npz --split all \\
        --source mc_dropout:head:16 --target_query_rate 0.1
    python calibrate.py --checkpoint_dir runs/plates --annotations instances.json \\
        --annotation_format coco --images_dir photos --action skewering --split all

A part of the split's pictures (--fraction) fits standard deviations, conformal regions and the
threshold above which the human is asked; the rest tests them, and the figures are printed. Servers
and evaluate.py find the file beside the checkpoint; it is of answers found with as many passes as
here. Training samples are refused: a model is surer of them than of others. Where more answers that
would be acted on are off than --floor_error_rate, servers ask about every answer.

Exit code 0: calibrated; 1: something was wrong, with the reason on stderr, and the file is as it
was; 2: wrong flags; 3: calibrated and written, but below the floor.
"""

from __future__ import annotations

import keras2  # noqa: F401

import argparse
import dataclasses
import sys

import numpy as np

import checkpoint_directory
from evaluation import calibration_fit, report, uncertainty
from evaluation import samples as evaluation_samples
from food_data import atomic_files, npz_dataset


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The flags, see `samples.parse`."""
    parser = evaluation_samples.parser(__doc__)
    add = parser.add_argument
    add("--split", choices=("val", "all"), default="val", help="all: of a set that did not train")
    add("--fraction", type=float, default=0.5, help="of the pictures that calibrate; 1: all")
    add("--source", default="default", help=uncertainty.FORMS)
    add("--target_query_rate", type=float, default=0.2, help="ask about at most this share")
    error, angle = calibration_fit.LIMITS
    add("--error_limit", type=float, default=error, help="of the midpoint: off")
    add("--angle_limit", type=float, default=angle, help="of elongated food's axis, degrees: off")
    add("--floor_error_rate", type=float, default=0.25, help="more of the answers off: useless")
    add("--coverage", type=float, default=0.9, help="of the conformal regions")
    args = evaluation_samples.parse(parser, arguments)
    if not 0 < args.fraction <= 1:
        parser.error(f"--fraction: expected 0 < fraction <= 1, got {args.fraction}")
    return args


def run(args: argparse.Namespace) -> uncertainty.UncertaintyCalibration:
    """Asks, fits, tests, prints, writes. Returns what it wrote."""
    contents = checkpoint_directory.read_contents(args.checkpoint_dir)
    folder = contents.directory
    atomic_files.check_folder(folder, "--checkpoint_dir")
    samples = evaluation_samples.read(args, contents)
    fingerprint = npz_dataset.dataset_fingerprint(samples.dataset)
    if args.split == "all" and fingerprint == contents.metadata.get("dataset_fingerprint"):
        text = f"expected samples that did not train, got those that {folder} was trained with."
        raise ValueError(f"{args.dataset_file or args.annotations[0]}: {text} Use --split val.")
    agent, framed = evaluation_samples.model(contents, args)
    source = uncertainty.parse(args.source, agent)
    fitting = np.arange(len(samples))
    if args.fraction < 1:
        import sklearn.model_selection  # Slow, so not for --help.

        how = {"train_size": args.fraction, "random_state": args.seed}
        splitter = sklearn.model_selection.GroupShuffleSplit(1, **how)
        fitting = next(splitter.split(fitting, groups=samples.pictures))[0]
    drawn = {"batch_size": args.batch_size, "seed": args.seed}
    found = evaluation_samples.collect(source, samples, framed, **drawn)
    fitted = calibration_fit.fit(
        samples.part(fitting),
        found.part(fitting),
        source,
        weights_sha256=contents.weights_sha256,
        passes=framed.passes,
        coverage=args.coverage,
        query_rate=args.target_query_rate,
        limits=(args.error_limit, args.angle_limit),
        floor_error_rate=args.floor_error_rate,
        seed=args.seed,
    )
    testing = np.zeros(len(samples), bool)
    if args.fraction < 1:
        testing = samples.without(fitted.fitted_on.picture_ids)
    uncertainty.write_calibration(folder, fitted)
    print(folder / uncertainty.FILE_NAME)
    asking = dataclasses.asdict(fitted.asking).items()
    print(report.table([[name, report.cell(value)] for name, value in asking]))
    if testing.any():
        print(f"On the {testing.sum()} samples whose pictures did not calibrate:")
        tested = found.part(testing), samples.part(testing)
        figures = calibration_fit.figures(fitted, *tested, args.seed)
        caption, cells = report.calibration_table(report.plain(figures))
        print(f"{caption}\n{report.table(cells)}")
    else:
        print("All samples calibrated: nothing is left to test on.")
    return fitted


def main(arguments: list[str] | None = None) -> int:
    """The command line; see the module for exit codes."""
    args = parse_arguments(arguments)
    try:
        asking = run(args).asking
    except (ValueError, LookupError, OSError) as error:
        print(f"calibrate.py: {error}", file=sys.stderr)
        return 1
    if asking.meets_floor:
        return 0
    print(
        f"calibrate.py: BELOW THE FLOOR: {asking.expected_error_rate:.1%} of the answers that "
        f"would be acted on are off, expected at most {asking.floor_error_rate:.1%}: servers ask "
        "about every answer. Train on more data like this, or raise --target_query_rate.",
        file=sys.stderr,
    )
    return 3


if __name__ == "__main__":
    sys.exit(main())
