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
import functools
import math
import pathlib
import sys
import typing
from collections.abc import Mapping

import numpy as np
import tqdm

import checkpoint_directory
from evaluation import calibration, report, study, uncertainty_sources
from evaluation import samples as evaluation_samples
from food_data import atomic_files, framing, npz_dataset

if typing.TYPE_CHECKING:
    import agent_wrapper

_NUM_EXAMPLES = 6


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The flags, see `samples.parse`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    evaluation_samples.add_flags(parser)
    add = parser.add_argument
    add("--split", choices=evaluation_samples.SPLITS, help="val of a file, all of photos")
    add("--train_dataset_file", type=pathlib.Path, help="labels for the baselines, if of another")
    add("--compare", type=pathlib.Path, metavar="DIR", help="another checkpoint, same samples")
    forms = "where uncertainty comes from: " + "; ".join(uncertainty_sources.FORMS.values())
    add("--uncertainty", nargs="+", default=[], metavar="SOURCE", help=forms)
    add("--shifts", action="store_true", help="also plates unlike training")
    add("--shift_samples", type=int, default=500, help="pictures for each shift, at most")
    add("--coverage_splits", type=int, default=0, help="coverage over so many random splits")
    add("--without_calibration", action="store_true", help="leave out pictures that calibrated")
    add("--mm_per_px", type=float, help="millimetres in a pixel of the model's square picture")
    add("--report_dir", type=pathlib.Path, help="report.html and its tables")
    add("--output_file", type=pathlib.Path, help="all figures as JSON")
    args = evaluation_samples.parse(parser, arguments)
    if args.split is None:
        args.split = "val" if args.annotations is None or args.split_file else "all"
    return args


def run(args: argparse.Namespace) -> dict[str, typing.Any]:
    """Loads, asks, measures, prints, writes. Returns the document of `study`."""
    if args.shift_samples < 1 or args.coverage_splits < 0:
        raise ValueError(
            "expected --shift_samples of at least 1 and --coverage_splits of at least 0, got "
            f"{args.shift_samples} and {args.coverage_splits}."
        )
    if args.mm_per_px is not None and not 0 < args.mm_per_px < math.inf:
        raise ValueError(f"--mm_per_px: expected a positive number, got {args.mm_per_px}.")
    folders = {"--report_dir": args.report_dir}
    folders["--output_file"] = args.output_file and args.output_file.parent
    for flag, folder in folders.items():
        if folder is not None:
            atomic_files.check_folder(folder, flag)
    contents = checkpoint_directory.read_contents(args.checkpoint_dir)
    args.checkpoint_dir, metadata = contents.directory, contents.metadata
    samples = evaluation_samples.read(args, metadata)
    if args.train_dataset_file is not None:
        train = evaluation_samples.training_samples(args.train_dataset_file)
        samples = dataclasses.replace(samples, train=train)
    framed = evaluation_samples.framing_of(args, metadata)
    samples, calibrated = _calibration(args, contents, samples, framed)
    # A data set without its folder, which says nothing to others.
    name = pathlib.Path(args.dataset_file or args.annotations[0]).name
    print(f"{name}, {args.split}: {len(samples)} samples")
    agent, frames, instructions = _load(contents, samples, framed, args.trust_config)
    other = None
    if args.compare is not None:
        compared = checkpoint_directory.read_contents(args.compare)
        framed_too = evaluation_samples.framing_of(args, compared.metadata)
        loaded = _load(compared, samples, framed_too, args.trust_config)
        other = compared.directory.name, *loaded[:2]
    document = _about(args, name, samples, metadata) | study.run(
        samples,
        agent,
        frames=frames,
        sources=_sources(args, agent, calibrated),
        calibrated=calibrated,
        other=other,
        mm_per_px=args.mm_per_px,
        seed=args.seed,
        batch_size=args.batch_size,
        coverage_splits=args.coverage_splits,
        shift_samples=args.shift_samples if args.shifts else 0,
        instructions=instructions,
        num_examples=_NUM_EXAMPLES if args.report_dir else 0,
        progress=functools.partial(tqdm.tqdm, unit="batch", leave=False, disable=None),
    )
    document["checkpoint"]["passes"] = framed.passes
    print(report.text(document))
    if args.output_file is not None:
        means = {
            kind: {key: one["mean"] for key, one in row.items() if one["mean"] is not None}
            for kind, row in document["errors"].items()
        }
        contents = {"split": args.split, "num_samples": len(samples), "answers": means}
        with atomic_files.replace_file(args.output_file) as file:
            file.write(report.json_text(contents | document).encode())
    if args.report_dir is not None:
        report.write(document, args.report_dir)
        print(f"{args.report_dir}: the report")
    return document


def _calibration(
    args: argparse.Namespace,
    contents: checkpoint_directory.Contents,
    samples: evaluation_samples.Samples,
    framed: framing.Framing,
) -> tuple[evaluation_samples.Samples, calibration.UncertaintyCalibration | None]:
    """What calibrated the checkpoint, if it is of answers like these, and the samples that it may
    be tested on. Here, because loading the model takes longer."""
    calibrated = calibration.of_checkpoint(contents)
    if calibrated is None:
        return samples, None
    if calibrated.fitted_on.passes != framed.passes:
        print(
            f"{calibration.FILE_NAME} is of answers with --passes {calibrated.fitted_on.passes}, "
            f"these are with {framed.passes}: it is left out"
        )
        return samples, None
    if args.without_calibration:
        rest = evaluation_samples.without_calibrating(samples, calibrated)
        print(f"{len(samples) - len(rest)} samples left out, whose pictures calibrated")
        samples = rest
    calibrated.check_unseen(samples.picture_ids)
    return samples, calibrated


def _sources(
    args: argparse.Namespace,
    agent: agent_wrapper.Agent | framing.Voted,
    calibrated: calibration.UncertaintyCalibration | None,
) -> list[uncertainty_sources.Source]:
    """Those of the flags, and the default one where something needs it."""
    fitted_on = None if calibrated is None else calibrated.fitted_on
    sources = [uncertainty_sources.parse(one, agent, fitted_on) for one in args.uncertainty]
    needed = args.report_dir or args.shifts or args.coverage_splits
    if fitted_on is not None and not any(source.is_of(fitted_on) for source in sources):
        sources.insert(0, uncertainty_sources.parse("default", agent, fitted_on))
    elif needed and not sources:
        sources.append(uncertainty_sources.parse("default", agent))
    return sources


def _about(
    args: argparse.Namespace,
    name: str,
    samples: evaluation_samples.Samples,
    metadata: Mapping[str, typing.Any],
) -> dict[str, typing.Any]:
    """The document's head: what was asked, with which flags and packages."""
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
        },
    }


def _load(
    contents: checkpoint_directory.Contents,
    samples: evaluation_samples.Samples,
    framed: framing.Framing,
    trust_config: bool,
) -> tuple[
    agent_wrapper.Agent | framing.Voted,
    uncertainty_sources.Frames,
    dict[tuple[str, str], np.ndarray],
]:
    """A checkpoint's model, which votes if it is to, what its last pass looks at, and the
    instructions that it was trained on, or, if it does not say, those that it has."""
    loaded = checkpoint_directory.load(contents, trust_config=trust_config)
    agent, store = framed.model(loaded.agent), loaded.embeddings
    pairs = map(tuple, loaded.metadata.get("trained_pairs") or store.combinations())
    known = {pair: store.lookup(*pair) for pair in pairs}
    return agent, uncertainty_sources.Frames(agent, samples.dataset, framed), known


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
