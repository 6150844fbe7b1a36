"""JSON that is not exactly as expected is refused."""

from __future__ import annotations

import dataclasses

import pytest

from evaluation import strict_json


@dataclasses.dataclass(frozen=True)
class Plain:
    share: float
    number: int
    name: str
    switch: bool
    limit: float | None
    scope: str | None
    sizes: tuple[float, ...]
    names: tuple[str, ...]

    def __post_init__(self):
        if self.share > 1:
            raise ValueError(f"share: expected at most 1, got {self.share}.")


GOOD = {
    "share": 1,
    "number": 3,
    "name": "n",
    "switch": True,
    "limit": None,
    "scope": None,
    "sizes": [1, 0.5],
    "names": ["a"],
}


def test_good_values_become_the_dataclass():
    found = strict_json.to_dataclass(Plain, GOOD, "f.json")
    assert found == Plain(1.0, 3, "n", True, None, None, (1.0, 0.5), ("a",))
    assert isinstance(found.share, float)
    found = strict_json.to_dataclass(Plain, {**GOOD, "limit": 2, "scope": "head"}, "f.json")
    assert (found.limit, found.scope) == (2.0, "head")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("share", "1", "a finite number, got '1'"),
        ("share", True, "a finite number, got True"),
        ("share", float("inf"), "a finite number, got inf"),
        ("share", None, "a finite number, got None"),
        ("share", 1.5, "at most 1, got 1.5"),
        ("number", 3.0, "an integer, got 3.0"),
        ("number", False, "an integer, got False"),
        ("name", 3, "a string, got 3"),
        ("switch", 1, "true or false, got 1"),
        ("limit", "x", "a finite number or null, got 'x'"),
        ("scope", 1, "a string or null, got 1"),
        ("sizes", [1, "x"], "a list of finite numbers"),
        ("sizes", 1, "a list of finite numbers"),
        ("sizes", [float("nan")], "a list of finite numbers"),
        ("names", ["a", 1], "a list of strings"),
    ],
)
def test_other_values_are_refused(field, value, message):
    with pytest.raises(ValueError, match=f"^f.json: {field}: expected {message}"):
        strict_json.to_dataclass(Plain, {**GOOD, field: value}, "f.json")


def test_absent_and_unknown_fields_are_named():
    values = {name: value for name, value in GOOD.items() if name != "name"}
    with pytest.raises(ValueError, match="absent: name; unknown: nome"):
        strict_json.to_dataclass(Plain, {**values, "nome": "n"}, "f.json")
    with pytest.raises(ValueError, match="an object, got list"):
        strict_json.to_dataclass(Plain, [], "f.json")


def test_parsing():
    assert strict_json.parse('{"a": [1, null]}', "f.json") == {"a": [1, None]}
    for text, message in (
        ("{", "f.json: expected JSON"),
        ('{"a": NaN}', "finite numbers, got NaN"),
        ('{"a": -Infinity}', "finite numbers, got -Infinity"),
        ('{"a": 1, "a": 2}', "each field once, got 'a' twice"),
    ):
        with pytest.raises(ValueError, match=message):
            strict_json.parse(text, "f.json")
