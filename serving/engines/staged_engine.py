"""The engine behind every name: stages that something runs, put together by scope of dropout."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

import policy_specs
import prediction_functions
from serving.engines.workers import Arrays

Stage = Callable[..., Arrays]


@dataclasses.dataclass(frozen=True)
class Stages:
    """Callables on whole batches; `stages.StageGraphs` says what each computes.

    Attributes:
        features: (image [B, H, W, 3], embedding [B, 512], *factors [B, ...]) ->
            (features [B, N, D],).
        factors: (seed [2], count) -> factors, [count, ...] each; None if `features` takes none.
        answer: (features [B, N, D]) -> (execution parameters [B, 4], outputs [B, ...]).
        sampler: (features [S * B, N, D], S, seed [2]) -> (execution parameters [S, B, 4],).
    """

    features: Stage
    factors: Stage | None
    answer: Stage
    sampler: Stage


class StagedEngine:
    """An `engine.Engine` made of stages. Nothing in it changes after it is made."""

    def __init__(
        self, name: str, stages: Stages, image_shape: tuple[int, ...], num_workers: int
    ) -> None:
        """Args:
        name: of the engine.
        stages: what it runs.
        image_shape: (H, W, 3).
        num_workers: see `engine.Engine`.
        """
        self.name = name
        self.num_workers = num_workers
        self.stages = stages
        self.image_shape = tuple(image_shape)
        drawn = stages.factors(np.zeros(2, np.int32), np.int32(1)) if stages.factors else ()
        self._ones = tuple(np.ones_like(factor) for factor in drawn)

    def forward(
        self,
        image: np.ndarray,
        embedding: np.ndarray,
        *,
        dropout: str = "off",
        num_samples: int | None = None,
        seed: int | None = None,
    ) -> np.ndarray:
        """See `engine.Engine.forward`."""
        image, embedding = np.asarray(image), np.asarray(embedding)
        self._check(image, embedding)
        prediction_functions.check_sampling(dropout, num_samples, seed)
        if dropout == "off":
            return self.stages.answer(self.features(image, embedding))[0]
        count = num_samples or 1
        seed = prediction_functions.fresh_seed() if seed is None else seed
        seed_pair = np.array([seed, 0], np.int32)
        if dropout == "full" and self.stages.factors is not None:
            image, embedding = np.tile(image, (count, 1, 1, 1)), np.tile(embedding, (count, 1))
            features = self.features(image, embedding, seed_pair)
        else:
            features = np.tile(self.features(image, embedding), (count, 1, 1))
        (samples,) = self.stages.sampler(features, np.int32(count), seed_pair)
        return samples[0] if num_samples is None else samples

    def features(
        self, image: np.ndarray, embedding: np.ndarray, seed: np.ndarray | None = None
    ) -> np.ndarray:
        """What TokenLearner gets.

        Args:
            image: uint8 [B, H, W, 3].
            embedding: float32 [B, 512].
            seed: int32 [2] of the dropout, another one for each picture; None for no dropout.

        Returns:
            float32 [B, N, D].
        """
        if seed is None or self.stages.factors is None:
            factors = [np.repeat(one, len(image), axis=0) for one in self._ones]
        else:
            factors = self.stages.factors(seed, np.int32(len(image)))
        return self.stages.features(image, embedding, *factors)[0]

    def _check(self, image: np.ndarray, embedding: np.ndarray) -> None:
        if image.dtype != np.uint8 or image.shape[1:] != self.image_shape or not len(image):
            shape = ", ".join(map(str, self.image_shape))
            raise ValueError(
                f"forward: expected images uint8 of shape [B, {shape}], got {image.dtype} "
                f"{list(image.shape)}."
            )
        expected = (len(image), policy_specs.EMBEDDING_SIZE)
        if embedding.dtype != np.float32 or embedding.shape != expected:
            raise ValueError(
                f"forward: expected embeddings float32 {list(expected)}, got {embedding.dtype} "
                f"{list(embedding.shape)}."
            )
