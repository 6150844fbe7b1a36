"""Everything that can be wrong with a checkpoint. In each case the model keeps its old weights."""

from __future__ import annotations

import typing

if typing.TYPE_CHECKING:
    from checkpoints import load_report


class CheckpointLoadError(ValueError):
    """A checkpoint cannot be loaded. The base of all errors below."""


class CheckpointNotFoundError(CheckpointLoadError, FileNotFoundError):
    """There is no checkpoint at the path."""


class WrongFileKindError(CheckpointLoadError):
    """The file is something else: HDF5, a SavedModel, a Git LFS pointer."""


class GitLfsPointerError(WrongFileKindError):
    """The repository was cloned without its large files."""


class IncompleteCheckpointError(CheckpointLoadError):
    """A file of the checkpoint is missing or shorter than its index says."""


class CorruptedCheckpointError(CheckpointLoadError):
    """The bytes are there but make no sense: bad index, wrong checksum."""


class NonFiniteValuesError(CheckpointLoadError):
    """The checkpoint holds NaN or infinite values, as a run that diverged leaves them."""


class UnknownVariableError(CheckpointLoadError):
    """The model has no such variable."""


class CheckpointMismatchError(CheckpointLoadError):
    """Model and file differ in more than the caller allowed.

    Attributes:
        report: every difference.
    """

    def __init__(self, message: str, report: load_report.LoadReport):
        super().__init__(message)
        self.report = report


class NoOverlapError(CheckpointMismatchError):
    """Not one variable of the network is in the file."""
