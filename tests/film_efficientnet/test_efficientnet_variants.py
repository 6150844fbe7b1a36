"""The scaling table against the paper's numbers and keras.applications' names."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies

from film_efficientnet import efficientnet_variants as variants


@pytest.mark.parametrize(
    ("filters", "width", "expected"),
    [
        (32, 1.0, 32),
        (32, 1.2, 40),  # 38.4, rounded to the nearest multiple of 8
        (40, 1.2, 48),
        (112, 1.2, 136),  # 134.4
        (192, 1.2, 232),  # 230.4
        (320, 1.2, 384),
        (1280, 1.2, 1536),
        (32, 0.35, 16),  # 11.2 -> 8, which is less than 90% of it
        (16, 0.1, 8),
    ],
)
def test_round_filters(filters, width, expected):
    assert variants.round_filters(filters, width) == expected


@hypothesis.given(strategies.integers(8, 2000), strategies.floats(0.05, 4.0))
def test_rounding_keeps_multiples_of_eight_near_the_product(filters, width):
    rounded = variants.round_filters(filters, width)

    assert rounded % 8 == 0
    assert rounded >= max(8, 0.9 * filters * width)
    assert rounded <= filters * width + 8


@pytest.mark.parametrize(
    ("name", "repeats"),
    [
        ("b0", [1, 2, 2, 3, 3, 4, 1]),
        ("b3", [2, 3, 3, 5, 5, 6, 2]),
        ("b7", [4, 7, 7, 10, 10, 13, 4]),
        ("small", [1, 1, 1, 2, 2, 2, 1]),
    ],
)
def test_blocks_of_each_stage(name, repeats):
    variant = variants.variant(name)
    blocks = variants.blocks(variant.width, variant.depth)

    expected = [
        f"block{stage + 1}{letter}"
        for stage, count in enumerate(repeats)
        for letter in "abcdefghijklm"[:count]
    ]
    assert [block.name for block in blocks] == expected


def test_third_stage_of_b3():
    blocks = [b for b in variants.blocks(1.2, 1.4) if b.name.startswith("block3")]
    first, second, third = blocks

    assert (first.in_filters, first.out_filters) == (32, 48)
    assert (second.in_filters, second.out_filters) == (48, 48)
    assert [block.strides for block in blocks] == [2, 1, 1]
    assert {block.kernel_size for block in blocks} == {5}
    assert {block.expand_ratio for block in blocks} == {6}
    assert [block.squeeze_filters for block in blocks] == [8, 12, 12]  # a quarter of the input
    # Blocks 5, 6 and 7 of 26, counted from zero.
    assert [third.drop_connect_fraction * 26, first.drop_connect_fraction * 26] == [7, 5]


def test_drop_connect_grows_from_zero():
    fractions = [block.drop_connect_fraction for block in variants.blocks(1.0, 1.0)]

    assert fractions == pytest.approx([index / 16 for index in range(16)])


def test_stem_and_top():
    assert (variants.stem_filters(1.2), variants.top_filters(1.2)) == (40, 1536)


@pytest.mark.parametrize(
    ("output_stride", "strides"),
    # Of the stages' first blocks; the stem has stride 2 already.
    [
        (32, [1, 2, 2, 2, 1, 2, 1]),
        (16, [1, 2, 2, 2, 1, 1, 1]),
        (4, [1, 2, 1, 1, 1, 1, 1]),
        (2, [1, 1, 1, 1, 1, 1, 1]),
    ],
)
def test_output_stride_drops_the_last_strides(output_stride, strides):
    blocks = variants.blocks(1.0, 1.0, output_stride)

    assert [block.strides for block in blocks if block.name.endswith("a")] == strides
    assert {block.strides for block in blocks if not block.name.endswith("a")} == {1}


@pytest.mark.parametrize("output_stride", [0, 1, 3, 64])
def test_impossible_output_stride(output_stride):
    with pytest.raises(ValueError, match=f"2, 4, 8, 16 or 32 px, got {output_stride}"):
        variants.blocks(1.0, 1.0, output_stride)


def test_unknown_variant():
    with pytest.raises(ValueError, match=r"one of \['b0', .*'small'\], got 'b8'"):
        variants.variant("b8")
