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
    """One MBConv block: a depthwise convolution between two 1x1 convolutions."""

    name: str  # as in keras.applications, 'block2a' is the first block of stage 2
    kernel_size: int  # of the depthwise convolution, pixels
    in_filters: int  # channels
    out_filters: int
    expand_ratio: int  # channels of the depthwise convolution = in_filters * expand_ratio
    strides: int
    squeeze_filters: int | None  # channels of the squeeze-and-excite bottleneck; None: without one
    drop_connect_fraction: float  # share of `DropoutSettings.backbone_drop_connect`, 0..1
    stage: int = 1  # 1 .. 7
    activation: str = "silu"  # 'silu' or 'relu6'


@dataclasses.dataclass(frozen=True)
class Variant:
    """How a variant scales the base network."""

    width: float  # multiplier of the filters
    depth: float  # multiplier of the blocks
    lite: bool = False  # whether it is an EfficientNet-Lite, see the module

    def fixed_filters(self, filters: int) -> int:
        """Channels of the first (32) and the last convolution (1280)."""
        return filters if self.lite else round_filters(filters, self.width)


# Width and depth of B0 to B7; lite0 to lite4 have those of B0 to B4.
_SCALES = (
    (1.0, 1.0), (1.0, 1.1), (1.1, 1.2), (1.2, 1.4), (1.4, 1.8), (1.6, 2.2), (1.8, 2.6), (2.0, 3.1),
)  # fmt: skip
VARIANTS = {
    **{f"b{i}": Variant(*scales) for i, scales in enumerate(_SCALES)},
    **{f"lite{i}": Variant(*scales, lite=True) for i, scales in enumerate(_SCALES[:5])},
    "small": Variant(0.35, 0.5),  # Not of the paper: for CPUs, demos and tests.
}

# (kernel size, repeats, filters, expand ratio, strides) of B0's seven stages; table 1 of the paper.
_STAGES = (
    (3, 1, 16, 1, 1),
    (3, 2, 24, 6, 2),
    (5, 2, 40, 6, 2),
    (3, 3, 80, 6, 2),
    (5, 3, 112, 6, 1),
    (5, 4, 192, 6, 2),
    (3, 1, 320, 6, 1),
)
NUM_STAGES = len(_STAGES)


def round_filters(filters: int, width: float) -> int:
    """`filters` * `width`, rounded to a multiple of eight, never below 90% of it."""
    scaled = filters * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


def blocks(variant: Variant, output_stride: int, num_stages: int) -> list[Block]:
    """The MBConv blocks of the first stages in order. Once the strides multiply to `output_stride`
    (image pixels per feature), later stages keep the resolution."""
    repeats = [math.ceil(variant.depth * stage[1]) for stage in _STAGES]
    if variant.lite:
        repeats[0], repeats[-1] = _STAGES[0][1], _STAGES[-1][1]
    result, in_filters, stride_so_far = [], variant.fixed_filters(32), 2
    for number, (kernel_size, _, filters, expand_ratio, strides) in enumerate(_STAGES[:num_stages]):
        strides = strides if stride_so_far * strides <= output_stride else 1
        stride_so_far *= strides
        for repeat in range(repeats[number]):
            block = Block(
                name=f"block{number + 1}{chr(ord('a') + repeat)}",
                kernel_size=kernel_size,
                in_filters=in_filters,
                out_filters=round_filters(filters, variant.width),
                expand_ratio=expand_ratio,
                strides=strides if repeat == 0 else 1,
                squeeze_filters=None if variant.lite else max(1, in_filters // 4),
                drop_connect_fraction=len(result) / sum(repeats),
                stage=number + 1,
                activation="relu6" if variant.lite else "silu",
            )
            result.append(block)
            in_filters = block.out_filters
    return result
