import pathlib

import pytest

from food_data import annotations, vocabulary
from food_data.sources import actions


def picture(*objects):
    return annotations.LabelledPicture(pathlib.Path("a/1.jpg"), "a/1.jpg", None, objects)


def one(label, action=None):
    return annotations.LabelledObject(label, None, action)


def resolve(*objects, default=None):
    (resolved,) = actions.resolve_actions([picture(*objects)], default, vocabulary.BASE)
    return [(each.action, each.label) for each in resolved.objects]


def test_the_object_then_the_label_then_the_default():
    objects = [one("Green Beans", "Scoop"), one("twirl spaghetti"), one("Pale Cube")]
    assert resolve(*objects, default="skewer") == [
        ("scooping", "Green Beans"),
        ("twirling", "spaghetti"),
        ("skewering", "Pale Cube"),
    ]


def test_what_the_object_says_leaves_its_label_alone():
    assert resolve(one("scoop ice cream", "skewering")) == [("skewering", "scoop ice cream")]


def test_no_action_at_all_names_the_object():
    with pytest.raises(ValueError, match="1.jpg: carrot: expected an action, got none. Give --act"):
        resolve(one("skewering banana"), one("carrot"))


def test_unknown_actions_name_the_object():
    with pytest.raises(LookupError, match="1.jpg: carrot: Unknown action 'stab'"):
        resolve(one("carrot", "stab"))
    with pytest.raises(LookupError, match="Unknown action 'stab'"):
        resolve(one("carrot"), default="stab")
