"""The drawing is where the numbers say."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from folder_inference import drawing
from tests.folder_inference import records, stub_server


def test_motion_of_an_answer_and_of_samples():
    np.testing.assert_array_equal(drawing.motion_of(records.record()), [0.2, 0.5, 0.4, 0.5])
    np.testing.assert_array_equal(drawing.motion_of(records.sampled()), [0.2, 0.5, 0.4, 0.5])


def test_start_midpoint_samples_and_label():
    picture = Image.new("RGB", (200, 100), (90, 90, 90))
    answer = records.record(coordinates=(0.2, 0.5, 0.8, 0.5))
    label = np.array([[0.1, 0.1], [0.9, 0.1]])
    drawing.draw_answer(picture, {**answer, "predictions": [[0.5, 0.8, 0.7, 0.8]]}, [label])
    assert picture.getpixel((40, 50)) == (0, 255, 0)
    assert picture.getpixel((100, 50)) == (255, 0, 0)
    assert picture.getpixel((70, 50)) == (255, 255, 0)
    assert picture.getpixel((120, 80)) == (0, 191, 255)
    assert picture.getpixel((20, 10)) == picture.getpixel((100, 10)) == (255, 255, 255)
    assert picture.getpixel((100, 30)) == (90, 90, 90)


def test_a_motion_without_a_length_is_drawn():
    picture = Image.new("RGB", (20, 20))
    drawing.draw_answer(picture, records.record(coordinates=(0.5, 0.5, 0.5, 0.5)))
    assert picture.getpixel((10, 10)) == (255, 0, 0)


@pytest.mark.parametrize(("name", "kind"), [("a.png", "PNG"), ("new/a.jpg", "JPEG")])
def test_saved_as_the_ending_says(name, kind, tmp_path):
    drawing.save(Image.new("RGB", (3, 2)), tmp_path / name)
    with Image.open(tmp_path / name) as picture:
        assert (picture.format, picture.size) == (kind, (3, 2))


def test_decoded_upright(tmp_path):
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(path, exif=exif)
    assert drawing.decode(path).size == (20, 40)
    path.write_bytes(b"no picture")
    with pytest.raises(ValueError, match="Expected a picture"):
        drawing.decode(path)
    assert drawing.decode(stub_server.solid(tmp_path / "b.png")).mode == "RGB"
