"""The predictor with models whose right answer is known; real pictures' files."""

from __future__ import annotations

import numpy as np
import pytest

from food_data import image_placement
from serving import errors
from tests import serving_stubs


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return serving_stubs.embedding_store_of(tmp_path_factory.mktemp("embeddings"))


PICTURE = serving_stubs.marker_picture(300, 200, (100, 100), (200, 100))


@pytest.mark.parametrize("mode", image_placement.MODES)
def test_pictures_are_placed_as_training_had_it_unless_asked_otherwise(mode, store):
    stub = serving_stubs.predictor_of(serving_stubs.MarkerModel(), store, mode)
    for resize in (None, "stretch", "letterbox", "crop"):
        photo, first = stub.place(serving_stubs.file_bytes(PICTURE), resize, 60_000)
        expected = image_placement.place(PICTURE, resize or mode)
        np.testing.assert_array_equal(photo, PICTURE)
        np.testing.assert_array_equal(first.square, expected[0])
        assert first.placement == expected[1]


def test_too_many_pixels_and_no_picture_are_told_apart(store):
    stub = serving_stubs.predictor_of(serving_stubs.MarkerModel(), store)
    with pytest.raises(image_placement.TooManyPixelsError, match="at most 59999 .* 300 x 200"):
        stub.place(serving_stubs.file_bytes(PICTURE), None, 59_999)
    with pytest.raises(image_placement.ImageDecodeError, match="Expected a picture"):
        stub.place(b"hello", None, 60_000)


def test_where_training_did_not_say_the_request_has_to(store):
    stub = serving_stubs.predictor_of(serving_stubs.MarkerModel(), store, mode=None)
    file = serving_stubs.file_bytes(PICTURE)
    assert stub.place(file, "crop", 60_000)[1].placement.mode == "crop"
    with pytest.raises(errors.RequestError, match="'resize' is needed: .* stub-1") as refused:
        stub.place(file, None, 60_000)
    assert refused.value.status == 422


def test_warm_up_runs_everything_that_a_request_may_need(store):
    class CountingModel(serving_stubs.MarkerModel):
        def __init__(self):
            self.calls = []

        def forward(self, image, embedding, *, dropout="off", num_samples=None, seed=None):
            self.calls.append((dropout, num_samples))
            return super().forward(
                image, embedding, dropout=dropout, num_samples=num_samples, seed=seed
            )

    model = CountingModel()
    serving_stubs.predictor_of(model, store).warm_up()
    assert set(model.calls) == {("off", None), ("head", 16), ("full", 16)}


def test_engine_and_workers_are_those_of_the_model(store):
    class PooledModel(serving_stubs.MarkerModel):
        name, num_workers = "pooled", 2

    stub = serving_stubs.predictor_of(PooledModel(), store)
    assert (stub.engine, stub.num_workers) == ("pooled", 2)
    plain = serving_stubs.predictor_of(serving_stubs.MarkerModel(), store)
    assert (plain.engine, plain.num_workers) == ("stub", 1)
