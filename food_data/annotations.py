"""Which foods lie where in photographs: pictures and their objects, and where readers find them.

Points are continuous: a picture of W pixels spans 0..W, and the centre of its first pixel is at
0.5. `Reading.find` finds "photos/déj.jpg" under "/data/local-files/?d=photos/d%C3%A9j.jpg", NFC or
NFD; "1.jpg" under "1.JPG", "1.jpeg", "1" and "http://host/upload/4/0a1b2c3d-1.jpg"; "photos/1.jpg",
or the only 1.jpg below the folder, under "D:\\lab\\photos\\1.jpg". "val/1.jpg" is never taken for
"train/1.jpg", and two that fit equally well are none.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import difflib
import functools
import io
import itertools
import json
import math
import os
import pathlib
import re
import unicodedata
import urllib.parse
from collections.abc import Callable, Container, Iterable, Iterator, Sequence

import numpy as np
from PIL import Image

from food_data import atomic_files, image_placement

KIND = "annotation file"
UNREADABLE = "picture unreadable"
FORMATS_READ = (
    "Formats that are read: COCO JSON (from_coco), LabelMe JSON (from_labelme), Pascal VOC XML "
    "(from_voc), CVAT XML (from_cvat), YOLO txt (from_yolo), tables (from_csv), our "
    "own JSON (from_annotations). Export others as COCO in the tool that made them."
)
_PICTURES = (".jpg", ".png", ".bmp", ".webp", ".tif", ".heic", ".heif", ".avif", ".gif", ".jp2")
_ENDINGS = dict(zip(_PICTURES, _PICTURES)) | {".jpeg": ".jpg", ".jpe": ".jpg", ".tiff": ".tif"}
# Names of fields that say where something is, how it lies, or what belongs together.
_GEOMETRY = re.compile(
    r"rotat|\brot\b|angle|orient|direction|theta|obb|rbox|quad|point|poly|ellip|corner|skelet|"
    "cuboid|mask|segment|contour|bndbox|bbox"
)
# (width, height) of the picture -> bool [H, W]; read or drawn only when it is asked for.
Shape = Callable[[int, int], np.ndarray]
Paths = Sequence["str | os.PathLike[str]"]


@dataclasses.dataclass(frozen=True)
class LabelledObject:
    """A food in a picture; all points (x, y) are float64 in continuous pixels."""

    label: str  # as the file has it
    axis: np.ndarray | None = None  # [2, 2], start and end
    action: str | None = None  # as the file has it
    shape: Shape | None = None  # a bitmap of the region that the food covers
    box: np.ndarray | None = None  # two opposite corners [2, 2], or those of a turned one [4, 2]
    flaw: str | None = None  # why the object cannot be used: "is a crowd"
    rings: tuple[np.ndarray, ...] = ()  # polygons [M, 2] that the food covers

    def mask(self, width: int, height: int) -> np.ndarray | None:
        """Where the food is, bool [H, W], or None if nobody said. Raises OSError or ValueError if a
        mask file is unreadable, or of another size."""
        masks = [polygon_mask(self.rings, width, height)] if self.rings else []
        masks += [] if self.shape is None else [self.shape(width, height)]
        for mask in masks:
            if mask.shape != (height, width):
                got = f"got {mask.shape[1]} x {mask.shape[0]}"
                raise ValueError(f"mask: expected {width} x {height} as the photograph has, {got}")
        return np.any(masks, axis=0) if masks else None

    def outline(self) -> np.ndarray | None:
        """The corners [N, 2] of box and polygons, or of the axis where there are none, or None."""
        found = [one for one in (self.box, *self.rings) if one is not None]
        return np.concatenate(found) if found else self.axis

    def upright(self, orientation: int, size: tuple[int, int]) -> LabelledObject:
        """An object on a picture of a size before EXIF turns it, where it is after: by 6, the usual
        portrait photo, the corner (0, 0) of 640 x 480 becomes the top right one, (480, 0)."""
        mirror = [orientation in (2, 3, 7, 8), orientation in (3, 4, 6, 7)]  # x, y.
        step_x, step_y = (-1 if one else 1 for one in mirror)

        def move(points: np.ndarray) -> np.ndarray:
            points = np.where(mirror, size - points, points)
            return points[:, ::-1] if orientation >= 5 else points

        def shape(width: int, height: int) -> np.ndarray:
            pixels = self.shape(*size)[::step_y, ::step_x]
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
    """A picture and what is labelled in it, in the order of the file."""

    path: pathlib.Path  # of the picture, or of the annotation file that holds it
    source: str  # a stable name for it, "<folder of the annotation file>/<file>"
    size: tuple[int, int] | None  # (width, height) in pixels as the file states it
    objects: tuple[LabelledObject, ...]
    group: str | None = None  # what pictures of one photo or video have in common, if it is stated
    embedded: Callable[[], bytes] | None = None  # the bytes of a picture that has no file


class Reading:
    """How annotation files are read in one run: where the pictures are, and what was noticed.
    `labels_on` says whether labels belong to pictures as people see them ("upright") or before
    EXIF turns them ("sensor"); None: as the stated sizes show."""

    def __init__(
        self,
        images_dir: str | os.PathLike[str] | None = None,
        *,
        labels_on: str | None = None,
        skip_unreadable: bool = False,
    ) -> None:
        """Takes the folder of the pictures; None: they are beside their annotation files."""
        atomic_files.check_local(images_dir, "--images_dir")
        self._images_dir = None if images_dir is None else pathlib.Path(images_dir).resolve()
        if images_dir is not None and not self._images_dir.is_dir():
            raise FileNotFoundError(f"--images_dir: no folder {images_dir}.")
        self.labels_on, self.skip_unreadable = labels_on, skip_unreadable
        self.notes: collections.Counter[str] = collections.Counter()  # What was noticed.
        self.firsts: dict[str, str] = {}  # Where it was first.
        self._index = functools.cache(_index)

    def note(self, what: str, where: str) -> str:
        """Counts something that people should know; gives it back."""
        self.notes[what] += 1
        self.firsts.setdefault(what, where)
        return what

    @contextlib.contextmanager
    def counting(self, what: str, where: str) -> Iterator[None]:
        """A shape that is wrong in here is left out, and counted."""
        try:
            yield
        except (LookupError, TypeError, ValueError) as error:
            self.note(f"{what} not read", f"{where}: {error}")

    def note_unread(
        self, fields: Iterable[tuple[str, object]], read: Container[str], where: str
    ) -> None:
        """Counts fields, of a name and a value, that say how something lies and are not `read`."""
        for name, value in fields:
            is_empty = value in (None, "", 0, [], {}, "0", "0.0")
            if not is_empty and name not in read and _GEOMETRY.search(name.lower()):
                self.note(f"{name} not read", where)

    def lines(self, file: pathlib.Path) -> str:
        """The text of an annotation file; says so if its encoding is a guess."""
        text, encoding = read_text(file, KIND)
        if encoding == "cp1252":
            self.note("files read as Windows-1252, since they are not UTF-8", str(file))
        return text

    def find(self, name: str, file: pathlib.Path) -> tuple[pathlib.Path, str]:
        """Where the picture is that a file names, or should be, and "<folder>/<name>"."""
        roots, forms = self._roots(file), _forms(name)
        # A name of several folders may also be a path of the machine that wrote it.
        stated = ((root, form) for form in forms for root in roots if (root / form).is_file())
        pairs = itertools.product(roots, forms)
        others = ((root, found) for root, form in pairs if (found := self._search(root, form)))
        root, form = next(itertools.chain(stated, others), (roots[0], forms[-1]))
        # What is before a "#" stays together in a split.
        return root / form, f"{root.name}/{form}".replace("#", "%23")

    def picture(
        self, name: str, file: pathlib.Path, size: tuple, objects: Iterable[LabelledObject]
    ) -> LabelledPicture:
        """The picture that a file names, with the size that it states as numbers or texts."""
        path, source = self.find(name, file)
        return LabelledPicture(path, source, size_of(*size), tuple(objects))

    def near(self, path: pathlib.Path) -> str:
        """Ends an error about an absent picture."""
        index = self._index(self._images_dir or path.parent).items()
        names = {stem + end: "/".join(parts) for stem, found in index for end, parts in found}
        close = difflib.get_close_matches("".join(_key(path.name)), names, n=3, cutoff=0.7)
        hint = f" Did you mean {' or '.join(names[one] for one in close)}?" if close else ""
        return f"{hint} --images_dir says where pictures are; --skip_unreadable leaves them out."

    def label_size(self, path: pathlib.Path, where: str) -> tuple[int, int] | None:
        """The size of a picture to which labels in shares of it belong; None if it is unreadable
        and such are skipped. Raises OSError or ValueError."""
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
        head, labels, tail = str(file.parent).rpartition(f"{os.sep}labels")
        roots = [file.parent, *(file.parent.parent / name for name in ("images", "JPEGImages"))]
        if labels:  # YOLO's labels/train/1.txt belongs to images/train/1.jpg.
            roots.insert(1, pathlib.Path(f"{head}{os.sep}images{tail}"))
        return [root for root in dict.fromkeys(roots) if root.is_dir()]

    def _search(self, root: pathlib.Path, form: str) -> str | None:
        """The one picture below `root` of which the path and the name end alike."""
        wanted = [part for part in form.split("/") if part not in ("", ".", "..")]
        if not wanted:
            return None
        stem, ending = _key(wanted.pop())
        same_name = [found for one, found in self._index(root).get(stem, ()) if ending in ("", one)]
        fits = []
        for found in same_name:
            pairs = list(zip(wanted[::-1], found[-2::-1]))
            if all(_key(theirs) == _key(ours) for theirs, ours in pairs):
                fits.append((-len(pairs), len(found), found))
        # On another machine, or at an URL, folders have other names.
        if not fits and len(same_name) == 1 and (form.startswith(("/", "../")) or ":" in form):
            self.note("pictures taken from a folder of another name", form)
            fits = [(0, 0, same_name[0])]
        best, *others = [*sorted(fits), None]
        is_clear = best and (others[0] is None or best[:2] != others[0][:2])
        return "/".join(best[2]) if is_clear else None


def _index(root: pathlib.Path) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """The files below a folder: stem -> endings and paths."""
    index, seen = {}, set()
    for folder, folders, files in os.walk(root, followlinks=True):
        if os.path.realpath(folder) in seen:  # A link to a folder above.
            folders.clear()
            continue
        seen.add(os.path.realpath(folder))
        parts = pathlib.Path(folder).relative_to(root).parts
        for name in sorted(files):
            stem, ending = _key(name)
            index.setdefault(stem, []).append((ending, (*parts, name)))
    return index


def _key(text: str) -> tuple[str, str]:
    """What is equal of names that mean one file: stem, and a picture's ending or ""."""
    text = unicodedata.normalize("NFC", text).casefold().replace(" ", "_")
    stem, ending = os.path.splitext(text)
    return (stem, _ENDINGS[ending]) if ending in _ENDINGS else (text, "")


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
    """Absolute paths of files, and of all `wanted` files of folders, or else of those below them,
    with an ending (lower case). Raises FileNotFoundError if there are none."""
    files: list[pathlib.Path] = []
    for path in map(pathlib.Path, paths):
        atomic_files.check_local(path, "--annotations")
        found = [path]
        if path.is_dir():
            below = [one for one in sorted(path.rglob("*")) if one.suffix.lower() == ending]
            below = [one for one in below if wanted(one) and one.is_file()]
            found = [one for one in below if one.parent == path] or below
        if not found or not path.exists():
            raise FileNotFoundError(f"Expected annotations ({ending}) at {path}, found none.")
        files += [one.resolve() for one in found]
    return list(dict.fromkeys(files))


