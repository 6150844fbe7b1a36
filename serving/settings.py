"""What an operator may set about the server, by flags and environment; nothing of it over HTTP."""

from __future__ import annotations

import argparse
import dataclasses
import ipaddress
import os
import pathlib
import re
import sys
from collections.abc import Callable, Mapping

from absl import logging

from food_data import atomic_files, framing

_VARIABLES = ("CHECKPOINT_PATH", "CONFIG_FILE", "LOSS_TYPE", "PORT")
ENGINES = ("auto", "tensorflow", "onnxruntime")
_KEY_ENTRY = re.compile(r"([A-Za-z0-9._-]{1,64}):([!-~]+)")


def num_cores() -> int:
    """CPU cores that this process may use, at most eight: more pictures at once wait for memory."""
    has_affinity = hasattr(os, "sched_getaffinity")
    return min(len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1, 8)


@dataclasses.dataclass(frozen=True)
class ServerSettings:
    """Limits and permissions of one server; the flags below say what those of their names mean.

    Attributes:
        api_keys: name of a client -> its key; empty: no key is asked for.
        cors_origins: web origins whose pages may call the server; "*" stands for all.
        loopback_only: whether only loopback host names are answered.
        passes: how often photos are looked at, of `framing.PASSES`; None: as the checkpoint says.
    """

    trust_config: bool = False
    checkpoint_root: pathlib.Path | None = None
    api_keys: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    cors_origins: tuple[str, ...] = ()
    requests_per_minute: int | None = None
    max_body_bytes: int = 32 * 1024 * 1024
    max_pixels: int = 50_000_000
    max_waiting: int = 64
    deadline_s: float = 30.0
    record_dir: pathlib.Path | None = None
    record_bytes: int = 20 * 1024**3
    load_without_key: bool = False
    loopback_only: bool = False
    act_below_floor: bool = False
    engine: str = "auto"
    passes: str | None = None


