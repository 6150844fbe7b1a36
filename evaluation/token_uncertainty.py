"""How unsure a distribution over tokens is: one pass of a cross_entropy model, nothing sampled.

A worked example, one coordinate of 5 tokens with the probabilities 0.1, 0.6, 0.2, 0.1, 0. A token
stands for the middle of its bin, the last one for 1: 0.125, 0.375, 0.625, 0.875, 1.

| function               | value  | from                                                     |
|------------------------|--------|----------------------------------------------------------|
| `std_about` (at 0.45)  | 0.1953 | root of 0.1 * 0.325^2 + 0.6 * 0.075^2 + 0.2 * 0.175^2 .. |
| `entropy`, nats        | 1.0889 | 0.2303 + 0.3065 + 0.3219 + 0.2303                        |
| `credible_width` (0.7) | 0.3    | all of the 0.6 and half of the 0.2: 1.5 of 5 tokens      |

The width is that of the highest-density set (Hyndman, The American Statistician 50, 1996), as a
share of the picture's side: two narrow hills far apart, such as start and end of a food whose
direction is not known, are narrow, where their standard deviation is wide. That is why it ranks
errors of the midpoint better.
"""

from __future__ import annotations

import numpy as np

from tokenizers import action_coding

# Tails count: what is likely at all tells more about gross errors than the shape of the peak.
CREDIBLE_MASS = 0.99


