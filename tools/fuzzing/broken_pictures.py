"""Picture files that are broken in every way that somebody thought of, from a seed.

`picture(rng)` gives (kind, bytes). Kinds:

| kind        | what                                                                           |
|-------------|--------------------------------------------------------------------------------|
| cut         | JPEG, PNG, BMP, WebP or TIFF that ends early, at any byte                      |
| flipped     | a few bytes changed; most still open                                           |
| spliced     | the beginning of one format and the end of another                             |
| huge        | a header that claims up to 4 billion pixels, with next to nothing behind it    |
| bomb        | a PNG of some hundred kilobytes with 400 megapixels, or with a text of 64 MB      |
| odd         | grey, 16 bit, palette, CMYK, transparent, animated, one pixel, wrong EXIF      |
| other       | GIF, PDF, SVG, a shell script, text, nothing                                   |
| random      | random bytes, with or without the right first ones                             |
"""

from __future__ import annotations

import functools
import io
import struct
import zlib

import numpy as np
from PIL import Image

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF")
_PNG_START = b"\x89PNG\r\n\x1a\n"
_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I", "I;16", "F")
_OTHERS = (
    b"",
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00;",
    b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n",
    b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    b"#!/bin/sh\nexit 1\n",
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    b"P6 65535 65535 255\n",
    b"\0" * 100,
    "Ünïcödé".encode(),
)


def picture(rng: np.random.Generator) -> tuple[str, bytes]:
    """One broken picture.

    Returns:
        Its kind, as the table above says, and the bytes of the file.
    """
    makers = {
        "cut": _cut,
        "flipped": _flipped,
        "spliced": _spliced,
        "huge": _huge,
        "odd": _odd,
        "other": lambda rng: _OTHERS[rng.integers(len(_OTHERS))],
        "random": _random,
    }
    # A bomb that the server takes for a picture costs it a second: one in two hundred.
    kind = "bomb" if rng.random() < 0.005 else str(rng.choice(list(makers)))
    return kind, _bomb(rng) if kind == "bomb" else makers[kind](rng)


@functools.cache
def whole(file_format: str) -> bytes:
    """A small picture that is as it should be."""
    rows, columns = np.mgrid[0:30, 0:40]
    pixels = np.stack([rows * 8, columns * 6, rows * 0 + 99], axis=-1).astype(np.uint8)
    return _encode(Image.fromarray(pixels), file_format)


def _encode(image: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def _any_whole(rng: np.random.Generator) -> bytes:
    return whole(FORMATS[rng.integers(len(FORMATS))])


def _cut(rng: np.random.Generator) -> bytes:
    data = _any_whole(rng)
    return data[: rng.integers(len(data))]


def _flipped(rng: np.random.Generator) -> bytes:
    data = bytearray(_any_whole(rng))
    # Half of the changes go into the header, where they do more.
    end = len(data) if rng.random() < 0.5 else min(len(data), 200)
    for place in rng.integers(0, end, rng.integers(1, 9)):
        data[place] = rng.integers(256)
    return bytes(data)


def _spliced(rng: np.random.Generator) -> bytes:
    one, other = _any_whole(rng), _any_whole(rng)
    return one[: rng.integers(len(one))] + other[rng.integers(len(other)) :]


def _random(rng: np.random.Generator) -> bytes:
    start = _any_whole(rng)[: int(rng.choice([0, 4, 12, 32]))]
    return start + rng.bytes(int(rng.integers(0, 5000)))


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """Length, kind, content and check sum."""
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check


def png_of(width: int, height: int, data: bytes, *chunks: bytes) -> bytes:
    """A PNG with a header that may lie.

    Args:
        width, height: that the header claims; one bit for a pixel.
        data: compressed rows.
        chunks: that come before the rows.
    """
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"".join(
        [_PNG_START, header, *chunks, png_chunk(b"IDAT", data), png_chunk(b"IEND", b"")]
    )


def _huge(rng: np.random.Generator) -> bytes:
    side = int(rng.choice([0, 1, 7072, 65535, 2**31 - 1]))
    other = int(rng.choice([0, 1, 7072, 65535, 2**31 - 1]))
    kind = rng.integers(4)
    if kind == 0:
        return png_of(side, other, zlib.compress(b"\0" * 100))
    if kind == 1:
        data = bytearray(whole("BMP"))
        data[18:26] = struct.pack("<II", side, other)
        return bytes(data)
    if kind == 2:
        data = bytearray(whole("JPEG"))
        place = data.index(b"\xff\xc0")
        data[place + 5 : place + 9] = struct.pack(">HH", side & 0xFFFF, other & 0xFFFF)
        return bytes(data)
    return _huge_tiff(side, other)


def _huge_tiff(width: int, height: int) -> bytes:
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 200),
        (277, 3, 1, 1),
        (278, 4, 1, height),
        (279, 4, 1, 10),
    ]
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    # The next directory is this one again: a reader that follows it never ends.
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + struct.pack("<I", 8)


def _bomb(rng: np.random.Generator) -> bytes:
    if rng.random() < 0.3:
        return png_of(8, 8, zlib.compress(b"\0\0" * 8), _long_text())
    # 49 megapixels are within the usual limit of 50; 400 are not.
    side = int(rng.choice([7000, 20_000]))
    return png_of(side, side, _zero_rows(side))


@functools.cache
def _long_text() -> bytes:
    return png_chunk(b"zTXt", b"key\0\0" + zlib.compress(b"x" * (64 << 20), 1))


@functools.cache
def _zero_rows(side: int) -> bytes:
    return zlib.compress(b"\0" * ((side // 8 + 1) * side), 1)


def _odd(rng: np.random.Generator) -> bytes:
    size = [(1, 1), (1, 3000), (3000, 1), (17, 23)][rng.integers(4)]
    image = Image.new("RGB", size, (9, 99, 199))
    kind = rng.integers(4)
    if kind == 0:
        exif = image.getexif()
        exif[0x0112] = int(rng.choice([0, 1, 6, 8, 9, 65535]))
        return _encode(image, "JPEG", exif=exif)
    if kind == 1:
        return _encode(image, "JPEG", exif=b"Exif\0\0" + rng.bytes(60), icc_profile=rng.bytes(40))
    if kind == 2:
        return _encode(image, "WEBP", save_all=True, append_images=[image] * 3)
    mode = str(rng.choice(_MODES))
    converted = Image.new(mode, size)
    file_format = "PNG" if mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16") else "TIFF"
    return _encode(converted, file_format)
