#!/bin/sh
# Prints the first of the named Pythons that can run the project. Of none: python3, or else python3.13 to python3.10, or
# else one that uv has or fetches. If none fits: exit code 1, and what to install on stderr.
[ $# -gt 0 ] || searching=yes
[ $# -gt 0 ] || set -- python3 python3.13 python3.12 python3.11 python3.10
for candidate; do
    # TensorFlow 2.21 sets both limits; the two modules make virtual environments. Python 2.7 can read it, too.
    if "$candidate" -c 'import sys, ensurepip, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
        echo "$candidate"
        exit 0
    fi
done
if [ "${searching-}" ] && command -v uv >/dev/null; then
    uv python find --quiet '>=3.10,<3.14' 2>/dev/null && exit 0
    uv python install --quiet 3.12 >&2 && uv python find --quiet 3.12 && exit 0
fi
echo "Expected Python 3.10 to 3.13 (TensorFlow 2.21 has no wheels for others) with the modules venv and ensurepip, got $*
($("$1" --version 2>&1)). Name another one (make test PYTHON=python3.12), or install one: apt-get install python3
python3-venv, dnf install python3.13, brew install python@3.13, or uv." >&2
exit 1