def std_about(probabilities: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Root mean square distance from an answer; its standard deviation if the answer is the mean.

    Args:
        probabilities: float [..., V], each row sums to 1.
        answers: float [...], in 0..1.

    Returns:
        float64 [...], in 0..1 of the picture's side.
    """
    probabilities = _checked(probabilities)
    distances = (
        action_coding.bin_values(probabilities.shape[-1])
        - np.asarray(answers, np.float64)[..., None]
    )
    return np.sqrt(np.sum(probabilities * np.square(distances), axis=-1))


def execution_parameters_std(
    probabilities: np.ndarray, answers: np.ndarray, coding: str
) -> tuple[np.ndarray, np.ndarray]:
    """`std_about` an answer, of its coordinates and of its midpoint, whatever tokens stand for.

    Args:
        probabilities: float [..., 4, V], of the four tokens.
        answers: execution parameters, float [..., 4], in 0..1.
        coding: of the tokens, see `tokenizers/action_coding.py`.

    Returns:
        float64 [..., 4]; of the midpoint, x and y together, float64 [...].
    """
    coded = action_coding.encode(np.asarray(answers, np.float64), coding)
    means = np.asarray(probabilities, np.float64) @ action_coding.bin_values(
        probabilities.shape[-1]
    )
    return action_coding.std_about(std_about(probabilities, coded), means - coded, coding)


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """Shannon's entropy in nats, 0 .. log V.

    Args:
        probabilities: float [..., V].

    Returns:
        float64 [...].
    """
    probabilities = _checked(probabilities)
    # 0 log 0 is 0.
    logs = np.log(np.where(probabilities > 0, probabilities, 1.0))
    return -np.sum(probabilities * logs, axis=-1)


def credible_width(probabilities: np.ndarray, mass: float = CREDIBLE_MASS) -> np.ndarray:
    """Share of the tokens, likeliest first, that hold `mass` of the probability.

    The last of them counts by the part of it that is needed, so equal values are rare.

    Args:
        probabilities: float [..., V].
        mass: in 0..1, both excluded.

    Returns:
        float64 [...], above 0, at most 1.

    Raises:
        ValueError: for another mass, or rows that are no probabilities.
    """
    if not 0.0 < mass < 1.0:
        raise ValueError(f"credible_width: expected mass between 0 and 1, got {mass}.")
    likeliest = np.sort(_checked(probabilities), axis=-1)[..., ::-1]
    held = np.cumsum(likeliest, axis=-1)
    # Rows that rounding lets sum to less than 1 still hold `mass` of what they have.
    wanted = mass * held[..., -1:]
    whole = np.sum(held < wanted, axis=-1, keepdims=True)
    before = np.take_along_axis(held - likeliest, whole, axis=-1)
    part = (wanted - before) / np.take_along_axis(likeliest, whole, axis=-1)
    return ((whole + part) / likeliest.shape[-1])[..., 0]


def mutual_information(probabilities: np.ndarray) -> np.ndarray:
    """What samples disagree about: the entropy of their mixture minus their mean entropy.

    Also called BALD (Houlsby et al., arXiv 1112.5745).

    Args:
        probabilities: float [S, ..., V].

    Returns:
        float64 [...] in nats, 0 .. log S.
    """
    probabilities = np.asarray(probabilities)
    mixture = np.mean(probabilities, axis=0, dtype=np.float64)
    return np.maximum(entropy(mixture) - entropy(probabilities).mean(axis=0), 0.0)


def mirrored(probabilities: np.ndarray) -> np.ndarray:
    """The distribution of 1 minus the coordinate.

    Token k is the bin from k to k + 1 over V - 1, so it becomes token V - 2 - k; the last one,
    which stands for 1 alone, becomes the first.

    Args:
        probabilities: float [..., V].

    Returns:
        The same shape and dtype.
    """
    result = np.zeros_like(probabilities)
    result[..., :-1] = probabilities[..., -2::-1]
    result[..., 0] += probabilities[..., -1]
    return result


def midpoint_distributions(probabilities: np.ndarray, coding: str) -> np.ndarray:
    """The distributions of the midpoint's x and y, in equal steps over 0..1.

    Args:
        probabilities: float [N, 4, V].
        coding: of the tokens; the first two of 'midpoint_extent' are the midpoint's.

    Returns:
        float64 [N, 2, V] or, since the tokens are independent, the convolution of the ends' two:
        [N, 2, 2 V - 1].
    """
    probabilities = _checked(probabilities)
    if coding == action_coding.MIDPOINT_EXTENT:
        return probabilities[:, :2]
    return _convolved(probabilities[:, :2], probabilities[:, 2:])


def extent_distributions(probabilities: np.ndarray, coding: str) -> tuple[np.ndarray, np.ndarray]:
    """The distributions of x2 - x1 and y2 - y1, and the K values that they are of.

    Args:
        probabilities: float [N, 4, V].
        coding: of the tokens.

    Returns:
        float64 [N, 2, K], and float64 [K].
    """
    probabilities = _checked(probabilities)
    size = probabilities.shape[-1]
    if coding == action_coding.MIDPOINT_EXTENT:
        values = action_coding.bin_values(size) - action_coding.EXTENT_OFFSET
        return probabilities[:, 2:], values / action_coding.EXTENT_SCALE
    values = np.arange(1 - size, size) / (size - 1)
    return _convolved(probabilities[:, 2:], probabilities[:, :2, ::-1]), values


def _convolved(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of the last axes, [..., V] to [..., 2 V - 1]."""
    size = 2 * first.shape[-1] - 1
    spectra = np.fft.rfft(first, size), np.fft.rfft(second, size)
    return np.maximum(np.fft.irfft(spectra[0] * spectra[1], size), 0.0)


def _checked(probabilities: np.ndarray) -> np.ndarray:
    """float64, refused unless they sum to 1, which also NaN does not."""
    probabilities = np.asarray(probabilities, np.float64)
    sums = probabilities.sum(axis=-1)
    if not (np.all(np.abs(sums - 1.0) < 1e-3) and np.all(probabilities >= 0)):
        worst = sums.flat[np.argmax(np.abs(np.nan_to_num(sums, nan=np.inf) - 1.0))]
        raise ValueError(
            "token distributions: expected probabilities >= 0 that sum to 1 over the last axis, "
            f"got a smallest one of {probabilities.min():g} and a sum of {worst:g}; take the "
            "softmax of logits first."
        )
    return probabilities
