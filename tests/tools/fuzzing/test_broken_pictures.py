"""The broken pictures are what their table says, and the server's decoder survives each."""

from __future__ import annotations

import collections
import contextlib
import struct
import warnings
import zlib

import numpy as np
import pytest

from food_data import image_placement
from tools.fuzzing import broken_pictures


@pytest.mark.parametrize("file_format", broken_pictures.FORMATS)
def test_whole_pictures_are_whole(file_format):
    pixels = image_placement.decode_image(broken_pictures.whole(file_format))
    assert pixels.shape == (30, 40, 3)
    # Rows rise by 8, columns by 6; JPEG and WebP lose a little.
    assert np.abs(pixels[20, 10].astype(int) - [160, 60, 99]).max() <= 12


def test_every_kind_comes_and_the_seed_decides_which():
    def draw(seed):
        rng = np.random.default_rng(seed)
        return [broken_pictures.picture(rng) for _ in range(200)]

    assert draw(3) == draw(3)
    assert draw(3) != draw(4)
    kinds = collections.Counter(kind for kind, _ in draw(3))
    assert {"cut", "flipped", "spliced", "huge", "odd", "other", "random"} <= set(kinds)
    assert min(kinds[kind] for kind in set(kinds) - {"bomb"}) > 12


def test_decoder_gives_a_picture_or_says_no():
    rng = np.random.default_rng(0)
    opened = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(250):
            kind, data = broken_pictures.picture(rng)
            if kind == "bomb":
                continue
            with contextlib.suppress(image_placement.ImageDecodeError):
                opened += image_placement.decode_image(data, 1_000_000).shape[2] == 3
    assert 30 < opened < 220


def test_huge_header_is_refused_by_its_header():
    data = broken_pictures.png_of(2**31 - 1, 65535, zlib.compress(b"\0" * 100))
    assert struct.unpack(">II", data[16:24]) == (2147483647, 65535)
    with pytest.raises(image_placement.ImageDecodeError):
        image_placement.decode_image(data)
    assert len(data) < 200


def test_bomb_is_small_and_would_be_large():
    data = broken_pictures.png_of(20_000, 20_000, broken_pictures._zero_rows(20_000))
    assert len(data) < 500_000
    assert struct.unpack(">II", data[16:24]) == (20_000, 20_000)
    with pytest.raises(image_placement.ImageDecodeError, match="pixels"):
        image_placement.decode_image(data, 50_000_000)


def test_png_chunk_has_its_length_and_check_sum():
    # The well-known end of every PNG file.
    assert broken_pictures.png_chunk(b"IEND", b"").hex() == "0000000049454e44ae426082"
