"""The flags of the servers, and the environment variables that labs' job scripts set instead."""

from __future__ import annotations

import argparse
import os
import pathlib
import sys
from collections.abc import Mapping

from food_data import framing
from serving import key_files
from serving.settings import ServerSettings

_DEFAULT_PORT = "8080"
_DEFAULTS = ServerSettings()


def add(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    """Adds all flags.

    Args:
        parser: gets them.
        environment: PORT, CHECKPOINT_PATH, CONFIG_FILE and LOSS_TYPE in it are defaults.
    """
    _add_model_flags(parser, environment)
    _add_network_flags(parser, environment)
    _add_limit_flags(parser)


def _add_model_flags(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    group = parser.add_argument_group("model")
    group.add_argument(
        "--checkpoint_dir",
        default=environment.get("CHECKPOINT_PATH") or None,
        help="directory that train.py wrote; CHECKPOINT_PATH unless given; without one, the server "
        "starts and answers 503 to predictions",
    )
    group.add_argument(
        "--config_file",
        default=environment.get("CONFIG_FILE") or None,
        help="gin file in the place of the one in the directory; CONFIG_FILE unless given",
    )
    group.add_argument(
        "--loss_type",
        choices=("cross_entropy", "l1", "smooth_l1"),
        default=environment.get("LOSS_TYPE") or None,
        help="in the place of the one that the configuration says; LOSS_TYPE unless given",
    )
    group.add_argument(
        "--checkpoint_root",
        type=pathlib.Path,
        help="folder of checkpoint directories that POST /load_model may name; none unless given",
    )
    group.add_argument(
        "--engine",
        choices=("auto", "tensorflow", "onnxruntime"),
        default=_DEFAULTS.engine,
        help="what runs the network; auto: the fastest that is installed and passes its check",
    )
    framing.add_flags(group)


def _add_network_flags(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    group = parser.add_argument_group("network")
    group.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    group.add_argument(
        "--port",
        type=_port,
        default=environment.get("PORT") or _DEFAULT_PORT,
        help="port to listen on, 0 for any free one; PORT unless given (%(default)s)",
    )
    group.add_argument(
        "--port_file", type=pathlib.Path, help="file that gets the port once the server listens"
    )
    group.add_argument(
        "--api_key_file",
        type=pathlib.Path,
        help="lines 'name:key'; API_KEYS='name:key,name:key' does the same; without keys "
        "anyone may ask, and only this machine may load models",
    )
    group.add_argument(
        "--cors_origin",
        action="append",
        default=[],
        help="web origin whose pages may call the server, such as https://lab.example; repeatable",
    )
    group.add_argument(
        "--record_dir",
        type=pathlib.Path,
        help="keep requests, answers and corrections here (off unless given)",
    )


def _add_limit_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("limits")
    limits = {
        "--requests_per_minute": (None, "of one key or address; no limit unless given"),
        "--max_waiting": (_DEFAULTS.max_waiting, "requests in the queue, then 503 (%(default)s)"),
        "--max_batch": (_DEFAULTS.max_batch, "requests in one call of the model (%(default)s)"),
        "--max_body_bytes": (_DEFAULTS.max_body_bytes, "of a request (%(default)s)"),
        "--max_pixels": (_DEFAULTS.max_pixels, "of a picture (%(default)s)"),
    }
    for flag, (default, text) in limits.items():
        group.add_argument(flag, type=_positive, default=default, help=text)
    group.add_argument(
        "--deadline_s",
        type=_positive_seconds,
        default=_DEFAULTS.deadline_s,
        help="longest wait for the model, then 504 (%(default)s)",
    )


def settings_of(arguments: argparse.Namespace, environment: Mapping[str, str]) -> ServerSettings:
    """The settings that the flags ask for; exits with a message if a folder or file is missing.

    Args:
        arguments: of a parser with `add`.
        environment: with API_KEYS, if keys are given there.
    """
    root = arguments.checkpoint_root
    if root is not None and not root.is_dir():
        sys.exit(f"--checkpoint_root: expected a folder of checkpoint directories, got {root}.")
    record_dir = arguments.record_dir
    if record_dir is not None:
        _check_writable(record_dir)
    try:
        keys = key_files.load_keys(arguments.api_key_file, environment)
    except (OSError, ValueError) as error:
        sys.exit(f"--api_key_file: {error}")
    return ServerSettings(
        checkpoint_root=root,
        api_keys=keys,
        cors_origins=tuple(arguments.cors_origin),
        requests_per_minute=arguments.requests_per_minute,
        max_body_bytes=arguments.max_body_bytes,
        max_pixels=arguments.max_pixels,
        max_waiting=arguments.max_waiting,
        max_batch=arguments.max_batch,
        deadline_s=arguments.deadline_s,
        record_dir=record_dir,
        engine=arguments.engine,
        passes=arguments.passes,
    )


def _check_writable(folder: pathlib.Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        sys.exit(f"--record_dir: {folder} cannot be made: {error.strerror}.")
    if not os.access(folder, os.W_OK):
        sys.exit(f"--record_dir: {folder} cannot be written to.")


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"expected 0 to 65535, got {port}")
    return port


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {number}")
    return number


def _positive_seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"expected more than 0 seconds, got {text}")
    return seconds
