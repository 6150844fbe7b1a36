"""The engine that is always there: frozen graphs in TensorFlow sessions."""

from __future__ import annotations

import functools

import numpy as np

import prediction_functions
from serving.engines import frozen_graph, staged_engine, workers
from serving.engines import stages as stage_graphs
from tokenizers import action_coding

NAME = "tensorflow"


def create(
    functions: prediction_functions.PredictionFunctions,
) -> staged_engine.StagedEngine:
    """Freezes an agent's network; the engine does not need the agent afterwards."""
    graphs = stage_graphs.freeze_stages(functions)
    return from_graphs(graphs, functions.image_shape, functions.action_coding)


def from_graphs(
    graphs: stage_graphs.StageGraphs,
    image_shape: tuple[int, ...],
    coding: str = action_coding.ENDPOINTS,
) -> staged_engine.StagedEngine:
    """An engine that runs every stage in TensorFlow.

    Args:
        graphs: of the network.
        image_shape: (H, W, 3).
        coding: of the network's tokens.

    Returns:
        The engine.
    """
    pool = workers.Workers(workers.num_cores())
    stages = staged_engine.Stages(
        features=_one_by_one(graphs.features, pool, fuse=True),
        factors=graphs.factors and frozen_graph.FrozenFunction(graphs.factors),
        answer=_one_by_one(graphs.answer, pool, fuse=False),
        sampler=frozen_graph.FrozenFunction(graphs.sampler),
    )
    return staged_engine.StagedEngine(NAME, stages, image_shape, pool.num_workers, coding)


def _one_by_one(
    graph: frozen_graph.FrozenGraph, pool: workers.Workers, fuse: bool
) -> staged_engine.Stage:
    function = frozen_graph.FrozenFunction(graph, fuse)

    def run(row: workers.Arrays, alone: bool) -> tuple[np.ndarray, ...]:
        del alone  # TensorFlow has one set of threads for all runs.
        return function(*row)

    return functools.partial(pool.run, run)
