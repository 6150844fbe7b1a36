from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from evaluation.report import examples
from tests.evaluation.report import documents
from training import report_pictures as pictures

GREY = np.full((118, 118, 3), 128, np.uint8)


def is_near(picture: np.ndarray, point: tuple[float, float], colour: tuple[int, int, int]) -> bool:
    """Whether the colour is within 3 pixels of a point in shares of the picture."""
    x, y = (round(share * 472) for share in point)
    around = picture[max(y - 3, 0) : y + 4, max(x - 3, 0) : x + 4].astype(int)
    return bool((np.abs(around - colour).max(axis=-1) < 30).any())


def test_both_motions_are_drawn_with_their_midpoints():
    picture = examples.draw(GREY, [0.2, 0.8, 0.6, 0.8], [0.2, 0.2, 0.6, 0.2], None)
    assert picture.shape == (472, 472, 3)
    for x in (0.2, 0.4, 0.6):
        assert is_near(picture, (x, 0.8), pictures.PREDICTED)
        assert is_near(picture, (x, 0.2), pictures.LABELLED)
    assert not is_near(picture, (0.8, 0.8), pictures.PREDICTED)
    assert (GREY == 128).all()


def test_the_disc_is_about_the_predicted_midpoint():
    picture = examples.draw(GREY, [0.2, 0.8, 0.6, 0.8], [0.2, 0.2, 0.6, 0.2], 0.1)
    white = (255, 255, 255)
    for point in ((0.3, 0.8), (0.5, 0.8), (0.4, 0.7), (0.4, 0.9)):
        assert is_near(picture, point, white) or point[1] == 0.8
    assert is_near(picture, (0.4, 0.7), white)
    assert is_near(picture, (0.4, 0.9), white)
    assert not is_near(picture, (0.4, 0.75), white)
    assert not is_near(picture, (0.4, 0.3), white)


def test_answers_far_outside_do_not_break_it():
    picture = examples.draw(GREY, [-9e9, 2.0, 9e9, 3.0], [0.2, 0.2, 0.6, 0.2], 1e9)
    assert picture.shape == (472, 472, 3)


def test_address_and_texts():
    (found,) = documents.plain_document()["examples"]["best"][:1]
    made = examples.example(found, documents.example(0)["image"])
    kind, _, data = made.address.partition(",")
    assert kind == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (472, 472)
    assert made.title == "skewering banana"
    assert made.alt == (
        "Plate, asked for skewering banana. Labelled, green arrow: from (0.25, 0.45) to (0.75, "
        "0.50). Answered, pink arrow: from (0.30, 0.50) to (0.70, 0.52), in a circle with a radius "
        "of 0.080 of the picture."
    )
    assert made.lines == (
        "Midpoint 0.0354 of the picture off",
        "Uncertainty 0.0123, a human is asked",
        "Radius of the disc 0.0800 of the picture",
        "plates/00000.png",
    )


def test_what_is_not_known_is_not_said():
    found = documents.plain_document()["examples"]["best"][2]
    lines = examples.example({**found, "radius": None, "picture": ""}, GREY).lines
    assert lines == ("Midpoint 0.0354 of the picture off",)


@pytest.mark.parametrize("image", [None, GREY.astype(np.float32), GREY[..., 0]])
def test_another_kind_of_image_is_refused(image):
    found = documents.plain_document()["examples"]["best"][0]
    with pytest.raises(ValueError, match=r"expected an image uint8 \[H, W, 3\], got"):
        examples.example(found, image)
