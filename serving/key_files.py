"""API keys with names: read from a file and the environment, compared without telling anything.

A file of keys has one `name:key` on each line; the variable API_KEYS holds the same with commas
between: `robot:3x7Q...,page:Zk1v...`. Both may be given, and are taken together.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import pathlib
import re
import stat
from collections.abc import Iterable, Mapping

from absl import logging

KEYS_VARIABLE = "API_KEYS"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_KEY = re.compile(r"[!-~]+")  # Visible ASCII: what a header can carry.
_SHORT_KEY = 16
_MAKE_A_KEY = "python -c 'import secrets; print(secrets.token_urlsafe(32))' makes one"


def load_keys(
    path: str | os.PathLike[str] | None, environment: Mapping[str, str]
) -> dict[str, str]:
    """Reads the keys of a file and of the variable API_KEYS.

    Args:
        path: file with a `name:key` on each line; `#` begins a comment line; None: no file.
        environment: API_KEYS in it holds `name:key,name:key`.

    Returns:
        Name -> key; empty if neither says any.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if an entry is malformed, or a name or a key is there twice. No message holds
            a key.
    """
    entries = []
    if path is not None:
        path = pathlib.Path(path)
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            logging.warning("%s holds API keys and is open to others: chmod 600 %s", path, path)
        lines = path.read_text(encoding="utf-8").splitlines()
        entries += [(f"{path}, line {number}", line) for number, line in enumerate(lines, 1)]
    parts = environment.get(KEYS_VARIABLE, "").split(",")
    entries += [(f"{KEYS_VARIABLE}, entry {number}", part) for number, part in enumerate(parts, 1)]
    return _parse(
        (place, text.strip())
        for place, text in entries
        if text.strip() and not text.lstrip().startswith("#")
    )


def _parse(entries: Iterable[tuple[str, str]]) -> dict[str, str]:
    keys = {}
    for place, text in entries:
        name, colon, key = (part.strip() for part in text.partition(":"))
        if not (colon and _NAME.fullmatch(name) and _KEY.fullmatch(key)):
            raise ValueError(
                f"{place}: expected name:key, the name of letters, digits and . _ - (at most 64), "
                f"the key of visible ASCII characters; got {len(text)} characters that are not; "
                f"{_MAKE_A_KEY}."
            )
        if name in keys or key in keys.values():
            raise ValueError(
                f"{place}: expected a name and a key of its own for each client; got {name!r} "
                "with a name or a key that an earlier entry has. Remove one of them."
            )
        if len(key) < _SHORT_KEY:
            logging.warning(
                "%s: the key of %s has %d characters and can be guessed; %s",
                *(place, name, len(key), _MAKE_A_KEY),
            )
        keys[name] = key
    return keys


class KeyRing:
    """Keys, held as digests, so that comparing them tells nothing about their length either."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._digests = {name: _digest(key) for name, key in keys.items()}

    def __len__(self) -> int:
        return len(self._digests)

    def name_of(self, key: str) -> str | None:
        """The name of a key, None if there is none; takes as long for a wrong one."""
        digest, found = _digest(key), None
        for name, known in self._digests.items():
            if hmac.compare_digest(digest, known):
                found = name
        return found


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
