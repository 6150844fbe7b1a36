"""What `python api_batch_server.py` does: load a checkpoint, warm up, listen, stop on SIGTERM.

SIGTERM loses no request: the listening socket closes, what was accepted is answered, then the
process ends; after `front.DRAIN_S` it ends in any case.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import signal
import socket
import sys
from collections.abc import Callable, Iterator

import flask
from absl import flags as absl_flags
from absl import logging

from food_data import atomic_files
from serving import front
from serving import settings as server_settings
from serving.predictor import Predictor
from serving.settings import ServerSettings


def main(
    description: str, create_app: Callable[[Predictor | None, ServerSettings], flask.Flask]
) -> int:
    """Runs a server until SIGTERM or Ctrl-C; exits with a message if it cannot start.

    Args:
        description: the first lines of --help.
        create_app: makes the application from a predictor, or from None, and the settings.

    Returns:
        The exit code: 0, or 1 if requests could not be finished in time.
    """
    parser = argparse.ArgumentParser(description=description)
    server_settings.add_flags(parser, os.environ)
    arguments = parser.parse_args()
    logging.set_verbosity(logging.INFO)
    # The flags are argparse's; absl would warn that it has not seen them.
    absl_flags.FLAGS.mark_as_parsed()
    logging.use_absl_handler()
    settings = server_settings.from_flags(arguments, os.environ)
    if arguments.rt1_checkpoint and (arguments.checkpoint_dir or arguments.openpi_port is None):
        sys.exit("--rt1_checkpoint: expected --openpi_port with it, and no --checkpoint_dir.")
    # Bound while the model is loaded, so that a port in use is known at once.
    with _bind(arguments.host, arguments.port) as listener:
        host, port = listener.getsockname()[:2]
        predictor = load_predictor(
            arguments.checkpoint_dir, settings, arguments.config_file, arguments.loss_type
        )
    if not settings.api_keys and not settings.loopback_only:
        logging.warning("Whoever reaches %s may ask: there are no API keys", host)
    try:
        server = front.Server(create_app(predictor, settings), host, port)
    except OSError as error:
        sys.exit(str(error))

    def stop(number: int, frame: object) -> None:
        del frame
        logging.info("got %s, stopping", signal.Signals(number).name)
        for each in (signal.SIGTERM, signal.SIGINT):  # A second one ends the process.
            signal.signal(each, signal.SIG_DFL)
        server.ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    with server, _openpi(server, host, arguments), _port_file(arguments.port_file, port):
        logging.info("serving on http://%s:%d", f"[{host}]" if ":" in host else host, port)
        server.ended.wait()
    logging.info("stopped")
    return 1 if server.unfinished or server.failed else 0


def load_predictor(
    checkpoint_dir: str | None,
    settings: ServerSettings,
    config_file: str | None = None,
    loss_type: str | None = None,
) -> Predictor | None:
    """Loads and warms up the model of a checkpoint directory; None without one.

    Exits with a message if there is no such directory or it cannot be loaded.
    """
    if checkpoint_dir is None:
        logging.warning("No --checkpoint_dir: predictions will be answered with 503")
        return None
    try:
        predictor = Predictor.from_checkpoint(checkpoint_dir, settings, config_file, loss_type)
    except (OSError, ValueError) as error:
        sys.exit(f"--checkpoint_dir: {checkpoint_dir} cannot be loaded: {error}")
    predictor.warm_up()
    return predictor


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        sys.exit(
            f"Cannot listen on {host}, port {port}: {error.strerror}. Choose another --port "
            "(0 takes any free one) or --host."
        )
    return listener


def _openpi(
    server: front.Server, host: str, arguments: argparse.Namespace
) -> contextlib.AbstractContextManager:
    """The websocket server that the flags ask for."""
    if arguments.openpi_port is None:
        return contextlib.nullcontext()
    try:
        from serving import openpi
    except ImportError as error:
        sys.exit(
            f"--openpi_port: {error}. Install it: pip install --no-deps -r requirements-openpi.txt"
        )
    rt1 = None
    try:
        if arguments.rt1_checkpoint:
            import rt1_policy

            rt1 = rt1_policy.RT1Policy.load(arguments.rt1_checkpoint, arguments.config_file)
            rt1.warm_up()
        gateway = openpi.Gateway(server, host, arguments.openpi_port, rt1)
    except (OSError, ValueError) as error:
        sys.exit(f"--openpi_port {arguments.openpi_port}: {error}")
    logging.info("openpi's protocol on ws://%s:%d", host, gateway.port)
    return gateway


@contextlib.contextmanager
def _port_file(path: pathlib.Path | None, port: int) -> Iterator[None]:
    """The file exists exactly as long as the server takes requests."""
    if path is None:
        yield
        return
    with atomic_files.replace_file(path) as file:
        file.write(f"{port}\n".encode())
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
