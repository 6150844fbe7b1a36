"""Who answers: a server over a connection for each thread, or one model for all."""

from __future__ import annotations

import pathlib

import pytest

import api_client
from folder_inference import answerers, flags, questions, stopping
from tests.folder_inference import stub_server

QUESTION = questions.Question("a.png", "skewering", "grape")


@pytest.fixture
def server():
    with stub_server.running() as contract:
        yield contract


def arguments(tmp_path, *more):
    files = ["--input_dir", str(tmp_path), "--output_file", str(tmp_path / "r.json")]
    return flags.parse_arguments("", [*files, "--text", "eat", *more])


def test_a_server_through_a_client_for_each_thread(server, tmp_path):
    args = arguments(tmp_path, "--api_url", server.url, "--api_key", "k")
    make = answerers.open_answerers(args, stopping.StopSignals())
    one, other = make(), make()
    assert one is not other
    assert one.model_version() == "stub-1"
    assert one.combinations() == list(stub_server.COMBINATIONS)
    content = stub_server.solid(tmp_path / "a.png").read_bytes()
    answer = one.ask(content, QUESTION, questions.Settings(num_samples=0))
    assert answer["prediction"]["end_x"] == pytest.approx(0.8)
    settings = questions.Settings(num_samples=2, seed=1)
    assert len(other.ask(content, QUESTION, settings)["predictions"]) == 2
    assert server.bodies[1]["seed"] == QUESTION.seed(1)
    one.close()
    other.close()


def test_a_server_that_is_not_there_is_noticed_when_it_is_asked(tmp_path):
    args = arguments(tmp_path, "--api_url", "http://127.0.0.1:9")
    answerer = answerers.open_answerers(args, _ended())()
    with pytest.raises(api_client.ApiError, match="cannot reach http://127.0.0.1:9"):
        answerer.model_version()


def test_one_model_for_all_threads(tmp_path, monkeypatch):
    from folder_inference import local_model

    loaded = []

    def load(directory, engine):
        loaded.append((directory, engine))
        return object()

    monkeypatch.setattr(local_model, "load", load)
    args = arguments(tmp_path, "--checkpoint_dir", str(tmp_path), "--engine", "tensorflow")
    make = answerers.open_answerers(args, stopping.StopSignals())
    assert make() is make()
    assert loaded == [(pathlib.Path(tmp_path), "tensorflow")]


def test_a_signal_during_loading_ends_the_run(tmp_path, monkeypatch):
    from folder_inference import local_model

    class Signalled(stopping.StopSignals):
        def check(self):
            raise stopping.Stopped("SIGTERM")

    monkeypatch.setattr(local_model, "load", lambda *_: object())
    args = arguments(tmp_path, "--checkpoint_dir", str(tmp_path))
    with pytest.raises(stopping.Stopped):
        answerers.open_answerers(args, Signalled())


def _ended():
    """Nothing is waited for before another try."""
    signals = stopping.StopSignals()
    signals.event.set()
    return signals
