import pytest

from food_data.sources import json_files


def test_what_is_read_and_what_is_not(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"a": ["\u00e9"]}', encoding="utf-8")
    assert json_files.read_json(path, "file") == {"a": ["\u00e9"]}
    path.write_bytes(b"{")
    with pytest.raises(ValueError, match="a.json is not JSON"):
        json_files.read_json(path, "file")
    path.write_bytes(b'"\xff"')
    with pytest.raises(ValueError, match="a.json is not JSON"):
        json_files.read_json(path, "file")
    with pytest.raises(FileNotFoundError, match="No file of rules .*b.json"):
        json_files.read_json(tmp_path / "b.json", "file of rules")


@pytest.mark.parametrize(
    "value, expected",
    [(1, True), (-2.5, True), (float("nan"), False), (float("inf"), False)]
    + [(value, False) for value in (True, "1", None, [1])],
)
def test_numbers(value, expected):
    assert json_files.is_number(value) is expected
    assert json_files.are_numbers([0, value]) is expected


def test_lists_of_numbers():
    assert json_files.are_numbers([])
    assert json_files.are_numbers([1, 2], 2)
    assert not json_files.are_numbers([1, 2], 3)
    assert not json_files.are_numbers({"x": 1})


def test_sizes():
    assert json_files.is_size(640, 480.0)
    for size in ((0, 480), (640.5, 480), (None, 480), ("640", 480)):
        assert not json_files.is_size(*size)
