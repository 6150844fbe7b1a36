"""Fixtures that several test modules share."""

from __future__ import annotations

import keras2  # noqa: F401

import atexit
import fcntl
import os
import shutil
import tempfile

os.environ.setdefault("MPLBACKEND", "Agg")
if "ENGINE_CACHE_DIR" not in os.environ:
    # Of this session; its workers and the servers that it starts inherit it.
    os.environ["ENGINE_CACHE_DIR"] = tempfile.mkdtemp(prefix="engines-of-tests-")
    atexit.register(shutil.rmtree, os.environ["ENGINE_CACHE_DIR"], ignore_errors=True)

import hypothesis
import pytest

# The same examples in every run, and no verdict that depends on how busy the machine is.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")


# The jobs run by themselves, beside tests that mostly wait for a browser; the others take longest.
FIRST = (
    *("slurm/test_jobs.py", "test_readme.py", "test_export_policy.py"),
    *("golden/test_gradients.py", "serving/test_engines.py", "test_train.py"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long modules first, then those with slow tests: quick ones fill what is left of a worker."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    rank = {f"tests/{name}": place for place, name in enumerate(FIRST)}
    found = {path: next(filter(path.match, rank), None) for path in {one.path for one in items}}
    last = len(FIRST)
    items.sort(key=lambda item: rank.get(found[item.path], last + (item.path not in slow)))


# Fixtures import what they need themselves: TensorFlow takes seconds, and many tests do without.


@pytest.fixture(scope="session")
def stub_server_url(tmp_path_factory):
    """A real server on a real port around the marker model; it knows four instructions."""
    from serving import app
    from tests import serving_stubs

    store = serving_stubs.embedding_store_of(tmp_path_factory.mktemp("embeddings"))
    stub = serving_stubs.predictor_of(serving_stubs.MarkerModel(), store)
    with serving_stubs.serve(app.create_app(stub)) as url:
        yield url


@pytest.fixture(scope="session")
def empty_server_url():
    """A real server that has no model."""
    from serving import app
    from tests import serving_stubs

    with serving_stubs.serve(app.create_app(None)) as url:
        yield url


@pytest.fixture(scope="session")
def small_checkpoint_dir(tmp_path_factory) -> str:
    """A checkpoint directory as train.py writes it, of a tiny model; one epoch. Not to be changed:
    all processes of a session share it, because training it takes longer than most tests."""
    from tests import small_model, training_fixtures

    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    folder = shared / "small_checkpoint"
    with (shared / "small_checkpoint.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "is_trained").exists():
            import tensorflow as tf

            import train

            folder.mkdir()
            files = training_fixtures.write_squares(folder)
            # A trace takes longer than its few steps; tests/test_train.py trains with one.
            tf.config.run_functions_eagerly(True)
            try:
                with small_model.gin_bindings():
                    assert train.main(training_fixtures.arguments(folder, *files)) == 0
            finally:
                tf.config.run_functions_eagerly(False)
            (folder / "is_trained").touch()
    return str(folder / "run")
