#!/bin/sh
# Prints the first Python that can run the project: python3, or else python3.13 to python3.10, or else one that uv has
# or fetches. If there is none, prints python3, so that tools/check_python.py can say what is wrong with it.
tools=$(dirname "$0")
for candidate in python3 python3.13 python3.12 python3.11 python3.10; do
    if "$candidate" "$tools/check_python.py" >/dev/null 2>&1; then
        echo "$candidate"
        exit 0
    fi
done
if command -v uv >/dev/null; then
    uv python find --quiet '>=3.10,<3.14' 2>/dev/null && exit 0
    uv python install --quiet 3.12 >&2 && uv python find --quiet 3.12 && exit 0
fi
echo python3
