"""Every file in configs/ parses, and builds the network that its header promises."""

from __future__ import annotations

import pathlib

import gin
import numpy as np
import pytest

from training import run_setup

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")

CONFIGS = sorted(pathlib.Path("configs").glob("*.gin"))
NUM_PARAMETERS = {
    "rt1main": 35_339_431,
    "transformer_mixin": 35_155_880,
    "small": 1_381_103,
    "lite": 2_422_159,
}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_parses(path):
    gin.parse_config_file(str(path))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(NUM_PARAMETERS))
def test_builds_the_network_of_its_size(name):
    gin.parse_config_file(f"configs/{name}.gin")
    gin.bind_parameter("EfficientNetEncoder.imagenet_weights_file", None)
    variables = run_setup.create_agent().network.variables
    assert sum(np.prod(v.shape, dtype=np.int64) for v in variables) == NUM_PARAMETERS[name]
