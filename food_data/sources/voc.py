"""Pascal VOC's XML: one file for each picture, boxes only.

    <annotation>
      <filename>1.jpg</filename>
      <size><width>640</width><height>480</height><depth>3</depth></size>
      <object>
        <name>carrot</name>
        <bndbox><xmin>271</xmin><ymin>181</ymin><xmax>340</xmax><ymax>200</ymax></bndbox>
      </object>
    </annotation>

VOC counts pixels from 1 and names the first and the last one that belong to the box. The box above
is 70 pixels wide; its continuous corners are (270, 180) and (340, 200).

A box tells where a food is and only roughly how it lies; see `mask_rules`.

Files with a DOCTYPE are refused: what it declares may grow without bound, or name other files.
"""

from __future__ import annotations

import os
import pathlib
import xml.etree.ElementTree
import xml.parsers.expat
from collections.abc import Sequence

import numpy as np

from food_data import annotations
from food_data.sources import picture_files

# The folders of the original data set, side by side.
_ANNOTATIONS_FOLDER, _IMAGES_FOLDER = "Annotations", "JPEGImages"
_EDGES = ("xmin", "ymin", "xmax", "ymax")


def read_voc(
    paths: Sequence[str | os.PathLike[str]], images_dir: str | os.PathLike[str] | None = None
) -> list[annotations.LabelledPicture]:
    """Reads VOC files.

    Args:
        paths: of files, or of folders with files in .xml.
        images_dir: where the pictures are. None: beside their file, or in "JPEGImages" if the file
            is in a folder "Annotations" beside it.

    Returns:
        A picture for each file, its objects in the order of the file.

    Raises:
        FileNotFoundError: if a file is absent.
        ValueError: if a file is not of the form above; names file and object.
    """
    return [_picture(file, images_dir) for file in picture_files.annotation_files(paths, ".xml")]


def _picture(
    file: pathlib.Path, images_dir: str | os.PathLike[str] | None
) -> annotations.LabelledPicture:
    root = _parse(file)
    name = (root.findtext("filename") or "").strip()
    if root.tag != "annotation" or not name:
        raise ValueError(
            f"{file}: expected <annotation> with a <filename> as VOC files have, got <{root.tag}>."
        )
    size = None
    if root.find("size") is not None:
        size = tuple(int(_number(root, f"size/{key}", str(file))) for key in ("width", "height"))
    objects = [
        _object(element, f"{file}: object {i + 1}")
        for i, element in enumerate(root.findall("object"))
    ]
    beside = file.parent.parent / _IMAGES_FOLDER
    if images_dir is None and file.parent.name == _ANNOTATIONS_FOLDER and beside.is_dir():
        images_dir = beside
    path, source = picture_files.locate(name, file, images_dir)
    # LabelImg writes 0 x 0 where it did not know the size.
    return annotations.LabelledPicture(
        path, source, size if size and all(size) else None, (*objects,)
    )


def _object(element: xml.etree.ElementTree.Element, where: str) -> annotations.LabelledObject:
    label = (element.findtext("name") or "").strip()
    if not label:
        raise ValueError(f"{where}: expected a <name>, got none.")
    where = f"{where} ({label})"
    edges = [_number(element, f"bndbox/{key}", where) for key in _EDGES]
    box = np.array([edges[:2], edges[2:]]) - [[1, 1], [0, 0]]
    if (box[1] < box[0]).any():
        raise ValueError(f"{where}: expected xmin <= xmax and ymin <= ymax, got {edges}.")
    return annotations.LabelledObject(label, None, box=box)


def _number(element: xml.etree.ElementTree.Element, path: str, where: str) -> float:
    text = element.findtext(path)
    try:
        number = float(text if text is not None else "nan")
    except ValueError:
        number = float("nan")
    if not np.isfinite(number):
        raise ValueError(f"{where}: expected a number in <{path}>, got {text!r}.")
    return number


def _parse(file: pathlib.Path) -> xml.etree.ElementTree.Element:
    data = file.read_bytes()

    def refuse(*_: object) -> None:
        raise ValueError(f"{file}: expected XML without a DOCTYPE, got one. Remove it.")

    # Before the tree is built, so that nothing a DOCTYPE declares is ever expanded.
    guard = xml.parsers.expat.ParserCreate()
    guard.StartDoctypeDeclHandler = refuse
    try:
        guard.Parse(data, True)
        return xml.etree.ElementTree.fromstring(data)
    except (xml.parsers.expat.ExpatError, xml.etree.ElementTree.ParseError) as error:
        raise ValueError(f"{file} is not XML: {error}.") from error
