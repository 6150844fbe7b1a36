"""Calibrates a checkpoint's uncertainty on plates that did not train it: `uncertainty.json`.

    python calibrate.py --checkpoint_dir runs/plates --dataset_file plates.npz --split val
    python calibrate.py --checkpoint_dir runs/plates --dataset_file day_2.npz --split all \\
        --source mc_dropout:head:16 --target_error_rate 0.1
    python calibrate.py --checkpoint_dir runs/plates --annotations instances.json \\
        --annotation_format coco --images_dir photos --action skewering --split all

A part of the split's pictures (--fraction) fits standard deviations, conformal regions and the
threshold above which the human is asked; the rest tests them, and the figures are printed. The file
is written beside the checkpoint, where servers and evaluate.py find it. The same flags write the
same file. Training samples are refused: a model is surer of them than of anything else.

It is of answers found with as many passes as here: those of the checkpoint, or --passes.

Exit code 0: calibrated; 1: something was wrong, with the reason on stderr, and the file is as it
was; 2: wrong flags.
"""

from __future__ import annotations

import keras2  # noqa: F401

import argparse
import functools
import pathlib
import sys

import tqdm

import checkpoint_directory
from evaluation import ask_human, confidence, uncertainty_calibration, uncertainty_sources
from evaluation.study import fit as study_fit
from evaluation.study import photos as study_photos
from evaluation.study import samples as study_samples
from evaluation.study import sources as study_sources
from evaluation.study import text as study_text
from food_data import npz_dataset, splits


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
    add("--split_file", type=pathlib.Path, help="unless given: beside the data set")
    add("--split", choices=("val", "all"), default="val", help="all: of a set that did not train")
    add("--fraction", type=float, default=0.5, help="of the samples that calibrate; 1: all")
    add("--source", default="default", help="; ".join(study_sources.FORMS.values()))
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--target_query_rate", type=float, help="ask about at most this share: 0.2")
    target.add_argument("--target_error_rate", type=float, help="at most this share of answers off")
    add("--error_limit", type=float, default=ask_human.ERROR_LIMIT, help="of the midpoint: off")
    add(
        "--angle_limit",
        type=float,
        default=confidence.ANGLE_LIMIT_DEG,
        help="of the axis of elongated food, degrees: off",
    )
    add("--confidence", type=float, default=0.95, help="of the error rate's bound")
    add("--coverage", type=float, default=0.9, help="of the conformal regions")
    add("--plain_regions", action="store_true", help="of one size, however unsure the model is")
    add("--batch_size", type=int, default=32)
    add("--seed", type=int, default=0, help="of all that is drawn")
    return study_photos.parse(parser, arguments)


def run(args: argparse.Namespace) -> uncertainty_calibration.UncertaintyCalibration:
    """Asks, fits, tests, prints, writes. Returns what it wrote."""
    if args.batch_size < 1:
        raise ValueError(f"--batch_size: expected at least 1, got {args.batch_size}.")
    metadata = checkpoint_directory.read_metadata(args.checkpoint_dir)
    dataset = study_photos.read(args, metadata)
    name = args.dataset_file or args.annotations[0]
    if args.split == "all" and _has_trained(dataset, metadata):
        raise ValueError(
            f"{name}: expected samples that did not train, got the data set that "
            f"{args.checkpoint_dir} was trained with. Use --split val."
        )
    split_file = args.split_file
    if split_file is None and args.split == "val":
        if args.annotations is not None:
            raise ValueError(
                "--split val: expected a --split_file for photographs; or --split all."
            )
        split_file = splits.split_path(args.dataset_file)
    samples = study_samples.select(dataset, args.split, split_file)
    framed = study_photos.framing_of(args, metadata)
    agent = framed.model(checkpoint_directory.load(args.checkpoint_dir).agent)
    target, rate = "query_rate", 0.2 if args.target_query_rate is None else args.target_query_rate
    if args.target_error_rate is not None:
        target, rate = "error_rate", args.target_error_rate
    calibration, tested = study_fit.fit_and_test(
        study_sources.parse(args.source, agent),
        samples,
        fraction=args.fraction,
        seed=args.seed,
        batch_size=args.batch_size,
        frames=uncertainty_sources.Frames(agent, dataset, framed),
        passes=framed.passes,
        progress=functools.partial(tqdm.tqdm, unit="batch", leave=False, disable=None),
        weights_sha256=checkpoint_directory.weights_digest(args.checkpoint_dir),
        coverage=args.coverage,
        adaptive=not args.plain_regions,
        target=target,
        target_rate=rate,
        error_limit=args.error_limit,
        angle_limit=args.angle_limit,
        confidence=args.confidence,
    )
    uncertainty_calibration.write(args.checkpoint_dir, calibration)
    _report(args, calibration, tested)
    return calibration


def _has_trained(dataset: npz_dataset.FoodDataset, metadata: dict[str, object]) -> bool:
    return npz_dataset.dataset_fingerprint(dataset) == metadata.get("dataset_fingerprint")


def _report(
    args: argparse.Namespace,
    calibration: uncertainty_calibration.UncertaintyCalibration,
    tested: dict[str, object] | None,
) -> None:
    asking, fitted_on = calibration.asking, calibration.fitted_on
    path = args.checkpoint_dir / uncertainty_calibration.FILE_NAME
    print(
        f"{path}: {fitted_on.source}, {fitted_on.score}, fitted on "
        f"{fitted_on.num_calibration_samples} samples of {len(fitted_on.picture_ids)} pictures"
    )
    off = f"{asking.error_limit:g}"
    if asking.angle_limit is not None:
        off += f" or, on elongated food, {asking.angle_limit:g} degrees"
    limit = "never" if asking.threshold is None else f"above {asking.threshold:.4g}"
    print(
        f"asks the human {limit} ({asking.target} {asking.target_rate:g}): about "
        f"{asking.expected_query_rate:.1%} of plates; of the answers "
        f"{asking.expected_error_rate:.1%} are off by more than {off}, "
        f"at most {asking.error_rate_bound:.1%} with {asking.confidence:.0%} confidence"
    )
    if tested is None:
        print("All samples calibrated: nothing is left to test on.")
    else:
        print("On the rest, which did not calibrate:")
        print("\n".join(study_text.calibration_lines(tested)))


def main(arguments: list[str] | None = None) -> int:
    """The command line; see the module for exit codes."""
    args = parse_arguments(arguments)
    try:
        run(args)
    except (ValueError, LookupError, OSError) as error:
        print(f"calibrate.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
