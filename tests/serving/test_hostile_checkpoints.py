"""Somebody else's checkpoint, brought to a real server process: it is refused, nothing of it runs,
and the model before it goes on with the same numbers."""

from __future__ import annotations

import pathlib
import shutil
import types

import pytest
import requests

from tests import server_process, serving_stubs

pytestmark = pytest.mark.slow
KEY = "0123456789abcdef0123"
PICTURE = serving_stubs.file_bytes(serving_stubs.marker_picture(200, 100, (50, 30), (150, 80)))
# Importable in the server; leaves a file when it runs.
PAYLOAD = "import pathlib\ndef run():\n    pathlib.Path({ran!r}).touch()\n    return 2\nrun()\n"
CONFIGS = {
    "import": "import payload",
    "import of a part": "from payload import run",
    "include": "include '{folder}/other.gin'",
    "call": "Transformer.num_layers = @payload.run()",
    "macro that calls": "a = @payload.run()\nTransformer.num_layers = %a",
    "dynamic registration": "from __gin__ import dynamic_registration\nimport payload\n"
    "Transformer.num_layers = @payload.run()",
    "huge network": "Transformer.num_layers = 1000000000",
}


@pytest.fixture(scope="module")
def server(small_checkpoint_dir, tmp_path_factory):
    """A server process with a good model and a key, that loads from `root`; `ask` gives the numbers
    that it answers about one picture."""
    folder = tmp_path_factory.mktemp("hostile")
    root, ran = folder / "root", folder / "ran"
    root.mkdir()
    (folder / "payload.py").write_text(PAYLOAD.format(ran=str(ran)))
    (folder / "other.gin").write_text("import payload\n")
    arguments = ("--port", "0", "--checkpoint_dir", small_checkpoint_dir, "--engine", "tensorflow")
    environment = {"API_KEYS": f"lab:{KEY}", "PYTHONPATH": str(folder)}
    with server_process.running(
        *("api_batch_server.py", folder / "port", *arguments, "--checkpoint_root", root),
        **environment,
    ) as (process, url):

        def ask():
            fields, files = {"action": "skewering", "food_type": "banana"}, {"image": PICTURE}
            headers = {"X-API-Key": KEY}
            answer = requests.post(f"{url}/predict", fields, files=files, headers=headers)
            return answer.json()["prediction"], answer.json()["model_version"]

        def load(name, key=KEY):
            body, headers = {"checkpoint_path": name}, {"X-API-Key": key}
            return requests.post(f"{url}/load_model", json=body, headers=headers, timeout=300)

        yield types.SimpleNamespace(
            **{"ask": ask, "load": load, "root": root, "ran": ran, "good": ask()},
            source=pathlib.Path(small_checkpoint_dir),
        )
        assert process.poll() is None


@pytest.fixture
def brought(server):
    """A copy of the good checkpoint inside the root."""
    folder = server.root / "brought"
    shutil.copytree(server.source, folder)
    yield folder
    shutil.rmtree(folder)


def check_refused(server, status=422, name="brought", key=KEY):
    answer = server.load(name, key)
    assert answer.status_code == status, answer.text
    assert str(server.root) not in answer.text and len(answer.text) < 5000
    assert not server.ran.exists() and server.ask() == server.good


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_configuration_runs_nothing(kind, server, brought):
    with (brought / "config.gin").open("a") as file:
        file.write("\n" + CONFIGS[kind].format(folder=server.root.parent))
    check_refused(server)