def add_flags(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    """Adds all flags; PORT, CHECKPOINT_PATH, CONFIG_FILE and LOSS_TYPE of `environment` are
    defaults, as labs' job scripts set them."""
    defaults, port, count = ServerSettings(), _number(int, 0, 65535), _number(int, 1, 2**63)
    known = {name: environment.get(name) or None for name in _VARIABLES}
    model = parser.add_argument_group("model")
    add = model.add_argument
    text = "directory that train.py wrote (CHECKPOINT_PATH); without one, predictions get 503"
    add("--checkpoint_dir", default=known["CHECKPOINT_PATH"], help=text)
    text = "gin file in the place of the directory's (CONFIG_FILE)"
    add("--config_file", default=known["CONFIG_FILE"], help=text)
    losses, text = ("cross_entropy", "l1", "smooth_l1"), "in the place of the recorded (LOSS_TYPE)"
    add("--loss_type", choices=losses, default=known["LOSS_TYPE"], help=text)
    text = "let gin run what a checkpoint's config.gin says; unless given, only literals are read"
    add("--trust_config", action="store_true", help=text)
    text = "public RT-1 checkpoint that answers at --openpi_port, built as --config_file says"
    add("--rt1_checkpoint", help=text)
    text = "folder of checkpoint directories that POST /load_model may name; none unless given"
    add("--checkpoint_root", type=pathlib.Path, help=text)
    text = "POST /load_model needs no key from this computer, nor from whom a proxy on it lets in"
    add("--load_without_key", action="store_true", help=text)
    text = "use a calibration that misses its floor, instead of asking about every answer"
    add("--act_below_floor", action="store_true", help=text)
    text = "what runs the network; auto: TensorFlow where it sees a GPU, else the fastest"
    add("--engine", choices=ENGINES, default=defaults.engine, help=text)
    framing.add_flags(model)
    add = parser.add_argument_group("network").add_argument
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    text = "to listen on, 0 for any free one (PORT, else %(default)s)"
    add("--port", type=port, default=known["PORT"] or "8080", help=text)
    text = "port for openpi's websocket protocol (requirements-openpi.txt); none unless given"
    add("--openpi_port", type=port, help=text)
    add("--port_file", type=pathlib.Path, help="file that gets the port once the server listens")
    text = "lines 'name:key', as API_KEYS='name:key,name:key'; without keys anyone may ask"
    add("--api_key_file", type=pathlib.Path, help=text)
    text = "origin whose pages may call the server, such as https://lab.example; repeatable"
    add("--cors_origin", action="append", default=[], help=text)
    text = "keep requests, answers and corrections here (off unless given)"
    add("--record_dir", type=pathlib.Path, help=text)
    text = "recording ends before its files take more (%(default)s)"
    add("--record_bytes", type=count, default=defaults.record_bytes, help=text)
    add = parser.add_argument_group("limits").add_argument
    limits = {
        "requests_per_minute": "of one key or address; no limit unless given",
        "max_waiting": "requests in the queue, then 503 (%(default)s)",
        "max_body_bytes": "of a request (%(default)s)",
        "max_pixels": "of a picture, and of all at a time (%(default)s)",
    }
    for name, text in limits.items():
        add(f"--{name}", type=count, default=getattr(defaults, name), help=text)
    kind, text = _number(float, 1e-9, 1e9), "longest wait for the model, then 504 (%(default)s)"
    add("--deadline_s", type=kind, default=defaults.deadline_s, help=text)


def from_flags(arguments: argparse.Namespace, environment: Mapping[str, str]) -> ServerSettings:
    """The settings that the flags ask for; exits with a message if a folder or file is missing."""
    root, record_dir = arguments.checkpoint_root, arguments.record_dir
    if root is not None and not root.is_dir():
        sys.exit(f"--checkpoint_root: expected a folder of checkpoint directories, got {root}.")
    if record_dir is not None:
        try:
            atomic_files.check_folder(record_dir, "--record_dir")
        except (OSError, ValueError) as error:
            sys.exit(str(error))
    try:
        keys = read_keys(arguments.api_key_file, environment.get("API_KEYS", ""))
    except (OSError, ValueError) as error:
        sys.exit(f"--api_key_file: {error}")
    named = {field.name for field in dataclasses.fields(ServerSettings)} & set(vars(arguments))
    given = {name: getattr(arguments, name) for name in named}
    local = arguments.host == "localhost" or is_loopback(arguments.host)
    given["loopback_only"] = local and not keys
    return ServerSettings(api_keys=keys, cors_origins=tuple(arguments.cors_origin), **given)


def read_keys(path: pathlib.Path | None, variable: str = "") -> dict[str, str]:
    """API keys by the name of their client.

    Raises OSError if the file cannot be read. ValueError: if an entry is malformed, or a name
    or a key is there twice. No message holds a key.
    """
    entries = [(f"API_KEYS, entry {i}", text) for i, text in enumerate(variable.split(","), 1)]
    if path is not None:
        if path.stat().st_mode & 0o077:
            logging.warning("%s holds API keys and is open to others: chmod 600 %s", path, path)
        lines = path.read_text(encoding="utf-8").splitlines()
        entries += [(f"{path}, line {i}", line) for i, line in enumerate(lines, 1)]
    keys: dict[str, str] = {}
    for place, text in entries:
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        match = _KEY_ENTRY.fullmatch(text.strip())
        if match is None:
            raise ValueError(
                f"{place}: expected name:key, the name of letters, digits and . _ - (at most 64), "
                "the key of visible ASCII characters, as "
                "python -c 'import secrets; print(secrets.token_urlsafe(32))' makes one."
            )
        name, key = match.groups()
        if name in keys or key in keys.values():
            raise ValueError(
                f"{place}: expected a name and a key of its own for each client; got {name!r} "
                "with a name or a key that an earlier entry has. Remove one of them."
            )
        keys[name] = key
    return keys


def is_loopback(address: str) -> bool:
    """Whether an IP address is one of this computer alone."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    # A socket for both families gives 127.0.0.1 as ::ffff:127.0.0.1.
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback


def _number(kind: type, low: float, high: float) -> Callable[[str], float]:
    """A flag's type: a number from `low` to `high`."""

    def parse(text: str) -> float:
        number = kind(text)
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f"expected {low:g} to {high:g}, got {text}")
        return number

    return parse
