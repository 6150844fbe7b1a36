"""Decoding picture files, whatever they hold; pictures, points and masks in the model's square."""

import io
import re
import struct
import sys

import cv2
import hypothesis
import numpy as np
import pytest
from hypothesis import strategies
from PIL import Image

from food_data import image_placement

RED, GREEN = (255, 0, 0), (0, 255, 0)
SIZES = strategies.integers(3, 700)


def encoded(picture, kind="PNG", **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def black(height, width):
    return np.zeros((height, width, 3), np.uint8)


@pytest.mark.parametrize("kind", [*image_placement.FORMATS, "MPO"])
def test_formats_are_decoded_upright_as_rgb(kind):
    picture = Image.new("RGB", (32, 16), RED)
    picture.paste(GREEN, (16, 0, 32, 16))
    exif = Image.Exif()
    exif[0x0112] = 6  # The camera was turned: the picture has to be turned 90 degrees clockwise.
    has_exif = kind not in ("BMP", "GIF", "JPEG2000")
    data = encoded(picture, kind, **({"exif": exif} if has_exif else {}))
    assert image_placement.read_header(data) == ((32, 16), 6 if has_exif else 1)
    image = image_placement.decode_image(data)
    image = image if has_exif else np.rot90(image, -1)
    assert (image.dtype, image.shape) == (np.uint8, (32, 16, 3))
    assert np.abs(image[[4, 28], 8] - [RED, GREEN]).max() <= 30


def tag(form, count, value, rest=b""):
    """EXIF with an orientation of a type, and an exposure of 1 / -0, which cannot be written."""
    head = b"II*\0" + struct.pack("<IHHHI", 8, 2, 0x0112, form, count) + value.ljust(4, b"\0")
    return head + struct.pack("<HHIIIiI", 0x829A, 10, 1, 38, 0, -1, 0) + rest


def with_exif(picture, exif):
    """A JPEG with the bytes as its EXIF."""
    body = b"Exif\0\0" + exif
    return b"\xff\xd8\xff\xe1" + struct.pack(">H", len(body) + 2) + body + picture[2:]


TURNED = [tag(3, 1, b"\6"), tag(3, 2, b"\6\0\6\0"), tag(2, 2, b"6")]
TURNED += [tag(5, 1, b"\x2e", struct.pack("<II", 6, 1))]
UPRIGHT = [tag(5, 1, b"\x2e", struct.pack("<II", 6, 0)), tag(3, 1, b"\x09"), tag(3, 1, b"\6")[:16]]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("exif", [*TURNED, *UPRIGHT])
def test_only_the_orientation_is_read_and_nothing_else_of_exif_matters(exif):
    data = with_exif(encoded(Image.new("RGB", (32, 16), RED), "JPEG"), exif)
    assert image_placement.decode_image(data).shape[:2] == (
        (32, 16) if exif in TURNED else (16, 32)
    )


@pytest.mark.parametrize(
    "array, kind, expected",
    [
        (np.array([[0, 0x8000, 0xFFFF]], np.uint16), "PNG", [0, 128, 255]),
        (np.array([[0, 0x800, 0xFFF]], np.uint16), "TIFF", [0, 128, 255]),
        (np.array([[0, 0x8000, 0xFFFF]], np.int32), "TIFF", [0, 128, 255]),
        (np.array([[0, 0.5, 1]], np.float32), "TIFF", [0, 128, 255]),
        (np.array([[[255, 0, 0, 0], [0, 0, 0, 51]]], np.uint8), "PNG", [255, 204]),
        (np.array([[[9, 9, 9], [200, 200, 200]]], np.uint8), "GIF", [9, 200]),
    ],
)
def test_other_kinds_of_pixels_become_rgb(array, kind, expected):
    image = image_placement.decode_image(encoded(Image.fromarray(array), kind))
    assert image.tolist() == [[[level] * 3 for level in expected]]


def noise(kind, side=64, **options):
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    return encoded(Image.fromarray(pixels), kind, **options)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_may_lack_its_end_marker_and_no_more(progressive):
    data = noise("JPEG", progressive=progressive)
    whole = image_placement.decode_image(data)
    for end in (b"", b"\xff", b"\xff\xd9 and more"):
        np.testing.assert_array_equal(image_placement.decode_image(data[:-2] + end), whole)
    scans = [match.start() for match in re.finditer(b"\xff\xda", data)]
    for length in (scans[-1], len(data) - 40, len(data) // 2, 300, 30):
        with pytest.raises(image_placement.ImageDecodeError):
            image_placement.decode_image(data[:length])


JPEG = noise("JPEG", progressive=True)
# Its last scan comes 200 times.
SCANS = JPEG[:-2] + JPEG[JPEG.rindex(b"\xff\xda") : -2] * 200 + JPEG[-2:]
# A header that claims 20,000 x 20,000 pixels, and no data behind it.
BOMB = encoded(Image.new("RGB", (1, 1)), "BMP")
BOMB = BOMB[:18] + (20_000).to_bytes(4, "little") * 2 + BOMB[26:]
# It says that it has 12 bits.
TWELVE = noise("JPEG").replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c")
DEEP = np.arange(48, dtype=np.uint16).reshape(4, 4, 3) * 80
NAN = np.full((2, 2), np.nan, np.float32)


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "got 0 bytes that begin with b''"),
        (b"<svg/>", "a text such as SVG"),
        (b"not a photo", "got 11 bytes that begin with b'not"),
        (b"\0\0\0\x18ftypheic" + bytes(99), "which is HEIC.* requirements-heic.txt.*as JPEG"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer.*git lfs pull"),
        (noise("PNG")[:5000], "cannot be decoded"),
        (TWELVE, "JPEG of 8 bits, got one of 12"),
        (SCANS, "at most 100 scans"),
        (cv2.imencode(".png", DEEP)[1].tobytes(), "got 14 of 255 as the brightest: 12 bits"),
        (encoded(Image.fromarray(NAN), "TIFF"), "got nan to nan"),
        (encoded(Image.new("RGB", (200, 101))), "at most 20000 pixels, got 200 x 101"),
        (BOMB, "smaller picture"),
    ],
)
def test_what_cannot_be_read_is_named_with_the_way_out(data, message, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(image_placement.ImageDecodeError, match=message) as caught:
        image_placement.decode_image(data, max_pixels=20_000)
    too_large = isinstance(caught.value, image_placement.TooManyPixelsError)
    assert too_large == ("pixels, got" in message or "smaller" in message)


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="expected one of stretch, letterbox, crop; got 'fit'"):
        image_placement.place(np.zeros((2, 2, 3), np.uint8), "fit")


