"""Drawn plates and composites: what is true of every plate, and of the data sets made of them."""

import itertools
import json

import cv2
import numpy as np
import pytest

from food_data import mask_rules, npz_dataset, vocabulary
from food_data.synthetic import foods as synthetic_foods
from food_data.synthetic import photographs, plates, scenes

SIZE = 118
ALL = tuple(synthetic_foods.ALL_FOOD_FORMS)


def plate(seed, size=236, **options):
    return scenes.render_plate(np.random.default_rng(seed), size, **options)


def test_every_food_has_forms_of_the_length_that_was_asked_for():
    assert sorted(synthetic_foods.FOOD_FORMS) == sorted(vocabulary.FOODS)
    kinds = [*synthetic_foods.ALL_FOOD_FORMS.values(), synthetic_foods.DISTRACTORS]
    assert [sum(form.share for form in own) for own in kinds[:-1]] == pytest.approx([1] * len(ALL))
    for form in (form for own in kinds for form in own):
        body = form.paint(np.random.default_rng(0), 100.0)
        assert body.albedo.shape == (*body.alpha.shape, 3) and body.height.shape == body.alpha.shape
        assert np.isfinite(body.height).all()
        rows, columns = np.nonzero(body.alpha > 127)
        assert 75 <= np.ptp(columns) <= 110 and np.ptp(rows) <= 1.06 * np.ptp(columns)
        assert (form.paint(np.random.default_rng(3), 36.0).alpha > 127).sum() > 50


