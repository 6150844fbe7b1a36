"""The EfficientNet family as numbers (arXiv 1905.11946): stages, and how each variant scales them.

EfficientNet-Lite, the variants for small processors, has no squeeze-and-excite and ReLU6 in the
place of SiLU; its stem has 32 channels and its top 1280 at any width, and stages 1 and 7 are not
repeated more often (github.com/tensorflow/tpu, models/official/efficientnet/lite).

Example: B3 has width 1.2 and depth 1.4. Its third stage (24 -> 40 filters, 2 blocks) becomes
round_filters(40, 1.2) = 48 filters and ceil(2 * 1.4) = 3 blocks.
"""

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Block:
    """One MBConv block: a depthwise convolution between two 1x1 convolutions.

    Attributes:
        name: as in keras.applications, 'block2a' is the first block of stage 2.
        kernel_size: of the depthwise convolution, pixels.
        in_filters: channels in.
        out_filters: channels out.
        expand_ratio: channels of the depthwise convolution = in_filters * expand_ratio.
        strides: of the depthwise convolution.
        squeeze_filters: channels of the squeeze-and-excite bottleneck; None for a block without.
        drop_connect_fraction: share of `DropoutSettings.backbone_drop_connect` that applies here,
            0..1.
        stage: 1 .. 7.
        activation: 'silu' or 'relu6'.
    """

    name: str
    kernel_size: int
    in_filters: int
    out_filters: int
    expand_ratio: int
    strides: int
    squeeze_filters: int | None
    drop_connect_fraction: float
    stage: int = 1
    activation: str = "silu"


@dataclasses.dataclass(frozen=True)
class Variant:
    """How a variant scales the base network.

    Attributes:
        width: multiplier of the filters.
        depth: multiplier of the blocks.
        lite: whether it is an EfficientNet-Lite, see the module.
    """

    width: float
    depth: float
    lite: bool = False


VARIANTS = {
    "b0": Variant(1.0, 1.0),
    "b1": Variant(1.0, 1.1),
    "b2": Variant(1.1, 1.2),
    "b3": Variant(1.2, 1.4),
    "b4": Variant(1.4, 1.8),
    "b5": Variant(1.6, 2.2),
    "b6": Variant(1.8, 2.6),
    "b7": Variant(2.0, 3.1),
    "lite0": Variant(1.0, 1.0, lite=True),
    "lite1": Variant(1.0, 1.1, lite=True),
    "lite2": Variant(1.1, 1.2, lite=True),
    "lite3": Variant(1.2, 1.4, lite=True),
    "lite4": Variant(1.4, 1.8, lite=True),
    # Not of the paper: for CPUs, demos and tests.
    "small": Variant(0.35, 0.5),
}

# (kernel size, repeats, filters in, filters out, expand ratio, strides) of B0's seven stages; table
# 1 of the paper.
_STAGES = (
    (3, 1, 32, 16, 1, 1),
    (3, 2, 16, 24, 6, 2),
    (5, 2, 24, 40, 6, 2),
    (3, 3, 40, 80, 6, 2),
    (5, 3, 80, 112, 6, 1),
    (5, 4, 112, 192, 6, 2),
    (3, 1, 192, 320, 6, 1),
)
_STEM_FILTERS = 32
_TOP_FILTERS = 1280
_STEM_STRIDES = 2
_SQUEEZE_RATIO = 0.25
_FILTER_DIVISOR = 8
TOTAL_STRIDES = 32
NUM_STAGES = len(_STAGES)


def variant(name: str) -> Variant:
    """The variant called `name` ('b0' .. 'b7', 'lite0' .. 'lite4' or 'small').

    Raises:
        ValueError: if there is none of that name.
    """
    if name not in VARIANTS:
        raise ValueError(f"EfficientNet variant: expected one of {sorted(VARIANTS)}, got {name!r}.")
    return VARIANTS[name]


def round_filters(filters: int, width: float) -> int:
    """`filters` * `width`, rounded to a multiple of eight, never below 90% of it."""
    scaled = filters * width
    rounded = max(
        _FILTER_DIVISOR, int(scaled + _FILTER_DIVISOR / 2) // _FILTER_DIVISOR * _FILTER_DIVISOR
    )
    return rounded + _FILTER_DIVISOR if rounded < 0.9 * scaled else rounded


def stem_filters(width: float, lite: bool = False) -> int:
    """Channels of the first convolution."""
    return _STEM_FILTERS if lite else round_filters(_STEM_FILTERS, width)


def top_filters(width: float, lite: bool = False) -> int:
    """Channels of the last convolution, C of the feature map."""
    return _TOP_FILTERS if lite else round_filters(_TOP_FILTERS, width)


def check_output_stride(output_stride: int) -> None:
    """Refuses a total stride that the stages cannot give.

    Raises:
        ValueError: unless it is 2, 4, 8, 16 or 32.
    """
    if output_stride not in (2, 4, 8, 16, TOTAL_STRIDES):
        raise ValueError(f"output_stride: expected 2, 4, 8, 16 or 32 px, got {output_stride}.")


def blocks(
    width: float,
    depth: float,
    output_stride: int = TOTAL_STRIDES,
    lite: bool = False,
    num_stages: int = NUM_STAGES,
) -> list[Block]:
    """The MBConv blocks in order.

    Args:
        width: width multiplier.
        depth: depth multiplier.
        output_stride: image pixels per feature: once the strides multiply to it, later stages keep
            the resolution (stride 1). 32 is the paper's.
        lite: those of EfficientNet-Lite.
        num_stages: how many of the seven stages, from the first on.

    Returns:
        One `Block` each.

    Raises:
        ValueError: for another output stride or number of stages.
    """
    check_output_stride(output_stride)
    if not 1 <= num_stages <= NUM_STAGES:
        raise ValueError(f"num_stages: expected 1 to {NUM_STAGES}, got {num_stages}.")
    unscaled = (0, NUM_STAGES - 1) if lite else ()
    repeats = [
        stage[1] if number in unscaled else math.ceil(depth * stage[1])
        for number, stage in enumerate(_STAGES)
    ]
    total, index, stride_so_far = sum(repeats), 0, _STEM_STRIDES
    result = []
    for number, (kernel_size, _, filters_in, filters_out, expand_ratio, strides) in enumerate(
        _STAGES[:num_stages]
    ):
        filters_in = stem_filters(width, lite) if number == 0 else round_filters(filters_in, width)
        filters_out = round_filters(filters_out, width)
        strides = strides if stride_so_far * strides <= output_stride else 1
        stride_so_far *= strides
        for repeat in range(repeats[number]):
            in_filters = filters_in if repeat == 0 else filters_out
            result.append(
                Block(
                    name=f"block{number + 1}{chr(ord('a') + repeat)}",
                    kernel_size=kernel_size,
                    in_filters=in_filters,
                    out_filters=filters_out,
                    expand_ratio=expand_ratio,
                    strides=strides if repeat == 0 else 1,
                    squeeze_filters=None if lite else max(1, int(in_filters * _SQUEEZE_RATIO)),
                    drop_connect_fraction=index / total,
                    stage=number + 1,
                    activation="relu6" if lite else "silu",
                )
            )
            index += 1
    return result
