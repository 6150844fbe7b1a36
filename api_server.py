"""`api_batch_server.py` without batch prediction: the same flags, otherwise the same routes."""

from serving import app, command_line

if __name__ == "__main__":
    command_line.main(__doc__, app.create_app)
