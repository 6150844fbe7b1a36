import numpy as np
import pytest
from PIL import Image

from food_data.sources import spanet


@pytest.fixture
def read(tmp_path):
    Image.new("RGB", (640, 480)).save(tmp_path / "1.png")

    def call(*lines, units="pixels", length=0.25, convention="image", **options):
        path = tmp_path / "a.csv"
        path.write_text("\n".join(["image,food,x,y,angle", *lines]))
        (picture,) = spanet.read_spanet([path], units, length, convention, **options)
        return picture.objects

    return call


def test_the_documented_example(read):
    (grape,) = read("1.png,grape,320,240,90")
    np.testing.assert_allclose(grape.axis, [[320, 180], [320, 300]])
    assert grape.label == "grape"


@pytest.mark.parametrize(
    "convention, angle, end",
    [
        ("image", 0, (380, 240)),
        ("image", 90, (320, 300)),
        ("image", -90, (320, 180)),
        ("mathematical", 0, (380, 240)),
        ("mathematical", 90, (320, 180)),
        ("mathematical", 180, (260, 240)),
        ("spanet", 0, (320, 300)),
        ("spanet", 90, (380, 240)),
        ("spanet", 45, (320 + 60 / 2**0.5, 240 + 60 / 2**0.5)),
        ("spanet", 135, (320 + 60 / 2**0.5, 240 - 60 / 2**0.5)),
    ],
)
def test_what_angles_count_from(read, convention, angle, end):
    line = f"1.png,grape,320,240,{angle}"
    (one,) = read(line, convention=convention, keep_direction=True)
    np.testing.assert_allclose(one.axis[1], end)
    np.testing.assert_allclose(one.axis.mean(axis=0), [320, 240])


def test_a_fork_has_no_direction_unless_it_is_kept(read):
    right, left = read("1.png,grape,320,240,30", "1.png,grape,320,240,210")
    np.testing.assert_allclose(right.axis, left.axis)
    assert right.axis[1, 0] > right.axis[0, 0]
    (kept,) = read("1.png,grape,320,240,210", keep_direction=True)
    np.testing.assert_allclose(kept.axis, right.axis[::-1])


def test_length_is_a_share_of_the_shorter_side_and_units_are_those_of_the_point(read):
    (one,) = read("1.png,grape,0.5,0.5,0", units="normalised", length=0.5)
    np.testing.assert_allclose(one.axis, [[200, 240], [440, 240]])


def test_near_the_border_the_skewer_point_stays_the_middle(read):
    flat, steep = read("1.png,grape,10,240,0", "1.png,grape,320,470,90")
    np.testing.assert_allclose(flat.axis, [[0, 240], [20, 240]], atol=1e-9)
    np.testing.assert_allclose(steep.axis, [[320, 460], [320, 480]])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"units": "mm"}, "units: expected one of pixels, normalised; got 'mm'"),
        ({"convention": "compass"}, "convention: expected one of image, mathematical, spanet; got"),
        ({"length": 0}, "length: expected a share above 0 up to 1, got 0"),
        ({"length": 60}, "length: expected a share above 0 up to 1, got 60"),
        ({"length": float("nan")}, "length: .* got nan"),
        ({"units": "normalised"}, "a.csv: line 2: x: expected 0 to 1"),
    ],
)
def test_wrong_options(read, options, message):
    with pytest.raises(ValueError, match=message):
        read("1.png,grape,320,240,90", **options)


def test_wrong_lines_are_named(read):
    with pytest.raises(ValueError, match="a.csv: line 3: angle: expected a number, got 'up'"):
        read("1.png,grape,320,240,90", "1.png,grape,320,240,up")
    with pytest.raises(ValueError, match="a.csv: line 2: y: expected 0 to 480 .* got 481"):
        read("1.png,grape,320,481,0")