def read_text(path: str | os.PathLike[str], kind: str) -> tuple[str, str]:
    """The text of a file, and its encoding: UTF-8 or UTF-16, with a mark or not, or Windows-1252.
    Raises FileNotFoundError, and ValueError for other bytes and Git LFS pointers."""
    path = pathlib.Path(path)
    atomic_files.check_local(path, kind)
    if not path.is_file():
        raise FileNotFoundError(f"No {kind} {path}.")
    atomic_files.refuse_pointer(path)
    data = path.read_bytes()
    encoding = json.detect_encoding(data)  # Of text that begins in ASCII, JSON or not.
    for one in [encoding, "cp1252"] if encoding == "utf-8" and b"\0" not in data else [encoding]:
        try:
            return data.decode(one), one
        except UnicodeDecodeError as error:
            failed = error
    raise ValueError(f"{path}: expected text in UTF-8 or UTF-16, got other bytes: {failed}.")


def read_json(path: str | os.PathLike[str], kind: str) -> object:
    """What a JSON file holds; `kind` is what it is called in messages, "annotation file". Raises
    FileNotFoundError, and ValueError if it is not JSON."""
    text, _ = read_text(path, kind)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        hint = f" {FORMATS_READ}" if kind == KIND else ""
        raise ValueError(f"{path} is not JSON: {error}.{hint}") from error


