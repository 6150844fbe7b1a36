import pathlib

import pytest
from PIL import Image

from food_data.sources import picture_files


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


def test_folders_stand_for_their_files(tmp_path):
    touch(tmp_path, "b/2.json", "b/1.JSON", "b/1.jpg", "a.json")
    found = picture_files.annotation_files([tmp_path / "b", tmp_path / "a.json"], ".json")
    assert [file.name for file in found] == ["1.JSON", "2.json", "a.json"]


def test_absent_empty_and_twice(tmp_path):
    touch(tmp_path, "b/1.json", "c/1.xml")
    for path in ("absent.json", "c"):
        with pytest.raises(
            FileNotFoundError, match=rf"annotations \(.json\) at .*{path}, found no"
        ):
            picture_files.annotation_files([tmp_path / path], ".json")
    with pytest.raises(ValueError, match="each annotation file once, got .*1.json twice"):
        picture_files.annotation_files([tmp_path / "b", tmp_path / "b" / "1.json"], ".json")


def test_a_picture_lies_beside_its_file_or_in_its_folder(tmp_path):
    file = tmp_path / "labels" / "a.json"
    assert picture_files.locate("x/1.jpg", file, None) == (
        tmp_path / "labels" / "x" / "1.jpg",
        "labels/x/1.jpg",
    )
    photos = tmp_path / "photos"
    touch(photos, "1.jpg", "x/1.jpg")
    for name, expected in (
        ("1.jpg", "1.jpg"),
        ("x/1.jpg", "x/1.jpg"),
        ("x\\1.jpg", "x/1.jpg"),
        ("D:\\lab\\x\\1.jpg", "x/1.jpg"),
        ("../../y/1.jpg", "1.jpg"),
        ("y/absent.jpg", "absent.jpg"),
    ):
        path, source = picture_files.locate(name, file, photos)
        assert path == photos / expected
        assert source == f"photos/{expected}"


def test_windows_paths_beside_the_file():
    path, _ = picture_files.locate("..\\photos\\1.jpg", pathlib.Path("/a/labels/1.json"), None)
    assert path == pathlib.Path("/a/labels/../photos/1.jpg")


def test_sizes_are_upright(tmp_path):
    picture = Image.new("RGB", (30, 20))
    picture.save(tmp_path / "1.png")
    assert picture_files.picture_size(tmp_path / "1.png") == (30, 20)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "2.jpg", exif=exif)
    assert picture_files.picture_size(tmp_path / "2.jpg") == (20, 30)


def test_what_is_no_picture(tmp_path):
    (tmp_path / "1.png").write_bytes(b"no")
    with pytest.raises(ValueError, match="1.png: expected a picture in one of JPEG"):
        picture_files.picture_size(tmp_path / "1.png")
    with pytest.raises(FileNotFoundError):
        picture_files.picture_size(tmp_path / "2.png")
