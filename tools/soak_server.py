r"""Loads a server for a long time while its model is exchanged, and checks every single answer.

    python tools/soak_server.py --checkpoints runs/monday runs/tuesday --minutes 30

Starts `api_batch_server.py` on copies of the checkpoints and lets clients ask without a pause.
`/load_model` is called every `--load_every_s`, in turns for each checkpoint, and every fifth time
for one that is damaged, which must fail and change nothing. Before that, each checkpoint has
answered every question on an idle server: an answer under load has to be bit-equal to the one of
the version that it names. The exit code is 1 if an answer failed or differed, a load went another
way than it should, or the server's memory at the end is more than `--max_growth` above what it was
after the first sixth of the time.
"""

from __future__ import annotations

import argparse
import base64
import dataclasses
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
import requests
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[1]
BROKEN = "broken"
_START_LIMIT_S = 300
_NUM_QUESTIONS = 6
_FAILING_EVERY = 5


@dataclasses.dataclass
class Tally:
    """What happened; written by several threads under `lock`."""

    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)
    answers: int = 0
    wrong: list[str] = dataclasses.field(default_factory=list)
    loads: int = 0
    refused_loads: int = 0
    memory_mb: list[tuple[float, float]] = dataclasses.field(default_factory=list)

    def fault(self, text: str) -> None:
        """Notes something that must not happen."""
        with self.lock:
            self.wrong.append(text)


