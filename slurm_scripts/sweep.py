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

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

SETTINGS_FILE = "settings.txt"
TABLE_FILE = "table.md"
RESULT_FILE = "sweep_result.json"
WRONG_SETTINGS = 64
TO_BE_CONTINUED = 75


class SettingsError(ValueError):
    """A settings file that no sweep can be made of."""


def read_settings(path: pathlib.Path) -> list[list[str]]:
    """The bindings of each setting.

    Raises:
        SettingsError: if a line holds something else, or there is none.
        OSError: if the file cannot be read.
    """
    settings = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        bindings = [binding.strip() for binding in line.split(";") if binding.strip()]
        wrong = [one for one in bindings if not one.partition("=")[0].strip() or "=" not in one]
        if wrong:
            raise SettingsError(
                f"{path}, line {number}: expected gin bindings such as Transformer.num_layers = 4, "
                f"with ; between them, got {wrong[0]!r}."
            )
        settings.append(bindings)
    if not settings:
        raise SettingsError(f"{path}: expected a line for each run, got none.")
    return settings


def run_dir(sweep_dir: pathlib.Path, index: int) -> pathlib.Path:
    """Where the run of a setting lies."""
    return sweep_dir / f"setting_{index:03d}"


def begin(settings_file: pathlib.Path, sweep_dir: pathlib.Path, index: int) -> pathlib.Path:
    """Makes the folder of a run, and keeps the settings beside all of them.

    Args:
        settings_file: of the sweep.
        sweep_dir: where its runs lie; made if it is absent.
        index: of the setting, from 0.

    Returns:
        The folder of the run.

    Raises:
        SettingsError: if there is no such setting, or the folder holds a sweep of other settings.
    """
    from food_data import atomic_files

    settings = read_settings(settings_file)
    if not 0 <= index < len(settings):
        raise SettingsError(
            f"{settings_file}: expected a setting 0 to {len(settings) - 1}, got {index}. "
            "Submit with a smaller --array."
        )
    folder = run_dir(sweep_dir, index)
    folder.mkdir(parents=True, exist_ok=True)
    kept = sweep_dir / SETTINGS_FILE
    if not kept.exists():
        with atomic_files.replace_file(kept) as file:
            file.write(settings_file.read_bytes())
    elif read_settings(kept) != settings:
        raise SettingsError(
            f"{sweep_dir} holds a sweep of other settings than {settings_file}. Give another "
            "--checkpoint_dir, or put the settings back."
        )
    (folder / RESULT_FILE).unlink(missing_ok=True)
    return folder


def end(sweep_dir: pathlib.Path, index: int, exit_code: int) -> str:
    """Notes how a run ended, and writes the table anew. Returns it."""
    from food_data import atomic_files

    with atomic_files.replace_file(run_dir(sweep_dir, index) / RESULT_FILE) as file:
        file.write(json.dumps({"exit_code": exit_code}).encode())
    text = table(sweep_dir)
    with atomic_files.replace_file(sweep_dir / TABLE_FILE) as file:
        file.write(text.encode())
    return text


def table(sweep_dir: pathlib.Path) -> str:
    """A row for each setting, the best first, those without a result last.

    Raises:
        SettingsError, OSError: if the folder holds no sweep.
    """
    rows = []
    metric = "metric"
    for index, bindings in enumerate(read_settings(sweep_dir / SETTINGS_FILE)):
        folder = run_dir(sweep_dir, index)
        found = _read_json(folder / "metadata.json")
        name = found.get("selection_metric", metric)
        value = found.get("metrics", {}).get(name, math.nan)
        metric = name
        rows.append((value, index, _state(folder), found.get("epoch", ""), "; ".join(bindings)))
    # A failed run has perhaps a checkpoint, but not the result that was asked for.
    rows.sort(key=lambda row: (row[2] != "done", math.isnan(row[0]), row[0], row[1]))
    lines = [f"| setting | state | best epoch | {metric} | bindings |", "|---|---|---|---|---|"]
    for value, index, state, epoch, bindings in rows:
        number = "" if math.isnan(value) else f"{value:.4f}"
        lines.append(f"| {index} | {state} | {epoch} | {number} | {bindings} |")
    return "\n".join(lines) + "\n"


def _state(folder: pathlib.Path) -> str:
    if not folder.is_dir():
        return "not begun"
    code = _read_json(folder / RESULT_FILE).get("exit_code")
    if code is None:
        return "running, or killed"
    states = {0: "done", TO_BE_CONTINUED: "to be continued"}
    return states.get(code, f"failed, exit code {code}")


def _read_json(path: pathlib.Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    parameters = {
        "count": ("settings_file",),
        "bindings": ("settings_file", "index"),
        "begin": ("settings_file", "sweep_dir", "index"),
        "end": ("sweep_dir", "index", "exit_code"),
        "table": ("sweep_dir",),
    }
    for name, positional in parameters.items():
        command = commands.add_parser(name)
        for parameter in positional:
            kind = int if parameter in ("index", "exit_code") else pathlib.Path
            command.add_argument(parameter, type=kind)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """The command line; see the module."""
    args = _parse(arguments)
    try:
        if args.command == "count":
            print(len(read_settings(args.settings_file)))  # noqa: T201
        elif args.command == "bindings":
            print("\n".join(read_settings(args.settings_file)[args.index]))  # noqa: T201
        elif args.command == "begin":
            print(begin(args.settings_file, args.sweep_dir, args.index))  # noqa: T201
        elif args.command == "end":
            print(end(args.sweep_dir, args.index, args.exit_code), end="")  # noqa: T201
        else:
            print(table(args.sweep_dir), end="")  # noqa: T201
    except (SettingsError, OSError) as error:
        print(f"sweep.py: {error}", file=sys.stderr)  # noqa: T201
        return WRONG_SETTINGS
    return 0


if __name__ == "__main__":
    sys.exit(main())
