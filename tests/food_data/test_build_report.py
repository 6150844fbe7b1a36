from food_data import build_report


def test_text_names_counts_and_sums_up():
    report = build_report.BuildReport()
    report.samples.update(["rice", "banana", "rice"])
    report.left_out[build_report.UNKNOWN_FOOD, "kiwi"] += 2
    report.left_out[build_report.NO_AXIS, "rice"] += 1
    report.unreadable.append("a.jpg: broken")
    lines = [line.split() for line in report.text().splitlines()]
    assert lines == [
        ["samples", "banana", "1"],
        ["samples", "rice", "2"],
        ["samples", "TOTAL", "3"],
        ["left", "out:", "has", "no", "axis", "rice", "1"],
        ["left", "out:", "unknown", "food", "kiwi", "2"],
        ["left", "out:", "any", "reason", "TOTAL", "3"],
        ["a.jpg:", "broken"],
    ]


def test_nothing_left_out_says_nothing_of_it():
    report = build_report.BuildReport()
    report.samples["rice"] += 1
    assert "left out" not in report.text()
