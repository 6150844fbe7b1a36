"""Pictures as phones, editors and attackers make them: odd EXIF, cut, spliced, of every mode."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import cv2
import numpy as np
from PIL import Image

# Mode -> the formats of Pillow that write it.
_MODES = {
    "RGB": ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "AVIF", "JPEG2000", "MPO"),
    "RGBA": ("PNG", "WEBP", "TIFF", "AVIF", "GIF", "JPEG2000"),
    "L": ("JPEG", "PNG", "TIFF", "GIF", "BMP", "JPEG2000"),
    "LA": ("PNG", "TIFF", "WEBP"),
    "P": ("PNG", "GIF", "TIFF", "BMP"),
    "PA": ("TIFF",),
    "1": ("PNG", "TIFF", "BMP"),
    "CMYK": ("JPEG", "TIFF"),
    "YCbCr": ("JPEG", "TIFF"),
    "LAB": ("TIFF",),
    "I;16": ("PNG", "TIFF"),
    "I": ("TIFF",),
    "F": ("TIFF",),
    "RGB16": ("PNG", "TIFF"),
}


def make(rng: np.random.Generator, kind: str | None = None) -> bytes:
    """A whole picture of 8 to 40 pixels a side, of a random mode and format."""
    mode = rng.choice(list(_MODES)) if kind is None else "RGB"
    kind = kind or str(rng.choice(_MODES[mode]))
    height, width = rng.integers(8, 41, 2)
    pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
    if mode == "RGB16":
        deep = pixels.astype(np.uint16) << int(rng.choice([0, 4, 8]))
        return cv2.imencode(".png" if kind == "PNG" else ".tif", deep)[1].tobytes()
    picture = Image.fromarray(pixels)
    if mode == "F":
        factor = rng.choice([1 / 255, 1, 255, -1, np.nan])
        picture = Image.fromarray((pixels[..., 0] * factor).astype(np.float32))
    elif mode in ("I", "I;16"):
        grey = pixels[..., 0].astype(np.int32) << int(rng.choice([0, 4, 8, 20]))
        picture = Image.fromarray(grey if mode == "I" else grey.astype(np.uint16))
    elif mode == "LAB":
        picture = Image.frombytes("LAB", picture.size, pixels.tobytes())
    elif mode == "PA":
        picture = picture.convert("P").convert("PA")
    else:
        picture = picture.convert(mode)
    options: dict = {}
    if kind == "JPEG":
        options = {"progressive": bool(rng.integers(2)), "quality": int(rng.integers(5, 100))}
    elif kind in ("GIF", "WEBP", "PNG", "TIFF", "AVIF", "MPO") and rng.random() < 0.3:
        options = {"save_all": True, "append_images": [picture.rotate(90)]}  # Animated.
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def odd_exif(rng: np.random.Generator) -> bytes:
    """EXIF whose orientation, and some other tags, have odd types, counts and values."""
    order = rng.choice(["<", ">"])
    count = int(rng.integers(1, 6))
    entries, extra = [], b""
    for number in range(count):
        tag = 0x0112 if not number else int(rng.choice([0x011A, 0x8769, 0x8825, 0x0100, 0xC4A5]))
        form = int(rng.integers(0, 15))
        many = int(rng.choice([0, 1, 1, 1, 2, 5, 70000, 2**31]))
        value = rng.bytes(4)
        if not number and rng.random() < 0.6:  # The picture is turned, whatever else there is.
            form, many, value = 3, 1, struct.pack(f"{order}HH", int(rng.integers(2, 9)), 0)
        elif rng.random() < 0.5:
            value = struct.pack(f"{order}HH", int(rng.integers(0, 10)), 0)
        if form in (5, 10, 12):  # These lie elsewhere.
            value = struct.pack(f"{order}I", 8 + 2 + 12 * count + 4 + len(extra))
            extra += struct.pack(f"{order}iI", int(rng.integers(-2, 9)), int(rng.integers(0, 2)))
        entries.append(struct.pack(f"{order}HHI", tag, form, many) + value)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, count)
    follows = struct.pack(f"{order}I", int(rng.choice([0, 8, 10**6])))
    data = head + b"".join(entries) + follows + extra
    return data[: int(rng.integers(0, len(data)))] if rng.random() < 0.2 else data


def with_exif(picture: bytes, exif: bytes) -> bytes:
    """A JPEG with the bytes as its EXIF."""
    body = b"Exif\0\0" + exif
    return b"\xff\xd8\xff\xe1" + struct.pack(">H", len(body) + 2) + body + picture[2:]


def broken(rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """Without end: what was done, and the file."""
    while True:
        yield "mode", make(rng)
        yield "exif", with_exif(make(rng, "JPEG"), odd_exif(rng))
        data = make(rng)
        yield "cut", data[: int(rng.integers(0, len(data)))]
        other = make(rng)
        yield "spliced", data[: int(rng.integers(4, len(data)))] + other[int(rng.integers(1, 40)) :]
        changed = bytearray(data)
        for place in rng.integers(0, len(data), int(rng.integers(1, 9))):
            changed[place] = int(rng.integers(256))
        yield "changed", bytes(changed)
        inserted = int(rng.integers(0, len(data)))
        yield "inserted", data[:inserted] + rng.bytes(int(rng.integers(1, 300))) + data[inserted:]
