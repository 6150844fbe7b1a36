"""From a picture file's bytes to uint8 RGB, strictly: half a picture is an error, not grey rows."""

import io

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF")
MAX_PIXELS = 100_000_000
# Pillow takes memory in blocks of 16 MB, which the C library keeps when they are given back; larger
# ones go back to the system: 456 MB instead of 1469 MB after 32 pictures of 49 megapixels.
Image.core.set_block_size(128 * 1024 * 1024)


class ImageDecodeError(ValueError):
    """Bytes that are not a whole picture in one of `FORMATS`."""


class TooManyPixelsError(ImageDecodeError):
    """A picture whose header claims more pixels than are allowed; nothing of it was decoded."""


def decode_image(data: bytes, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decodes a JPEG, PNG, BMP, WEBP or TIFF file, upright as its EXIF orientation says.

    Grey becomes RGB, 16 bits become 8, transparency is laid over white.

    Args:
        data: the file.
        max_pixels: a picture with more is refused before anything of it is decoded.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        TooManyPixelsError: if there are more pixels than `max_pixels`.
        ImageDecodeError: if the bytes are no such picture, or are truncated.
    """
    if not data:
        raise ImageDecodeError("Expected the bytes of a picture, got 0 bytes.")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            _check_size(picture, max_pixels)
            return _to_rgb(ImageOps.exif_transpose(picture))
    except UnidentifiedImageError as error:
        raise ImageDecodeError(
            f"Expected a picture in one of {', '.join(FORMATS)}; got {len(data)} bytes that begin "
            f"with {data[:8]!r}."
        ) from error
    except Image.DecompressionBombError as error:
        raise TooManyPixelsError(
            f"Expected a picture of at most {max_pixels} pixels, got one of more: {error}"
        ) from error
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, ImageDecodeError):
            raise
        raise ImageDecodeError(f"The picture cannot be decoded: {error}.") from error


def _check_size(picture: Image.Image, max_pixels: int) -> None:
    # The header tells the size before a byte is decompressed: a small file can claim gigabytes.
    if picture.width * picture.height > max_pixels:
        raise TooManyPixelsError(
            f"Expected a picture of at most {max_pixels} pixels, got {picture.width} x "
            f"{picture.height}. Scale it down first."
        )


def _to_rgb(picture: Image.Image) -> np.ndarray:
    if picture.mode.startswith("I"):
        # Pillow would clip 16 bits to 255 instead of scaling them.
        grey = (np.asarray(picture).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8)
        return np.repeat(grey[..., np.newaxis], 3, axis=-1)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(white, picture)
    return np.array(picture.convert("RGB"))
