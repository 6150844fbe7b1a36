"""Somebody else's checkpoint, brought to a real server process: it is refused, nothing of it runs,
and the model before it goes on with the same numbers."""

from __future__ import annotations

import collections
import hashlib
import json
import pickle
import shutil
import threading
import types

import pytest
import requests

from tests import server_process, serving_stubs

pytestmark = pytest.mark.slow
KEY = {"X-API-Key": "0123456789abcdef0123"}
PICTURE = serving_stubs.file_bytes(serving_stubs.marker_picture(200, 100, (50, 30), (150, 80)))
# Importable in the server; leaves a file when it runs.
PAYLOAD = "import pathlib\ndef run():\n    pathlib.Path({ran!r}).touch()\n    return 2\nrun()\n"
DEEP = "[" * 200_000


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
    arguments = ("api_batch_server.py", folder / "port", *arguments, "--checkpoint_root", root)
    environment = {"PYTHONPATH": str(folder), "API_KEYS": f"lab:{KEY['X-API-Key']}"}
    with server_process.running(*arguments, **environment) as (process, url):
        # Its log would fill the pipe, and then the server would wait.
        threading.Thread(target=collections.deque, args=(process.stderr, 0), daemon=True).start()

        def post(path, **options):
            return requests.post(url + path, headers=KEY, timeout=300, **options)

        def ask():
            fields, files = {"action": "skewering", "food_type": "banana"}, {"image": PICTURE}
            return post("/predict", data=fields, files=files).json()["prediction"]

        yield types.SimpleNamespace(root=root, ran=ran, good=ask(), ask=ask, post=post)
        assert process.poll() is None


def exchange(pattern, make):
    """The content of one file; FOLDER in it is that above the checkpoints."""

    def write(folder):
        (path,) = folder.glob(pattern)
        content = make(path.read_bytes())
        path.write_bytes(content.replace(b"FOLDER", str(folder.parents[1]).encode()))

    return write


def configuration(text):
    """More lines of its config.gin."""
    return exchange("config.gin", lambda data: data + f"\n{text}".encode())


def change(name, **changes):
    """Entries of a JSON file of the checkpoint."""
    return exchange(name, lambda data: json.dumps({**json.loads(data), **changes}).encode())


class Touch:
    """Leaves a file when it is unpickled."""

    def __reduce__(self):
        return exec, ("import payload",)


def pickled(folder):
    """A vector that is a pickle, as the manifest has it."""
    data, path = pickle.dumps(Touch()), folder / "embeddings" / "manifest.json"
    manifest = json.loads(path.read_text())
    entry = manifest["entries"][0]
    (path.parent / entry["file"]).write_bytes(data)
    entry["sha256"] = hashlib.sha256(data).hexdigest()
    path.write_text(json.dumps(manifest))


LAYERS = "Transformer.num_layers = "
MACROS = ["m0 = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
MACROS += [f"m{n} = [{', '.join([f'%m{n - 1}'] * 10)}]" for n in range(1, 12)]
DYNAMIC = "from __gin__ import dynamic_registration\nimport payload\n"
BROUGHT = {
    "import": configuration("import payload"),
    "include": configuration("include 'FOLDER/other.gin'"),
    "call": configuration(LAYERS + "@payload.run()"),
    "macro that calls": configuration(f"a = @payload.run()\n{LAYERS}%a"),
    "dynamic registration": configuration(f"{DYNAMIC}{LAYERS}@payload.run()"),
    "huge network": configuration(LAYERS + "1000000000"),
    "deep list": configuration(LAYERS + "[" * 50_000),
    "strings without end": configuration(f"{LAYERS}({'1 ' * 3 + chr(39) * 40_000})"),
    "macros of macros": configuration("\n".join([*MACROS, f"{LAYERS}%m11"])),
    "name out of the folder": change("metadata.json", checkpoint="../../other"),
    "deep metadata": exchange("metadata.json", lambda data: DEEP.encode()),
    "no JSON": exchange("metadata.json", lambda data: b"\xff\xfe\x00"),
    "framing of a thousand looks": change("metadata.json", framing={"passes": "a" * 100_000}),
    "pairs that are no pairs": change("metadata.json", trained_pairs=[[{"a": 1}, DEEP]]),
    "deep calibration": lambda folder: (folder / "uncertainty.json").write_text(DEEP),
    "calibration of nothing": lambda folder: (folder / "uncertainty.json").write_text("{}"),
    "index of noise": exchange("best_checkpoint-*.index", lambda data: b"\x80" * len(data)),
    "index cut off": exchange("best_checkpoint-*.index", lambda data: data[: len(data) // 2]),
    "data cut off": exchange("best_checkpoint-*.data-*", lambda data: data[: len(data) // 2]),
    # Its first numbers are NaN.
    "numbers that are none": exchange(
        "best_checkpoint-*.data-*", lambda data: b"\xff\xff\xff\x7f" * 64 + data[256:]
    ),
    "vectors by pickle": pickled,
}


@pytest.mark.parametrize("kind", BROUGHT)
def test_nothing_of_a_checkpoint_runs_or_leads_out_of_its_folder(
    kind, server, small_checkpoint_dir
):
    folder = server.root / "brought"
    shutil.copytree(small_checkpoint_dir, folder)
    BROUGHT[kind](folder)
    answer = server.post("/load_model", json={"checkpoint_path": "brought"})
    shutil.rmtree(folder)
    assert answer.status_code == 422, answer.text
    assert str(server.root) not in answer.text and len(answer.text) < 5000
    assert not server.ran.exists() and server.ask() == server.good
