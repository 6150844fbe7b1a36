"""food_data knows no training, no serving and no evaluation, and mostly no TensorFlow."""

import ast
import pathlib

import food_data

FOLDER = pathlib.Path(food_data.__file__).parent
ABOVE = {"training", "serving", "evaluation", "train", "evaluate", "build_dataset", "agent_wrapper"}


def imports(path, nodes):
    """The first words of what a file imports, at the given depth."""
    for node in nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.split(".")[0]


def test_dependencies_point_one_way():
    files = sorted(FOLDER.rglob("*.py"))
    assert len(files) > 20
    with_tensorflow = set()
    for path in files:
        assert not set(imports(path, ast.walk)) & ABOVE, path
        if "tensorflow" in imports(path, ast.iter_child_nodes):
            with_tensorflow.add(path.stem)
    assert with_tensorflow == {"augmentation", "pipeline"}
