"""Who answers: a server (`ServerAnswerer`), or the model in this process (`local_model`)."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from typing import Any, Protocol

import api_client
from folder_inference import questions, stopping


class Answerer(Protocol):
    """Answers one question after the other; `open_answerers` makes one for each thread."""

    def model_version(self) -> str | None:
        """Names the checkpoint; None if there is no model. Raises ApiError."""

    def combinations(self) -> list[tuple[str, str]]:
        """Every (action, food) that can be asked about. Raises ApiError."""

    def ask(
        self, picture: Any, question: questions.Question, settings: questions.Settings
    ) -> dict[str, Any]:
        """The answer as the server's JSON object.

        Args:
            picture: what `Pictures.load` gave.
            question: what is asked.
            settings: of the run.

        Raises:
            ApiError: if there is no answer; the status says why, as a server's would.
        """

    def close(self) -> None:
        """The thread needs it no more."""


class ServerAnswerer:
    """Sends files of pictures to a server, over a connection of its own."""

    def __init__(self, client: api_client.FoodAcquisitionClient) -> None:
        """`client` is one that nobody else uses."""
        self._client = client

    def model_version(self) -> str | None:
        """What GET /health says."""
        return self._client.health().get("model_version")

    def combinations(self) -> list[tuple[str, str]]:
        """What GET /available_combinations says."""
        return self._client.available_combinations()

    def ask(
        self, picture: bytes, question: questions.Question, settings: questions.Settings
    ) -> dict[str, Any]:
        """See `Answerer`; `picture` is the content of its file."""
        instruction = (question.action, question.food_type, settings.text)
        if settings.num_samples == 0:
            prediction = self._client.predict(
                picture, *instruction, resize=settings.resize, passes=settings.passes
            )
        else:
            prediction = self._client.predict_batch(
                picture,
                *instruction,
                batch_size=settings.num_samples,
                dropout_scope=settings.dropout_scope,
                seed=question.seed(settings.seed),
                resize=settings.resize,
                passes=settings.passes,
            ).mean_prediction
        return dict(prediction.content)

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()


def open_answerers(
    args: argparse.Namespace, signals: stopping.StopSignals
) -> Callable[[], Answerer]:
    """Loads the model of --checkpoint_dir, if it is given; else nothing is done yet.

    Args:
        args: as `flags.parse_arguments` gives them.
        signals: entered.

    Returns:
        What makes an answerer for a thread.

    Raises:
        OSError, ValueError: if the checkpoint cannot be loaded.
        stopping.Stopped: if a signal came meanwhile.
    """
    if args.checkpoint_dir is None:
        return functools.partial(_server_answerer, args, signals)
    # TensorFlow takes seconds to import and is of no use to those who ask a server.
    from folder_inference import local_model

    model = local_model.load(args.checkpoint_dir, args.engine)
    signals.check()
    return lambda: model


def _server_answerer(args: argparse.Namespace, signals: stopping.StopSignals) -> ServerAnswerer:
    client = api_client.FoodAcquisitionClient(
        args.api_url, api_key=args.api_key, timeout_s=args.timeout_s, sleep=signals.event.wait
    )
    return ServerAnswerer(client)
