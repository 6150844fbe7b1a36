"""Fixtures that several test modules share."""

from __future__ import annotations

import os

# Before anything imports TensorFlow: its start-up messages hide what a failing test prints.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "Agg")

import hypothesis
import pytest

# The same examples in every run, and no verdict that depends on how busy the machine is.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Modules with slow tests first: quick ones then fill what is left of a worker's time."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


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
    """A checkpoint directory as train.py writes it, of a tiny model; one epoch."""
    import train
    from tests import small_model, training_fixtures

    folder = tmp_path_factory.mktemp("training")
    files = training_fixtures.write_squares(folder)
    arguments = training_fixtures.arguments(folder, *files)
    with small_model.gin_bindings():
        assert train.main(arguments) == 0
    return str(folder / "run")