@pytest.mark.filterwarnings("ignore")  # Pillow tells what it met on the way.
def test_no_file_ends_in_anything_but_its_own_error():
    """Files that are cut off, have other bytes in places, and have bytes put in."""
    rng, refused = np.random.default_rng(3), 0
    files = [noise(kind, 24) for kind in (*image_placement.FORMATS, "MPO")]
    files += [with_exif(files[0], rng.bytes(40)), noise("JPEG", 24, progressive=True)]
    files += [encoded(Image.fromarray(one), "TIFF") for one in (DEEP[..., 0], NAN)]
    for number in range(20 * len(files)):
        data = files[number % len(files)]
        place, kind = int(rng.integers(4, len(data))), number // len(files) % 3
        more = rng.bytes(int(rng.integers(1, 300))) if kind == 2 else rng.bytes(1)
        tail = (b"", data[place + 1 :], data[place:])[kind]
        try:
            image, size = image_placement.decode_photo(
                data[:place] + more * (kind > 0) + tail, 10**6
            )
        except image_placement.ImageDecodeError:
            refused += 1
            continue
        assert (image.dtype, image.shape) == (np.uint8, (size[1], size[0], 3))
    assert 5 * len(files) < refused < 15 * len(files)


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_jpeg_is_decoded_at_a_smaller_scale_and_points_stay_where_they_are(orientation):
    """Of 3021 x 1501 pixels every second is decoded, 1511 x 751: 708 are enough."""
    y, x = np.mgrid[:1501, :3021]
    pixels = np.stack([x // 12, y // 6, 255 * ((x - 2000) ** 2 + (y - 900) ** 2 < 9000)], axis=-1)
    exif, is_turned = Image.Exif(), orientation == 6
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(pixels.astype(np.uint8)), "JPEG", quality=90, exif=exif)
    image, size = image_placement.decode_photo(data)
    turn = -1 if is_turned else 1
    assert (image.shape[:2][::turn], size[::turn]) == ((751, 1511), (3021, 1501))
    spot = np.array([[600.5, 2000.5] if is_turned else [2000.5, 900.5]])
    whole = image_placement.decode_image(data)
    for mode in image_placement.MODES:
        square, placement = image_placement.place(image, mode, spot, size)
        expected, _ = image_placement.place(whole, mode, spot)
        assert np.abs(square.astype(int) - expected).mean() < 1
        centre = [(np.argwhere(square[..., 2] > 128).mean(axis=0)[::-1] + 0.5) / 236]
        np.testing.assert_allclose(placement.to_model(spot), centre, atol=0.25 / 236)


@pytest.mark.parametrize(
    "mode, point, expected",
    [
        ("stretch", (320, 120), (0.5, 0.25)),
        ("letterbox", (320, 120), (0.5, 73.25 / 236)),
        ("crop", (320, 120), (0.5, 0.25)),
        ("crop", (0, 240), (-1 / 6, 0.5)),
    ],
)
def test_worked_example_of_640_x_480(mode, point, expected):
    """And a white spot is found where the point says, and where the mask placed with it is."""
    mask, (column, row) = np.zeros((480, 640), bool), point
    mask[row - 8 : row + 8, max(column - 8, 0) : column + 8] = True
    image = np.repeat(mask[..., np.newaxis], 3, axis=2).astype(np.uint8) * 255
    square, placement = image_placement.place(image, mode)
    there = placement.to_model(np.array([point]))
    np.testing.assert_allclose(there, [expected], atol=1e-12)
    np.testing.assert_allclose(placement.to_picture(there), [point], atol=1e-9)
    weights, placed_mask = square[..., 0].astype(float), image_placement.place_mask(mask, placement)
    assert placed_mask[weights > 200].all() and not placed_mask[weights < 50].any()
    with pytest.raises(ValueError, match=r"expected \(640, 480\) pixels as the picture has"):
        image_placement.place_mask(mask.T, placement)
    if column:
        places = np.indices((236, 236))[::-1] + 0.5
        found = (places * weights).sum(axis=(1, 2)) / weights.sum()
        np.testing.assert_allclose(found, there[0] * 236, atol=0.1)


@hypothesis.given(SIZES, SIZES, strategies.data())
def test_a_crop_keeps_the_points_it_is_given(height, width, data):
    x, y = data.draw(strategies.floats(0, width)), data.draw(strategies.floats(0, height))
    reach = min(height, width) - 2.0  # Whole pixels: a crop can start no finer.
    points = np.array([[x, y], [max(0.0, x - reach), max(0.0, y - reach)]])
    placed = image_placement.place(black(height, width), "crop", points)[1].to_model(points)
    assert placed.min() >= -1e-9 and placed.max() <= 1 + 1e-9


@pytest.mark.parametrize("x, first", [(320, 80), (50, 26), (600, 144), (10, 0), (635, 160)])
def test_a_crop_moves_no_further_than_it_has_to(x, first):
    """The side is 480, the margin 24: for x = 50 the first column is 26, for x = 600 it is 144."""
    points = np.array([[x, 200.0], [x, 240.0]])
    _, placement = image_placement.place(black(480, 640), "crop", points)
    assert placement.to_picture([[0.0, 0.0]])[0].tolist() == pytest.approx([first, 0])
