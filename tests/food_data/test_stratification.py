import hypothesis
import numpy as np
from hypothesis import strategies

from food_data import stratification


def choose(groups, fraction=0.2, seed=0):
    """`groups`: of each picture, the foods on it. -> which validate."""
    group = np.repeat(np.arange(len(groups)), [len(foods) for foods in groups])
    foods = np.array([food for foods in groups for food in foods])
    return stratification.choose_groups(group, foods, foods, fraction, seed)


def test_the_worked_example():
    """2 pictures of a grape (0) and a banana (1), 8 of a banana."""
    groups = [[0, 1], [0, 1], *[[1]] * 8]
    for seed in range(5):
        chosen = choose(groups, seed=seed)
        assert chosen[:2].sum() == 1
        assert chosen[2:].sum() == 2


def test_each_kind_is_divided_alike():
    groups = [[0]] * 50 + [[1]] * 30 + [[2]] * 10
    chosen = choose(groups)
    assert (chosen[:50].sum(), chosen[50:80].sum(), chosen[80:].sum()) == (10, 6, 2)


def test_two_pictures_of_a_food_go_to_two_sides_even_if_the_fraction_says_no():
    groups = [[food] for food in range(6) for _ in range(2)]
    chosen = choose(groups, fraction=0.01)
    assert chosen.reshape(6, 2).sum(axis=1).tolist() == [1] * 6


def test_a_food_of_two_actions_is_on_both_sides():
    """Each (action, food) is in one picture only; food 0 is in two."""
    group, foods = np.arange(4), np.array([0, 0, 1, 2])
    for seed in range(5):
        chosen = stratification.choose_groups(group, np.arange(4), foods, 0.1, seed)
        assert chosen[:2].sum() == 1


def test_what_cannot_be_on_both_sides_ends_the_search():
    """Three pictures, of which each two share a food: one food has to be on one side only."""
    chosen = choose([[0, 1], [1, 2], [0, 2]], fraction=0.4)
    assert 1 <= chosen.sum() <= 2


def test_the_seed_decides():
    groups = [[0]] * 40
    first, again, other = (choose(groups, 0.5, seed) for seed in (1, 1, 2))
    assert first.tolist() == again.tolist() != other.tolist()


@hypothesis.given(
    strategies.lists(
        strategies.lists(strategies.integers(0, 4), min_size=1, max_size=4), min_size=2, max_size=60
    ),
    strategies.floats(0.05, 0.95),
    strategies.integers(0, 2**32),
)
@hypothesis.settings(max_examples=50)
def test_no_side_is_empty_and_the_size_is_near(groups, fraction, seed):
    chosen = choose(groups, fraction, seed)
    assert 0 < chosen.sum() < len(groups)
    samples = sum(len(foods) for foods in groups)
    validating = sum(len(foods) for foods, is_chosen in zip(groups, chosen) if is_chosen)
    # Five foods that may each have to be brought to a side, pictures of up to four samples.
    assert abs(validating - fraction * samples) <= 4 * 5


@hypothesis.given(
    strategies.lists(strategies.integers(0, 5), min_size=2, max_size=60),
    strategies.floats(0.01, 0.99),
    strategies.integers(0, 2**32),
)
@hypothesis.settings(max_examples=50)
def test_with_one_food_a_picture_every_food_of_two_is_on_both_sides(foods, fraction, seed):
    chosen = choose([[food] for food in foods], fraction, seed)
    for food in set(foods):
        places = chosen[[one == food for one in foods]]
        if len(places) >= 2:
            assert 0 < places.sum() < len(places)
