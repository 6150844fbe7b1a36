"""What a set of samples says: their mean and how far they are apart.

A worked example, two samples [x1, y1, x2, y2]: [0.2, 0.4, 0.6, 0.4] and [0.4, 0.4, 0.8, 0.4]

| field             | value                | from                                     |
|-------------------|----------------------|------------------------------------------|
| mean              | [0.3, 0.4, 0.7, 0.4] |                                          |
| std               | [0.1, 0.0, 0.1, 0.0] | divided by S, not by S - 1               |
| total_variance    | 0.02                 | 0.01 + 0 + 0.01 + 0                      |
| centroid_variance | 0.01                 | midpoints (0.4, 0.4) and (0.6, 0.4)      |
| size_variance     | 0.0                  | end - start is (0.4, 0) in both          |
| distance_variance | 0.011                | L2 norms of the samples, 0.849 and 1.058 |
"""

from __future__ import annotations

from typing import Any

import numpy as np


def statistics(samples: np.ndarray) -> dict[str, Any]:
    """Mean and spread of samples.

    Args:
        samples: float [S, 4], x1, y1, x2, y2.

    Returns:
        mean [4], std [4] and, in squared units of the samples, total_variance (summed over the four
        coordinates), centroid_variance (of the midpoint, x and y summed), size_variance (of end
        minus start, summed), distance_variance (of the L2 norm of the four); num_samples.
    """
    samples = np.asarray(samples, np.float64)
    start, end = samples[:, :2], samples[:, 2:]
    return {
        "mean": samples.mean(axis=0).tolist(),
        "std": samples.std(axis=0).tolist(),
        "total_variance": float(samples.var(axis=0).sum()),
        "centroid_variance": float(((start + end) / 2).var(axis=0).sum()),
        "size_variance": float((end - start).var(axis=0).sum()),
        "distance_variance": float(np.linalg.norm(samples, axis=1).var()),
        "num_samples": len(samples),
    }
