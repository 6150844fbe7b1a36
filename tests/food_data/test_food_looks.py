from food_data import food_looks, vocabulary


def test_every_food_has_a_look_and_an_action():
    assert sorted(food_looks.FOOD_LOOKS) == sorted(vocabulary.FOODS)
    assert {look.action for look in food_looks.FOOD_LOOKS.values()} == set(vocabulary.ACTIONS)


def test_every_main_axis_is_well_defined():
    """A food that is as wide as it is long has no main axis."""
    for food, look in food_looks.FOOD_LOOKS.items():
        assert look.aspect <= 0.9, food
        assert 0.05 < look.length < 0.4, food


def test_every_mark_can_be_seen():
    for food, look in food_looks.FOOD_LOOKS.items():
        assert (look.marks > 0) == (look.mark_width > 0), food