def questions(url: str) -> list[dict[str, object]]:
    """Bodies of /predict and, with a seed, of /predict_batch: other pictures, other foods."""
    answer = requests.get(f"{url}/available_combinations", timeout=60)
    pairs = answer.json()["combinations"]
    generator = np.random.default_rng(0)
    bodies = []
    for index in range(_NUM_QUESTIONS):
        noise = generator.integers(0, 256, (24, 32, 3), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(noise).resize((640, 480)).save(buffer, "JPEG")
        body = {
            "image": base64.b64encode(buffer.getvalue()).decode(),
            **pairs[index * len(pairs) // _NUM_QUESTIONS],
        }
        if index % 3 == 2:
            body.update(seed=index, batch_size=4)
        bodies.append(body)
    return bodies


def ask(session: requests.Session, url: str, body: dict[str, object]) -> tuple[str, str]:
    """(model version, the answer's numbers as text); raises requests.RequestException."""
    route = "/predict_batch" if "seed" in body else "/predict"
    answer = session.post(f"{url}{route}", json=body, timeout=120)
    answer.raise_for_status()
    content = answer.json()
    return content["model_version"], json.dumps(
        content.get("predictions", content.get("prediction"))
    )


def expected_answers(
    url: str, names: list[str], bodies: list[dict[str, object]]
) -> dict[str, list[str]]:
    """Version -> the answer to each question of an idle server."""
    expected = {}
    with requests.Session() as session:
        for name in names:
            loaded = session.post(f"{url}/load_model", json={"checkpoint_path": name}, timeout=600)
            loaded.raise_for_status()
            answers = [ask(session, url, body) for body in bodies]
            expected[answers[0][0]] = [text for _, text in answers]
    return expected


def client(
    url: str,
    bodies: list[dict[str, object]],
    expected: dict[str, list[str]],
    tally: Tally,
    end: threading.Event,
) -> None:
    """Asks until `end`, one question after the other."""
    with requests.Session() as session:
        while not end.is_set():
            for index, body in enumerate(bodies):
                try:
                    version, text = ask(session, url, body)
                except requests.RequestException as error:
                    tally.fault(f"question {index}: {error}")
                    continue
                # A version that nobody knows is as wrong as another answer.
                if expected.get(version, {index: None})[index] != text:
                    tally.fault(f"question {index}: {version} answered {text}")
                with tally.lock:
                    tally.answers += 1


def exchange_models(
    url: str, names: list[str], every_s: float, tally: Tally, end: threading.Event
) -> None:
    """Calls /load_model until `end`; every fifth time for the damaged checkpoint."""
    count = 0
    while not end.wait(every_s):
        count += 1
        broken = count % _FAILING_EVERY == 0
        name = BROKEN if broken else names[count % len(names)]
        try:
            answer = requests.post(f"{url}/load_model", json={"checkpoint_path": name}, timeout=600)
        except requests.RequestException as error:
            tally.fault(f"/load_model {name}: {error}")
            continue
        if answer.status_code != (422 if broken else 200):
            tally.fault(f"/load_model {name}: {answer.status_code} {answer.text[:200]}")
        with tally.lock:
            tally.refused_loads += broken
            tally.loads += not broken


def resident_mb(pid: int) -> float:
    """Resident memory of a process, MB (10^6 bytes)."""
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def prepare(checkpoints: list[pathlib.Path], root: pathlib.Path) -> list[str]:
    """Copies checkpoints, and a damaged one, into the folder that the server may load from."""
    names = [f"model_{index}" for index in range(len(checkpoints))]
    for name, checkpoint in zip(names, checkpoints):
        shutil.copytree(checkpoint, root / name)
    shutil.copytree(checkpoints[0], root / BROKEN)
    for path in (root / BROKEN).glob("*.data-*"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return names


def start_server(root: pathlib.Path, first: str, arguments: list[str]) -> tuple[object, str]:
    """The server's process and its address, once it listens."""
    port_file = root / "port"
    command = [sys.executable, str(ROOT / "api_batch_server.py"), "--port", "0"]
    command += ["--port_file", str(port_file), "--checkpoint_root", str(root)]
    command += ["--checkpoint_dir", str(root / first), *arguments]
    with open(root / "server.log", "w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stderr=log)
    give_up = time.monotonic() + _START_LIMIT_S
    while not port_file.exists():
        if process.poll() is not None or time.monotonic() > give_up:
            process.kill()
            sys.exit(f"The server did not start:\n{(root / 'server.log').read_text()[-3000:]}")
        time.sleep(0.2)
    return process, f"http://127.0.0.1:{int(port_file.read_text())}"


def soak(arguments: argparse.Namespace) -> Tally:
    """Runs everything; the server is gone afterwards."""
    tally, end = Tally(), threading.Event()
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        names = prepare(arguments.checkpoints, root)
        process, url = start_server(root, names[0], arguments.server_arguments)
        try:
            bodies = questions(url)
            expected = expected_answers(url, names, bodies)
            threads = [
                threading.Thread(target=client, args=(url, bodies, expected, tally, end))
                for _ in range(arguments.clients)
            ]
            exchange = (url, names, arguments.load_every_s, tally, end)
            threads.append(threading.Thread(target=exchange_models, args=exchange))
            for thread in threads:
                thread.start()
            _watch_memory(process.pid, arguments.minutes * 60, tally)
            end.set()
            for thread in threads:
                thread.join()
        finally:
            process.terminate()
            if process.wait(120) != 0:
                tally.fault(f"the server ended with exit code {process.returncode}")
    return tally


def _watch_memory(pid: int, seconds: float, tally: Tally) -> None:
    start = time.monotonic()
    pause = min(10.0, seconds / 30)
    while (passed := time.monotonic() - start) < seconds:
        tally.memory_mb.append((passed / 60, resident_mb(pid)))
        time.sleep(pause)
    tally.memory_mb.append((seconds / 60, resident_mb(pid)))


def memory_growth(tally: Tally) -> tuple[float, float, float]:
    """(MB after a sixth of the time, MB at the end, growth between them as a fraction).

    Each figure is the mean of three measurements, as memory goes up and down with each load.
    """
    values = [value for _, value in tally.memory_mb]
    sixth = max(1, len(values) // 6)
    early, late = float(np.mean(values[sixth - 1 : sixth + 2])), float(np.mean(values[-3:]))
    return early, late, late / early - 1


def main() -> int:
    """The command line: see the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoints", nargs="+", type=pathlib.Path, required=True)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--load_every_s", type=float, default=20.0)
    parser.add_argument("--max_growth", type=float, default=0.05)
    parser.add_argument("server_arguments", nargs="*", help="for the server, after --")
    arguments = parser.parse_args()
    tally = soak(arguments)
    early, late, growth = memory_growth(tally)
    for minute, value in tally.memory_mb[:: max(1, len(tally.memory_mb) // 15)]:
        print(f"{minute:6.1f} min {value:8.0f} MB")
    print(
        f"{tally.answers} answers, {len(tally.wrong)} failed or wrong; {tally.loads} loads, "
        f"{tally.refused_loads} damaged ones refused; memory {early:.0f} MB, then {late:.0f} MB "
        f"({growth:+.1%})"
    )
    for text in tally.wrong[:10]:
        print(f"  {text}")
    return 1 if tally.wrong or growth > arguments.max_growth else 0


if __name__ == "__main__":
    sys.exit(main())
