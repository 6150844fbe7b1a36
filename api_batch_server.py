"""Serves a checkpoint: `python api_batch_server.py --checkpoint_dir runs/first --port 8080`.

`serving/app.py` lists the routes; `api_client.py` asks them.
"""

import keras2  # noqa: F401

import sys

from serving import app, command_line

if __name__ == "__main__":
    sys.exit(command_line.main(__doc__, app.create_app))
