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

import contextlib
import dataclasses
import io
import logging
import math
import os
import pathlib
import re
import warnings
from collections.abc import Iterator
from typing import BinaryIO

import cv2
import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

import policy_specs
from food_data import atomic_files

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "AVIF", "JPEG2000")
MODES = ("stretch", "letterbox", "crop")
MAX_PIXELS = 100_000_000
# Both sides of a JPEG that is decoded at reduced scale are at least so long: the model's square
# shows 0.35 of a side in the closest pass of `framing`, 236 / 0.35 = 674 pixels.
_ENOUGH_PX = 3 * policy_specs.IMAGE_SIZE
# Phones and editors write up to 20 scans, and each costs a pass over all pixels.
_MAX_SCANS, _MAX_SCANNED_PIXELS, _MAX_SEGMENTS = 100, 1_000_000_000, 5000
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
# What else is met under a picture's name: how it begins, and what it is.
_OTHERS = {
    b"%PDF": "a PDF",
    b"<": "a text such as SVG or HTML",
    b"\xff\xd8": "a JPEG whose header is damaged",
    b"\x89PNG": "a PNG whose header is damaged",
}
_TURN = Image.Transpose
_TURNS = {2: _TURN.FLIP_LEFT_RIGHT, 3: _TURN.ROTATE_180, 4: _TURN.FLIP_TOP_BOTTOM}
_TURNS |= {5: _TURN.TRANSPOSE, 6: _TURN.ROTATE_270, 7: _TURN.TRANSVERSE, 8: _TURN.ROTATE_90}
# The next marker of a JPEG that is no restart and no stuffed byte of compressed data.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_TRUNCATED = "The picture is truncated: its last part is absent."
_CROP_MARGIN = 0.05  # of its side, between an object that it is moved for and its border
# Pillow's blocks of 16 MB stay with the C library when they are given back, larger ones do not: 456
# instead of 1469 MB after 32 pictures of 49 megapixels.
Image.core.set_block_size(128 * 1024 * 1024)
# What is wrong with a picture is raised; remarks about its EXIF are no use to anyone.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").setLevel(logging.CRITICAL)


class ImageDecodeError(ValueError):
    """Bytes that are not a whole picture in one of `FORMATS`."""


class TooManyPixelsError(ImageDecodeError):
    """A picture whose header claims more pixels than are allowed; nothing of it was decoded."""


