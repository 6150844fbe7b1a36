"""Decoding picture files, and placing pictures, points and masks in the model's square."""

import io
import json

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies
from PIL import Image

from food_data import image_placement

RED, GREEN = (255, 0, 0), (0, 255, 0)
SIZES = strategies.integers(1, 700)


def encoded(picture, kind="PNG", **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def black(height, width):
    return np.zeros((height, width, 3), np.uint8)


@pytest.mark.parametrize("kind", image_placement.FORMATS)
def test_formats_are_decoded_upright_as_rgb(kind):
    picture = Image.new("RGB", (32, 16), RED)
    picture.paste(GREEN, (16, 0, 32, 16))
    exif = Image.Exif()
    exif[0x0112] = 6  # The camera was turned: the picture has to be turned 90 degrees clockwise.
    options = {} if kind == "BMP" else {"exif": exif}
    image = image_placement.decode_image(encoded(picture, kind, **options))
    assert image.dtype == np.uint8
    if kind == "BMP":
        image = np.rot90(image, -1)
    assert image.shape == (32, 16, 3)
    assert np.abs(image[4, 8] - RED).max() <= 30
    assert np.abs(image[28, 8] - GREEN).max() <= 30


@pytest.mark.parametrize(
    "picture, expected",
    [
        (Image.fromarray(np.array([[0, 200]], np.uint8)), [[0] * 3, [200] * 3]),
        (
            Image.fromarray(np.array([[0, 0x8000, 0xFFFF]], np.uint16)),
            [[0] * 3, [128] * 3, [255] * 3],
        ),
        (
            Image.fromarray(np.array([[[255, 0, 0, 0], [0, 0, 0, 51]]], np.uint8)),
            [[255] * 3, [204] * 3],
        ),
        (Image.fromarray(np.array([[RED, GREEN]], np.uint8)).convert("P"), [[*RED], [*GREEN]]),
    ],
    ids=["grey", "16 bits", "transparent", "palette"],
)
def test_other_kinds_of_pixels_become_rgb(picture, expected):
    assert image_placement.decode_image(encoded(picture)).tolist() == [expected]


def bomb():
    """A header that claims 20,000 x 20,000 pixels, and no data behind it."""
    data = bytearray(encoded(Image.new("RGB", (1, 1)), "BMP"))
    data[18:26] = (20_000).to_bytes(4, "little") * 2
    return bytes(data)


def half(kind):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    "data, error, message",
    [
        (b"not a photo", image_placement.ImageDecodeError, "got 11 bytes that begin with b'not"),
        (b"", image_placement.ImageDecodeError, "got 0 bytes"),
        (half("JPEG"), image_placement.ImageDecodeError, "cannot be decoded"),
        (half("PNG"), image_placement.ImageDecodeError, "cannot be decoded"),
        (encoded(Image.new("RGB", (20, 10))), image_placement.TooManyPixelsError, "got 20 x 10"),
        (bomb(), image_placement.TooManyPixelsError, "got one of more"),
    ],
)
def test_what_is_no_whole_picture(data, error, message):
    with pytest.raises(error, match=message):
        image_placement.decode_image(data, max_pixels=199 if len(data) < 200 else 100_000)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow tells what it met on the way.
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_every_error_of_broken_bytes_is_an_image_decode_error():
    rng = np.random.default_rng(1)
    for kind in image_placement.FORMATS:
        data = encoded(Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)), kind)
        failures = 0
        for position in range(min(len(data), 120)):
            broken = data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :]
            try:
                assert image_placement.decode_image(broken).dtype == np.uint8
            except image_placement.ImageDecodeError:
                failures += 1
        assert failures > 0


@pytest.mark.parametrize(
    "mode, point, expected",
    [
        ("stretch", (320, 120), (0.5, 0.25)),
        ("letterbox", (320, 120), (0.5, 73.25 / 236)),
        ("letterbox", (640, 480), (1.0, 206 / 236)),
        ("crop", (320, 120), (0.5, 0.25)),
        ("crop", (0, 240), (-1 / 6, 0.5)),
    ],
)
def test_worked_example_of_640_x_480(mode, point, expected):
    image, placement = image_placement.place(black(480, 640), mode)
    assert image.shape == (236, 236, 3)
    np.testing.assert_allclose(placement.to_model(np.array([point])), [expected], atol=1e-12)
    assert image_placement.Placement(**json.loads(json.dumps(placement.to_dict()))) == placement


