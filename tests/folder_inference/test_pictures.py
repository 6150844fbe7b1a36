"""Files of a folder: what is read of them, and when they have changed."""

from __future__ import annotations

import os

import pytest

from folder_inference import pictures
from tests.folder_inference import stub_server


@pytest.fixture
def source(tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "a.jpg").write_bytes(b"picture")
    return pictures.FolderPictures(tmp_path)


def test_the_bytes_and_what_tells_them_from_others(source):
    content, state = source.load("new/a.jpg")
    assert content == b"picture"
    assert state == {
        "size": 7,
        "mtime_ns": (source.folder / "new" / "a.jpg").stat().st_mtime_ns,
        # printf picture | sha256sum
        "sha256": "2cea274d0bedc39ec4ab6ba9e59ec889e3ed6fb56a1cf088a64d9b383378dc97",
    }


def test_what_cannot_be_read(source):
    (source.folder / "empty.png").touch()
    with pytest.raises(pictures.UnreadableError, match="^The file is empty: 0 bytes.$"):
        source.load("empty.png")
    with pytest.raises(pictures.UnreadableError, match="cannot be read: No such file or directory"):
        source.load("absent.png")


def test_a_changed_file_is_another_one(source):
    path = source.folder / "new" / "a.jpg"
    _, remembered = source.load("new/a.jpg")
    state = path.stat()
    assert source.is_same("new/a.jpg", remembered)
    os.utime(path, ns=(0, 0))
    assert source.is_same("new/a.jpg", remembered), "another time, the same content"
    path.write_bytes(b"PICTURE")
    os.utime(path, ns=(0, 0))
    assert not source.is_same("new/a.jpg", remembered), "as large, another content"
    path.write_bytes(b"larger picture")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert not source.is_same("new/a.jpg", remembered), "larger"
    path.unlink()
    assert not source.is_same("new/a.jpg", remembered), "gone"


def test_pictures_to_draw_on(source):
    stub_server.solid(source.folder / "b.png", (10, 20, 30), (40, 20))
    picture = source.decode("b.png")
    assert (picture.size, picture.getpixel((0, 0))) == ((40, 20), (10, 20, 30))
    with pytest.raises(ValueError, match="Expected a picture"):
        source.decode("new/a.jpg")
    with pytest.raises(FileNotFoundError):
        source.decode("absent.png")
