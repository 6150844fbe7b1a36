r"""The harness vla-eval, as it is, drives RT-1; SimplerEnv's own client says what is right.

    python -m venv harness
    harness/bin/pip install --no-deps -r requirements.txt -r requirements-dev.txt
    harness/bin/pip install vla-eval==0.8.0 transforms3d==0.4.2
    harness/bin/pip install --no-deps tensorflow-hub==0.16.1 'setuptools<81'
    SIMPLER_RT1_MODEL=rt1_model.py harness/bin/python -m pytest tests/test_vla_eval_server.py

`rt1_model.py` is simpler_env/policies/rt1/rt1_model.py of github.com/simpler-env/SimplerEnv. Its
simulator is a stub that has fixed pictures; the harness' benchmark, runner and client are real.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pathlib
import socket
import subprocess
import sys
import time
import types

import gin
import numpy as np
import pytest
import requests

pytest.importorskip("vla_eval", reason="needs vla-eval, in an environment of its own")
import anyio
from vla_eval import api, connection

import export_policy
import rt1_policy
from food_data import text_encoders
from tests import public_clients, small_model

pytestmark = pytest.mark.slow
SETTINGS = (*small_model.RT1_ACTIONS, "TransformerNetwork.time_sequence_length = 3")
TEXTS = ("pick coke can", "open drawer")
FRAMES = np.random.default_rng(1).integers(0, 256, (2, 5, 90, 140, 3), np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An exported policy, in hub/ the encoders, and one of them."""
    path = tmp_path_factory.mktemp("rt1")
    agent = small_model.build(*SETTINGS)
    prefix = agent.weights_checkpoint().write(str(path / "ckpt-1"))
    (path / "config.gin").write_text("\n".join((*small_model.BINDINGS, *SETTINGS)))
    arguments = ["--checkpoint_path", prefix, "--output_dir", str(path / "exported")]
    assert export_policy.main(arguments) == 0
    gin.clear_config()
    public_clients.fill_cache(path / "hub")
    encoder = next(one for one in (path / "hub").iterdir() if one.is_dir())
    (path / "encoder").symlink_to(encoder)
    return path


@contextlib.contextmanager
def serving(folder):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    command = [sys.executable, "vla_eval_server.py", "--host", "127.0.0.1", "--port", port]
    command += ["--args.checkpoint_path", str(folder / "exported")]
    command += ["--args.encoder_dir", str(folder / "encoder")]
    with subprocess.Popen(command, cwd=pathlib.Path(__file__).parents[1]) as server:
        try:
            deadline, is_up = time.monotonic() + 300, False
            while not is_up:
                assert server.poll() is None and time.monotonic() < deadline
                time.sleep(0.2)
                with contextlib.suppress(requests.ConnectionError):
                    is_up = requests.get(f"http://127.0.0.1:{port}/health", timeout=9).ok
            yield f"ws://127.0.0.1:{port}"
        finally:
            server.terminate()


def simulator(monkeypatch):
    """A stub in the place of SimplerEnv's simulator; the list of the actions that it gets."""
    taken, started = [], []

    def step(action):
        taken.append(action)
        number = (len(taken) - 1) % 5 + 1
        return number, 0.0, False, number == 5, {}

    env = types.SimpleNamespace(step=step, close=lambda: None)
    env.reset = lambda **given: started.append(0) or (0, {})
    env.get_language_instruction = lambda: TEXTS[len(started) - 1]
    env.unwrapped = env
    for name in ("", ".utils", ".utils.env", ".utils.env.observation_utils"):
        module = types.ModuleType(f"simpler_env{name}")
        module.make = lambda *_, **given: env
        module.get_image_from_maniskill2_obs_dict = lambda _, n: FRAMES[len(started) - 1][min(n, 4)]
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return taken


def test_two_episodes_of_the_harness_act_as_simplerenvs_client(folder, monkeypatch, tmp_path):
    if "SIMPLER_RT1_MODEL" not in os.environ:
        pytest.skip("needs SimplerEnv's client, see above")
    taken = simulator(monkeypatch)
    name = "vla_eval.benchmarks.simpler.benchmark:SimplerEnvBenchmark"
    benchmark = {"benchmark": name, "episodes_per_task": 2, "params": {"seed": 0}}
    config = {"benchmarks": [benchmark], "output_dir": str(tmp_path)}
    with serving(folder) as url:
        (result,) = api.run(config, server_url=url, no_save=True)
    assert len(taken) == 10, result

    monkeypatch.setenv("TFHUB_CACHE_DIR", str(folder / "hub"))
    spec = importlib.util.spec_from_file_location("rt1_model", os.environ["SIMPLER_RT1_MODEL"])
    theirs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(theirs)
    side = small_model.SIDE
    client = theirs.RT1Inference(str(folder / "exported"), image_width=side, image_height=side)
    for number, found in enumerate(taken):
        episode, step = divmod(number, 5)
        if step == 0:
            client.reset(TEXTS[episode])
            sticky = False
        _, action = client.step(FRAMES[episode, step], TEXTS[episode])
        expected = np.concatenate([action["world_vector"], action["rot_axangle"]])
        np.testing.assert_allclose(found[:6], expected, atol=1e-5)
        sticky = sticky or abs(action["gripper"][0]) > 0.5
        if not sticky:  # Then the harness repeats a command, which SimplerEnv does not.
            np.testing.assert_allclose(found[6], action["gripper"][0], atol=1e-5)


def test_a_window_for_each_session_and_episode(folder):
    encoder = text_encoders.SavedModelEncoder(folder / "encoder")
    policy = rt1_policy.RT1Policy.load(folder / "exported")
    gin.clear_config()
    image = small_model.images(1)

    async def act(client, text, **given):
        return await client.act({"images": {"any": image}, "task_description": text, **given})

    async def expect(client, text, state=None, **given):
        vector = given.get("natural_language_embedding", encoder.vector(text))
        expected, state = policy.step(image, vector, state or policy.initial_state())
        found = await act(client, text, **given)
        for key, value in expected.items():
            np.testing.assert_allclose(found[key], value, atol=1e-5, err_msg=key)
        return state

    async def talk(url):
        async with connection.Connection(url) as first, connection.Connection(url) as second:
            assert first.server_info["action_spec"]["rotation"]["format"] == "axis_angle"
            for client in (first, second):
                await client.start_episode({"task": {}})
            one, other = await expect(first, TEXTS[0]), await expect(second, TEXTS[1])
            await expect(first, TEXTS[0], one)
            await expect(second, TEXTS[1], other)
            await first.end_episode({})
            await first.start_episode({"task": {}})
            await expect(first, TEXTS[0])  # A new episode,
            state = await expect(first, TEXTS[1])  # a new instruction.
            with pytest.raises(RuntimeError, match="expected a text and --args.encoder_dir"):
                await act(first, None)
            with pytest.raises(RuntimeError, match=r"expected 'primary' uint8 \[H, W, 3\]"):
                await act(first, TEXTS[1], images={"a": image, "b": image})
            await expect(first, TEXTS[1], state)  # Refusals leave the window alone.
            await first.start_episode({"task": {}})
            await expect(first, TEXTS[1])  # The one before was broken off.
            vector = small_model.embeddings(9)
            await expect(first, "dance", natural_language_embedding=vector)

    with serving(folder) as url:
        anyio.run(talk, url)
