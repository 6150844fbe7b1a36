"""`api_batch_server.py` without batch prediction: the same flags, otherwise the same routes."""

import keras2  # noqa: F401

import functools
import sys

from serving import app, command_line

if __name__ == "__main__":
    sys.exit(command_line.main(__doc__, functools.partial(app.create_app, batch=False)))
