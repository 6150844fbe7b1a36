"""The predictor with models whose right answer is known; real pictures' files, real embeddings."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import policy_specs
from food_data import embedding_store, image_placement
from serving import predictor
from tests import serving_stubs


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return serving_stubs.embedding_store_of(tmp_path_factory.mktemp("embeddings"))


def marker_predictor(store, mode):
    return predictor.Predictor(serving_stubs.MarkerModel(), store, mode, "stub")


@pytest.mark.parametrize("mode", image_placement.MODES)
@pytest.mark.parametrize("size", [(640, 480), (480, 640), (236, 236), (100, 90)])
def test_markers_are_found_where_they_were_drawn(mode, size, store):
    width, height = size
    start, end = (0.4 * width, 0.3 * height), (0.6 * width, 0.7 * height)
    picture = serving_stubs.marker_picture(width, height, start, end)
    answer = marker_predictor(store, mode).predict(
        serving_stubs.file_bytes(picture), "skewering", "strawberry"
    )
    assert (answer.width, answer.height) == size
    found = [getattr(answer.pixels, n) for n in ("start_x", "start_y", "end_x", "end_y")]
    # Half a pixel of the model's square, seen in the picture.
    tolerance_px = max(1.0, 0.5 * max(size) / policy_specs.IMAGE_SIZE)
    assert found == pytest.approx([*map(round, start), *map(round, end)], abs=tolerance_px)
    assert answer.normalised.start_x == pytest.approx(answer.pixels.start_x / width)
    assert answer.normalised.end_y == pytest.approx(answer.pixels.end_y / height)


def test_coordinates_are_those_of_the_upright_picture(store):
    # Stored lying on its side; EXIF orientation 6 says: turn by 90 degrees clockwise to see it.
    upright = serving_stubs.marker_picture(240, 480, (60, 100), (180, 400))
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.fromarray(np.rot90(upright)).save(buffer, "PNG", exif=exif)
    answer = marker_predictor(store, "letterbox").predict(
        buffer.getvalue(), "skewering", "strawberry"
    )
    assert (answer.width, answer.height) == (240, 480)
    assert (answer.pixels.start_x, answer.pixels.start_y) == pytest.approx((60, 100), abs=1.5)
    assert (answer.pixels.end_x, answer.pixels.end_y) == pytest.approx((180, 400), abs=1.5)


def test_the_model_gets_the_embedding_of_the_instruction_and_the_training_picture(store):
    class RecordingModel(serving_stubs.MarkerModel):
        def forward(self, image, embedding, *, dropout):
            self.seen = (image, embedding)
            return super().forward(image, embedding, dropout=dropout)

    model = RecordingModel()
    picture = serving_stubs.marker_picture(300, 200, (100, 100), (200, 100))
    answer = predictor.Predictor(model, store, "crop", "stub").predict(
        serving_stubs.file_bytes(picture), "Scoop", "mac and cheese"
    )
    assert (answer.action, answer.food) == ("scooping", "mac_and_cheese")
    image, embedding = model.seen
    np.testing.assert_array_equal(image[0], image_placement.place(picture, "crop")[0])
    np.testing.assert_array_equal(embedding[0], store.lookup("scooping", "mac_and_cheese"))


def test_warm_up_runs_the_model_on_what_the_specs_say(store):
    class CountingModel(serving_stubs.MarkerModel):
        calls = 0

        def forward(self, image, embedding, *, dropout):
            self.calls += 1
            return super().forward(image, embedding, dropout=dropout)

    model = CountingModel()
    predictor.Predictor(model, store, "crop", "stub").warm_up()
    assert model.calls == 1


def test_errors_name_the_reason(store):
    picture = serving_stubs.file_bytes(serving_stubs.marker_picture(40, 40, (9, 9), (30, 30)))
    with pytest.raises(embedding_store.UnknownInstructionError, match="strawberry"):
        marker_predictor(store, "crop").predict(picture, "skewering", "strawbery")
    with pytest.raises(image_placement.ImageDecodeError, match="Expected a picture"):
        marker_predictor(store, "crop").predict(b"hello", "skewering", "strawberry")


def test_combinations_are_sorted(store):
    assert marker_predictor(store, "crop").combinations() == sorted(serving_stubs.INSTRUCTIONS)