STAGING = scenes.Staging(equal_pieces=2, distractors=2, alike=True)
FROZEN = [
    (
        [0, 1], {}, ["lettuce", "spaghetti", "pineapple", "chicken"],
        [[0.2140, 0.3675, 0.3791, 0.4586], [0.4712, 0.4749, 0.5860, 0.4654]],
        [[232.7, 214.3, 204.7], [181.7, 152.3, 198.7], [197.7, 196.3, 199.7]],
    ),
    (
        [2, 5], {"view": "arm", "foods": ALL, "staging": STAGING},
        ["strawberry", "cherry_tomato", "watermelon", "apple", "sausage"],
        [[0.6054, 0.4136, 0.6744, 0.2834], [0.6982, 0.2859, 0.8105, 0.1936]],
        [[88.7, 75.7, 98.3], [56.0, 75.0, 63.0], [64.7, 65.3, 74.0]],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("seed", "options", "names", "parameters", "brightness"), FROZEN)
def test_a_seed_gives_the_plate_that_it_always_gave(seed, options, names, parameters, brightness):
    """Data sets name their seed. To freeze it again after a change of the drawer that is wanted,
    print what is compared here."""
    picture, foods = plate(seed, **options)
    assert [food.food for food in foods] == names
    np.testing.assert_allclose([food.parameters for food in foods[:2]], parameters, atol=3e-3)
    small = cv2.resize(picture, (3, 3), interpolation=cv2.INTER_AREA).mean(axis=2)
    np.testing.assert_allclose(small, brightness, atol=0.5)


def test_parameters_follow_from_what_is_seen_of_each_food(monkeypatch):
    whole, paste = [], scenes.Scene._paste  # Masks of foods before others cover them.
    monkeypatch.setattr(
        scenes.Scene, "_paste", lambda *given: whole.append(paste(*given)) or whole[-1].copy()
    )
    on_food, numbers, shared = [], set(), []
    for seed in range(30):
        whole.clear()
        image, foods = plate([5, seed], SIZE)
        masks = np.array([food.mask for food in foods])
        assert masks.sum(axis=0).max() == 1 and masks.sum(axis=(1, 2)).min() > 10
        black = (image == 0).all(axis=2)
        assert not masks[:, black.all(axis=1)].any() and not masks[:, :, black.all(axis=0)].any()
        for food in foods:
            expected = mask_rules.execution_parameters(food.mask, food.action)
            np.testing.assert_allclose(food.parameters, expected, atol=1e-6)
            x, y = food.parameters.reshape(2, 2).mean(axis=0) * SIZE
            on_food.append(food.mask[int(y), int(x)])
            one = max(whole, key=lambda one: (one & food.mask).sum())
            assert food.mask.sum() > 0.7 * one.sum()  # A fork hides little of any food.
        pairs = itertools.combinations(whole, 2)
        shared += [(one & two).sum() / min(one.sum(), two.sum()) for one, two in pairs]
        numbers.add(len(foods))
    assert numbers == {1, 2, 3, 4, 5, 6}
    assert np.mean(on_food) > 0.97  # A bunch or a bent bean may have a gap there.
    assert 0 < max(shared) <= 0.15


def test_of_equal_pieces_the_one_nearest_to_the_middle_is_meant():
    staging = scenes.Staging(equal_pieces=3, distractors=2)
    _, (food,) = plate(4, foods=["carrot"], max_foods=1, staging=staging)
    _, _, stats, centroids = cv2.connectedComponentsWithStats(food.mask.view(np.uint8))
    pieces = centroids[1:][stats[1:, cv2.CC_STAT_AREA] > 20]
    nearest = pieces[np.argmin(np.linalg.norm(pieces - 117.5, axis=1))]
    middle = food.parameters.reshape(2, 2).mean(axis=0) * 236
    assert len(pieces) > 1 and np.abs(middle - nearest - 0.5).max() < 5


def test_a_data_set_is_the_same_by_one_process_or_two_and_holds_what_was_drawn(store, tmp_path):
    options = {"samples_per_plate": 2, "view": "mixed", "mix": plates.Mix(equal_pieces=0.5)}
    alone = plates.build_synthetic_dataset(9, 3, store, workers=1, **options)
    path = tmp_path / "plates.npz"
    assert plates.write_synthetic_dataset(path, 9, 3, store, workers=2, **options) == len(alone)
    again = npz_dataset.read_npz(path)
    for name in ("images", "actions", "embeddings", "action_names", "food_types", "sources"):
        np.testing.assert_array_equal(getattr(alone, name), getattr(again, name))
    drawer = plates.PlateDrawer(3, tuple(synthetic_foods.FOOD_FORMS), **options)
    drawn = [(i, drawer.draw(i)) for i in range(9)]
    assert [drawer.count(i) for i in range(9)] == [len(one.names) for _, one in drawn]
    samples = [(i, one, k) for i, one in drawn for k in range(len(one.names))]
    assert 9 < len(samples) == len(alone) <= 18
    for row, (i, one, k) in enumerate(samples):
        assert alone.sources[row] == f"synthetic/seed_3/plate_{i}"
        assert (alone.action_names[row], alone.food_types[row]) == one.names[k]
        np.testing.assert_array_equal(alone.images[row], one.image)
        np.testing.assert_array_equal(alone.actions[row], one.actions[k])
        np.testing.assert_array_equal(again.masks[row], one.masks[k])
        np.testing.assert_array_equal(alone.embeddings[row], store.lookup(*one.names[k]))


@pytest.mark.parametrize(
    ("number", "options", "message"),
    [
        (0, {}, "got 0 plates"),
        (1, {"max_foods": 7}, "max_foods: 1 to 6, got 7"),
        (1, {"samples_per_plate": 0}, "samples_per_plate: at least 1, got 0"),
        (1, {"view": "side"}, "view in .*got 'side'"),
        (1, {"workers": 0}, "workers must be greater than 0"),
        (1, {"mix": plates.Mix(composites=0.5)}, "--annotations"),
        (1, {"mix": plates.Mix(crops=1.5, photographs=("a",))}, "0 to 1, got .*1.5"),
        (1, {"mix": plates.Mix(0.6, 0.6, photographs=("a",))}, "at most 1, got 1.2"),
    ],
)
def test_numbers_out_of_range_are_refused(store, number, options, message):
    with pytest.raises(ValueError, match=message):
        plates.build_synthetic_dataset(number, 0, store, **options)


# Composites of small photographs: red bars on grey with a mask, a disc with a box only, a fruit.


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    """The arguments of `photographs.load`."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "images").mkdir()

    def write(name, draw):
        image = np.full((200, 240, 3), 128, np.uint8)
        image += np.random.default_rng(0).integers(0, 6, image.shape, np.uint8)
        draw(image)
        cv2.imwrite(str(folder / name), image[..., ::-1])

    def bar(image):
        image[90:120, 60:180] = 220, 10, 10

    mask = np.zeros((200, 240), np.uint8)
    mask[90:120, 60:180] = 255
    cv2.imwrite(str(folder / "mask.png"), mask)
    one, entries = {"label": "Carrots", "bbox": [60, 90, 120, 30], "mask": "mask.png"}, []
    for i in range(5):  # The fourth and the fifth are held out.
        write(f"bar_{i}.png", bar)
        entries.append({"file": f"bar_{i}.png", "objects": [one]})
    boxes = {"tomato": [80, 60, 80, 80], "kiwi": [0, 0, 9, 9]}
    objects = [{"label": label, "bbox": box} for label, box in boxes.items()]
    write("disc.png", lambda image: cv2.circle(image, (120, 100), 40, (0, 90, 230), -1))
    write("unlabelled.png", lambda image: None)
    entries += [{"file": "disc.png", "objects": objects}, {"file": "unlabelled.png", "objects": []}]
    (folder / "annotations.json").write_text(json.dumps({"images": entries}))
    write("images/apple.png", lambda image: cv2.circle(image, (120, 100), 70, (200, 30, 30), -1))
    (folder / "table.csv").write_text("file,food,content\napple.png,apple,single\nb,apple,pile\n")
    foods = ("carrot", "cherry_tomato", "apple")
    tables, label_map = (str(folder / "table.csv"),), (("tomato", "cherry_tomato"),)
    return (str(folder / "annotations.json"),), tables, label_map, foods


def test_what_becomes_of_each_object_is_counted(key):
    library = photographs.load(*key)
    assert library.counts == {
        ("carrot", "with the file's mask"): 5,
        ("cherry_tomato", "with a mask by GrabCut"): 1,
        ("kiwi", "cut off by the picture's border: no cut-out"): 1,
        ("(photographs)", "without labelled objects, which may show any food: left out"): 1,
        ("apple", "single fruit with a mask by GrabCut"): 1,
        ("apple", "photographs of a pile: left out"): 1,
    }
    sides = [one.side for one in library.photographs]
    assert sides == ["train"] * 3 + ["held_out"] * 2 + ["train"] * 2
    disc, apple = (one.things[0].mask.sum() for one in library.photographs[-2:])
    assert disc == pytest.approx(np.pi * 40**2, rel=0.06)
    assert apple == pytest.approx(np.pi * 70**2, rel=0.06)


def test_the_answer_is_the_axis_of_what_was_pasted(key):
    """On a blue background everything red is the carrot, a bar four times as long as wide."""
    only = {"carrot": photographs.load(*key).forms(photographs.TRAIN)["carrot"][:1]}
    background = np.full((90, 90, 3), (20, 40, 200), np.uint8)
    staging = scenes.Staging(only, {"carrot": 1.0}, background=background, bare=True)
    for seed in range(6):
        picture, (food,) = plate(seed, foods=("carrot",), max_foods=1, view="arm", staging=staging)
        red = picture[..., 0].astype(int) > picture[..., 2].astype(int)
        assert (red & food.mask).sum() > 0.9 * max(red.sum(), food.mask.sum())
        expected = mask_rules.execution_parameters(red, "skewering")
        np.testing.assert_allclose(food.parameters, expected, atol=0.03)


def test_composites_and_crops_keep_the_sides_of_a_split_apart(key):
    mix = plates.Mix(0.5, 0.3, 0.2, 0.5, photographs=key)
    drawer = plates.PlateDrawer(3, ("banana", "rice", "carrot"), 236, 3, 2, "arm", mix)
    library, kinds = photographs.load(*key), set()
    for i in range(12):
        first, again = drawer.draw(i), drawer.draw(i)
        np.testing.assert_array_equal(first.image, again.image)
        np.testing.assert_array_equal(first.actions, again.actions)
        assert drawer.count(i) == len(first.names)
        kinds.add(first.source.split("#")[0].split("seed")[0])
        image, _, motion, *_ = library.crop(np.random.default_rng(i))
        x, y = (motion[:2] + motion[2:]) / 2 * 236
        red, _, blue = image[int(y), int(x)].astype(int)
        assert abs(red - blue) > 100  # Not the grey around it.
        assert 0.1 < np.abs(motion[2:] - motion[:2]).max() < 0.98
    assert {"photos/train", "synthetic/"} == kinds - {"photos/held_out"}
    # A bar, four bites of each.
    assert [len(forms) for forms in library.forms(photographs.HELD_OUT).values()] == [2 * 5]
