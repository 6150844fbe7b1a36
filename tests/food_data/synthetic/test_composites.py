"""Composites of three small photographs: a red bar on grey with a mask, a disc with a box only."""

import json

import cv2
import numpy as np
import pytest

from food_data import mask_rules, npz_dataset
from food_data.synthetic import composites, photographs, samples, scenes

FOODS = ("banana", "rice", "carrot")


def write_picture(folder, name, draw):
    image = np.full((200, 240, 3), 128, np.uint8)
    image += np.random.default_rng(0).integers(0, 6, image.shape, np.uint8)
    draw(image)
    cv2.imwrite(str(folder / name), image[..., ::-1])
    return image


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    """The arguments of `photographs.load`."""
    folder = tmp_path_factory.mktemp("photos")
    entries = []
    for i in range(5):  # The fourth and the fifth are held out.
        write_picture(folder, f"bar_{i}.png", lambda image: bar(image))
        mask = np.zeros((200, 240, 3), np.uint8)
        bar(mask)
        cv2.imwrite(str(folder / f"mask_{i}.png"), mask[..., 0])
        entry = {"label": "Carrots", "bbox": [60, 90, 120, 30], "mask": f"mask_{i}.png"}
        entries.append({"file": f"bar_{i}.png", "objects": [entry]})
    write_picture(
        folder, "disc.png", lambda image: cv2.circle(image, (120, 100), 40, (0, 90, 230), -1)
    )
    objects = [
        {"label": "tomato", "bbox": [80, 60, 80, 80]},
        {"label": "kiwi", "bbox": [0, 0, 9, 9]},
    ]
    entries.append({"file": "disc.png", "objects": objects})
    write_picture(folder, "unlabelled.png", lambda image: None)
    entries.append({"file": "unlabelled.png", "objects": []})
    (folder / "annotations.json").write_text(json.dumps({"images": entries}))
    foods = ("carrot", "cherry_tomato")
    return ((str(folder / "annotations.json"),), (), (("tomato", "cherry_tomato"),), foods)


def bar(image):
    """120 x 30 pixels of red."""
    cv2.rectangle(image, (60, 90), (179, 119), (220, 10, 10), -1)


def drawer(key, **shares):
    mix = samples.Mix(**{"composites": 1.0, **shares}, photographs=key)
    return samples.PlateDrawer(3, 236, FOODS, 3, 2, "arm", mix)


def test_what_becomes_of_each_object_is_counted(key):
    library = photographs.load(*key)
    assert library.counts == {
        ("carrot", "with the file's mask"): 5,
        ("cherry_tomato", "with a mask by GrabCut"): 1,
        ("kiwi", "cut off by the picture's border: no cut-out"): 1,
        ("(photographs)", "without labelled objects, which may show any food: left out"): 1,
    }
    assert [one.side for one in library.photographs] == ["train"] * 3 + ["held_out"] * 2 + ["train"]
    disc = library.photographs[-1].things[0].mask
    assert disc.sum() == pytest.approx(np.pi * 40**2, rel=0.06)


def test_the_answer_is_the_axis_of_what_was_pasted(key):
    """On a blue background everything red is the carrot, a bar four times as long as wide."""
    looks = composites.looks_of(key, photographs.TRAIN)
    whole = looks["carrot"].forms[0]
    only = {"carrot": scenes.food_looks.FoodLook("skewering", (whole,))}
    background = np.full((90, 90, 3), (20, 40, 200), np.uint8)
    staging = scenes.Staging(only, {"carrot": 1.0}, background=background, bare=True)
    for seed in range(8):
        rng = np.random.default_rng(seed)
        picture, (food,) = scenes.render_plate(rng, 236, ("carrot",), 1, "arm", staging)
        red = picture[..., 0].astype(int) > picture[..., 2].astype(int)
        assert (red & food.mask).sum() > 0.9 * max(red.sum(), food.mask.sum())
        np.testing.assert_allclose(
            food.parameters, mask_rules.execution_parameters(red, "skewering"), atol=0.03
        )
        length = np.linalg.norm(food.parameters[2:] - food.parameters[:2]) * 236
        assert food.mask.sum() == pytest.approx(length**2 / 4, rel=0.25)


def test_composites_and_crops_are_the_same_for_the_same_seed(key):
    mixed = {"composites": 0.5, "crops": 0.3, "long_foods": 0.2, "equal_pieces": 0.5}
    kinds = set()
    for i in range(12):
        first, again = drawer(key, **mixed).draw(i), drawer(key, **mixed).draw(i)
        np.testing.assert_array_equal(first.image, again.image)
        np.testing.assert_array_equal(first.actions, again.actions)
        assert drawer(key, **mixed).count(i) == len(first.names)
        kinds.add(first.source.split("/")[0])
    assert kinds == {"photos", "synthetic"}
    assert (drawer(key).draw(0).image != drawer(key).draw(1).image).any()


def test_of_equal_pieces_the_one_nearest_to_the_middle_is_meant_and_all_are_in_the_mask():
    """Bars in rows 5 and 40 of 60 x 60 pixels: the second one is 10.5 from the middle."""
    masks = np.zeros((3, 60, 60), bool)
    masks[0, 5, 10:20] = masks[1, 40, 20:40] = True
    food = scenes.place_pieces("carrot", "skewering", masks)
    assert food.mask.sum() == 30
    ends = np.array([20.69, 40.5, 39.31, 40.5]) / 60  # The percentiles 1 and 99 of 20.5 to 39.5.
    np.testing.assert_allclose(food.parameters, ends, atol=1e-6)


def test_a_plate_with_equal_pieces_and_distractors_asks_for_the_first_food(key):
    plain, crowded = drawer(key).draw(2), drawer(key, equal_pieces=1.0, distractors=1.0).draw(2)
    assert npz_dataset.unpack_masks(crowded.masks).any(axis=(1, 2)).all()
    assert crowded.names[0][1] in {"carrot", "cherry_tomato"}
    assert (plain.image != crowded.image).any()


def test_a_crop_shows_its_object_and_knows_where(key):
    for seed in range(20):
        crop = composites.crop(np.random.default_rng(seed), key)
        x, y = (crop.parameters[:2] + crop.parameters[2:]) / 2 * 236
        red, green, blue = crop.image[int(y), int(x)].astype(int)
        assert red > 150 or blue > 150 or green > 150  # Not the grey around it.
        assert abs(red - blue) > 100
        assert 0.1 < np.abs(crop.parameters[2:] - crop.parameters[:2]).max() < 0.98


def test_a_mix_of_drawings_alone_changes_no_plate():
    """Data sets that were drawn before there were mixes can be drawn again."""
    for i in range(8):
        one = samples.PlateDrawer(3, 96, FOODS[:2], 2, None, "any").draw(i)
        picture, foods = scenes.render_plate(np.random.default_rng([3, i]), 96, FOODS[:2], 2, "any")
        np.testing.assert_allclose(one.actions, np.stack([food.parameters for food in foods]))


def test_photographs_need_shares_and_shares_need_photographs():
    with pytest.raises(ValueError, match="need photographs: --annotations"):
        samples.Mix(composites=0.5)
    with pytest.raises(ValueError, match="crops: expected a share from 0 to 1, got 1.5"):
        samples.Mix(crops=1.5, photographs=())
    with pytest.raises(ValueError, match="of at most 1, got 1.2"):
        samples.Mix(composites=0.6, crops=0.6, photographs=())
