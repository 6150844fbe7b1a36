"""Which foods lie where in photographs: pictures and their objects, and where readers find them.

The readers of `annotation_formats` and `annotation_tables` make `LabelledPicture`s and share one
`Reading`, which counts what people should know. Points are continuous: a picture of W pixels spans
0..W, and the centre of its first pixel is at 0.5.

Labels and pictures seldom stay where they were made. `Reading.find` looks for the picture that a
file names as "D:\\\\lab\\\\photos\\\\my%20plate.JPG" under all of

| a tool writes                              | meant is                  |
|--------------------------------------------|---------------------------|
| photos\\\\1.jpg                              | photos/1.jpg              |
| /data/local-files/?d=photos/d%C3%A9j.jpg   | photos/déj.jpg, NFC or NFD |
| http://host/data/upload/4/0a1b2c3d-1.jpg   | .../1.jpg                 |
| 1.JPG, 1.jpeg, 1                           | 1.jpg                     |
| D:\\\\lab\\\\photos\\\\1.jpg                     | 1.jpg, or photos/1.jpg    |

"val/1.jpg" is never taken for "train/1.jpg", unless the path is one of another machine and only one
picture has the name. Two that fit equally well are none.
"""

from __future__ import annotations

import codecs
import collections
import dataclasses
import difflib
import io
import itertools
import json
import math
import os
import pathlib
import re
import unicodedata
import urllib.parse
from collections.abc import Callable, Container, Iterable, Sequence

import numpy as np
from PIL import Image

from food_data import atomic_files, image_placement

KIND = "annotation file"
LABELS_ON = ("upright", "sensor")
UNREADABLE = "picture unreadable"
FORMATS_READ = (
    "Formats that are read: COCO JSON (from_coco), LabelMe JSON (from_labelme), Pascal VOC XML "
    "(from_voc), CVAT XML (from_cvat), YOLO txt (from_yolo), tables (from_csv, from_spanet), our "
    "own JSON (from_annotations)."
)
_ENDINGS = (".jpg", ".png", ".bmp", ".webp", ".tif", ".heic", ".heif", ".avif", ".gif", ".jp2")
_SAME_ENDINGS = {".jpeg": ".jpg", ".jpe": ".jpg", ".tiff": ".tif"}
# Names of fields that say where something is or how it lies.
_GEOMETRY = re.compile(
    r"rotat|\brot\b|angle|orient|direction|theta|obb|rbox|quad|point|poly|ellip|corner|skelet|"
    "cuboid|mask|segment|contour|bndbox|bbox"
)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# (width, height) of the picture -> bool [H, W]; read or drawn only when it is asked for, so that
# ten thousand pictures can be listed without their masks.
Shape = Callable[[int, int], np.ndarray]
Paths = Sequence["str | os.PathLike[str]"]


