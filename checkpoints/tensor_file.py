"""Reads the tensors of a checkpoint by name, after making sure that all of it is there.

The object graph in the file is not needed: files with and without one read alike.

Example: the key `agent/_actor_network/_transformer/_token_emb/bias/.ATTRIBUTES/VARIABLE_VALUE` has
the name `agent/_actor_network/_transformer/_token_emb/bias`.
"""

from __future__ import annotations

import dataclasses
import math
import pathlib

import numpy as np

from checkpoints import data_files, errors, file_kinds

VARIABLE_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
# What TensorFlow's reader raises where the file ends too soon.
_ENDS_TOO_SOON = IndexError


@dataclasses.dataclass(frozen=True, order=True)
class TensorInfo:
    """A tensor in a file or a variable in a model, without its values.

    Attributes:
        name: the checkpoint name without `/.ATTRIBUTES/VARIABLE_VALUE`.
        shape: its shape, () for a scalar.
        dtype: name of the dtype, 'float32'.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def num_parameters(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)

    @property
    def type_text(self) -> str:
        """For tables: 'float32 [256, 512]'."""
        return f"{self.dtype} {list(self.shape)}"


def key_of(name: str) -> str:
    """The key in the file of the variable `name`."""
    return name + VARIABLE_SUFFIX


def _damaged() -> tuple[type[Exception], ...]:
    """What TensorFlow's reader raises for bytes that make no sense."""
    import tensorflow as tf

    return tf.errors.OpError, RuntimeError


class TensorFile:
    """An open checkpoint.

    Attributes:
        prefix: where it is.
        tensors: every entry by name, sorted.
    """

    def __init__(self, prefix: str):
        """Opens and checks the files; reads no values but the object graph's.

        Args:
            prefix: as `checkpoint_paths.resolve_prefix` returns it.

        Raises:
            CheckpointLoadError: if a file is missing, cut off, a Git LFS pointer or not readable.
        """
        # Here, because TensorFlow takes seconds, and a program's --help should not.
        import tensorflow as tf

        self.prefix = prefix
        file_kinds.check_is_no_pointer(pathlib.Path(f"{prefix}.index"))
        shards = data_files.shards(pathlib.Path(prefix))
        for shard in shards:
            file_kinds.check_is_no_pointer(shard)
        try:
            self._reader = tf.train.load_checkpoint(prefix)
            shapes = self._reader.get_variable_to_shape_map()
            dtypes = self._reader.get_variable_to_dtype_map()
        except (*_damaged(), _ENDS_TOO_SOON) as error:
            raise errors.CorruptedCheckpointError(
                f"Checkpoint: expected the index of a TensorFlow checkpoint, got {prefix}.index, "
                f"which is damaged ({error}). Copy it again."
            ) from error
        infos = {
            key: TensorInfo(key.removesuffix(VARIABLE_SUFFIX), tuple(shapes[key]), dtypes[key].name)
            for key in sorted(shapes)
        }
        self._keys = {info.name: key for key, info in infos.items()}
        self.tensors: dict[str, TensorInfo] = {info.name: info for info in infos.values()}
        self._check_size(shards)

    def is_variable(self, name: str) -> bool:
        """Whether the entry is a variable, not the object graph or a string that Keras adds."""
        return self._keys[name].endswith(VARIABLE_SUFFIX)

    def read(self, name: str) -> np.ndarray:
        """The values of an entry; TensorFlow compares their checksum.

        Raises:
            CorruptedCheckpointError: if they cannot be read.
            IncompleteCheckpointError: if the file ends before them.
        """
        try:
            return np.asarray(self._reader.get_tensor(self._keys[name]))
        except _ENDS_TOO_SOON as error:
            raise errors.IncompleteCheckpointError(
                f"Checkpoint: the data of {self.prefix} is cut off: it ends before the values of "
                f"{name}. The copy or download stopped early; do it again."
            ) from error
        except _damaged() as error:
            raise errors.CorruptedCheckpointError(
                f"Checkpoint: {name} in {self.prefix} cannot be read ({error}). The data file is "
                "damaged or belongs to another index; copy both again."
            ) from error

    def _check_size(self, shards: list[pathlib.Path]) -> None:
        """Compares the data files with the sum of all entries, without reading them."""
        import tensorflow as tf

        strings = [info for info in self.tensors.values() if info.dtype == "string"]
        required = sum(
            info.num_parameters * tf.as_dtype(info.dtype).size
            for info in self.tensors.values()
            if info.dtype != "string"
        )
        got = sum(shard.stat().st_size for shard in shards)
        if got >= required:
            # Strings have no fixed size, their values have to be read; but not from a file cut off.
            required += sum(data_files.string_bytes(self.read(info.name)) for info in strings)
        if got < required:
            raise errors.IncompleteCheckpointError(
                f"Checkpoint: the data of {self.prefix} is cut off: the index lists "
                f"{len(self.tensors)} entries of {required:,} bytes, "
                f"{', '.join(shard.name for shard in shards)} holds {got:,}. The copy or download "
                "stopped early; do it again."
            )
