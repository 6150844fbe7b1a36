"""Reads a page of HTML as a tree: elements with attributes, parents and text."""

from __future__ import annotations

import dataclasses
import html.parser
from collections.abc import Iterator

_VOID = {"br", "img", "link", "meta"}


@dataclasses.dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    children: list[Element | str] = dataclasses.field(default_factory=list)

    @property
    def text(self) -> str:
        """All of its text, white space as a browser shows it."""
        found = "".join(c if isinstance(c, str) else f" {c.text} " for c in self.children)
        return " ".join(found.split())

    def all(self, *tags: str) -> Iterator[Element]:
        """Elements in it of these kinds (all of them if none is named), in order."""
        for child in self.children:
            if isinstance(child, Element):
                if not tags or child.tag in tags:
                    yield child
                yield from child.all(*tags)


class _Reader(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open = [Element("", {})]

    def handle_starttag(self, tag, attributes):
        self.handle_startendtag(tag, attributes)
        if tag not in _VOID:
            self.open.append(self.open[-1].children[-1])

    def handle_startendtag(self, tag, attributes):
        self.open[-1].children.append(Element(tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop().tag == tag, f"</{tag}> closes another element"

    def handle_data(self, text):
        self.open[-1].children.append(text)


def read(text: str) -> Element:
    """The page; an element that is not closed, or closed twice, is an error."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert len(reader.open) == 1, f"<{reader.open[-1].tag}> is not closed"
    return reader.open[0]