@dataclasses.dataclass(frozen=True)
class LabelledObject:
    """A food in a picture; all points (x, y) are float64 in continuous pixels.

    Attributes:
        label: as the file has it.
        axis: [2, 2], start and end; None if the file has none.
        action: as the file has it; None if it does not say what is to be done to this object.
        shape: a bitmap of the region that the food covers, or None.
        box: the top left and the bottom right corner [2, 2], of a turned box the four corners in
            order [4, 2], or None.
        flaw: why the object cannot be used ("is a crowd"), or None.
        rings: polygons [M, 2] that the food covers.
    """

    label: str
    axis: np.ndarray | None = None
    action: str | None = None
    shape: Shape | None = None
    box: np.ndarray | None = None
    flaw: str | None = None
    rings: tuple[np.ndarray, ...] = ()

    def mask(self, width: int, height: int) -> np.ndarray | None:
        """Where the food is: bool [H, W] for a picture of that size, or None if nobody said.

        A box is no mask: much of it is plate. Raises OSError or ValueError if a mask file is
        unreadable, or of another size.
        """
        masks = [polygon_mask(self.rings, width, height)] if self.rings else []
        if self.shape is not None:
            masks.append(self.shape(width, height))
        return np.any(masks, axis=0) if masks else None

    def outline(self) -> np.ndarray | None:
        """The corners [N, 2] of box and polygons, or of the axis where there are none, or None."""
        found = [one for one in (self.box, *self.rings) if one is not None]
        return np.concatenate(found) if found else self.axis

    def upright(self, orientation: int, size: tuple[int, int]) -> LabelledObject:
        """An object on a picture of a size before EXIF turns it, where it is after.

        6, the usual portrait photo, is turned clockwise: of 640 x 480 the corner (0, 0) becomes the
        top right one, (480, 0).
        """
        mirror = [orientation in (2, 3, 7, 8), orientation in (3, 4, 6, 7)]  # x, y.
        step = [-1 if one else 1 for one in mirror]

        def move(points: np.ndarray) -> np.ndarray:
            points = np.where(mirror, size - points, points)
            return points[:, ::-1] if orientation >= 5 else points

        def shape(width: int, height: int) -> np.ndarray:
            pixels = self.shape(*size)[:: step[1], :: step[0]]
            return pixels.T if orientation >= 5 else pixels

        axis, box = (None if points is None else move(points) for points in (self.axis, self.box))
        return dataclasses.replace(
            self,
            axis=axis,
            shape=None if self.shape is None else shape,
            box=np.sort(box, axis=0) if box is not None and len(box) == 2 else box,
            rings=tuple(map(move, self.rings)),
        )


@dataclasses.dataclass(frozen=True)
class LabelledPicture:
    """A picture and what is labelled in it.

    Attributes:
        path: of the picture, or of the annotation file that holds it.
        source: a stable name for it, "<folder of the annotation file>/<file>".
        size: (width, height) in pixels as the file states it, or None.
        objects: in the order of the file.
        group: what pictures of one photo or video have in common, or None if the file says nothing.
        embedded: gives the bytes of a picture that its annotation file holds.
    """

    path: pathlib.Path
    source: str
    size: tuple[int, int] | None
    objects: tuple[LabelledObject, ...]
    group: str | None = None
    embedded: Callable[[], bytes] | None = None

    def read_bytes(self) -> bytes:
        """The bytes of the picture's file. Raises OSError if it cannot be read."""
        return self.path.read_bytes() if self.embedded is None else self.embedded()

    def read_header(self) -> tuple[tuple[int, int], int]:
        """See `image_placement.read_header`."""
        return image_placement.read_header(self.embedded() if self.embedded else self.path)


