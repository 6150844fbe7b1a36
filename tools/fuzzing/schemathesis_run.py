"""Runs schemathesis against a server from an environment of its own, and reads what it saw.

schemathesis and openapi-spec-validator need a newer typing-extensions than TF-Agents allows, so
they live in `.venv-fuzz`, which is made at the first run. They need Python 3.10 or newer.
"""

from __future__ import annotations

import collections
import json
import pathlib
import subprocess
import sys
import urllib.parse
import urllib.request

PACKAGES = ("schemathesis==4.32.5", "openapi-spec-validator==0.9.0")
# Its check not_a_server_error would count the documented 503 and 504 as errors; `read_statuses`
# lets the caller count the others.
CHECKS = (
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
Counts = dict[str, collections.Counter]


def install(folder: pathlib.Path) -> None:
    """Makes the environment, unless it is there and has the right versions.

    Raises:
        subprocess.CalledProcessError: if a package cannot be installed.
    """
    stamp = folder / ".installed"
    wanted = "\n".join(PACKAGES)
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--disable-pip-version-check", *PACKAGES], check=True)
    stamp.write_text(wanted, encoding="utf-8")


def check_document(folder: pathlib.Path, api_url: str, work: pathlib.Path) -> str | None:
    """Checks the server's /openapi.json against the OpenAPI specification.

    Args:
        folder: of the environment.
        api_url: of the server.
        work: for the document.

    Returns:
        What is wrong with it; None if nothing is.
    """
    path = work / "openapi.json"
    with urllib.request.urlopen(f"{api_url}/openapi.json", timeout=30) as answer:
        path.write_bytes(answer.read())
    command = [str(folder / "bin" / "python"), "-m", "openapi_spec_validator", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else done.stdout + done.stderr


def command(
    folder: pathlib.Path, api_url: str, report: pathlib.Path, per_route: int, seed: int
) -> list[str]:
    """The command line of schemathesis.

    Args:
        folder: of the environment.
        api_url: of the server.
        report: HAR file that it writes.
        per_route: requests that it makes up for each route, on top of fixed ones.
        seed: of what it makes up.
    """
    return [
        *(str(folder / "bin" / "schemathesis"), "run", f"{api_url}/openapi.json"),
        *("--checks", ",".join(CHECKS), "--continue-on-failure", "--no-color"),
        *("--phases", "examples,coverage,fuzzing", "--max-examples", str(per_route)),
        *("--seed", str(seed), "--generation-database", "none", "--request-timeout", "60"),
        *("--suppress-health-check", "all", "--warnings", "off"),
        *("--report", "har", "--report-har-path", str(report)),
    ]


def read_statuses(report: pathlib.Path) -> Counts:
    """How often each route was answered with each status.

    Args:
        report: HAR file of a run.

    Returns:
        "POST /predict" -> status -> number; methods that no route has are one row. Status 0: no
        answer.
    """
    with open(report, encoding="utf-8") as file:
        entries = json.load(file)["log"]["entries"]
    counts: Counts = {}
    for entry in entries:
        method = entry["request"]["method"]
        path = urllib.parse.urlsplit(entry["request"]["url"]).path
        path = "/static/..." if path.startswith("/static/") else path
        name = f"{method} {path}" if method in ("GET", "POST") else "other methods"
        counts.setdefault(name, collections.Counter())[entry["response"]["status"]] += 1
    return counts
