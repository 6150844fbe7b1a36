"""The settings of a sweep, and the table of what came of them; run_sweep.slurm calls it.

    python slurm_scripts/sweep.py count sweep.txt            # 3
    python slurm_scripts/sweep.py bindings sweep.txt 1       # of the second setting, one a line
    python slurm_scripts/sweep.py table runs/sweep_1         # prints it, at any time

A settings file has one line for each run, gin bindings with `;` between; empty lines and those that
begin with # are none:

    create_optimizer.learning_rate = 1e-3; Transformer.num_layers = 4

Exit code 0: done; 64: the settings cannot be used, with the reason on stderr.
"""

from __future__ import annotations

import argparse
import json
import math
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))  # It is run as a script.

from food_data import annotations, atomic_files  # noqa: E402

RESULT_FILE = "sweep_result.json"
_STATES = {None: "running, or killed", 0: "done", 75: "to be continued"}


def read_settings(path: pathlib.Path) -> list[list[str]]:
    """The bindings of each setting. Raises ValueError, OSError."""
    lines = annotations.read_text(path, "settings file")[0].splitlines()
    lines = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    settings = [[one.strip() for one in line.split(";") if one.strip()] for line in lines]
    wrong = [one for bindings in settings for one in bindings if not one.partition("=")[2]]
    if wrong or not settings:
        raise ValueError(
            f"{path}: expected a line for each run, of gin bindings such as "
            f"Transformer.num_layers = 4 with ; between them, got {wrong[:1] or 'none'}."
        )
    return settings


def begin(settings_file: pathlib.Path, sweep_dir: pathlib.Path, index: int) -> pathlib.Path:
    """Makes the folder of a run, and keeps the settings beside all of them. Raises ValueError if
    there is no such setting, or the folder holds a sweep of other settings."""
    settings = read_settings(settings_file)
    if not 0 <= index < len(settings):
        raise ValueError(
            f"{settings_file}: expected a setting 0 to {len(settings) - 1}, got {index}. "
            "Submit with a smaller --array."
        )
    folder, kept = sweep_dir / f"setting_{index:03d}", sweep_dir / "settings.txt"
    folder.mkdir(parents=True, exist_ok=True)
    if not kept.exists():
        _replace(kept, "\n".join("; ".join(bindings) for bindings in settings) + "\n")
    elif read_settings(kept) != settings:
        raise ValueError(
            f"{sweep_dir} holds a sweep of other settings than {settings_file}. Give another "
            "--checkpoint_dir, or put the settings back."
        )
    (folder / RESULT_FILE).unlink(missing_ok=True)
    return folder


def end(sweep_dir: pathlib.Path, index: int, exit_code: int) -> str:
    """Notes how a run ended, and writes the table anew. Returns it."""
    result = sweep_dir / f"setting_{index:03d}" / RESULT_FILE
    _replace(result, json.dumps({"exit_code": exit_code}))
    text = table(sweep_dir)
    _replace(sweep_dir / "table.md", text + "\n")
    return text


def table(sweep_dir: pathlib.Path) -> str:
    """A row for each setting, the best first, those without a result last. Raises OSError."""
    rows, metric = [], "metric"
    for index, bindings in enumerate(read_settings(sweep_dir / "settings.txt")):
        folder = sweep_dir / f"setting_{index:03d}"
        found, ended = (
            json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
            for path in (folder / "metadata.json", folder / RESULT_FILE)
        )
        metric, code = found.get("selection_metric", metric), ended.get("exit_code")
        value = found.get("metrics", {}).get(metric, math.nan)
        state = _STATES.get(code, f"failed, exit code {code}") if folder.is_dir() else "not begun"
        rows.append((value, index, state, found.get("epoch", ""), "; ".join(bindings)))
    # A failed run has perhaps a checkpoint, but not the result that was asked for.
    rows.sort(key=lambda row: (row[2] != "done", math.isnan(row[0]), row[0], row[1]))
    lines = [f"| setting | state | best epoch | {metric} | bindings |", "|---|---|---|---|---|"]
    for value, index, state, epoch, bindings in rows:
        number = "" if math.isnan(value) else f"{value:.4f}"
        lines.append(f"| {index} | {state} | {epoch} | {number} | {bindings} |")
    return "\n".join(lines)


def _replace(path: pathlib.Path, text: str) -> None:
    with atomic_files.replace_file(path) as file:
        file.write(text.encode())


COMMANDS = {
    "count": ("settings_file", lambda file: len(read_settings(file))),
    "bindings": ("settings_file index", lambda file, i: "\n".join(read_settings(file)[i])),
    "begin": ("settings_file sweep_dir index", begin),
    "end": ("sweep_dir index exit_code", end),
    "table": ("sweep_dir", table),
}


def main(arguments: list[str] | None = None) -> int:
    """The command line; see the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (parameters, _) in COMMANDS.items():
        command = commands.add_parser(name)
        for parameter in parameters.split():
            kind = int if parameter in ("index", "exit_code") else pathlib.Path
            command.add_argument(parameter, type=kind)
    command, *values = vars(parser.parse_args(arguments)).values()
    try:
        print(COMMANDS[command][1](*values))
    except (ValueError, OSError) as error:
        print(f"sweep.py: {error}", file=sys.stderr)
        return 64
    return 0


if __name__ == "__main__":
    sys.exit(main())