class Reading:
    """How annotation files are read in one run: where the pictures are, and what was noticed.

    Attributes:
        labels_on: "upright" if labels belong to pictures as people see them, "sensor" if to the
            picture before EXIF turns it; None: as the stated sizes show.
        skip_unreadable: objects of unreadable pictures are counted instead of ending the run.
        boxes_may_be_corners: their reader took [x, y, width, height] for granted.
        notes: what was noticed -> how often.
        firsts: what was noticed -> where it was first.
    """

    def __init__(
        self,
        images_dir: str | os.PathLike[str] | None = None,
        *,
        labels_on: str | None = None,
        skip_unreadable: bool = False,
    ) -> None:
        """Takes the folder of the pictures; None: they are beside their annotation files."""
        self._images_dir = None
        if images_dir is not None:
            atomic_files.check_local(images_dir, "--images_dir")
            self._images_dir = pathlib.Path(images_dir).resolve()
            if not self._images_dir.is_dir():
                raise FileNotFoundError(f"--images_dir: no folder {images_dir}.")
        self.labels_on = labels_on
        self.skip_unreadable = skip_unreadable
        self.boxes_may_be_corners = False
        self.notes: collections.Counter[str] = collections.Counter()
        self.firsts: dict[str, str] = {}
        self._indices: dict[pathlib.Path, dict[str, list[tuple[str, ...]]]] = {}

    def note(self, what: str, where: str) -> str:
        """Counts something that people should know; gives it back."""
        self.notes[what] += 1
        self.firsts.setdefault(what, where)
        return what

    def note_unread(
        self, fields: Iterable[tuple[str, object]], read: Container[str], where: str
    ) -> None:
        """Counts fields, of a name and a value, that say how something lies and are not `read`."""
        for name, value in fields:
            is_empty = value in (None, "", 0, [], {}, "0", "0.0")
            if not is_empty and name not in read and _GEOMETRY.search(name.lower()):
                self.note(f"{name} not read", where)

    def text(self) -> list[str]:
        """A line for each note."""
        counts = sorted(self.notes.items())
        return [f"{what}: {count}, first {self.firsts[what]}" for what, count in counts]

    def lines(self, file: pathlib.Path) -> str:
        """The text of an annotation file; says so if its encoding is a guess."""
        text, encoding = read_text(file, KIND)
        if encoding == "cp1252":
            self.note("files read as Windows-1252, since they are not UTF-8", str(file))
        return text

    def find(self, name: str, file: pathlib.Path) -> tuple[pathlib.Path, str]:
        """Where the picture is that a file names, and "<folder>/<name>", a stable name for it.

        If there is none, where it should be.
        """
        roots, forms = self._roots(file), _forms(name)
        # A name of several folders may also be a path of the machine that wrote it.
        stated = ((root, form) for form in forms for root in roots if (root / form).is_file())
        pairs = itertools.product(roots, forms)
        others = ((root, found) for root, form in pairs if (found := self._search(root, form)))
        form = forms[-1] if self._images_dir is None else forms[-1].rpartition("/")[2]
        root, form = next(itertools.chain(stated, others), (roots[0], form))
        # What is before a "#" stays together in a split.
        return root / form, f"{root.name}/{form}".replace("#", "%23")

    def near(self, path: pathlib.Path) -> str:
        """Ends an error about an absent picture: pictures with names like it."""
        root = self._images_dir or path.parent
        index = self._index(root).items()
        names = {key: "/".join(one[0]) for key, one in index if not key.endswith("/")}
        close = difflib.get_close_matches(_key(path.name), names, n=3, cutoff=0.7)
        if close:
            return f" Did you mean {' or '.join(names[one] for one in close)}?"
        return f" {root} has {', '.join(sorted(names.values())[:3])}, ..." if names else ""

    def label_size(self, path: pathlib.Path, where: str) -> tuple[int, int] | None:
        """The size of a picture to which labels in shares of it belong; None if it is unreadable.

        Raises OSError or ValueError unless unreadable pictures are skipped.
        """
        try:
            size, orientation = image_placement.read_header(path)
        except (OSError, ValueError) as error:
            if self.skip_unreadable:
                return None
            hint = "" if path.is_file() else self.near(path)
            raise named(error, f"{where}: {path} cannot be read", f".{hint}") from error
        return size[::-1] if orientation >= 5 and self.labels_on != "sensor" else size

    def _roots(self, file: pathlib.Path) -> list[pathlib.Path]:
        if self._images_dir is not None:
            return [self._images_dir]
        parts = list(file.parent.parts)
        roots = [file.parent]
        if "labels" in parts:  # YOLO's labels/train/1.txt belongs to images/train/1.jpg.
            last = len(parts) - 1 - parts[::-1].index("labels")
            roots.append(pathlib.Path(*parts[:last], "images", *parts[last + 1 :]))
        roots += [file.parent.parent / name for name in ("images", "JPEGImages")]
        return [root for root in dict.fromkeys(roots) if root.is_dir()]

    def _search(self, root: pathlib.Path, form: str) -> str | None:
        """The one picture below `root` of which the path and the name end alike."""
        wanted = [_key(part) for part in form.split("/") if part not in ("", ".", "..")][::-1]
        if not wanted:
            return None
        named = self._index(root).get(wanted[0], [])
        if not named and pathlib.PurePath(wanted[0]).suffix not in _ENDINGS:
            named = self._index(root).get(wanted[0] + "/", [])
        fits = []
        for found in named:
            folders = [_key(part) for part in found[-2::-1]]
            if all(ours == theirs for ours, theirs in zip(wanted[1:], folders)):
                fits.append((-min(len(wanted), len(found)), len(found), found))
        fits.sort()
        # On another machine, or at an URL, folders have other names.
        if not fits and len(named) == 1 and (form.startswith(("/", "../")) or ":" in form):
            self.note("pictures taken from a folder of another name", form)
            return "/".join(named[0])
        if not fits or (len(fits) > 1 and fits[0][:2] == fits[1][:2]):
            return None
        return "/".join(fits[0][2])

    def _index(self, root: pathlib.Path) -> dict[str, list[tuple[str, ...]]]:
        """The key of a file's name, and for pictures "<stem>/" -> the paths below `root`."""
        if root in self._indices:
            return self._indices[root]
        index = self._indices[root] = {}
        seen: set[str] = set()
        for folder, folders, files in os.walk(root, followlinks=True):
            if os.path.realpath(folder) in seen:  # A link to a folder above.
                folders.clear()
                continue
            seen.add(os.path.realpath(folder))
            parts = pathlib.Path(folder).relative_to(root).parts
            for name in sorted(files):
                index.setdefault(_key(name), []).append((*parts, name))
                stem, dot, ending = _key(name).rpartition(".")
                if dot + ending in _ENDINGS:
                    index.setdefault(f"{stem}/", []).append((*parts, name))
        return index


