"""Makes .npz data sets from photographs or drawings, and looks into them.

    python build_dataset.py from_annotations --annotations day_1/annotations.json \\
        --action skewering --resize letterbox --output_file data/day_1.npz
    python build_dataset.py from_coco --annotations instances.json --images_dir photos \\
        --action skewering --resize letterbox --output_file data/day_3.npz
    python build_dataset.py from_yolo --annotations labels --action skewering \\
        --resize letterbox --output_file data/day_4.npz
    python build_dataset.py from_recordings records --only_corrected --output_file data/day_2.npz
    python build_dataset.py synthetic --num_plates 500 --output_file data/plates.npz
    python build_dataset.py merge data/plates.npz data/day_1.npz --output_file data/both.npz
    python build_dataset.py check data/plates.npz
    python build_dataset.py show data/plates.npz --output_file data/plates.jpg

Beside `day_1.npz` it writes `day_1_split.npz`: which samples train, and which validate. What the
files hold is said in `food_data/npz_dataset.py`, what annotations look like in
`food_data/annotations.py` and `docs/data_sources.md`.
"""

from __future__ import annotations

import keras2  # noqa: F401

import argparse
import sys

from food_data import commands


def main(argv: list[str] | None = None) -> int:
    """Runs one command. Returns its exit code: 0, or 1 after printing what is wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands.add_commands(parser.add_subparsers(dest="command", required=True))
    arguments = parser.parse_args(argv)
    try:
        return arguments.run(arguments)
    except (OSError, ValueError, LookupError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
