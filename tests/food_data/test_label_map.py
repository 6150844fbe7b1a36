import json
import pathlib

import pytest

from food_data import label_map, vocabulary

SHIPPED = pathlib.Path(__file__).resolve().parents[2] / "configs" / "real_food_label_map.json"


def read(tmp_path, content):
    path = tmp_path / "map.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return label_map.read_label_map(path, vocabulary.BASE)


def test_labels_are_normalised_and_foods_canonical(tmp_path):
    mapped = read(tmp_path, {"Tomato": "cherry tomatoes", "pale  cube": "cantaloupe"})
    assert mapped == {"tomato": "cherry_tomato", "pale_cube": "cantaloupe"}


def test_an_unknown_food_is_an_error_with_near_names(tmp_path):
    message = "map.json maps 'tomato' to 'chery_tomato'. .*Did you mean 'cherry_tomato'.*add --food"
    with pytest.raises(vocabulary.UnknownNameError, match=message):
        read(tmp_path, {"tomato": "chery_tomato"})


def test_one_label_with_two_foods(tmp_path):
    with pytest.raises(ValueError, match="maps 'Pale-Cube' to 'cantaloupe' and to 'pineapple'"):
        read(tmp_path, {"pale cube": "cantaloupe", "Pale-Cube": "pineapple"})


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}', '{"a": null}'])
def test_files_of_another_form(tmp_path, content):
    with pytest.raises(ValueError, match="map.json"):
        read(tmp_path, content)


def test_an_absent_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="No label map .*absent.json"):
        label_map.read_label_map(tmp_path / "absent.json", vocabulary.BASE)


def test_the_shipped_map():
    foods = vocabulary.BASE.extended({}, {"carrot": ()})
    assert label_map.read_label_map(SHIPPED, foods) == {
        "tomato": "cherry_tomato",
        "baby_carrot": "carrot",
        "banana_slice": "banana",
        "pale_cube": "cantaloupe",
    }
