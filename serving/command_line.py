"""What `python api_batch_server.py` does: load a checkpoint, warm up, listen, stop on SIGTERM.

SIGTERM loses no request: the listening socket closes, what was accepted is answered, then the
process ends; after `front.DRAIN_S` it ends in any case.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import pathlib
import re
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

import flask
from absl import flags as absl_flags
from absl import logging

from food_data import atomic_files, framing
from serving import front
from serving.front import ServerSettings
from serving.predictor import Predictor

# Defaults that labs' job scripts set.
_VARIABLES = {"checkpoint_dir": "CHECKPOINT_PATH", "port": "PORT"}
_VARIABLES |= {"config_file": "CONFIG_FILE", "loss_type": "LOSS_TYPE"}
_ENGINES = ("auto", "tensorflow", "onnxruntime")
_KEY_ENTRY = re.compile(r"([A-Za-z0-9._-]{1,64}):([!-~]+)")


def _number(kind: type, low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        if not low <= kind(text) <= high:
            raise argparse.ArgumentTypeError(f"expected {low:g} to {high:g}, got {text}")
        return kind(text)

    return parse


_port, _positive = _number(int, 0, 65535), _number(int, 1, 2**63)
# Flag -> type, or choices, and what it is; their defaults are those of `ServerSettings`.
_FLAGS = {
    "checkpoint_dir": (str, "directory that train.py wrote; without one, predictions get 503"),
    "config_file": (str, "gin file in the place of the directory's"),
    "loss_type": (("cross_entropy", "l1", "smooth_l1"), "in the place of the recorded one"),
    "trust_config": (bool, "let gin run what a checkpoint's config.gin says, not only literals"),
    "engine": (_ENGINES, "auto (unless given): TensorFlow on a GPU, else the fastest"),
    "act_below_floor": (bool, "use a calibration that misses its floor; else a person is asked"),
    "checkpoint_root": (pathlib.Path, "folder of directories that POST /load_model may name"),
    "load_without_key": (bool, "POST /load_model needs no key from this computer"),
    "rt1_checkpoint": (str, "public RT-1 checkpoint for --openpi_port, built by --config_file"),
    "host": (str, "address to listen on"),
    "port": (_port, "to listen on, 0 for any free one"),
    "openpi_port": (_port, "for openpi's websocket protocol (requirements-openpi.txt)"),
    "port_file": (pathlib.Path, "gets the port once the server listens"),
    "api_key_file": (pathlib.Path, "lines 'name:key', as API_KEYS='name:key,name:key'"),
    "cors_origin": (list, "whose pages may call the server: https://lab.example; repeatable"),
    "record_dir": (pathlib.Path, "keep requests, answers and corrections here"),
    "record_bytes": (_positive, "recording ends before its files take more"),
    "requests_per_minute": (_positive, "of one key or address"),
    "max_waiting": (_positive, "requests in the line, then 503"),
    "max_body_bytes": (_positive, "of a request"),
    "max_pixels": (_positive, "of a picture, and of all at a time"),
    "deadline_s": (_number(float, 1e-9, 1e9), "longest wait for the model, then 504"),
}


def main(
    description: str, create_app: Callable[[Predictor | None, ServerSettings], flask.Flask]
) -> int:
    """Runs a server until SIGTERM or Ctrl-C; exits with a message if it cannot start. Gives the
    exit code: 0, or 1 if requests could not be finished in time."""
    arguments = _parse(description)
    logging.set_verbosity(logging.INFO)
    # The flags are argparse's; absl would warn that it has not seen them.
    absl_flags.FLAGS.mark_as_parsed()
    logging.use_absl_handler()
    settings = _settings(arguments)
    if arguments.rt1_checkpoint and (arguments.checkpoint_dir or arguments.openpi_port is None):
        sys.exit("--rt1_checkpoint: expected --openpi_port with it, and no --checkpoint_dir.")
    host, port = arguments.host, arguments.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Bound while the model is loaded, so that a port in use is known at once.
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            text = f"Cannot listen on {host}, port {port}: {error.strerror}. Choose another --port"
            sys.exit(f"{text} (0 takes any free one) or --host.")
        host, port = listener.getsockname()[:2]
        loaded = load_predictor(arguments, settings)
    if not settings.api_keys and not settings.loopback_only:
        logging.warning("Whoever reaches %s may ask: there are no API keys", host)
    try:
        server = front.Server(create_app(loaded, settings), host, port)
    except OSError as error:
        sys.exit(str(error))

    def stop(number: int, frame: object) -> None:
        logging.info("got %s, stopping", signal.Signals(number).name)
        for each in (signal.SIGTERM, signal.SIGINT):  # A second one ends the process.
            signal.signal(each, signal.SIG_DFL)
        server.ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    with contextlib.ExitStack() as stack:
        stack.enter_context(server)
        if arguments.openpi_port is not None:
            stack.enter_context(_openpi(server, host, arguments))
        if arguments.port_file is not None:  # It exists as long as the server takes requests.
            with atomic_files.replace_file(arguments.port_file) as file:
                file.write(f"{port}\n".encode())
            stack.callback(arguments.port_file.unlink, missing_ok=True)
        logging.info("serving on http://%s:%d", f"[{host}]" if ":" in host else host, port)
        server.ended.wait()
    logging.info("stopped")
    return 1 if server.unfinished or server.failed else 0


def load_predictor(given: argparse.Namespace, settings: ServerSettings) -> Predictor | None:
    """The model of a checkpoint directory, warmed up; exits with a message if that fails."""
    if given.checkpoint_dir is None:
        logging.warning("No --checkpoint_dir: predictions will be answered with 503")
        return None
    asked = given.checkpoint_dir, given.config_file, given.loss_type
    try:
        loaded = Predictor.from_checkpoint(*asked, **settings.model)
    except (OSError, ValueError) as error:
        sys.exit(f"--checkpoint_dir: {given.checkpoint_dir} cannot be loaded: {error}")
    loaded.warm_up()
    return loaded


def _parse(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    defaults = {field.name: field.default for field in dataclasses.fields(ServerSettings)}
    defaults |= {"host": "127.0.0.1", "port": "8080", "engine": "auto"}
    for name, (kind, text) in _FLAGS.items():
        default = defaults.get(name)
        if name in _VARIABLES:
            default = os.environ.get(_VARIABLES[name]) or default
            text += f" ({_VARIABLES[name]} in the environment)"
        elif kind is not bool and default is not None:
            text += " (%(default)s)"
        if kind is bool:
            options = {"action": "store_true"}
        elif kind is list:
            options = {"action": "append", "default": []}
        else:
            options = {"choices" if isinstance(kind, tuple) else "type": kind, "default": default}
        parser.add_argument(f"--{name}", help=text, **options)
    framing.add_flags(parser)
    return parser.parse_args()


def _settings(arguments: argparse.Namespace) -> ServerSettings:
    """The settings that the flags ask for; exits with a message if a folder or file is missing."""
    given, root = vars(arguments), arguments.checkpoint_root
    if root is not None and not root.is_dir():
        sys.exit(f"--checkpoint_root: expected a folder of checkpoint directories, got {root}.")
    try:
        if arguments.record_dir is not None:
            atomic_files.check_folder(arguments.record_dir, "--record_dir")
        keys = read_keys(arguments.api_key_file, os.environ.get("API_KEYS", ""))
    except (OSError, ValueError) as error:
        sys.exit(f"{error}")
    of_model = ("engine", "passes", "trust_config", "act_below_floor")
    named = {field.name for field in dataclasses.fields(ServerSettings)} & set(given)
    return ServerSettings(
        api_keys=keys,
        cors_origins=tuple(arguments.cors_origin),
        loopback_only=front.is_loopback(arguments.host) and not keys,
        model={name: given[name] for name in of_model},
        **{name: given[name] for name in named},
    )


def read_keys(path: pathlib.Path | None, variable: str = "") -> dict[str, str]:
    """API keys by the name of their client. Raises OSError if the file cannot be read, ValueError
    if an entry is malformed, or a name or a key is there twice. No message holds a key."""
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
        if match is None or match[1] in keys or match[2] in keys.values():
            text = f"{place}: expected name:key, each given once, the name of at most 64 letters, "
            text += "digits and . _ -, the key of visible ASCII characters, as python -c 'import "
            raise ValueError(f"{text}secrets; print(secrets.token_urlsafe(32))' makes one.")
        keys[match[1]] = match[2]
    return keys


def _openpi(server: front.Server, host: str, arguments: argparse.Namespace) -> Any:
    """The websocket server that the flags ask for."""
    rt1 = None
    try:
        if arguments.rt1_checkpoint:
            import rt1_policy

            rt1 = rt1_policy.RT1Policy.load(arguments.rt1_checkpoint, arguments.config_file)
            rt1.warm_up()
        from serving import openpi

        gateway = openpi.Gateway(server, host, arguments.openpi_port, rt1)
    except ImportError as error:
        install = "pip install --no-deps -r requirements-openpi.txt"
        sys.exit(f"--openpi_port: {error}. Install it: {install}")
    except (OSError, ValueError) as error:
        sys.exit(f"--openpi_port {arguments.openpi_port}: {error}")
    logging.info("openpi's protocol on ws://%s:%d", host, gateway.port)
    return gateway
