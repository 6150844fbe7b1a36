"""From a picture's file and an instruction to execution parameters in that picture.

One predictor is shared by all threads of the server. Nothing in it changes after `warm_up`, so it
takes no lock: TensorFlow runs the same function from many threads at once.
"""

from __future__ import annotations

import dataclasses
import os
import time
from typing import Protocol

import numpy as np
from absl import logging

import policy_specs
from food_data import image_placement
from serving import prediction


class Model(Protocol):
    """What the predictor needs of `agent_wrapper.Agent`."""

    def forward(self, image: np.ndarray, embedding: np.ndarray, *, dropout: str) -> np.ndarray:
        """uint8 [B, H, W, 3] and float32 [B, 512] -> float32 [B, 4] in 0..1."""


class Embeddings(Protocol):
    """What the predictor needs of `food_data.embedding_store.EmbeddingStore`."""

    def resolve(self, action: str, food: str) -> tuple[str, str]:
        """The names behind two variants; UnknownInstructionError if they have no embedding."""

    def lookup(self, action: str, food: str) -> np.ndarray:
        """The instruction's embedding, float32 [512]."""

    def combinations(self) -> list[tuple[str, str]]:
        """Every (action, food) that can be looked up."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the model says about one picture.

    Attributes:
        action, food: the names that the instruction's variants stand for.
        normalised: the motion in 0..1 of the picture's width and height.
        pixels: the motion in pixels of the picture.
        width, height: of the picture, upright as its EXIF orientation says, pixels.
        decode_ms, model_ms: where the time went.
    """

    action: str
    food: str
    normalised: prediction.ExecutionParameters
    pixels: prediction.ExecutionParameters
    width: int
    height: int
    decode_ms: float
    model_ms: float


class Predictor:
    """A model with everything that it needs to answer about pictures of any size."""

    def __init__(
        self, model: Model, embeddings: Embeddings, placement_mode: str, version: str
    ) -> None:
        """Args:
        model: the network.
        embeddings: of the instructions that the model was trained on.
        placement_mode: how training fitted pictures into the square, of `image_placement.MODES`.
        version: names the checkpoint in answers.
        """
        self._model = model
        self._embeddings = embeddings
        self._placement_mode = placement_mode
        self.version = version

    @classmethod
    def from_checkpoint(cls, directory: str | os.PathLike[str]) -> Predictor:
        """Loads a checkpoint directory; whatever is wrong with it is raised by the loader."""
        # Imported here because it builds networks, which a predictor of another model never needs.
        import checkpoint_directory

        loaded = checkpoint_directory.load(directory)
        return cls(loaded.agent, loaded.embeddings, loaded.metadata["resize"], loaded.version)

    def warm_up(self) -> None:
        """Traces and runs the network once, so that the first request does not wait for it."""
        started = time.perf_counter()
        example = policy_specs.example_observation(batch_size=1)
        self._forward(
            example[policy_specs.IMAGE_KEY].numpy(), example[policy_specs.EMBEDDING_KEY].numpy()
        )
        logging.info("Warmed up in %.1f s", time.perf_counter() - started)

    def combinations(self) -> list[tuple[str, str]]:
        """Every (action, food) that can be asked about, sorted."""
        return sorted(self._embeddings.combinations())

    def predict(self, image: bytes, action: str, food: str) -> Answer:
        """Predicts the motion for one picture.

        Args:
            image: a file in one of `image_placement.FORMATS`, any size.
            action: a name or variant that the vocabulary knows.
            food: a name or variant that the vocabulary knows.

        Returns:
            The motion in coordinates of the picture that was sent.

        Raises:
            UnknownInstructionError: if there is no embedding for action and food.
            ImageDecodeError: if the bytes are no picture.
            FloatingPointError: if the network's answer is not finite.
        """
        action, food = self._embeddings.resolve(action, food)
        embedding = self._embeddings.lookup(action, food)
        started = time.perf_counter()
        picture = image_placement.decode_image(image)
        square, placement = image_placement.place(picture, self._placement_mode)
        decoded = time.perf_counter()
        coordinates = self._forward(square[np.newaxis], embedding[np.newaxis])[0]
        answered = time.perf_counter()
        normalised, pixels = prediction.in_picture(coordinates, placement)
        return Answer(
            action,
            food,
            normalised,
            pixels,
            placement.width,
            placement.height,
            decode_ms=1000 * (decoded - started),
            model_ms=1000 * (answered - decoded),
        )

    def _forward(self, images: np.ndarray, embeddings: np.ndarray) -> np.ndarray:
        return np.asarray(self._model.forward(images, embeddings, dropout="off"))
