import re

import hypothesis
import pytest
from hypothesis import strategies

from food_data import vocabulary


def test_the_shipped_names():
    assert vocabulary.ACTIONS == ("skewering", "scooping", "twirling")
    assert len(vocabulary.FOODS) == 22
    assert vocabulary.FOODS[0] == "banana"
    assert vocabulary.FOODS[-1] == "watermelon"


def test_no_word_means_two_things():
    for names in (vocabulary.BASE.actions, vocabulary.BASE.foods):
        words = [word for name, variants in names.items() for word in (name, *variants)]
        assert sorted(words) == sorted(set(words))
        assert all(vocabulary.NAME_PATTERN.fullmatch(word) for word in words)


@pytest.mark.parametrize(
    "text, name",
    [
        ("skewering", "skewering"),
        ("Scoop", "scooping"),
        ("TWIRL", "twirling"),
        ("  skewer ", "skewering"),
    ],
)
def test_canonical_action(text, name):
    assert vocabulary.canonical_action(text) == name


@pytest.mark.parametrize(
    "text, name",
    [
        ("green beans", "green_bean"),
        ("Green-Bean", "green_bean"),
        ("cherry_tomtato", "cherry_tomato"),
        ("cherry tomatoes", "cherry_tomato"),
        ("mashed potatoes", "mashed_potato"),
        ("strawberries", "strawberry"),
        ("Fettuccine", "fettucine"),
        ("Mac & Cheese", "mac_and_cheese"),
        ("grapes", "grape"),
    ],
)
def test_canonical_food(text, name):
    assert vocabulary.canonical_food(text) == name


@hypothesis.given(strategies.sampled_from(vocabulary.FOODS), strategies.data())
def test_case_and_separators_do_not_matter(food, data):
    separator = data.draw(strategies.sampled_from([" ", "_", "-", "  ", " - "]))
    text = food.replace("_", separator)
    text = "".join(data.draw(strategies.sampled_from([c.upper(), c.lower()])) for c in text)
    assert vocabulary.canonical_food(text) == food


@pytest.mark.parametrize(
    "text, message",
    [
        ("banan", "Unknown food 'banan'. Did you mean 'banana'"),
        ("melon", "Known: banana, blueberry"),
        ("", "Unknown food ''"),
        ("s", "Unknown food 's'"),
    ],
)
def test_unknown_food_lists_near_names(text, message):
    with pytest.raises(vocabulary.UnknownNameError, match=re.escape(message)):
        vocabulary.canonical_food(text)


@pytest.mark.parametrize(
    "text, pair",
    [
        ("scoop_cherry_tomtato", ("scooping", "cherry_tomtato")),
        ("scooping_mac_and_cheese", ("scooping", "mac_and_cheese")),
        ("Twirling spaghetti", ("twirling", "spaghetti")),
    ],
)
def test_split_instruction(text, pair):
    assert vocabulary.BASE.split_instruction(text) == pair


def test_split_instruction_takes_the_longest_action():
    extended = vocabulary.BASE.extended({"scooping_up": ["scoop_up"]}, {})
    assert extended.split_instruction("scoop_up_rice") == ("scooping_up", "rice")
    assert extended.split_instruction("scoop_upside_cake") == ("scooping", "upside_cake")


@pytest.mark.parametrize("text", ["banana", "skewering", "skewering_", "stir_rice"])
def test_split_instruction_needs_an_action_and_a_rest(text):
    with pytest.raises(vocabulary.UnknownNameError, match="Expected '<action>_<food>'"):
        vocabulary.BASE.split_instruction(text)


def test_extended_leaves_the_original_alone():
    extended = vocabulary.BASE.extended({}, {"carrot": ["Baby Carrot"], "banana": ["plantain"]})
    assert extended.canonical_food("baby carrots") == "carrot"
    assert extended.canonical_food("plantain") == extended.canonical_food("banana") == "banana"
    with pytest.raises(vocabulary.UnknownNameError):
        vocabulary.canonical_food("carrot")


def test_instruction_text():
    assert vocabulary.instruction_text("skewering", "cherry_tomato") == "skewering cherry tomato"
