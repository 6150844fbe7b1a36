#!/bin/sh
# Prints the first Python that can run the project: python3, or else python3.11, python3.10, python3.9.
# If there is none, prints python3, so that tools/check_python.py can say what is wrong with it.
tools=$(dirname "$0")
for candidate in python3 python3.11 python3.10 python3.9; do
    if "$candidate" "$tools/check_python.py" >/dev/null 2>&1; then
        echo "$candidate"
        exit 0
    fi
done
echo python3