@pytest.mark.parametrize("mode", image_placement.MODES)
@pytest.mark.parametrize("height, width", [(480, 640), (640, 480), (90, 120)])
def test_picture_point_and_mask_agree(mode, height, width):
    """A white spot is found where the point says, and where the mask placed with it is."""
    mask = np.zeros((height, width), bool)
    reach = max(height, width) // 60
    row, column = height // 3, width // 2 - width // 12
    mask[row - reach : row + reach, column - reach : column + reach] = True
    image = np.repeat(mask[..., np.newaxis], 3, axis=2).astype(np.uint8) * 255
    placed, placement = image_placement.place(image, mode)
    weights = placed.sum(axis=2, dtype=np.float64)
    rows, columns = np.indices(weights.shape) + 0.5
    found = np.array([(columns * weights).sum(), (rows * weights).sum()]) / weights.sum()
    expected = placement.to_model(np.array([[column, row]]))[0] * 236
    np.testing.assert_allclose(found, expected, atol=0.1)
    placed_mask = image_placement.place_mask(mask, placement)
    assert placed_mask[placed[..., 0] > 200].all()
    assert not placed_mask[placed[..., 0] < 50].any()


def test_masks_end_with_the_picture():
    """The model's pixel (column 118, row 73) shows the photograph's (column 321, row 120)."""
    mask = np.zeros((480, 640), bool)
    mask[120, 321] = True
    placed, placement = image_placement.place(np.full((480, 640, 3), 255, np.uint8), "letterbox")
    assert np.argwhere(image_placement.place_mask(mask, placement)).tolist() == [[73, 118]]
    whole = image_placement.place_mask(np.ones((480, 640), bool), placement)
    assert np.flatnonzero(whole.all(axis=1)).tolist() == list(range(29, 206))
    np.testing.assert_array_equal(whole[..., np.newaxis] * np.uint8(255), placed[..., :1])
    with pytest.raises(ValueError, match="expected 640 x 480 pixels as the picture has"):
        image_placement.place_mask(mask.T, placement)


@hypothesis.given(
    SIZES,
    SIZES,
    strategies.sampled_from(image_placement.MODES),
    strategies.lists(strategies.tuples(*[strategies.floats(-1, 2)] * 2), min_size=1, max_size=5),
)
def test_points_go_there_and_back(height, width, mode, points):
    _, placement = image_placement.place(black(height, width), mode)
    points = np.array(points)
    np.testing.assert_allclose(placement.to_model(placement.to_picture(points)), points, atol=1e-9)


@hypothesis.given(SIZES, SIZES, strategies.data())
def test_a_crop_keeps_the_points_it_is_given(height, width, data):
    side = min(height, width)
    hypothesis.assume(side > 2)
    x, y = data.draw(strategies.floats(0, width)), data.draw(strategies.floats(0, height))
    reach = side - 2.0  # Whole pixels: a crop can start no finer.
    points = np.array([[x, y], [max(0.0, x - reach), max(0.0, y - reach)]])
    placed = image_placement.place(black(height, width), "crop", points)[1].to_model(points)
    assert placed.min() >= -1e-9
    assert placed.max() <= 1 + 1e-9


def test_a_crop_moves_no_further_than_it_has_to():
    """The side is 480, the margin 24: for x = 50 the first column is 26, for x = 600 it is 144."""
    for x, first in ((320.0, 80), (50.0, 26), (600.0, 144), (10.0, 0), (635.0, 160)):
        points = np.array([[x, 200.0], [x, 240.0]])
        _, placement = image_placement.place(black(480, 640), "crop", points)
        assert placement.to_picture(np.array([[0.0, 0.0]]))[0].tolist() == pytest.approx([first, 0])


@pytest.mark.parametrize(
    "shape, dtype", [((4, 4, 3), float), ((4, 4), np.uint8), ((0, 4, 3), "u1")]
)
def test_other_arrays_and_modes_are_refused(shape, dtype):
    with pytest.raises(ValueError, match=r"Expected an image uint8 \[H, W, 3\], got"):
        image_placement.place(np.zeros(shape, dtype), "stretch")
    with pytest.raises(ValueError, match="expected one of stretch, letterbox, crop; got 'squash'"):
        image_placement.place(black(4, 4), "squash")
