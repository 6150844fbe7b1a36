"""Exits with a message unless this Python can run the project. Runs on Python 2.7 and newer."""

import sys


def problem():
    """What keeps this Python from running the project, or None; TensorFlow sets both limits."""
    if not (3, 10) <= sys.version_info[:2] <= (3, 13):
        version = "%d.%d at %s" % (sys.version_info[0], sys.version_info[1], sys.executable)
        return (
            "Expected Python 3.10 to 3.13 (TensorFlow 2.21 has no wheels for others), got Python "
            + version
            + ".\nName another one (make test PYTHON=python3.12), or install one: apt-get install "
            "python3 python3-venv, dnf install python3.13, brew install python@3.13, or uv."
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        return "No virtual environments: %s.\nDebian: apt-get install python3-venv" % error
    return None


if __name__ == "__main__":
    sys.exit(problem())  # A message goes to stderr, with exit code 1.
