"""Reading .npz files whole, with errors that name the file; `stored_arrays` reads large ones."""

from __future__ import annotations

import os
import pathlib

import numpy as np

from food_data import stored_arrays


def read_arrays(path: str | os.PathLike[str], kind: str) -> dict[str, np.ndarray]:
    """Reads all arrays of an .npz file; pickled objects are refused.

    Args:
        path: of the file.
        kind: what the file should be, for the message: "data set".

    Returns:
        The arrays by name.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a readable .npz file.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No {kind} {path}.")
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            raise ValueError("it holds a single array, not named ones")
        with content:
            return {name: content[name] for name in content.files}
    except stored_arrays.READ_ERRORS as error:
        raise ValueError(f"The {kind} {path} is not a readable .npz file: {error}") from error