def _key(text: str) -> str:
    """What is equal of names that mean one file."""
    text = unicodedata.normalize("NFC", text).casefold().replace(" ", "_")
    stem, dot, ending = text.rpartition(".")
    return stem + _SAME_ENDINGS.get(dot + ending, dot + ending) if stem else text


def _forms(name: str) -> list[str]:
    """The name as it stands, and what tools may have meant by it."""
    forms = [name.strip(), name.strip().replace("\\", "/")]
    form = forms[-1]
    if local := re.search(r"[?&]d=([^&]+)", form):  # Label Studio's local files.
        forms.append(local[1])
    elif re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", form):
        forms.append(re.sub(r"^[^:]+://[^/]*/*", "", form.partition("?")[0]))
    forms.append(urllib.parse.unquote(forms[-1]))
    folder, slash, last = forms[-1].rpartition("/")
    forms.append(folder + slash + re.sub(r"^[0-9a-f]{8}-", "", last))  # Its uploads.
    forms = [one for form in forms for one in (form, unicodedata.normalize("NFC", form))]
    return list(dict.fromkeys(form for form in forms if form)) or [name]


def named(error: Exception, where: str, end: str = "") -> OSError | ValueError:
    """The error, of a plain kind, with what it is about."""
    return (OSError if isinstance(error, OSError) else ValueError)(f"{where}: {error}{end}")


def annotation_files(
    paths: Paths, ending: str, wanted: Callable[[pathlib.Path], bool] = lambda file: True
) -> list[pathlib.Path]:
    """Absolute paths of files, and of all `wanted` files of folders with an ending (lower case).

    Of a folder without such files those of the folders below it are meant. Raises FileNotFoundError
    if there are none, and ValueError if a file is meant twice.
    """

    def fits(file: pathlib.Path) -> bool:
        return file.suffix.lower() == ending and wanted(file) and file.is_file()

    files: list[pathlib.Path] = []
    for path in map(pathlib.Path, paths):
        atomic_files.check_local(path, "--annotations")
        found = [path]
        if path.is_dir():
            found = sorted(filter(fits, path.iterdir())) or sorted(filter(fits, path.rglob("*")))
        if not found or not path.exists():
            raise FileNotFoundError(f"Expected annotations ({ending}) at {path}, found none.")
        files += [one.resolve() for one in found]
    twice = [str(file) for file, count in collections.Counter(files).items() if count > 1]
    if twice:
        raise ValueError(f"Expected each annotation file once, got {', '.join(twice[:3])} twice.")
    return files


