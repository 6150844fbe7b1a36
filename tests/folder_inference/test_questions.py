"""What is asked about each picture."""

from __future__ import annotations

from folder_inference import questions
from food_data import annotations


def labelled(action, food):
    return annotations.LabelledObject(food, None, action)


def test_flags_ask_the_same_of_every_picture():
    settings = questions.Settings("skewering", "grape")
    asked = questions.make_questions(["a.jpg", "b.jpg"], settings, {"a.jpg": [labelled("x", "y")]})
    assert [one.key for one in asked] == [
        ("a.jpg", "skewering", "grape"),
        ("b.jpg", "skewering", "grape"),
    ]


def test_a_text_alone_asks_of_every_picture():
    asked = questions.make_questions(["a.jpg"], questions.Settings(text="eat"), {})
    assert [one.key for one in asked] == [("a.jpg", None, None)]


def test_labels_ask_once_for_each_action_and_food():
    labels = {
        "b.jpg": [
            labelled("skewering", "grape"),
            labelled("skewering", "banana"),
            labelled("skewering", "grape"),
            labelled("scooping", "rice"),
        ]
    }
    asked = questions.make_questions(["a.jpg", "b.jpg"], questions.Settings("skewering"), labels)
    assert [one.key for one in asked] == [
        ("b.jpg", "scooping", "rice"),
        ("b.jpg", "skewering", "banana"),
        ("b.jpg", "skewering", "grape"),
    ]


def test_seeds_differ_by_question_and_run_and_are_repeatable():
    one, other = (questions.Question(name, "skewering", "grape") for name in ("a.jpg", "b.jpg"))
    assert one.seed(None) is None
    # The CRC-32 of "a.jpg\nskewering\ngrape" is 3922624966, modulo 2**31 1775141318.
    assert (one.seed(0), one.seed(5)) == (1775141318, 1775141323)
    assert other.seed(5) != one.seed(5)
    assert 0 <= one.seed(2**31 - 1) < 2**31


def test_settings_are_plain_json():
    assert questions.Settings("scooping", "rice", seed=3).to_dict() == {
        "action": "scooping",
        "food_type": "rice",
        "text": None,
        "num_samples": 16,
        "seed": 3,
        "dropout_scope": "head",
        "resize": None,
        "passes": None,
    }
