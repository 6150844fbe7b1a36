"""One small agent and its frozen graphs, which every test of an engine can share."""

from __future__ import annotations

import pytest

# Of `agent`, below.
STRUCTURE = (
    "FilmEfficientNet.width = 0.1",
    "FilmEfficientNet.depth = 0.3",  # Some residuals, because only they drop.
    "DropoutSettings.backbone_drop_connect = 0.4",
    "DropoutSettings.transformer_attention = 0.4",
    "DropoutSettings.transformer_feed_forward = 0.4",
)


@pytest.fixture(scope="session")
def agent():
    """Drops 40% of the branches, attention weights and feed-forward outputs. Do not change it."""
    from tests import small_model

    return small_model.build(*STRUCTURE)


@pytest.fixture(scope="session")
def functions(agent):
    """The parts of its network."""
    return agent.prediction_functions()


@pytest.fixture(scope="session")
def graphs(functions):
    """Its network as frozen graphs."""
    from serving.engines import stages

    return stages.freeze_stages(functions)


@pytest.fixture(scope="session")
def inputs():
    """Three pictures and embeddings."""
    from tests import small_model

    return small_model.images(0, 3), small_model.embeddings(1, 3)
