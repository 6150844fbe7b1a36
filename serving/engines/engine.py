"""What an inference engine is, whatever runs the network inside."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class Engine(Protocol):
    """Runs one checkpoint's network; takes the place of `agent_wrapper.Agent` in a server.

    Calls may come from many threads at once. Pictures of a batch do not see each other, nor other
    calls: the answer for a picture is bit for bit the same alone, in a batch and under load.

    Attributes:
        name: 'tensorflow' or 'onnxruntime'.
        num_workers: calls that may usefully run at the same time; a call with several pictures
            spreads them over as many threads itself.
        has_distributions: whether the network's answers are drawn from distributions over tokens.
        action_coding: what the tokens stand for, see `tokenizers/action_coding.py`.
    """

    name: str
    num_workers: int
    has_distributions: bool
    action_coding: str

    def forward(
        self,
        image: np.ndarray,
        embedding: np.ndarray,
        *,
        dropout: str = "off",
        num_samples: int | None = None,
        seed: int | None = None,
    ) -> np.ndarray:
        """Execution parameters for images and instructions, clipped to 0..1.

        Args:
            image: uint8 [B, H, W, 3] of the size that the network was built for.
            embedding: float32 [B, 512].
            dropout: 'off'; 'head', image features once and dropout behind them; 'full', dropout
                everywhere.
            num_samples: S, with dropout on; None for one sample without the axis S.
            seed: of the dropout, 0 .. 2^31 - 1; the same one gives the same samples. None draws a
                fresh one.

        Returns:
            float32 [B, 4], or [S, B, 4] if num_samples is given.

        Raises:
            ValueError: if arguments do not fit the network or each other.
        """

    def forward_with_distributions(
        self,
        image: np.ndarray,
        embedding: np.ndarray,
        *,
        dropout: str = "off",
        num_samples: int | None = None,
        seed: int | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """What `forward` answers, bit for bit, and the distributions behind it, in the same pass.

        Args:
            image: uint8 [B, H, W, 3]; this and the others as `forward` takes them.
            embedding: float32 [B, 512].
            dropout: 'off', 'head' or 'full'.
            num_samples: S, or None.
            seed: of the dropout, or None.

        Returns:
            float32 [B, 4], and probabilities of tokens float32 [B, 4, vocab_size]; with
            num_samples, [S, B, 4] and [S, B, 4, vocab_size].

        Raises:
            ValueError: as `forward`, and if the network regresses coordinates.
        """

    def token_distributions(
        self,
        image: np.ndarray,
        embedding: np.ndarray,
        *,
        dropout: str = "off",
        num_samples: int | None = None,
        seed: int | None = None,
    ) -> np.ndarray:
        """The second result of `forward_with_distributions`.

        Args:
            image: uint8 [B, H, W, 3].
            embedding: float32 [B, 512].
            dropout: 'off', 'head' or 'full'.
            num_samples: S, or None.
            seed: of the dropout, or None.

        Returns:
            Probabilities float32 [B, 4, vocab_size], or [S, B, 4, vocab_size].
        """


class EngineError(ValueError):
    """An engine cannot be had for a checkpoint; the message says why."""
