"""What `python api_batch_server.py` does: load a checkpoint, warm up, listen, stop on SIGTERM."""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

import flask
import waitress
from absl import flags as absl_flags
from absl import logging

from food_data import atomic_files
from serving import draining, memory, server_flags
from serving.app import SERVICE
from serving.predictor import Predictor
from serving.settings import ServerSettings

# For requests that do not wait for the model, and those that are being decoded.
_FREE_THREADS = 16
_MAX_CONNECTIONS = 1000
CreateApp = Callable[[Predictor | None, ServerSettings], flask.Flask]


def parse_arguments(
    description: str, arguments: Sequence[str] | None, environment: Mapping[str, str]
) -> argparse.Namespace:
    """Reads the flags of a server.

    Args:
        description: the first lines of --help.
        arguments: the command line without the program's name; None takes that of the process.
        environment: PORT and CHECKPOINT_PATH in it are the defaults, as labs' job scripts set them.

    Returns:
        Each flag of `server_flags.py` by its name.
    """
    parser = argparse.ArgumentParser(description=description)
    server_flags.add(parser, environment)
    return parser.parse_args(arguments)


def main(description: str, create_app: CreateApp) -> int:
    """Runs a server until SIGTERM or Ctrl-C; exits with a message if it cannot start.

    Args:
        description: the first lines of --help.
        create_app: makes the application from a predictor, or from None, and the settings.

    Returns:
        The exit code: 0, or 1 if requests could not be finished in time.
    """
    memory.limit_arenas()
    arguments = parse_arguments(description, None, os.environ)
    logging.set_verbosity(logging.INFO)
    # The flags are argparse's; absl would warn that it has not seen them.
    absl_flags.FLAGS.mark_as_parsed()
    logging.use_absl_handler()
    settings = server_flags.settings_of(arguments, os.environ)
    # Bound before the model is loaded, so that a port in use is known at once; it listens after.
    with _bind(arguments.host, arguments.port) as listener:
        predictor = load_predictor(
            arguments.checkpoint_dir,
            settings.engine,
            arguments.config_file,
            arguments.loss_type,
            settings.passes,
        )
        app = create_app(predictor, settings)
        server = draining.DrainingServer(
            waitress.create_server(
                app,
                sockets=[listener],
                # A waiting request holds a thread; those of /health must not wait behind them.
                threads=settings.max_waiting + _FREE_THREADS,
                connection_limit=_MAX_CONNECTIONS,
                # Flask refuses long bodies, in JSON; this keeps waitress from storing endless ones.
                max_request_body_size=4 * settings.max_body_bytes,
                ident=None,
            )
        )
        server.stop_on_signals()
        host, port = listener.getsockname()[:2]
        with _port_file(arguments.port_file, port):
            logging.info("serving on http://%s:%d", f"[{host}]" if ":" in host else host, port)
            unfinished = server.run()
        app.extensions[SERVICE].queue.close()
    logging.info("stopped")
    return 1 if unfinished else 0


def load_predictor(
    checkpoint_dir: str | None,
    engine: str = "auto",
    config_file: str | None = None,
    loss_type: str | None = None,
    passes: str | None = None,
) -> Predictor | None:
    """Loads and warms up the model of a checkpoint directory; None without one.

    Args:
        checkpoint_dir: that train.py wrote.
        engine: 'auto' or the name of one.
        config_file: gin file in the place of the directory's; None for that one.
        loss_type: in the place of the one in the configuration; None for that one.
        passes: in the place of those that the checkpoint says; None for those.

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
        predictor = Predictor.from_checkpoint(
            checkpoint_dir, engine, config_file, loss_type, passes
        )
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
