"""Tables as they are printed."""

from evaluation.study import text as study_text


def _interval(mean, low=None, high=None):
    return {"mean": mean, "low": low, "high": high, "n": 4}


def test_intervals():
    assert study_text.interval(_interval(0.0165, 0.0158, 0.0173)) == "0.0165 [0.0158, 0.0173]"
    assert study_text.interval(_interval(41.62, 33.9, 50.26)) == "41.6 [33.9, 50.3]"
    assert study_text.interval(_interval(-0.01)) == "-0.0100"
    assert study_text.interval(_interval(None)) == study_text.interval(None) == "-"


def test_errors_have_a_line_for_each_kind_and_a_column_for_what_is_known():
    errors = {
        "model": {"centroid_mae": _interval(0.02, 0.01, 0.03), "hit_rate": _interval(0.5)},
        "colour": {"centroid_mae": _interval(0.1)},
    }
    assert [line.split("  ") for line in study_text.errors_table(errors).splitlines()][0][0] == (
        "mean [95 % interval]"
    )
    lines = [line.split() for line in study_text.errors_table(errors).splitlines()]
    assert lines[0][-2:] == ["centroid_mae", "hit_rate"]
    assert lines[1] == ["model", "0.0200", "[0.0100,", "0.0300]", "0.5000"]
    assert lines[2] == ["colour", "0.1000", "-"]


def test_columns_are_aligned():
    assert study_text.table([["a", "bb"], ["ccc", "d"]]) == "a    bb\nccc   d"


def test_groups():
    rows = {"rice": {"n": 4, "centroid_mae": _interval(0.02)}}
    assert study_text.groups_table("food", rows).split() == [
        *("food", "n", "centroid_mae", "rice", "4", "0.0200"),
    ]


def test_a_comparison():
    row = {"difference": -0.01, "low": -0.02, "high": 0.0, "p_value": None}
    (text,) = study_text.comparison_lines({"other": "last", "columns": {"bbox_mae": row}})
    assert text.startswith("minus last")
    assert text.splitlines()[-1].split() == ["bbox_mae", "-0.0100", "[-0.0200,", "0.0000]", "-"]
    assert list(study_text.comparison_lines(None)) == []


def test_uncertainty_marks_the_default_and_what_is_not_known():
    figures = {"auroc": None, "relative_ause": 0.4}
    row = {"label": "flipped_views", "score": "entropy", "is_default": True, "figures": figures}
    row |= {"ms_per_image": 12.34, "relative_cost": 3.999}
    lines = study_text.uncertainty_table([row]).splitlines()
    cells = lines[1].split()
    assert cells[:5] == ["flipped_views", "*", "entropy", "-", "0.400"]
    assert cells[-2:] == ["12.3", "4.00"]


def test_calibration_coverage_and_shifts():
    calibration = {
        "fitted_on": {
            "source": "mc_dropout",
            "score": "entropy",
            "num_calibration_samples": 60,
            "num_pictures": 30,
        },
        "nominal": 0.9,
        "disc_coverage": _interval(0.91, 0.88, 0.94),
        "box_coverage": _interval(0.92),
        "median_radius": 0.05,
        "asked_share": 0.2,
        "target": "query_rate 0.2",
        "error_of_all": 0.03,
        "error_of_answered": 0.02,
        "gain": 1 / 3,
        "wrong_of_all": 0.1,
        "wrong_of_answered": None,
        "chance": {"mean": 0.91, "right": 0.9, "auroc": None, "ece": _interval(0.02)},
    }
    text = "\n".join(study_text.calibration_lines(calibration))
    assert "discs that promise 90% hold 0.9100 [0.8800, 0.9400] of the labels" in text
    assert "asked about 20.0% (target: query_rate 0.2)" in text
    assert "gain 0.333" in text
    splits = {"num_splits": 2, "fraction": 0.5, "nominal": 0.9}
    splits["disc"] = {"mean": 0.9, "low": 0.89, "high": 0.91, "each": [0.89, 0.91]}
    text = "\n".join(study_text.coverage_lines(splits))
    assert text.endswith("2 random splits:\n  disc: 0.900 (0.890 to 0.910)")
    row = {"name": "noise", "n": 3, "auroc": 0.5, "asked_share": None, "mean_uncertainty": 0.25}
    (text,) = study_text.shift_lines([row])
    assert text.splitlines()[-1].split() == ["noise", "3", "0.500", "-", "0.2500"]
