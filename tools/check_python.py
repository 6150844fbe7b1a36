"""Exits with a message unless this Python can run the project. Runs on Python 2.7 and newer."""

import sys


def problem():
    """What keeps this Python from running the project, or None; TensorFlow sets both limits."""
    version = tuple(sys.version_info[:2])
    if not (3, 10) <= version <= (3, 13):
        return (
            "Expected Python 3.10 to 3.13 (TensorFlow 2.21 has no wheels for others), "
            "got Python %d.%d at %s.\n"
            "Name another one (make test PYTHON=python3.12), or install one: "
            "apt-get install python3 python3-venv (Debian, Ubuntu), "
            "dnf install python3.13 (Fedora), brew install python@3.13 (macOS), "
            "or uv, which make then asks for one."
        ) % (version + (sys.executable,))
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        return (
            "Expected a Python that can make virtual environments, got %s without one: %s.\n"
            "On Debian and Ubuntu: apt-get install python3-venv" % (sys.executable, error)
        )
    return None


if __name__ == "__main__":
    message = problem()
    if message:
        sys.stderr.write(message + "\n")
        sys.exit(1)
