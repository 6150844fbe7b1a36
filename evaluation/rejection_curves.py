"""What is gained by asking the human about the most uncertain plates.

Samples are put in the order of their uncertainty; the model keeps the k least uncertain and a human
is asked about the rest. Example: the errors 1, 2, 3, 6 with the uncertainties 0.1, 0.3, 0.2, 0.9:

| kept k | coverage | asked | error of the kept    | oracle       |
|--------|----------|-------|----------------------|--------------|
| 4      | 1        | 0     | (1 + 3 + 2 + 6)/4 = 3 | 3            |
| 3      | 0.75     | 0.25  | (1 + 3 + 2)/3 = 2    | 2            |
| 2      | 0.5      | 0.5   | (1 + 3)/2 = 2        | (1 + 2)/2    |
| 1      | 0.25     | 0.75  | 1                    | 1            |

The oracle is an uncertainty that orders the samples as their errors do; an uncertainty that knows
nothing keeps the mean error, 3, whatever is asked. Seen from the asked share this is the
sparsification curve (Ilg et al. 2018), seen from the coverage the risk-coverage curve (Geifman and
El-Yaniv 2017). Of samples with equal uncertainty, it is a matter of chance which are kept; the
curve is the expected value, not what the order of the samples happens to give.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from evaluation import rank_metrics


@dataclasses.dataclass(frozen=True)
class RejectionCurve:
    """The module's table, for k = N, N - 1, ..., 1.

    Attributes:
        asked: float64 [N], share of samples that a human is asked about, 0 .. 1 - 1/N.
        error: float64 [N], mean error of the kept.
        oracle: float64 [N], the same if the errors themselves were the uncertainty.
    """

    asked: np.ndarray
    error: np.ndarray
    oracle: np.ndarray

    @property
    def coverage(self) -> np.ndarray:
        """Share of samples that the model answers, float64 [N]: 1 .. 1/N."""
        return 1 - self.asked

    @property
    def ause(self) -> float:
        """Area between curve and oracle over `asked`, both divided by the mean error (Ilg 2018).

        0 for the oracle; NaN if no sample has an error.
        """
        return self._area(self.error)

    @property
    def random_ause(self) -> float:
        """The same area of an uncertainty that knows nothing: what `ause` is compared with."""
        return self._area(np.full_like(self.error, self.error[0]))

    @property
    def relative_ause(self) -> float:
        """`ause` / `random_ause`: 0 oracle, 1 knows nothing, above 1 misleads; NaN if no area."""
        return self.ause / self.random_ause if self.random_ause > 0 else float("nan")

    @property
    def aurc(self) -> float:
        """Area under the risk-coverage curve: the mean of the N risks, in units of the error."""
        return float(self.error.mean())

    @property
    def excess_aurc(self) -> float:
        """`aurc` minus the oracle's (E-AURC, Geifman, Uziel and El-Yaniv 2019); 0 is the best."""
        return float((self.error - self.oracle).mean())

    def gain(self, asked: float) -> float:
        """By what share asking lowers the mean error of the rest.

        Args:
            asked: share of samples, 0 <= asked < 1; N * asked is rounded up, at least one is kept.

        Returns:
            1 - error / error without asking: 0 none, 1 all of it, below 0 it got worse; NaN if no
            sample has an error.

        Raises:
            ValueError: if the share is out of range.
        """
        if not 0 <= asked < 1:
            raise ValueError(f"gain: expected a share 0 <= asked < 1, got {asked}.")
        number = len(self.error)
        # 0.2 * 15 is a little more than 3; no fourth sample is asked for that.
        removed = min(int(np.ceil(asked * number - 1e-9)), number - 1)
        whole = self.error[0]
        return float(1 - self.error[removed] / whole) if whole > 0 else float("nan")

    def _area(self, error: np.ndarray) -> float:
        if not self.error[0] > 0:
            return float("nan")
        distance = (error - self.oracle) / self.error[0]
        return float(((distance[1:] + distance[:-1]) / 2 * np.diff(self.asked)).sum())


def rejection_curve(uncertainty: np.ndarray, error: np.ndarray) -> RejectionCurve:
    """The curve of an uncertainty.

    Args:
        uncertainty: float [N], high where the model is unsure; any unit, infinity allowed.
        error: float [N], at least 0; a distance, or 0 and 1 for right and wrong.

    Returns:
        Asked share, error and oracle, [N] each.

    Raises:
        ValueError: if lengths differ, N is 0, or a value is NaN or an error negative or infinite.
    """
    uncertainty, error = rank_metrics.checked_pair(uncertainty, error, "rejection_curve")
    if (error < 0).any() or np.isinf(error).any():
        raise ValueError(
            "rejection_curve: expected finite errors of at least 0, got values from "
            f"{error.min()} to {error.max()}. Give distances, not signed differences."
        )
    kept = np.arange(len(error), 0, -1)
    order = np.argsort(uncertainty, kind="stable")
    expected = rank_metrics.tie_means(uncertainty, error)[order]
    return RejectionCurve(
        1 - kept / len(error), _means_of_first(expected), _means_of_first(np.sort(error))
    )


def _means_of_first(values: np.ndarray) -> np.ndarray:
    """Means of the first N, N - 1, ..., 1 of [N]."""
    return (np.cumsum(values) / np.arange(1, len(values) + 1))[::-1]