def foreign(file: pathlib.Path, expected: str, content: object) -> ValueError:
    """The error of a file of another form."""
    found = ", ".join(map(str, content)) if isinstance(content, dict) else str(content)
    return ValueError(f"{file}: expected {expected}, got: {found[:80]}. {FORMATS_READ}")


def are_numbers(values: object, count: int | None = None) -> bool:
    """Whether a JSON value is a list of (`count`) numbers. NaN and what is larger than any picture
    are none."""
    if not isinstance(values, list) or count not in (None, len(values)):
        return False
    return all(type(one) in (int, float) and -1e9 < one < 1e9 for one in values)


def size_of(width: object, height: object) -> tuple[int, int] | None:
    """A picture's size that a file states in two numbers or texts; None if it states none, or
    0 x 0, as tools write that do not know it."""
    numbers = [number(one) if isinstance(one, str) else one for one in (width, height)]
    return tuple(map(int, numbers)) if are_numbers(numbers) and min(numbers) >= 1 else None


def number(text: str | None) -> float:
    """What a text of a table or an XML file says; NaN for what is no finite number."""
    found = re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", text or "", re.ASCII)
    return float(text) if found and math.isfinite(float(text)) else math.nan


def polygon_mask(rings: Sequence[np.ndarray], width: int, height: int) -> np.ndarray:
    """The union of polygons [M, 2], bool [H, W]. A pixel is inside if its CENTRE is, by the
    even-odd rule; of the border the left side counts and the right one does not. In the triangle
    (0, 0), (4, 0), (0, 4) lie 1 1 1 0 of row 0, 1 1 0 0 of row 1, 1 0 0 0 of row 2."""
    mask = np.zeros((height, width), bool)
    for ring in rings:
        left, top = np.clip(np.floor(ring.min(axis=0)), 0, [width, height]).astype(int)
        right, bottom = np.clip(np.ceil(ring.max(axis=0)), 0, [width, height]).astype(int)
        # One more column, for borders that lie to the right of the window.
        borders = np.zeros((bottom - top, right - left + 1), np.uint8)
        shifted = ring - [left + 0.5, top + 0.5]  # Now pixel centres are whole numbers.
        for (x1, y1), (x2, y2) in zip(shifted, np.roll(shifted, -1, axis=0)):
            first, last = sorted((math.ceil(y1), math.ceil(y2)))
            rows = np.arange(max(0, first), min(bottom - top, last))
            crossings = np.ceil(x1 + (rows - y1) * ((x2 - x1) / ((y2 - y1) or 1)))
            borders[rows, np.clip(crossings, 0, right - left).astype(int)] ^= 1
        # A pixel is inside if the number of borders up to it is odd.
        inside = np.bitwise_xor.accumulate(borders, axis=1)[:, :-1].astype(bool)
        mask[top:bottom, left:right] |= inside
    return mask


def file_mask(path: pathlib.Path, value: int | None, width: int, height: int) -> np.ndarray:
    """The pixels of a mask file that have a grey value or palette index; None: that are not 0."""
    data = path.read_bytes()
    try:
        with image_placement.decoding(), Image.open(io.BytesIO(data)) as picture:
            pixels = np.asarray(picture)
    except image_placement.ImageDecodeError as error:
        raise ValueError(f"{path}: expected a picture of a mask: {error}") from error
    if pixels.ndim == 3:  # Without transparency, which is 255 everywhere and says nothing.
        pixels = pixels[..., :3].max(axis=-1)
    return pixels != 0 if value is None else pixels == value
