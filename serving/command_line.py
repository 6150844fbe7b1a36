"""What `python api_batch_server.py` does: load a checkpoint, warm up, listen, stop on SIGTERM.

SIGTERM loses no request: the listening socket closes, what was accepted is answered, then the
process ends; after `DRAIN_S` it ends in any case.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import flask
import waitress
from absl import flags as absl_flags
from absl import logging
from werkzeug import wsgi

from food_data import atomic_files
from serving import settings as server_settings
from serving.app import SERVICE
from serving.predictor import Predictor
from serving.settings import ServerSettings

DRAIN_S = 30.0
# For requests that are still on their way in when the end is asked for.
_LATE_S = 0.5
# For requests that do not wait for the model, and those that are being decoded.
_FREE_THREADS = 16


class Server:
    """Serves an application with waitress from a thread of its own.

    with Server(app, socket.create_server(("127.0.0.1", 8080))) as server:
        ...
    server.unfinished == 0
    """

    def __init__(self, app: flask.Flask, listener: socket.socket, **options: Any) -> None:
        """Args:
        app: the application.
        listener: a bound socket.
        options: of `waitress.create_server`.
        """
        self.unfinished = 0
        self.ended = threading.Event()
        self._app, self._lock = app, threading.Lock()
        self._server = waitress.create_server(self._count, sockets=[listener], **options)

    def __enter__(self) -> Server:
        threading.Thread(target=self._run, name="waitress", daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Ends well; `unfinished` is how many requests could not be answered in time."""
        self._server.del_channel()
        self._server.socket.close()
        give_up = time.monotonic() + DRAIN_S
        time.sleep(_LATE_S)
        while self.unfinished and time.monotonic() < give_up:
            time.sleep(0.02)
        time.sleep(0.1)  # What the operating system has not taken yet is sent.
        if self.unfinished:
            logging.error("%d requests were not finished in %s s", self.unfinished, DRAIN_S)

    def _run(self) -> None:
        try:
            self._server.run()
        finally:
            self.ended.set()

    def _count(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        """The application, with the number of its unfinished requests."""

        def add(number: int) -> None:
            with self._lock:
                self.unfinished += number

        add(1)
        try:
            return wsgi.ClosingIterator(self._app(environ, start_response), lambda: add(-1))
        except BaseException:
            add(-1)
            raise


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
    # Bound before the model is loaded, so that a port in use is known at once; it listens after.
    with _bind(arguments.host, arguments.port) as listener:
        predictor = load_predictor(
            arguments.checkpoint_dir,
            settings.engine,
            arguments.config_file,
            arguments.loss_type,
            settings.passes,
            settings.trust_config,
        )
        app = create_app(predictor, settings)
        server = Server(
            app,
            listener,
            # A waiting request holds a thread; those of /health must not wait behind them.
            threads=settings.max_waiting + _FREE_THREADS,
            connection_limit=1000,
            # Flask refuses long bodies, in JSON; this keeps waitress from storing endless ones.
            max_request_body_size=4 * settings.max_body_bytes,
            ident=None,
        )

        def stop(number: int, frame: object) -> None:
            del frame
            logging.info("got %s, stopping", signal.Signals(number).name)
            for each in (signal.SIGTERM, signal.SIGINT):  # A second one ends the process.
                signal.signal(each, signal.SIG_DFL)
            server.ended.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        host, port = listener.getsockname()[:2]
        with server, _port_file(arguments.port_file, port):
            logging.info("serving on http://%s:%d", f"[{host}]" if ":" in host else host, port)
            server.ended.wait()
        app.extensions[SERVICE].queue.close()
    logging.info("stopped")
    return 1 if server.unfinished else 0


def load_predictor(
    checkpoint_dir: str | None,
    engine: str = "auto",
    config_file: str | None = None,
    loss_type: str | None = None,
    passes: str | None = None,
    trust_config: bool = False,
) -> Predictor | None:
    """Loads and warms up the model of a checkpoint directory; None without one.

    The arguments are those of `Predictor.from_checkpoint`. Exits with a message if there is no such
    directory or it cannot be loaded.
    """
    if checkpoint_dir is None:
        logging.warning("No --checkpoint_dir: predictions will be answered with 503")
        return None
    try:
        predictor = Predictor.from_checkpoint(
            checkpoint_dir, engine, config_file, loss_type, passes, trust_config
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
