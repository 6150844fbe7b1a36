"""Every route of the server, once: what it takes, what it answers, when it refuses.

`openapi_document.py` makes the OpenAPI document of it, `docs_page.py` makes the page at /docs of
that; a test compares it with the routes that the application has.
"""

from __future__ import annotations

import dataclasses

from serving.openapi import examples

TEXT, HTML, JSON, FORM = "text/plain", "text/html", "application/json", "multipart/form-data"
ANYTHING = "*/*"


@dataclasses.dataclass(frozen=True)
class Body:
    """What a POST takes.

    Attributes:
        schema: of the JSON, a name of `schemas.components`.
        examples: name -> JSON.
        form_schema: of the multipart form; None if no form is described.
    """

    schema: str
    examples: dict[str, examples.Example]
    form_schema: str | None = None


@dataclasses.dataclass(frozen=True)
class Route:
    """One method of one path.

    Attributes:
        path: as OpenAPI writes it, `/static/{name}`.
        method: "get" or "post".
        name: of the operation; unique.
        summary: half a sentence.
        answers: schemas of the answer to status 200; several if the request decides; none if it is
            no JSON.
        example: of the answer.
        body: what it takes.
        refusals: statuses with an error in JSON, besides those that every route may answer.
        media_type: of the answer to status 200.
        is_open: whether it needs no API key.
        is_limited: whether the rate limit counts it.
        is_kept: whether a browser may keep the answer and ask whether it is still good (304).
    """

    path: str
    method: str
    name: str
    summary: str
    answers: tuple[str, ...] = ()
    example: examples.Example | None = None
    body: Body | None = None
    refusals: tuple[int, ...] = ()
    media_type: str = JSON
    is_open: bool = False
    is_limited: bool = True
    is_kept: bool = False


# A web page of another origin may post nothing.
_POST_REFUSALS = (400, 403, 413, 415)
_PREDICTION_REFUSALS = (*_POST_REFUSALS, 422, 503, 504)

ROUTES = (
    Route(
        *("/health", "get", "health", "Whether the server lives, and what it has."),
        answers=("Health",),
        example=examples.HEALTH,
        is_open=True,
        is_limited=False,
    ),
    Route(
        *("/ready", "get", "ready", "Whether predictions are answered; for load balancers."),
        answers=("Ready",),
        example=examples.READY,
        refusals=(503,),
        is_open=True,
        is_limited=False,
    ),
    Route(
        *("/available_combinations", "get", "available_combinations", "What can be asked."),
        answers=("Combinations",),
        example=examples.COMBINATIONS,
        refusals=(503,),
    ),
    Route(
        *("/predict", "post", "predict", "The motion for one picture."),
        answers=("PredictAnswer",),
        example=examples.PREDICT_ANSWER,
        body=Body("PredictRequest", {"strawberry": examples.PREDICT_REQUEST}, "PredictForm"),
        refusals=_PREDICTION_REFUSALS,
    ),
    Route(
        *("/predict_batch", "post", "predict_batch", "Monte Carlo samples, with their spread."),
        answers=("PredictBatchAnswer", "PredictImagesAnswer"),
        example=examples.PREDICT_BATCH_ANSWER,
        body=Body(
            "PredictBatchRequest",
            {
                "one picture": examples.PREDICT_BATCH_REQUEST,
                "two pictures": examples.PREDICT_IMAGES_REQUEST,
            },
            "PredictBatchForm",
        ),
        refusals=_PREDICTION_REFUSALS,
    ),
    Route(
        *("/load_model", "post", "load_model", "Another checkpoint takes over, or none does."),
        answers=("LoadModelAnswer",),
        example=examples.LOAD_MODEL_ANSWER,
        body=Body("LoadModelRequest", {"monday": examples.LOAD_MODEL_REQUEST}),
        refusals=(*_POST_REFUSALS, 404, 409, 422),
    ),
    Route(
        *("/corrections", "post", "correct", "Keeps what an answer should have been."),
        answers=("CorrectionAnswer",),
        example=examples.CORRECTION_ANSWER,
        body=Body("CorrectionRequest", {"by hand": examples.CORRECTION_REQUEST}),
        refusals=(*_POST_REFUSALS, 404, 409),
    ),
    Route(
        *("/metrics", "get", "metrics", "Counters and times for Prometheus."),
        media_type=TEXT,
        is_limited=False,
    ),
    Route(
        *("/openapi.json", "get", "openapi", "This document."),
        is_open=True,
    ),
    Route(
        *("/docs", "get", "docs", "This document, to read."),
        media_type=HTML,
        is_open=True,
    ),
    Route(
        *("/", "get", "page", "A page to try the model with a photo or the camera."),
        media_type=HTML,
        is_open=True,
        is_kept=True,
    ),
    Route(
        *("/static/{name}", "get", "page_file", "A file of that page."),
        refusals=(404,),
        media_type=ANYTHING,
        is_open=True,
        is_kept=True,
    ),
)
