import pytest
from PIL import Image

from food_data.sources import csv_file


@pytest.fixture
def write(tmp_path):
    Image.new("RGB", (64, 48)).save(tmp_path / "1.png")

    def call(*lines):
        path = tmp_path / "a.csv"
        path.write_text("\n".join(["image,action,food,x1,y1,x2,y2", *lines]))
        return path

    return call


@pytest.mark.parametrize(
    "units, numbers", [("pixels", "16,12,48,36"), ("normalised", "0.25,0.25,0.75,0.75")]
)
def test_units(write, units, numbers):
    (picture,) = csv_file.read_csv([write(f"1.png,scoop,pea,{numbers}")], units)
    (pea,) = picture.objects
    assert (pea.label, pea.action) == ("pea", "scoop")
    assert pea.axis.tolist() == [[16, 12], [48, 36]]


def test_units_are_stated_and_checked(write):
    path = write("1.png,scoop,pea,0,0,0,0", "1.png,scoop,pea,16,12,48,49")
    with pytest.raises(ValueError, match="a.csv: line 3: y2: expected 0 to 48 .* got 49"):
        csv_file.read_csv([path], "pixels")
    with pytest.raises(ValueError, match="a.csv: line 3: x1: expected 0 to 1 .* got 16"):
        csv_file.read_csv([path], "normalised")
    with pytest.raises(ValueError, match="units: expected one of pixels, normalised; got 'mm'"):
        csv_file.read_csv([path], "mm")


def test_pictures_elsewhere_and_pictures_that_are_broken(write, tmp_path):
    path = write("x/1.png,,pea,0,0,1,1")
    with pytest.raises(OSError, match="a.csv: line 2: .*1.png cannot be read"):
        csv_file.read_csv([path], "pixels")
    (picture,) = csv_file.read_csv([path], "pixels", tmp_path)
    assert picture.path == tmp_path / "1.png"
    (picture,) = csv_file.read_csv([path], "pixels", skip_unreadable=True)
    assert picture.objects[0].flaw == "picture unreadable"