def read_text(path: str | os.PathLike[str], kind: str) -> tuple[str, str]:
    """The text of a file, and its encoding: UTF-8 or UTF-16, with a mark or not, or Windows-1252.

    Raises FileNotFoundError, and ValueError if it is none of these or the pointer of Git LFS.
    """
    path = pathlib.Path(path)
    atomic_files.check_local(path, kind)
    if not path.is_file():
        raise FileNotFoundError(f"No {kind} {path}.")
    atomic_files.refuse_pointer(path)
    data = path.read_bytes()
    if data.startswith(b"PK\x03\x04"):
        raise ValueError(f"{path} is a ZIP archive or a workbook: unpack it, or save it as CSV.")
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if encoding is None and b"\0" in data[:2]:  # UTF-16 without a mark, of Western text.
        encoding = "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
    for one in [encoding] if encoding else ["utf-8", "cp1252"]:
        try:
            return data.decode(one), one
        except UnicodeDecodeError as error:
            failed = error
    raise ValueError(f"{path}: expected text in UTF-8 or UTF-16, got other bytes: {failed}.")


def read_json(path: str | os.PathLike[str], kind: str) -> object:
    """What a JSON file holds; `kind` is what it is called in messages, "annotation file".

    Raises FileNotFoundError, and ValueError if it is not JSON.
    """
    text, _ = read_text(path, kind)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        hint = f" {FORMATS_READ}" if kind == KIND else ""
        raise ValueError(f"{path} is not JSON: {error}.{hint}") from error


def foreign(file: pathlib.Path, expected: str, content: object) -> ValueError:
    """The error of a file of another form, which it names if it is a known one."""
    entries = content if isinstance(content, list) else [content]
    first = next((one for one in entries if isinstance(one, dict)), {})
    keys, is_list = set(first), isinstance(content, list)
    inner = [str(one)[:10_000] for one in first.values()]
    fits = {
        "COCO. Use from_coco": {"images", "annotations", "categories"} <= keys,
        "LabelMe. Use from_labelme": {"imagePath", "shapes"} <= keys,
        "Pascal VOC. Use from_voc": content == "annotation",
        "CVAT XML. Use from_cvat": content == "annotations",
        "our own. Use from_annotations": "images" in keys and "'objects'" in inner[0],
        "Label Studio's own JSON": is_list and "data" in keys,
        "CreateML": is_list and {"image", "annotations"} <= keys,
        "a project of VIA": any("'regions'" in one for one in inner),
        "Supervisely": {"objects", "size"} <= keys,
    }
    looks = next((name for name, fit in fits.items() if fit), None)
    found = ", ".join(map(str, content)) if isinstance(content, dict) else str(content)
    hint = f"This looks like {looks}. " if looks else ""
    hint += "Export it as COCO in the tool that made it. " if looks and "Use" not in looks else ""
    return ValueError(f"{file}: expected {expected}, got: {found[:80]}. {hint}{FORMATS_READ}")


def are_numbers(values: object, count: int | None = None) -> bool:
    """Whether a JSON value is a list of numbers, `count` of them if that is given.

    NaN and what is larger than any picture are none.
    """
    return (
        isinstance(values, list)
        and count in (None, len(values))
        and all(
            isinstance(one, (int, float)) and not isinstance(one, bool) and -1e9 < one < 1e9
            for one in values
        )
    )


def size_of(width: object, height: object) -> tuple[int, int] | None:
    """A picture's size that a file states in two numbers or texts; None if it states none.

    Tools write 0 x 0 where they did not know it.
    """
    numbers = [number(one) if isinstance(one, str) else one for one in (width, height)]
    return tuple(map(int, numbers)) if are_numbers(numbers) and min(numbers) >= 1 else None


