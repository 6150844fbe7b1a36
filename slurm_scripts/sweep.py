"""The settings of a sweep, and the table of what came of them; run_sweep.slurm calls it.

    python slurm_scripts/sweep.py table runs/sweep_1    # prints it, at any time

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


def read_settings(path: str | pathlib.Path) -> list[list[str]]:
    """The bindings of each setting. Raises ValueError, OSError."""
    lines = annotations.read_text(pathlib.Path(path), "settings file")[0].splitlines()
    lines = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    settings = [[one.strip() for one in line.split(";") if one.strip()] for line in lines]
    wrong = [one for bindings in settings for one in bindings if not one.partition("=")[2]]
    if wrong or not settings:
        expected = "a line for each run, of gin bindings such as Transformer.num_layers = 4 with ;"
        raise ValueError(f"{path}: expected {expected} between, got {wrong[:1] or 'none'}.")
    return settings


def _folder(sweep_dir: str, index: int | str) -> pathlib.Path:
    return pathlib.Path(sweep_dir, f"setting_{int(index):03d}")


def begin(settings_file: str, sweep_dir: str, index: str) -> str:
    """Makes the folder of a run, and keeps the settings beside all of them; the folder and the
    bindings, a line each. Raises ValueError if there is no such setting, or the folder holds a
    sweep of other settings."""
    settings, folder = read_settings(settings_file), _folder(sweep_dir, index)
    if not 0 <= int(index) < len(settings):
        expected = f"a setting 0 to {len(settings) - 1}, got {index}. Submit with a smaller --array"
        raise ValueError(f"{settings_file}: expected {expected}.")
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder.parent / "settings.txt"
    if not kept.exists():
        _replace(kept, "\n".join("; ".join(bindings) for bindings in settings) + "\n")
    elif read_settings(kept) != settings:
        text = "Give another --checkpoint_dir, or put the settings back"
        raise ValueError(
            f"{sweep_dir} holds a sweep of other settings than {settings_file}. {text}."
        )
    (folder / RESULT_FILE).unlink(missing_ok=True)
    return "\n".join([str(folder), *settings[int(index)]])


def end(sweep_dir: str, index: str, exit_code: str) -> str:
    """Notes how a run ended, and writes the table anew. Returns it."""
    _replace(_folder(sweep_dir, index) / RESULT_FILE, json.dumps({"exit_code": int(exit_code)}))
    text = table(sweep_dir)
    _replace(pathlib.Path(sweep_dir, "table.md"), text + "\n")
    return text


def table(sweep_dir: str) -> str:
    """A row for each setting, the best first, those without a result last. Raises OSError."""
    rows, metric = [], "metric"
    for index, bindings in enumerate(read_settings(pathlib.Path(sweep_dir, "settings.txt"))):
        folder = _folder(sweep_dir, index)
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


COMMANDS = {"begin": begin, "end": end, "table": table, "count": lambda it: len(read_settings(it))}


def main(arguments: list[str] | None = None) -> int:
    """The command line; see the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=COMMANDS)
    text = (
        "FOLDER of table; of run_sweep.slurm's: SETTINGS; SETTINGS FOLDER INDEX; FOLDER INDEX CODE"
    )
    parser.add_argument("values", nargs="+", metavar="VALUE", help=text)
    args = parser.parse_args(arguments)
    try:
        print(COMMANDS[args.command](*args.values))
    except (ValueError, OSError) as error:
        print(f"sweep.py: {error}", file=sys.stderr)
        return 64
    return 0


if __name__ == "__main__":
    sys.exit(main())
