"""What a stranger meets first: lock, Makefile and README agree, and dependencies point one way."""

from __future__ import annotations

import ast
import graphlib
import pathlib
import re
import subprocess

import pytest
from packaging import requirements, utils

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


def requirement_lines(name: str, python: str) -> list[requirements.Requirement]:
    """What a file asks for with a Python on Linux."""
    environment = {
        **{"python_version": ".".join(python.split(".")[:2]), "python_full_version": python},
        **{"sys_platform": "linux", "platform_machine": "x86_64"},
        **{"platform_python_implementation": "CPython", "implementation_name": "cpython"},
    }
    lines = (line.split("#")[0].rstrip("\\ ") for line in (ROOT / name).read_text().splitlines())
    found = [requirements.Requirement(line) for line in lines if line and line[0] not in " -"]
    return [one for one in found if one.marker is None or one.marker.evaluate(environment)]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_lock_satisfies_what_is_required(name, python):
    locked = requirement_lines(f"{name}.txt", python)
    versions = {utils.canonicalize_name(one.name): str(one.specifier) for one in locked}
    assert len(versions) == len(locked)  # Each once.
    for wanted in requirement_lines(f"{name}.in", python):
        pin = versions[utils.canonicalize_name(wanted.name)]
        assert pin.removeprefix("==") in wanted.specifier, f"{wanted}, locked: {pin}"


def test_makefile_and_table_of_the_readme_are_there():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    blocks = "".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))
    used = re.findall(r"^make ([a-z-]+)", blocks, re.MULTILINE)
    assert used[:2] == ["demo", "test"] and set(used) <= targets
    table = re.findall(r"^\| `([^`]+)`", README, re.MULTILINE)
    assert len(table) > 10
    assert [name for name in table if not (ROOT / name.rstrip("/")).exists()] == []
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1].startswith("make test-all ")


def test_no_file_names_a_place_on_somebodys_machine():
    # Split, so that this file does not hold what it looks for.
    places = "/wo|rk/ /ro|ot/ /ho|me/[a-z] /Us|ers/ \\.py|env python|hosted pypi|\\.org file:|//"
    pattern = re.compile(places.replace("|", "").replace(" ", "|"))
    listed = subprocess.check_output(["git", "ls-files", "--stage"], cwd=ROOT, text=True)
    found = [line for line in listed.splitlines() if line.startswith("120000")]  # Symbolic links.
    for path in project_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:  # A picture, an array: no text to look at.
            continue
        found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in pattern.finditer(text)]
    assert found == []


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
    for path in (one for one in project_files() if one.suffix == ".py"):
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