def decode_image(data: bytes, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """A picture's file (`FORMATS`, HEIC where pillow-heif is installed), upright as its EXIF
    orientation says: RGB, uint8 [H, W, 3]; of several pictures the first. Transparency is laid over
    white. Of integers the largest value says whether they have 8, 10, 12, 14 or 16 bits, of floats
    whether they are in 0..1, 0..255 or 0..65535. Raises TooManyPixelsError before anything is
    decoded, and ImageDecodeError if the bytes are no whole picture."""
    return decode_photo(data, max_pixels, reduced=False)[0]


def decode_photo(
    data: bytes, max_pixels: int = MAX_PIXELS, reduced: bool = True
) -> tuple[np.ndarray, tuple[int, int]]:
    """As `decode_image`, but of a JPEG that is far larger than the network needs 1/2, 1/4 or 1/8:
    4032 x 3024 pixels give 1008 x 756. Also returns (width, height) of the whole picture; `place`
    takes both, so that points and answers are in pixels of the whole picture."""
    with decoding():
        if not data.startswith(b"\xff\xd8") or _check_jpeg(data):
            return _pixels(data, max_pixels, reduced)
        # Without its end marker a JPEG is whole if what follows makes no difference to its pixels.
        data, end = data.removesuffix(b"\xff"), b"\xff\xd9"
        image, size = _pixels(data + end, max_pixels, reduced)
        other, _ = _pixels(data + b"\x5a\xa5" * 64 + end, max_pixels, reduced)
        if not np.array_equal(image, other):
            raise ImageDecodeError(_TRUNCATED)
        return image, size


def read_header(source: bytes | str | os.PathLike[str]) -> tuple[tuple[int, int], int]:
    """(width, height) of a picture before EXIF turns it, and EXIF's orientation, 1 to 8: with 5 to
    8 the upright picture has the sizes exchanged. `source` is a file or its bytes. Raises OSError
    if the file cannot be read, and ImageDecodeError."""
    with (
        io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file,
        decoding(),
        _open(file) as picture,
    ):
        # Of a TIFF Pillow has exchanged the sizes already.
        tags = picture.tag_v2 if picture.format == "TIFF" else None
        return (tags[256], tags[257]) if tags else picture.size, _orientation(picture)


@contextlib.contextmanager
def decoding() -> Iterator[None]:
    """A stranger's picture fails with an ImageDecodeError in here, whatever its bytes."""
    try:
        yield
    except (ImageDecodeError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise TooManyPixelsError(f"Expected a smaller picture: {error}") from error
    except Exception as error:
        raise ImageDecodeError(f"The picture cannot be decoded: {str(error)[:200]}") from error


def _check_jpeg(data: bytes) -> bool:
    """Whether a JPEG has its end marker. Raises ImageDecodeError for one that costs too much to
    decode, has other than 8 bits, or ends before its last scan."""
    position, scans, pixels, absent = 2, 0, 0, {}
    for _ in range(_MAX_SEGMENTS):
        found = _MARKER.search(data, position)
        if found is None:
            if not scans or any(absent.values()):
                raise ImageDecodeError(_TRUNCATED)
            return False
        code, position = found[0][1], found.end()
        if code == 0xD9:
            return True
        if code in (0x01, 0xD8):  # These have no length.
            continue
        length = int.from_bytes(data[position : position + 2], "big")
        body = data[position + 2 : position + length]
        position += max(length, 2)
        if 0xC0 <= code <= 0xCF and code not in (0xC4, 0xC8, 0xCC):  # The frame's header.
            if body[0] != 8:
                raise ImageDecodeError(f"Expected a JPEG of 8 bits, got one of {body[0]}.")
            pixels = int.from_bytes(body[1:3], "big") * int.from_bytes(body[3:5], "big")
            absent = {component: set(range(64)) for component in body[6::3]}
        if code == 0xDA:
            scans += 1
            if scans > _MAX_SCANS or scans * pixels > _MAX_SCANNED_PIXELS and scans > 1:
                break
            first, last, bits = body[1 + 2 * body[0] :][:3]
            for component in body[1 : 1 + 2 * body[0] : 2] if bits & 15 == 0 else ():
                absent[component] -= set(range(first, last + 1))
    raise ImageDecodeError(
        f"Expected a JPEG of at most {_MAX_SCANS} scans, {_MAX_SCANNED_PIXELS:,} pixels in all of "
        f"them and {_MAX_SEGMENTS} segments, got more. Save it again."
    )


def _open(file: BinaryIO) -> Image.Image:
    """A picture of which the header was read. Raises ImageDecodeError that names what it is."""
    start, formats = file.read(64), FORMATS
    what = next((f", {name}" for first, name in _OTHERS.items() if start.startswith(first)), "")
    if start.startswith(atomic_files.LFS_POINTER):
        raise ImageDecodeError("It is a Git LFS pointer, not a picture: run `git lfs pull`.")
    if start[4:8] == b"ftyp" and start[8:12] in _HEIC_BRANDS:
        try:
            # Here, because it is an extra that most do without.
            import pillow_heif

            pillow_heif.register_heif_opener()
            formats = (*FORMATS, "HEIF")
        except ModuleNotFoundError:
            command = "`pip install --no-deps -r requirements-heic.txt`"
            what = f", which is HEIC. It is read after {command}, or save it as JPEG"
    number = file.seek(0, io.SEEK_END)
    file.seek(0)
    try:
        return Image.open(file, formats=formats)
    except UnidentifiedImageError as error:
        got = f"{number} bytes that begin with {start[:12]!r}{what}"
        text = f"Expected a picture in one of {', '.join(FORMATS)}; got {got}."
        raise ImageDecodeError(text) from error


def _pixels(data: bytes, max_pixels: int, reduced: bool) -> tuple[np.ndarray, tuple[int, int]]:
    with _open(io.BytesIO(data)) as picture:
        size = picture.size
        # The header tells the size before a byte is decompressed: a small file can claim much.
        if math.prod(size) > max_pixels:
            text = "Expected a picture of at most {} pixels, got {} x {}. Scale it down first."
            raise TooManyPixelsError(text.format(max_pixels, *size))
        is_deep = any(";16" in str(tile.args) for tile in getattr(picture, "tile", ()))
        if reduced:
            picture.draft("RGB", (_ENOUGH_PX, _ENOUGH_PX))
        if picture.size == size:
            picture.load()
            size = picture.size  # Pillow turns a TIFF as it is loaded.
        orientation = _orientation(picture)
        turned = picture.transpose(_TURNS[orientation]) if orientation > 1 else picture
        if turned.mode == "F" or turned.mode.startswith("I"):
            image = np.repeat(_eight_bits(np.asarray(turned))[..., np.newaxis], 3, axis=-1)
        else:
            if turned.has_transparency_data:
                white = Image.new("RGBA", turned.size, (255, 255, 255, 255))
                turned = Image.alpha_composite(white, turned.convert("RGBA"))
            image = np.array(turned.convert("RGB"))
        if is_deep and 0 < image.max() < 64:
            text = "Expected 16 bits per colour, got {} of 255 as the brightest: 12 bits? Save 8."
            raise ImageDecodeError(text.format(image.max()))
        return image, size[::-1] if orientation >= 5 else size


def _orientation(picture: Image.Image) -> int:
    """EXIF's orientation, 1..8; 1 where it is absent or no such number. Nothing else is read."""
    try:
        with decoding():
            # Not the PNG's own method, which would decode all of it to find EXIF behind the pixels.
            value = Image.Image.getexif(picture).get(ExifTags.Base.Orientation, 1)
            value = int(value[0] if isinstance(value, tuple) else value)
    except ImageDecodeError:  # The picture is as good without its EXIF.
        return 1
    return value if value in _TURNS else 1


def _eight_bits(grey: np.ndarray) -> np.ndarray:
    """Integers or floats [H, W] as uint8, see `decode_image`; Pillow would clip them to 255."""
    low, high, is_float = grey.min(), grey.max(), grey.dtype.kind == "f"
    for top in (1, 255, 65535) if is_float else (255, 1023, 4095, 16383, 65535):
        if low >= 0 and high <= top:
            scaled = np.rint(grey * (255 / top)) if is_float else grey // ((top + 1) // 256)
            return scaled.astype(np.uint8)
    raise ImageDecodeError(f"Expected grey values in 0..65535 or 0..1, got {low} to {high}.")


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where a picture lies in the model's square: model pixel = picture pixel * scale + offset."""

    mode: str  # of `MODES`
    width: int  # of the picture, pixels
    height: int
    scale: tuple[float, float]  # (x, y), model pixels per picture pixel
    offset: tuple[float, float]  # the picture's top left corner in model pixels; may be negative

    def to_model(self, points: np.ndarray) -> np.ndarray:
        """Picture pixels [N, 2] (x, y) -> model coordinates [N, 2]; outside 0..1 if cut off."""
        pixels = np.asarray(points, np.float64) * self.scale + self.offset
        return pixels / policy_specs.IMAGE_SIZE

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """Model coordinates [N, 2] in 0..1 -> picture pixels float64 [N, 2] (x, y)."""
        pixels = np.asarray(points, np.float64) * policy_specs.IMAGE_SIZE
        return (pixels - self.offset) / self.scale


@dataclasses.dataclass(frozen=True)
class PhotoFile:
    """A photo on disk, and where it lies in the square that was made of it."""

    path: pathlib.Path
    placement: Placement


def place(
    image: np.ndarray,
    mode: str,
    keep_points: np.ndarray | None = None,
    size: tuple[int, int] | None = None,
) -> tuple[np.ndarray, Placement]:
    """Fits a picture uint8 [H, W, 3] into the model's square uint8 [236, 236, 3]; where it lies.

    `mode` is "stretch", "letterbox" or "crop"; see the module's table. A crop, else centred, is
    moved just as far as it takes to have `keep_points` inside, picture pixels [N, 2], with a margin
    of 5% of its side; where they are too far apart, some stay outside. `size` is the (width,
    height) of the picture if `image` shows it at a smaller scale, as `decode_photo` gives it.
    """
    if mode not in MODES:
        raise ValueError(f"mode: expected one of {', '.join(MODES)}; got {mode!r}.")
    side = policy_specs.IMAGE_SIZE
    height, width = image.shape[:2]
    size = size or (width, height)
    ratio = np.array([width, height]) / size
    if mode == "crop":
        part = min(height, width)
        columns, rows = (None, None) if keep_points is None else (keep_points * ratio).T
        x, y = _crop_start(width, part, columns), _crop_start(height, part, rows)
        square = _resize(image[y : y + part, x : x + part], side, side)
        scales = np.full(2, side / part)
        left, top = -x * scales[0], -y * scales[1]
    else:
        # The longer side of a letterbox, or either if it is stretched, becomes all of the square.
        longer = (max(width, height),) * 2 if mode == "letterbox" else (width, height)
        new_width = max(1, round(side * width / longer[0]))
        new_height = max(1, round(side * height / longer[1]))
        left, top = (side - new_width) // 2, (side - new_height) // 2
        square = np.zeros((side, side, 3), np.uint8)
        part = _resize(image, new_width, new_height)
        square[top : top + new_height, left : left + new_width] = part
        scales = np.array([new_width / width, new_height / height])
    return square, Placement(mode, *size, tuple(scales * ratio), (float(left), float(top)))


def _crop_start(length: int, side: int, keep: np.ndarray | None) -> int:
    """The first column (or row) of the crop: centred, or moved so that `keep` lies inside."""
    start = (length - side) // 2
    if keep is not None:
        low, high = float(np.min(keep)), float(np.max(keep))
        margin = max(0.0, min(_CROP_MARGIN * side, (side - (high - low)) / 2))
        start = max(min(start, math.floor(low - margin)), math.ceil(high + margin - side))
    return min(max(start, 0), length - side)


def _resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    shrinks = width * height < image.shape[0] * image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=method)


def place_mask(mask: np.ndarray, placement: Placement) -> np.ndarray:
    """A photograph's mask bool [H, W] in the model's square: what lies at the centre of each of its
    pixels, bool [236, 236]."""
    expected, got = (placement.width, placement.height), mask.shape[::-1]
    if got != expected:
        raise ValueError(f"mask: expected {expected} pixels as the picture has, got {got}.")
    size = policy_specs.IMAGE_SIZE
    centres = (np.arange(size) + 0.5) / size
    points = np.floor(placement.to_picture(np.stack([centres, centres], axis=1))).astype(int)
    # Outside of the picture the mask has a frame that is not set.
    columns, rows = np.clip(points + 1, 0, [placement.width + 1, placement.height + 1]).T
    return np.pad(mask, 1)[np.ix_(rows, columns)]
