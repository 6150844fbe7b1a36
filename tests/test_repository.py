"""What a stranger meets first: lock, Makefile and README agree, and dependencies point one way."""

from __future__ import annotations

import ast
import graphlib
import pathlib
import re
import subprocess

import pytest
from packaging import requirements, utils, version

ROOT = pathlib.Path(__file__).parents[1]
PYTHONS = ("3.10.13", "3.11.7", "3.12.1", "3.13.0")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def project_files() -> list[pathlib.Path]:
    """Every file of the project, tracked or new, without what .gitignore names."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git clone, so there is no telling which files are the project's")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.check_output(command, cwd=ROOT, text=True).splitlines()
    return [ROOT / name for name in listed if (ROOT / name).is_file()]


def python_files() -> list[pathlib.Path]:
    return [path for path in project_files() if path.suffix == ".py"]


def requirement_lines(name: str) -> list[str]:
    lines = (ROOT / name).read_text().splitlines()
    lines = (line.split("#")[0].removesuffix("\\").strip() for line in lines)
    return [line for line in lines if line and not line.startswith("-")]


def linux(python: str) -> dict[str, str]:
    """What environment markers may ask of a Python on Linux."""
    return {
        "python_version": ".".join(python.split(".")[:2]),
        "python_full_version": python,
        "sys_platform": "linux",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }


def locked_versions(python: str, *names: str) -> dict[str, str]:
    """Package -> version that the lock files give for a Python on Linux."""
    environment = linux(python)
    versions = {}
    for line in (line for name in names for line in requirement_lines(name)):
        locked = requirements.Requirement(line)
        if locked.marker is None or locked.marker.evaluate(environment):
            name = utils.canonicalize_name(locked.name)
            (pin,) = locked.specifier
            assert versions.get(name, pin.version) == pin.version, f"{name} twice for {python}"
            versions[name] = pin.version
    return versions


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_lock_satisfies_what_is_required(name, python):
    versions = locked_versions(python, f"{name}.txt")
    for line in requirement_lines(f"{name}.in"):
        wanted = requirements.Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate(linux(python)):
            continue
        locked = versions[utils.canonicalize_name(wanted.name)]
        assert version.Version(locked) in wanted.specifier, f"{line}, locked: {locked}"


def test_lock_files_hold_exact_versions_with_hashes_and_nothing_else():
    entry = r"[a-z0-9-]+==[0-9][0-9a-z.]*( ; [a-z_ =<>.*'0-9A-Z!()]+)? \\"
    for name in ("requirements.txt", "requirements-dev.txt"):
        for line in (ROOT / name).read_text().splitlines():
            assert re.fullmatch(entry + r"|    --hash=sha256:[0-9a-f]{64}( \\)?", line), line


def readme_commands() -> list[str]:
    """The lines of README's `sh` blocks, continuation lines joined, comments left out."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split(" #")[0].strip() for line in lines if line.strip()[:1] not in ("", "#")]


def test_make_targets_of_the_readme_exist_and_it_begins_with_two():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    used = [re.match(r"make ([a-z-]+)", command) for command in readme_commands()]
    used = [match.group(1) for match in used if match]
    assert used[:2] == ["demo", "test"] and set(used) <= targets


def test_files_of_the_readmes_table_exist():
    table = re.findall(r"^\| `([^`]+)`", README, re.MULTILINE)
    assert len(table) > 10
    missing = [name for name in table if not (ROOT / name.rstrip("/")).exists()]
    assert missing == []


def test_ci_runs_all_tests():
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1].startswith("make test-all ")


def test_no_file_names_a_place_on_somebodys_machine():
    # Written in pieces, so that this file does not hold what it looks for.
    places = ["/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/[a-z]", "/Us" + "ers/", r"\.py" + "env"]
    hosts = ["python" + "hosted", "pypi" + r"\.org", r"file:" + "//"]
    pattern = re.compile("|".join(places + hosts))
    paths = project_files()
    listed = subprocess.check_output(["git", "ls-files", "--stage"], cwd=ROOT, text=True)
    found = [line for line in listed.splitlines() if line.startswith("120000")]  # Symbolic links.
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:  # A picture, an array: no text to look at.
            continue
        found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in pattern.finditer(text)]
    assert found == []


def test_code_runs_on_the_oldest_python():
    """No syntax newer than Python 3.10."""
    for path in python_files():
        ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=(3, 10))


# Whoever stands in a line imports from the lines above it, and nothing beside itself in its line.
# Programs, and what only they use, are below all of these.
LAYERS = """
keras2
policy_specs dropout_settings losses food_data
film_efficientnet transformer
tokenizers
transformer_network
sequence_agent
prediction_functions
agent_wrapper
checkpoint_config saved_models
checkpoint_files
checkpoint_loading
checkpoint_directory
rt1_policy
evaluation
training serving
"""


def imported(nodes: list[ast.AST], modules: set[str], deep: bool) -> set[str]:
    """Modules that statements import, `deep` inside of functions too. What only type checkers read
    does not count, nor does what a module does as a program."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.If) and re.search("TYPE_CHECKING|__main__", ast.unparse(node.test)):
            continue
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            inside = {f"{node.module}.{name.name}" for name in node.names}
            found |= inside & modules or {node.module}
        elif deep or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found |= imported(list(ast.iter_child_nodes(node)), modules, deep)
    return found


def test_dependencies_point_one_way_and_never_in_circles():
    files = {}
    for path in python_files():
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if not name.startswith("tests"):
            files[name] = ast.parse(path.read_text(encoding="utf-8")).body
    layers = [line.split() for line in LAYERS.strip().splitlines()]
    rank = {name: number for number, line in enumerate(layers) for name in line}
    graph, wrong = {}, []
    for name, nodes in files.items():
        own = name.split(".")[0]
        graph[name] = imported(nodes, set(files), deep=True) & set(files) - {name}
        for other in graph[name]:
            top = other.split(".")[0]
            above = rank.get(top, 99) < rank.get(own, 99)
            if own == "food_data":
                above = top in ("keras2", "policy_specs")
            elif top == "food_data":
                above = own not in rank or rank[own] >= rank["checkpoint_files"]
            if not above and top != own and own in rank:
                wrong.append(f"{name} imports {other}")
    assert wrong == []
    list(graphlib.TopologicalSorter(graph).static_order())  # Raises CycleError.
    with_tensorflow = {
        name
        for name, nodes in files.items()
        if name.startswith("food_data.") and "tensorflow" in imported(nodes, set(files), deep=False)
    }
    assert with_tensorflow <= {"food_data.augmentation", "food_data.pipeline", "food_data.rlds"}
