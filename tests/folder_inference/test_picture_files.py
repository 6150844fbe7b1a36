"""Which files of a folder are taken for pictures."""

from __future__ import annotations

import pathlib

import pytest

from folder_inference import picture_files


@pytest.fixture
def folder(tmp_path):
    for name in ("b.jpg", "a.PNG", "notes.txt", ".hidden.jpg", "new/c.webp", ".cache/d.jpg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def test_pictures_of_a_folder_alone(folder):
    content = picture_files.find_pictures(folder, recursive=False)
    assert content == picture_files.FolderContent(("a.PNG", "b.jpg"), others=1)


def test_with_its_folders(folder):
    content = picture_files.find_pictures(folder, recursive=True)
    assert content.pictures == ("a.PNG", "b.jpg", "new/c.webp")


def test_links_to_folders_are_not_followed(folder):
    (folder / "new" / "up").symlink_to(folder, target_is_directory=True)
    assert len(picture_files.find_pictures(folder, recursive=True).pictures) == 3


def test_outputs_are_no_input(folder):
    left_out = [folder / "b.jpg", folder / "new"]
    content = picture_files.find_pictures(folder, recursive=True, leave_out=left_out)
    assert content == picture_files.FolderContent(("a.PNG",), others=1)


def test_a_pattern_is_of_the_whole_path(folder):
    content = picture_files.find_pictures(folder, recursive=True, pattern="new/*")
    assert content == picture_files.FolderContent(("new/c.webp",), others=3)


def test_no_folder():
    with pytest.raises(NotADirectoryError, match="Expected a folder of pictures, got .*absent"):
        picture_files.find_pictures(pathlib.Path("absent"), recursive=False)


def test_shards_share_out_everything():
    assert [picture_files.shard("abcde", 3, index) for index in range(3)] == [
        ["a", "d"],
        ["b", "e"],
        ["c"],
    ]
    assert picture_files.shard("a", 2, 1) == []


@pytest.mark.parametrize("index", [-1, 2])
def test_no_such_shard(index):
    with pytest.raises(ValueError, match=f"Expected a shard from 0 to 1, got {index}"):
        picture_files.shard("abc", 2, index)
