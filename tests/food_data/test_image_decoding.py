import io

import numpy as np
import pytest
from PIL import Image

from food_data import image_decoding

RED, GREEN, WHITE = (255, 0, 0), (0, 255, 0), (255, 255, 255)


def encoded(picture, kind="PNG", **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def two_pixels(mode="RGB", colours=(RED, GREEN)):
    """Left red, right green."""
    picture = Image.new(mode, (2, 1))
    for x, colour in enumerate(colours):
        picture.putpixel((x, 0), colour)
    return picture


def test_channels_are_rgb_and_rows_come_first():
    image = image_decoding.decode_image(encoded(two_pixels()))
    assert image.dtype == np.uint8
    assert image.tolist() == [[list(RED), list(GREEN)]]


@pytest.mark.parametrize("kind", ["JPEG", "BMP", "WEBP", "TIFF"])
def test_other_formats(kind):
    image = image_decoding.decode_image(encoded(Image.new("RGB", (16, 8), RED), kind))
    assert image.shape == (8, 16, 3)
    assert np.abs(image.astype(int) - RED).max() <= 4


def test_exif_orientation_is_respected():
    """Orientation 6: the camera was turned; the picture has to be turned 90 degrees clockwise."""
    picture = Image.new("RGB", (32, 16), RED)
    picture.paste(GREEN, (16, 0, 32, 16))
    exif = Image.Exif()
    exif[0x0112] = 6
    image = image_decoding.decode_image(encoded(picture, "JPEG", exif=exif, quality=95))
    assert image.shape == (32, 16, 3)
    assert image[4, 8, 0] > 200  # What was on the left is on top now.
    assert image[28, 8, 1] > 200


def test_grey_becomes_rgb():
    image = image_decoding.decode_image(encoded(two_pixels("L", (0, 200))))
    assert image.tolist() == [[[0] * 3, [200] * 3]]


def test_sixteen_bits_are_scaled_not_clipped():
    picture = Image.fromarray(np.array([[0, 0x8000, 0xFFFF]], np.uint16))
    assert image_decoding.decode_image(encoded(picture))[0, :, 0].tolist() == [0, 128, 255]


def test_transparency_is_laid_over_white():
    picture = two_pixels("RGBA", ((255, 0, 0, 0), (0, 0, 0, 51)))
    assert image_decoding.decode_image(encoded(picture)).tolist() == [[list(WHITE), [204] * 3]]


def test_palette_pictures():
    image = image_decoding.decode_image(encoded(two_pixels().convert("P")))
    assert image.tolist() == [[list(RED), list(GREEN)]]


def test_bytes_of_something_else():
    with pytest.raises(image_decoding.ImageDecodeError, match="got 11 bytes that begin with b'not"):
        image_decoding.decode_image(b"not a photo")


def test_no_bytes():
    with pytest.raises(image_decoding.ImageDecodeError, match="got 0 bytes"):
        image_decoding.decode_image(b"")


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_half_a_picture_is_an_error(kind):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    with pytest.raises(image_decoding.ImageDecodeError, match="cannot be decoded"):
        image_decoding.decode_image(data[: len(data) // 2])


def test_a_picture_of_too_many_pixels():
    column = encoded(Image.new("RGB", (1, 199)))
    assert image_decoding.decode_image(column, max_pixels=199).shape == (199, 1, 3)
    with pytest.raises(image_decoding.TooManyPixelsError, match="at most 199 pixels, got 20 x 10"):
        image_decoding.decode_image(encoded(Image.new("RGB", (20, 10))), max_pixels=199)


def test_a_picture_that_pillow_itself_finds_too_large():
    # A header that claims 20,000 x 20,000 pixels, and no data behind it.
    data = bytearray(encoded(Image.new("RGB", (1, 1)), "BMP"))
    data[18:26] = (20_000).to_bytes(4, "little") * 2
    with pytest.raises(image_decoding.TooManyPixelsError, match="got one of more"):
        image_decoding.decode_image(bytes(data))


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow tells what it met on the way.
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_every_error_of_broken_bytes_is_an_image_decode_error():
    """Flips bytes all over a file: it decodes or it is an ImageDecodeError, nothing else."""
    rng = np.random.default_rng(1)
    for kind in ("PNG", "JPEG", "TIFF", "BMP", "WEBP"):
        data = encoded(Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)), kind)
        failures = 0
        for position in range(min(len(data), 120)):
            broken = data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :]
            try:
                assert image_decoding.decode_image(broken).dtype == np.uint8
            except image_decoding.ImageDecodeError:
                failures += 1
        assert failures > 0
