from __future__ import annotations

import io
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests import serving_stubs

pytest.importorskip("playwright", reason="Playwright is not installed")
from tools import page_screenshots  # noqa: E402

IMAGES = pathlib.Path(page_screenshots.__file__).resolve().parents[1] / "docs" / "images"
MAX_BYTES = 200_000
SIZES = {"page.png": (1180, 780), "page_phone.png": (360, 1290)}


def test_the_plate_is_the_same_each_time_and_names_a_food_on_it():
    first = page_screenshots.draw_plate(29, ("banana", "grape"))
    assert first == page_screenshots.draw_plate(29, ("banana", "grape"))
    photo, action, food = first
    assert Image.open(io.BytesIO(photo)).size == (640, 640)
    assert (action, food) in (("skewering", "banana"), ("skewering", "grape"))


@pytest.mark.parametrize("name", SIZES)
def test_the_documentation_has_the_pictures(name):
    path = IMAGES / name
    assert path.stat().st_size <= MAX_BYTES
    assert Image.open(path).size == SIZES[name]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="Chromium is not installed")
def test_it_takes_both_pictures_of_a_running_server(store, tmp_path):
    from serving import app

    stub = serving_stubs.predictor_of(serving_stubs.ConstantModel([0.2, 0.5, 0.8, 0.5]), store)
    program = IMAGES.parents[1] / "tools" / "page_screenshots.py"
    # In a process of its own: Playwright runs once in each, and other tests may have it running.
    with serving_stubs.serve(app.create_app(stub)) as url:
        command = [sys.executable, str(program), "--api_url", url, "--output_dir", str(tmp_path)]
        subprocess.run(command, check=True, timeout=300)
    for name, size in SIZES.items():
        picture = Image.open(tmp_path / name)
        assert picture.size == size
        # The arrow's yellow is on it.
        away = np.abs(np.asarray(picture, int) - (255, 230, 0)).sum(axis=-1)
        assert (away < 12).sum() > 50


@pytest.fixture
def store():
    from food_data import embedding_store

    return embedding_store.EmbeddingStore.load(IMAGES.parents[1] / "embeddings")
