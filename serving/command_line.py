"""What `python api_batch_server.py` does: load a checkpoint, warm up, listen, stop on SIGTERM."""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import signal
import socket
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence

import flask
import waitress
from absl import logging

from food_data import atomic_files
from serving import app as serving_app
from serving.predictor import Predictor

_DEFAULT_PORT = "8080"


def parse_arguments(
    description: str, arguments: Sequence[str] | None, environment: Mapping[str, str]
) -> argparse.Namespace:
    """Reads the flags of a server.

    Args:
        description: the first lines of --help.
        arguments: the command line without the program's name; None takes that of the process.
        environment: PORT and CHECKPOINT_PATH in it are the defaults, as labs' job scripts set them.

    Returns:
        checkpoint_dir (str or None), host, port, port_file (Path or None), threads.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--checkpoint_dir",
        default=environment.get("CHECKPOINT_PATH") or None,
        help="directory that train.py wrote; CHECKPOINT_PATH unless given; without one, the server "
        "starts and answers 503 to predictions",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument(
        "--port",
        type=_port,
        default=environment.get("PORT") or _DEFAULT_PORT,
        help="port to listen on, 0 for any free one; PORT unless given (%(default)s)",
    )
    parser.add_argument(
        "--port_file", type=pathlib.Path, help="file that gets the port once the server listens"
    )
    parser.add_argument(
        "--threads", type=_positive, default=4, help="requests handled at a time (%(default)s)"
    )
    return parser.parse_args(arguments)


def main(description: str, create_app: Callable[[Predictor | None], flask.Flask]) -> None:
    """Runs a server until SIGTERM or Ctrl-C; exits with a message if it cannot start.

    Args:
        description: the first lines of --help.
        create_app: makes the application from a predictor, or from None.
    """
    arguments = parse_arguments(description, None, os.environ)
    logging.set_verbosity(logging.INFO)
    logging.use_absl_handler()
    signal.signal(signal.SIGTERM, _exit_on_signal)
    # Bound before the model is loaded, so that a port in use is known at once; it listens after.
    with _bind(arguments.host, arguments.port) as listener:
        predictor = load_predictor(arguments.checkpoint_dir)
        server = waitress.create_server(
            create_app(predictor),
            sockets=[listener],
            threads=arguments.threads,
            # Flask refuses long bodies, in JSON; this keeps waitress from storing endless ones.
            max_request_body_size=4 * serving_app.MAX_BODY_BYTES,
            ident=None,
        )
        host, port = listener.getsockname()[:2]
        with _port_file(arguments.port_file, port):
            logging.info("serving on http://%s:%d", f"[{host}]" if ":" in host else host, port)
            server.run()
    logging.info("stopped")


def load_predictor(checkpoint_dir: str | None) -> Predictor | None:
    """Loads and warms up the model of a checkpoint directory; None without one.

    Raises:
        SystemExit: with a message, if there is no such directory or it cannot be loaded.
    """
    if checkpoint_dir is None:
        logging.warning("No --checkpoint_dir: predictions will be answered with 503")
        return None
    if not os.path.isdir(checkpoint_dir):
        sys.exit(
            f"--checkpoint_dir: expected a directory that train.py wrote, got {checkpoint_dir!r}, "
            "which is none."
        )
    try:
        predictor = Predictor.from_checkpoint(checkpoint_dir)
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


@contextlib.contextmanager
def _port_file(path: pathlib.Path | None, port: int) -> Iterator[None]:
    """The file exists exactly as long as the server answers."""
    if path is None:
        yield
        return
    with atomic_files.replace_file(path) as file:
        file.write(f"{port}\n".encode())
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _exit_on_signal(signal_number: int, frame: types.FrameType | None) -> None:
    """Ends `server.run()`, which finishes the requests that it has begun."""
    del frame
    logging.info("got %s, stopping", signal.Signals(signal_number).name)
    sys.exit(0)


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
