"""From a picture file to the model's uint8 [236, 236, 3], and points and masks there and back.

Building data sets and serving use exactly this module, so that they cannot disagree.

Points are continuous: a picture of W x H pixels spans 0..W and 0..H, pixel (column i, row j) covers
i..i+1 and j..j+1, and its CENTRE is (i + 0.5, j + 0.5). The model's coordinates span 0..1 from edge
to edge in the same way. A worked example, 640 x 480:

| mode      | what happens                                  | the point (320, 120) becomes       |
|-----------|-----------------------------------------------|------------------------------------|
| stretch   | all of it becomes 236 x 236, distorted        | (320/640, 120/480) = (0.5, 0.25)   |
| letterbox | all of it becomes 236 x 177, with 29 black    | (118/236, (44.25 + 29)/236)        |
|           | rows above and 30 below                       | = (0.5, 0.31038)                   |
| crop      | columns 80..560 are kept, 480 x 480 pixels    | (240/480, 120/480) = (0.5, 0.25)   |
"""

from __future__ import annotations

import dataclasses
import io
import math
import pathlib

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

import policy_specs

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF")
MODES = ("stretch", "letterbox", "crop")
MAX_PIXELS = 100_000_000
# A crop that has to be moved for an object leaves this part of its side between object and border.
_CROP_MARGIN = 0.05
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
            # The header tells the size before a byte is decompressed: a small file can claim much.
            if picture.width * picture.height > max_pixels:
                raise TooManyPixelsError(
                    f"Expected a picture of at most {max_pixels} pixels, got {picture.width} x "
                    f"{picture.height}. Scale it down first."
                )
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
    except ImageDecodeError:
        raise
    except (OSError, SyntaxError, ValueError) as error:
        raise ImageDecodeError(f"The picture cannot be decoded: {error}.") from error


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


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where a picture lies in the model's square: model pixel = picture pixel * scale + offset.

    Attributes:
        mode: "stretch", "letterbox" or "crop".
        width, height: of the picture, pixels.
        scale_x, scale_y: model pixels per picture pixel.
        offset_x, offset_y: the picture's top left corner in model pixels; negative in a crop.
    """

    mode: str
    width: int
    height: int
    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float

    def to_model(self, points: np.ndarray) -> np.ndarray:
        """Picture pixels [N, 2] (x, y) -> model coordinates [N, 2]; outside 0..1 if cut off."""
        scale, offset = self._transform()
        return (np.asarray(points, np.float64) * scale + offset) / policy_specs.IMAGE_SIZE

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """Model coordinates [N, 2] in 0..1 -> picture pixels float64 [N, 2] (x, y)."""
        scale, offset = self._transform()
        return (np.asarray(points, np.float64) * policy_specs.IMAGE_SIZE - offset) / scale

    def to_dict(self) -> dict[str, str | int | float]:
        """The attributes by name, ready for JSON; `Placement(**d)` is the way back."""
        return dataclasses.asdict(self)

    def _transform(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array([self.scale_x, self.scale_y]), np.array([self.offset_x, self.offset_y])


@dataclasses.dataclass(frozen=True)
class PhotoFile:
    """A photo on disk, and where it lies in the square that was made of it."""

    path: pathlib.Path
    placement: Placement


def place(
    image: np.ndarray, mode: str, keep_points: np.ndarray | None = None
) -> tuple[np.ndarray, Placement]:
    """Fits a picture into the model's square.

    Args:
        image: uint8 [H, W, 3].
        mode: "stretch", "letterbox" or "crop"; see the module's table.
        keep_points: picture pixels float [N, 2], for "crop" only: the square, else centred, is
            moved just as far as it takes to have them inside, with a margin of 5% of its side where
            possible. Points further apart than its side stay outside: check `to_model`.

    Returns:
        The model's image uint8 [236, 236, 3], and where the picture lies in it.

    Raises:
        ValueError: if the image is not uint8 [H, W, 3] or there is no such mode.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"Expected an image uint8 [H, W, 3], got {image.dtype} {image.shape}.")
    if mode not in MODES:
        raise ValueError(f"mode: expected one of {', '.join(MODES)}; got {mode!r}.")
    size = policy_specs.IMAGE_SIZE
    height, width = image.shape[:2]
    if mode == "crop":
        side = min(height, width)
        columns, rows = (None, None) if keep_points is None else np.asarray(keep_points).T
        left, top = _crop_start(width, side, columns), _crop_start(height, side, rows)
        square = _resize(image[top : top + side, left : left + side], size, size)
        scale = size / side
        return square, Placement(mode, width, height, scale, scale, -left * scale, -top * scale)
    new_width, new_height = size, size
    if mode == "letterbox":
        new_width = max(1, round(size * width / max(width, height)))
        new_height = max(1, round(size * height / max(width, height)))
    left, top = (size - new_width) // 2, (size - new_height) // 2
    square = np.zeros((size, size, 3), np.uint8)
    square[top : top + new_height, left : left + new_width] = _resize(image, new_width, new_height)
    scales = (new_width / width, new_height / height)
    return square, Placement(mode, width, height, *scales, float(left), float(top))


def _crop_start(length: int, side: int, keep: np.ndarray | None) -> int:
    """The first column (or row) of the crop: centred, or moved so that `keep` lies inside."""
    start = (length - side) // 2
    if keep is None:
        return start
    low, high = float(np.min(keep)), float(np.max(keep))
    margin = max(0.0, min(_CROP_MARGIN * side, (side - (high - low)) / 2))
    start = min(start, math.floor(low - margin))
    start = max(start, math.ceil(high + margin - side))
    return min(max(start, 0), length - side)


def _resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    shrinks = width * height < image.shape[0] * image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=method)


def place_mask(mask: np.ndarray, placement: Placement) -> np.ndarray:
    """The mask of the model's square: what lies at the centre of each of its pixels.

    A photograph of 640 x 480 in a letterbox: the model's pixel (column 118, row 73) has its centre
    at (321.4, 120.7) of the photograph, so it is set if the mask is set in column 321, row 120.

    Args:
        mask: bool [H, W], of the photograph.
        placement: of the photograph.

    Returns:
        bool [236, 236]; False outside the photograph.

    Raises:
        ValueError: if the mask is not as large as the photograph.
    """
    if mask.shape != (placement.height, placement.width):
        raise ValueError(
            f"mask: expected {placement.width} x {placement.height} pixels as the picture has, got "
            f"{mask.shape[1]} x {mask.shape[0]}."
        )
    size = policy_specs.IMAGE_SIZE
    centres = (np.arange(size) + 0.5) / size
    points = np.floor(placement.to_picture(np.stack([centres, centres], axis=1))).astype(int)
    columns, rows = points[:, 0], points[:, 1]
    inside_x = (columns >= 0) & (columns < placement.width)
    inside_y = (rows >= 0) & (rows < placement.height)
    placed = np.zeros((size, size), bool)
    placed[np.ix_(inside_y, inside_x)] = mask[np.ix_(rows[inside_y], columns[inside_x])]
    return placed
