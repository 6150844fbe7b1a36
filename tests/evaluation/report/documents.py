"""A results document made by hand, in which every section has something and names are hostile."""

from __future__ import annotations

import math

import numpy as np

from evaluation.report import plain_json

HOSTILE = '<script>alert("x")</script>'
KINDS = (
    "model",
    "model, instruction swapped",
    "mean of the training labels",
    "mean of action and food",
    "centre of the picture",
    "colour",
)
METRICS = {
    "centroid_error": ("Midpoint off by", "share of the picture", "low", 0.0342),
    "centroid_error_px": ("Midpoint off by", "px", "low", 8.07),
    "bbox_mae": ("Coordinates, mean absolute error", "share of the picture", "low", 0.0412),
    "angle_mae_mod180_deg": ("Angle modulo 180", "degrees", "low", 12.34),
    "hit_rate": ("Midpoint on the food", "share", "high", 0.8125),
}
FOODS = ("banana", "cherry_tomato", "mashed_potato", HOSTILE)


def estimate(mean: float, n: int = 90) -> dict[str, float]:
    return {"mean": mean, "low": 0.9 * mean, "high": 1.1 * mean, "n": n}


def errors(factor: float) -> dict[str, dict[str, float]]:
    """Of one kind of answer: errors so many times the model's, hits so many times fewer."""
    return {
        column: estimate(value / factor if better == "high" else value * factor)
        for column, (_, _, better, value) in METRICS.items()
    }


def source(label: str, number: int) -> dict[str, object]:
    figures = {"auroc": 0.91, "average_precision": 0.62, "spearman": 0.55, "relative_ause": 0.31}
    figures |= {"ause": 0.12, "random_ause": 0.4, "mean_error": 0.0342, "wrong_share": 0.19}
    figures |= {"gain_10": 0.21, "gain_20": 0.34, "gain_50": 0.6, "aurc": 0.02, "nll": -1.868}
    figures |= {"excess_aurc": 0.006, "calibration_error": 0.04, "ence": math.nan}
    figures |= {"coverage_50": 0.52, "coverage_90": 0.88, "coverage_95": 0.91, "mean_std": 0.03}
    return {
        "label": label,
        "source": "mc_dropout",
        "settings": {"scope": "head", "num_samples": number},
        "score": "credible_width",
        "is_default": number == 1,
        "ms_per_image": 21.5 * number,
        "relative_cost": float(number),
        "figures": {name: value + 0.001 * number for name, value in figures.items()},
    }


def curve(label: str, number: int) -> dict[str, object]:
    share = np.linspace(0.01, 1, 100)
    return {
        "label": label,
        "coverage": share.tolist(),
        "error": (0.0342 * share ** (1 / number)).tolist(),
        "oracle": (0.0342 * share**3).tolist(),
        "random": 0.0342,
        "expected": share.tolist(),
        "observed": (share ** (1 + 0.2 * number)).tolist(),
    }


def example(number: int) -> dict[str, object]:
    image = np.full((236, 236, 3), (200, 190, 180), np.uint8)
    image[90:140, 60:180] = (220, 60 + 30 * number, 40)
    return {
        "image": image,
        "action": "skewering",
        "food": FOODS[number % len(FOODS)],
        "predicted": [0.3, 0.5, 0.7, 0.52],
        "labelled": [0.25, 0.45, 0.75, 0.5],
        "centroid_distance": 0.0354,
        "uncertainty": math.nan if number == 2 else 0.0123,
        "asked": (True, False, None)[number % 3],
        "picture": f"plates/{number:05d}.png",
        "radius": None if number == 1 else 0.08,
    }


def document() -> dict[str, object]:
    """All of it; made anew, so that a test may change it."""
    labels = ("token distribution, one pass", f"ensemble {HOSTILE}", "MC dropout, head, 16 samples")
    groups = {
        "action": ("skewering", "scooping", "twirling"),
        "food": FOODS,
        "source": ("drawn plates", "photos"),
    }
    return {
        "format_version": 1,
        "title": f"Evaluation of plates {HOSTILE}",
        "created": "2026-11-23T00:50:00Z",
        "settings": {"dataset_file": "plates.npz", "seed": 0, "compare": None},
        "versions": {"numpy": "1.26.4"},
        "data": {
            "name": "plates.npz",
            "fingerprint": "0123456789abcdef" * 4,
            "split": "val",
            "num_samples": 2008,
            "num_pictures": 700,
        },
        "checkpoint": {"name": "plates", "loss_type": "cross_entropy", "global_step": 12000},
        "metrics": {
            column: {"label": label, "unit": unit, "better": better}
            for column, (label, unit, better, _) in METRICS.items()
        },
        "errors": {kind: errors(1.0 + number) for number, kind in enumerate(KINDS)},
        "groups": {
            group: {
                name: {"n": 10 + place, **errors(1 + 0.1 * place)}
                for place, name in enumerate(names)
            }
            for group, names in groups.items()
        },
        "comparison": {
            "other": "older checkpoint",
            "columns": {
                "centroid_error": {
                    "difference": -0.01,
                    "low": -0.015,
                    "high": -0.005,
                    "p_value": 0.0001,
                },
                "hit_rate": {"difference": 0.01, "low": -0.02, "high": 0.04, "p_value": 0.55},
            },
        },
        "uncertainty": [source(label, number) for number, label in enumerate(labels, 1)],
        "curves": [curve(label, number) for number, label in enumerate(labels, 1)],
        "calibration": {
            "fitted_on": {"source": "token_distribution", "num_samples": 1000},
            "nominal": 0.9,
            "disc_coverage": {"mean": 0.9034, "low": 0.89, "high": 0.917, "n": 2008},
            "box_coverage": {"mean": 0.9101, "low": 0.9, "high": 0.92, "n": 2008},
            "median_radius": 0.081,
            "asked_share": 0.2,
            "error_of_all": 0.0342,
            "error_of_answered": 0.0225,
            "gain": 0.342,
            "target": "query rate 20 %",
        },
        "shifts": [
            {
                "name": name,
                "auroc": auroc,
                "asked_share": asked,
                "mean_uncertainty": 0.05,
                "n": 500,
            }
            for name, auroc, asked in (("blank", 0.99, 1.0), (HOSTILE, 0.6, 0.31))
        ],
        "examples": {
            name: [example(first + number) for number in range(3)]
            for first, name in enumerate(("best", "worst", "most_uncertain"))
        },
        "throughput": {"images_per_s": 31.2, "num_images": 2008, "peak_rss_mb": 1830.0},
    }


def plain_document() -> dict[str, object]:
    """The same as the page's parts get it: without pictures, None for NaN."""
    return plain_json.plain(document())
