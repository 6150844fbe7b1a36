"""The engine behind every name: stages that something runs, put together by scope of dropout."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

import policy_specs
import prediction_functions
from serving.engines.workers import Arrays
from tokenizers import action_coding

Stage = Callable[..., Arrays]


@dataclasses.dataclass(frozen=True)
class Stages:
    """Callables on whole batches; `stages.StageGraphs` says what each computes.

    Attributes:
        features: (image [B, H, W, 3], embedding [B, 512], *factors [B, ...]) ->
            (features [B, N, D],).
        factors: (seed [2], count) -> factors, [count, ...] each; None if `features` takes none.
        answer: (features [B, N, D]) -> (execution parameters [B, 4], outputs [B, ...]).
        sampler: (features [S * B, N, D], S, seed [2]) -> (execution parameters [S, B, 4],
            outputs [S, B, ...]).
    """

    features: Stage
    factors: Stage | None
    answer: Stage
    sampler: Stage


class StagedEngine:
    """An `engine.Engine` made of stages. What it answers does not change after it is made."""

    def __init__(
        self,
        name: str,
        stages: Stages,
        image_shape: tuple[int, ...],
        num_workers: int,
        action_coding: str = action_coding.ENDPOINTS,
    ) -> None:
        """Args:
        name: of the engine.
        stages: what it runs.
        image_shape: (H, W, 3).
        num_workers: see `engine.Engine`.
        action_coding: see `engine.Engine`.
        """
        self.name = name
        self.num_workers = num_workers
        self.action_coding = action_coding
        self.stages = stages
        self.image_shape = tuple(image_shape)
        drawn = stages.factors(np.zeros(2, np.int32), np.int32(1)) if stages.factors else ()
        self._ones = tuple(np.ones_like(factor) for factor in drawn)

    @functools.cached_property
    def has_distributions(self) -> bool:
        """Whether outputs are logits of tokens: `token_distributions` has an answer."""
        image = np.zeros((1, *self.image_shape), np.uint8)
        embedding = np.zeros((1, policy_specs.EMBEDDING_SIZE), np.float32)
        answers, outputs = self._run(image, embedding, "off", None, None)
        return outputs.ndim > answers.ndim

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
        return self._run(image, embedding, dropout, num_samples, seed)[0]

    def forward_with_distributions(
        self,
        image: np.ndarray,
        embedding: np.ndarray,
        *,
        dropout: str = "off",
        num_samples: int | None = None,
        seed: int | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `engine.Engine.forward_with_distributions`."""
        answers, outputs = self._run(image, embedding, dropout, num_samples, seed)
        if outputs.ndim == answers.ndim:
            raise prediction_functions.no_distributions()
        weights = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
        return answers, weights / weights.sum(axis=-1, keepdims=True)

    def token_distributions(
        self,
        image: np.ndarray,
        embedding: np.ndarray,
        *,
        dropout: str = "off",
        num_samples: int | None = None,
        seed: int | None = None,
    ) -> np.ndarray:
        """See `engine.Engine.token_distributions`."""
        return self.forward_with_distributions(
            image, embedding, dropout=dropout, num_samples=num_samples, seed=seed
        )[1]

    def _run(
        self,
        image: np.ndarray,
        embedding: np.ndarray,
        dropout: str,
        num_samples: int | None,
        seed: int | None,
    ) -> Arrays:
        """Execution parameters and what they are made from, both with the axes of `forward`."""
        image, embedding = np.asarray(image), np.asarray(embedding)
        self._check(image, embedding)
        prediction_functions.check_sampling(dropout, num_samples, seed)
        if dropout == "off":
            return self.stages.answer(self.features(image, embedding))
        count = num_samples or 1
        seed = prediction_functions.fresh_seed() if seed is None else seed
        seed_pair = np.array([seed, 0], np.int32)
        if dropout == "full" and self.stages.factors is not None:
            image, embedding = np.tile(image, (count, 1, 1, 1)), np.tile(embedding, (count, 1))
            features = self.features(image, embedding, seed_pair)
        else:
            features = np.tile(self.features(image, embedding), (count, 1, 1))
        results = self.stages.sampler(features, np.int32(count), seed_pair)
        return tuple(result[0] for result in results) if num_samples is None else results

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
