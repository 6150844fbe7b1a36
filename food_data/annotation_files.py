"""What every annotation reader shares: text in any encoding, JSON, and where the pictures are.

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
import difflib
import json
import math
import os
import pathlib
import re
import unicodedata
import urllib.parse
from collections.abc import Callable, Container, Iterable, Sequence

_FORMATS_READ = (
    "Formats that are read: COCO JSON (from_coco), LabelMe JSON (from_labelme), Pascal VOC XML "
    "(from_voc), CVAT XML (from_cvat), YOLO txt (from_yolo), tables (from_csv, from_spanet), our "
    "own JSON (from_annotations)."
)
CORNERS = "--box_format xyxy reads them so, --box_format xywh says that they are not"
LABELS_ON = ("upright", "sensor")
_ENDINGS = {
    f".{ending}" for ending in re.findall(r"\w+", "jpg png bmp webp tif heic heif avif gif jp2")
}
# Names of fields that say where something is or how it lies.
_GEOMETRY = re.compile(
    r"rotat|\brot\b|angle|orient|direction|theta|obb|rbox|quad|point|poly|ellip|corner|skelet|"
    "cuboid|mask|segment|contour|bndbox|bbox"
)
_SAME_ENDINGS = {".jpeg": ".jpg", ".jpe": ".jpg", ".tiff": ".tif"}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def local_path(path: str | os.PathLike[str], what: str) -> pathlib.Path:
    """The path; ValueError for a URL, which would become a folder "gs:" on this machine."""
    if scheme := re.match(r"([A-Za-z][A-Za-z0-9+.-]+):/", str(path)):
        raise ValueError(
            f"{what}: expected a path of this machine, got {path}. Files are not read from or "
            f"written to {scheme[1]}: copy them here first."
        )
    return pathlib.Path(path)


def read_text(path: str | os.PathLike[str], kind: str) -> tuple[str, str]:
    """The text of a file, and its encoding: UTF-8 or UTF-16, with a mark or not, or Windows-1252.

    Raises FileNotFoundError, and ValueError if it is none of these or the pointer of Git LFS.
    """
    path = local_path(path, kind)
    if not path.is_file():
        raise FileNotFoundError(f"No {kind} {path}.")
    data = path.read_bytes()
    if data.startswith(b"version https://git-lfs"):
        raise ValueError(f"{path} is a pointer of Git LFS, not the file: run `git lfs pull`.")
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
        raise not_of_form(path, "JSON", error, kind == "annotation file") from error


def not_of_form(path: object, form: str, error: Exception, lists_formats: bool) -> ValueError:
    """The error of a file that is not even JSON, or XML."""
    hint = f" {_FORMATS_READ}" if lists_formats else ""
    return ValueError(f"{path} is not {form}: {error}.{hint}")


def foreign(file: pathlib.Path, expected: str, content: object) -> ValueError:
    """The error of a file of another form, which it names if it is a known one."""
    entries = content if isinstance(content, list) else [content]
    first = next((one for one in entries if isinstance(one, dict)), {})
    keys, is_list = set(first), isinstance(content, list)
    inner = [str(one)[:10_000] for one in first.values()]
    looks = next(
        (
            name
            for name, fits in (
                ("COCO. Use from_coco", {"images", "annotations", "categories"} <= keys),
                ("LabelMe. Use from_labelme", {"imagePath", "shapes"} <= keys),
                ("Pascal VOC. Use from_voc", content == "annotation"),
                ("CVAT XML. Use from_cvat", content == "annotations"),
                ("our own. Use from_annotations", "images" in keys and "'objects'" in inner[0]),
                ("Label Studio's own JSON", is_list and "data" in keys),
                ("CreateML", is_list and {"image", "annotations"} <= keys),
                ("a project of VIA", any("'regions'" in one for one in inner)),
                ("Supervisely", {"objects", "size"} <= keys),
            )
            if fits
        ),
        None,
    )
    found = ", ".join(map(str, content)) if isinstance(content, dict) else str(content)
    hint = f"This looks like {looks}. " if looks else ""
    hint += "Export it as COCO in the tool that made it. " if looks and "Use" not in looks else ""
    return ValueError(f"{file}: expected {expected}, got: {found[:80]}. {hint}{_FORMATS_READ}")


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
    if not are_numbers(numbers) or min(numbers) < 1:
        return None
    return int(numbers[0]), int(numbers[1])


def number(text: str | None) -> float:
    """What a text of a table or an XML file says; NaN for what is no finite number."""
    found = re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", text or "", re.ASCII)
    return float(text) if found and math.isfinite(float(text)) else math.nan


def _key(text: str) -> str:
    """What is equal of names that mean one file."""
    text = unicodedata.normalize("NFC", text).casefold().replace(" ", "_")
    stem, dot, ending = text.rpartition(".")
    return stem + _SAME_ENDINGS.get(dot + ending, dot + ending) if stem else text


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
            self._images_dir = local_path(images_dir, "images_dir").resolve()
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
        text, encoding = read_text(file, "annotation file")
        if encoding == "cp1252":
            self.note("files read as Windows-1252, since they are not UTF-8", str(file))
        return text

    def find(self, name: str, file: pathlib.Path) -> tuple[pathlib.Path, str]:
        """Where the picture is that a file names, and "<folder>/<name>", a stable name for it.

        If there is none, where it should be.
        """
        roots, forms = self._roots(file), _forms(name)
        for form in forms:
            for root in roots:
                # A name of several folders may also be a path of the machine that wrote it.
                if (root / form).is_file():
                    return root / form, _source(root, form)
        for root in roots:
            for form in forms:
                found = self._search(root, form)
                if found is not None:
                    return root.joinpath(*found), _source(root, "/".join(found))
        form = forms[-1] if self._images_dir is None else forms[-1].rpartition("/")[2]
        return roots[0] / form, _source(roots[0], form)

    def near(self, path: pathlib.Path) -> str:
        """Ends an error about an absent picture: pictures with names like it."""
        root = self._images_dir or path.parent
        index = self._index(root).items()
        names = {key: "/".join(one[0]) for key, one in index if not key.endswith("/")}
        close = difflib.get_close_matches(_key(path.name), names, n=3, cutoff=0.7)
        if close:
            return f" Did you mean {' or '.join(names[one] for one in close)}?"
        return f" {root} has {', '.join(sorted(names.values())[:3])}, ..." if names else ""

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

    def _search(self, root: pathlib.Path, form: str) -> tuple[str, ...] | None:
        """The one picture below `root` of which the path and the name end alike."""
        wanted = [_key(part) for part in form.split("/") if part not in ("", ".", "..")]
        if not wanted:
            return None
        index, last = self._index(root), wanted[-1]
        named = index.get(last, [])
        if not named and pathlib.PurePath(last).suffix not in _ENDINGS:
            named = index.get(last + "/", [])
        # On another machine, or at an URL, folders have other names.
        elsewhere = form.startswith(("/", "../")) or ":" in form
        fits = []
        for found in named:
            pairs = zip(reversed(wanted[:-1]), (_key(part) for part in reversed(found[:-1])))
            if all(ours == theirs for ours, theirs in pairs):
                fits.append((-min(len(wanted), len(found)), len(found), found))
        fits.sort()
        if not fits and elsewhere and len(named) == 1:
            self.note("pictures taken from a folder of another name", form)
            fits = [(0, 0, named[0])]
        if not fits or (len(fits) > 1 and fits[0][:2] == fits[1][:2]):
            return None
        return fits[0][2]

    def _index(self, root: pathlib.Path) -> dict[str, list[tuple[str, ...]]]:
        """The key of a file's name, and for pictures "<stem>/" -> the paths below `root`."""
        if root not in self._indices:
            index: dict[str, list[tuple[str, ...]]] = {}
            seen: set[str] = set()
            for folder, folders, files in os.walk(root, followlinks=True):
                if os.path.realpath(folder) in seen:  # A link to a folder above.
                    folders.clear()
                    continue
                seen.add(os.path.realpath(folder))
                parts = pathlib.Path(folder).relative_to(root).parts
                for name in sorted(files):
                    stem, dot, ending = _key(name).rpartition(".")
                    for key in (_key(name), f"{stem}/" if dot + ending in _ENDINGS else None):
                        if key:
                            index.setdefault(key, []).append((*parts, name))
            self._indices[root] = index
        return self._indices[root]


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


def _source(root: pathlib.Path, name: str) -> str:
    """A name for the split, in which what is before a "#" stays together."""
    return f"{root.name}/{name}".replace("#", "%23")


def annotation_files(
    paths: Sequence[str | os.PathLike[str]],
    ending: str,
    wanted: Callable[[pathlib.Path], bool] = lambda file: True,
) -> list[pathlib.Path]:
    """Absolute paths of files, and of all `wanted` files of folders with an ending (lower case).

    Of a folder without such files those of the folders below it are meant. Raises FileNotFoundError
    if there are none, and ValueError if a file is meant twice.
    """

    def fits(file: pathlib.Path) -> bool:
        return file.suffix.lower() == ending and wanted(file) and file.is_file()

    files: list[pathlib.Path] = []
    for path in (local_path(one, "annotations") for one in paths):
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
