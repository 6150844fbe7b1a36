"""How what people write becomes a name, and label maps."""

import pytest

from food_data import dataset_builder, vocabulary


@pytest.mark.parametrize("text, name", [
    ("skewering", "skewering"),
    ("Scoop", "scooping"),
    ("  skewer ", "skewering"),
    ("green beans", "green_bean"),
    ("cherry_tomtato", "cherry_tomato"),
    ("cherry tomatoes", "cherry_tomato"),
    ("Mac & Cheese", "mac_and_cheese"),
])  # fmt: skip
def test_what_people_write_becomes_a_name(text, name):
    find = vocabulary.canonical_action if name.endswith("ing") else vocabulary.canonical_food
    assert find(text) == name


def test_unknown_food_lists_near_names():
    with pytest.raises(vocabulary.UnknownNameError, match="Did you mean 'banana'.*Known: banana"):
        vocabulary.canonical_food("banan")


def test_split_instruction():
    split = vocabulary.BASE.split_instruction
    assert split("scoop_cherry_tomtato") == ("scooping", "cherry_tomtato")
    assert split("Twirling mac and cheese") == ("twirling", "mac_and_cheese")
    extended = vocabulary.BASE.extended({"scooping_up": ["scoop_up"]}, {})
    assert extended.split_instruction("scoop_up_rice") == ("scooping_up", "rice")


def test_label_maps(tmp_path):
    def read(text):
        (tmp_path / "map.json").write_text(text)
        return dataset_builder.read_label_map(tmp_path / "map.json", vocabulary.BASE)

    mapped = read('{"Tomato": "cherry tomatoes", "pale  cube": "cantaloupe"}')
    assert mapped == {"tomato": "cherry_tomato", "pale_cube": "cantaloupe"}
    with pytest.raises(ValueError, match="map.json: expected {label: food}, got {'a': 1}"):
        read('{"a": 1}')
    message = "map.json maps 'tomato' to 'chery_tomato'. .*Did you mean 'cherry_tomato'.*add --food"
    with pytest.raises(vocabulary.UnknownNameError, match=message):
        read('{"tomato": "chery_tomato"}')