def number(text: str | None) -> float:
    """What a text of a table or an XML file says; NaN for what is no finite number."""
    found = re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", text or "", re.ASCII)
    return float(text) if found and math.isfinite(float(text)) else math.nan


def turned_box(middle: Sequence[float], sides: Sequence[float], clockwise: float) -> np.ndarray:
    """The corners [4, 2] of a box about its middle, turned by radians as seen."""
    along = np.array([math.cos(clockwise), math.sin(clockwise)]) * sides[0] / 2
    across = np.array([-math.sin(clockwise), math.cos(clockwise)]) * sides[1] / 2
    return np.add(middle, [-along - across, along - across, along + across, across - along])


def polygon_mask(rings: Sequence[np.ndarray], width: int, height: int) -> np.ndarray:
    """The union of polygons [M, 2], bool [H, W]; what lies outside the picture is cut off.

    A pixel is inside if its CENTRE is, by the even-odd rule. The triangle (0, 0), (4, 0), (0, 4)
    has the centres for which x + y < 4; of the border itself the left side counts and the right one
    does not:

        row 0: centres (0.5, 0.5) (1.5, 0.5) (2.5, 0.5)         1 1 1 0
        row 1: centres (0.5, 1.5) (1.5, 1.5)                    1 1 0 0
        row 2: centre  (0.5, 2.5)                               1 0 0 0
        row 3: centre  (0.5, 3.5) is on the hypotenuse          0 0 0 0
    """
    mask = np.zeros((height, width), bool)
    for ring in rings:
        left, top = np.clip(np.floor(ring.min(axis=0)), 0, [width, height]).astype(int)
        right, bottom = np.clip(np.ceil(ring.max(axis=0)), 0, [width, height]).astype(int)
        if left >= right or top >= bottom:
            continue
        # One more column, for borders that lie to the right of the window.
        borders = np.zeros((bottom - top, right - left + 1), np.uint8)
        shifted = ring - [left + 0.5, top + 0.5]  # Now pixel centres are whole numbers.
        for (x1, y1), (x2, y2) in zip(shifted, np.roll(shifted, -1, axis=0)):
            if y1 == y2:
                continue
            first, last = sorted((math.ceil(y1), math.ceil(y2)))
            rows = np.arange(max(0, first), min(bottom - top, last))
            crossings = np.ceil(x1 + (rows - y1) * ((x2 - x1) / (y2 - y1)))
            borders[rows, np.clip(crossings, 0, right - left).astype(int)] ^= 1
        # A pixel is inside if the number of borders up to it is odd.
        inside = np.bitwise_xor.accumulate(borders, axis=1)[:, :-1].astype(bool)
        mask[top:bottom, left:right] |= inside
    return mask


def file_mask(path: pathlib.Path, value: int | None, width: int, height: int) -> np.ndarray:
    """The pixels of a mask file that have a grey value or palette index; None: all that are not 0.

    Raises OSError or ValueError if the file is unreadable or not as large as the picture.
    """
    data = path.read_bytes()
    try:
        with image_placement.decoding(), Image.open(io.BytesIO(data)) as picture:
            pixels = np.asarray(picture)
    except image_placement.ImageDecodeError as error:
        raise ValueError(f"{path}: expected a picture of a mask: {error}") from error
    check_size(pixels.shape[1::-1], (width, height), str(path))
    if pixels.ndim == 3:
        # With transparency the last channel is 255 everywhere and says nothing.
        pixels = pixels[..., :3].max(axis=-1)
    return pixels != 0 if value is None else pixels == value


def check_size(size: tuple[int, int], expected: tuple[int, int], what: str) -> None:
    """Raises ValueError unless a mask is as large as its picture."""
    if tuple(size) != tuple(expected):
        raise ValueError(
            f"{what}: expected {expected[0]} x {expected[1]} pixels as the photograph has, got "
            f"{size[0]} x {size[1]}. Mask and photograph must be scaled together."
        )
