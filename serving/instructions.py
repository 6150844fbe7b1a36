"""From action and food, or from a sentence, to the embedding that the model was trained with."""

from __future__ import annotations

import dataclasses
from typing import Protocol

import numpy as np
from absl import logging

from food_data import embedding_store
from serving import errors, request_schemas


class Embeddings(Protocol):
    """What is needed of `food_data.embedding_store.EmbeddingStore`."""

    def resolve(self, action: str, food: str) -> tuple[str, str]:
        """The names behind two variants; UnknownInstructionError if they have no embedding."""

    def lookup(self, action: str, food: str) -> np.ndarray:
        """The instruction's embedding, float32 [512]."""

    def combinations(self) -> list[tuple[str, str]]:
        """Every (action, food) that can be looked up."""


class Encoder(Protocol):
    """What is needed of `food_data.text_encoders.TextEncoder`."""

    name: str
    version: str

    def encode(self, text: str) -> np.ndarray:
        """One text -> float32 [512] of unit norm."""


@dataclasses.dataclass(frozen=True)
class ResolvedInstruction:
    """An instruction that the model understands.

    Attributes:
        action, food: canonical names; None if a sentence was encoded.
        embedding: float32 [512].
    """

    action: str | None
    food: str | None
    embedding: np.ndarray


class Instructions:
    """Looks pairs up; encodes sentences where the encoder of the embeddings is installed."""

    def __init__(self, embeddings: Embeddings, encoder: Encoder | None = None) -> None:
        """Args:
        embeddings: of the instructions that the model was trained on.
        encoder: the one that made them, see `encoder_of`; None if it is not here.
        """
        self._embeddings = embeddings
        self._encoder = encoder

    def combinations(self) -> list[tuple[str, str]]:
        """Every (action, food) that can be asked about, sorted."""
        return sorted(self._embeddings.combinations())

    def resolve(self, instruction: request_schemas.Instruction) -> ResolvedInstruction:
        """The embedding of an instruction.

        Raises:
            RequestError: 422 if there is none for action and food, or no encoder for a sentence.
        """
        if instruction.action is None:
            return ResolvedInstruction(None, None, self._encode(instruction.text))
        try:
            action, food = self._embeddings.resolve(instruction.action, instruction.food_type)
        except embedding_store.UnknownInstructionError as error:
            raise errors.RequestError(422, str(error)) from error
        return ResolvedInstruction(action, food, self._embeddings.lookup(action, food))

    def _encode(self, text: str) -> np.ndarray:
        if self._encoder is None:
            raise errors.RequestError(
                422,
                "'text' alone needs the sentence encoder that made the embeddings of this model, "
                "which this server does not have. Send 'action' and 'food_type' too; "
                "GET /available_combinations lists them.",
            )
        try:
            return self._encoder.encode(text)
        except ValueError as error:
            raise errors.RequestError(422, f"'text' cannot be encoded: {error}") from error


def encoder_of(store: embedding_store.EmbeddingStore) -> Encoder | None:
    """The installed encoder, if it is the one that made the embeddings of the store.

    The vectors of another encoder mean nothing to the model, so it is not used in its place.
    """
    # Imported here because the encoders need TensorFlow, which a predictor of a stub does without.
    from food_data import text_encoders

    try:
        encoder = text_encoders.PackageEncoder()
    except ModuleNotFoundError as error:
        logging.info("Instructions in free text will be refused: %s", error)
        return None
    made_by = (store.manifest["encoder"], store.manifest["encoder_version"])
    if made_by != (encoder.name, encoder.version):
        logging.warning(
            "Instructions in free text will be refused: the embeddings were made by %s %s, "
            "installed is %s %s",
            *made_by,
            encoder.name,
            encoder.version,
        )
        return None
    return encoder
