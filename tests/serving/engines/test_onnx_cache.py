"""Exports are found again, only by the network that they were made from."""

from __future__ import annotations

import os
import tempfile

import gin
import pytest
from absl import logging

from serving.engines import onnx_cache
from tests import small_model

FILES = {"a.onnx": b"first", "b.pb": b"second"}


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(folder))
    return folder


@pytest.fixture
def warnings(monkeypatch):
    messages = []
    monkeypatch.setattr(logging, "warning", lambda text, *args: messages.append(text % args))
    return messages


def test_what_is_written_is_read(tmp_path, warnings):
    assert onnx_cache.OnnxCache(tmp_path, "key").read() is None

    onnx_cache.OnnxCache(tmp_path, "key").write(FILES)

    assert onnx_cache.OnnxCache(tmp_path, "key").read() == FILES
    assert onnx_cache.OnnxCache(tmp_path, "other").read() is None
    assert (tmp_path / "onnx" / "key" / "a.onnx").read_bytes() == b"first"
    assert warnings == []


def test_incomplete_export_is_none(tmp_path):
    onnx_cache.OnnxCache(tmp_path, "key").write(FILES)
    (tmp_path / "onnx" / "key" / "b.pb").unlink()

    assert onnx_cache.OnnxCache(tmp_path, "key").read() is None


def test_export_of_older_weights_is_removed(tmp_path):
    onnx_cache.OnnxCache(tmp_path, "old").write(FILES)

    onnx_cache.OnnxCache(tmp_path, "new").write(FILES)

    assert os.listdir(tmp_path / "onnx") == ["new"]


def test_directory_that_cannot_be_written(tmp_path, temporary_folder, warnings):
    (tmp_path / "onnx").write_text("a file where the folder would be")

    onnx_cache.OnnxCache(tmp_path, "key").write(FILES)

    assert onnx_cache.OnnxCache(tmp_path, "key").read() == FILES
    assert len(warnings) == 1
    assert str(temporary_folder) in warnings[0]
    (folder,) = temporary_folder.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_folder_of_somebody_else_is_not_used(tmp_path, temporary_folder, warnings):
    """Who could write there could put another network in our place."""
    (tmp_path / "onnx").write_text("no folder")
    user = os.getuid()
    (temporary_folder / f"rt1-onnx-{user}").mkdir()
    (temporary_folder / f"rt1-onnx-{user}").chmod(0o777)

    onnx_cache.OnnxCache(tmp_path, "key").write(FILES)

    assert onnx_cache.OnnxCache(tmp_path, "key").read() is None
    assert "memory only" in warnings[0]


def test_digest_follows_weights_and_configuration():
    agent = small_model.build(*small_model.TINY)
    first = onnx_cache.digest(agent)
    assert first == onnx_cache.digest(agent)
    assert len(first) == 16

    with small_model.gin_bindings("Transformer.num_layers = 2"):
        assert onnx_cache.digest(agent) != first
    gin.clear_config()
    bias = agent.network._regression_output.bias
    bias.assign(bias + 1e-6)
    assert onnx_cache.digest(agent) != first
