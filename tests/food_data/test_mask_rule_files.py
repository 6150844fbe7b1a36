import json

import pytest

from food_data import mask_rule_files, mask_rules

MaskRule = mask_rules.MaskRule


def write(folder, content):
    path = folder / "rules.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_without_a_file_the_defaults():
    assert mask_rule_files.read_rules(None) == dict(mask_rules.DEFAULT_RULES)


def test_what_a_file_does_not_name_stays(tmp_path):
    path = write(tmp_path, {"twirl": {"direction": "down"}, "scooping": {"through": "box"}})
    assert mask_rule_files.read_rules(path) == {
        "skewering": MaskRule(),
        "scooping": MaskRule(through="box"),
        "twirling": MaskRule(part=0.5, direction="down"),
    }
    assert mask_rules.DEFAULT_RULES["scooping"] == MaskRule()


def test_changes_come_after_the_file(tmp_path):
    path = write(tmp_path, {"twirling": {"part": 0.3, "direction": "left"}})
    rules = mask_rule_files.read_rules(path, ["twirling.part=0.7", "skewering.through=box"])
    assert rules["twirling"] == MaskRule(part=0.7, direction="left")
    assert rules["skewering"] == MaskRule(through="box")


@pytest.mark.parametrize(
    "content, message",
    [
        ("{", "rules.json is not JSON"),
        ([], r"rules.json: expected \{action: \{key: value\}\}, got \[\]"),
        ({"twirling": 0.3}, "rules.json: twirling: expected keys among part, direction, through"),
        ({"twirling": {"length": 1}}, "twirling: expected keys among .* got {'length': 1}"),
        ({"twirling": {"part": 3}}, "rules.json: twirling: part: expected a number above 0"),
    ],
)
def test_files_of_another_form(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        mask_rule_files.read_rules(write(tmp_path, content))


@pytest.mark.parametrize("change", ["twirling", "twirling.part", "part=0.3"])
def test_changes_of_another_form(change):
    with pytest.raises(ValueError, match=f"Expected <action>.<key>=<value>, got '{change}'"):
        mask_rule_files.read_rules(None, [change])


def test_an_unknown_action_and_an_absent_file(tmp_path):
    with pytest.raises(LookupError, match="stab.part=1: Unknown action 'stab'. .*skewering"):
        mask_rule_files.read_rules(None, ["stab.part=1"])
    with pytest.raises(FileNotFoundError, match="No file of mask rules .*absent.json"):
        mask_rule_files.read_rules(tmp_path / "absent.json")
