"""The documented import path of checkpoint loading; the code is in `checkpoint_loading.py`.

    from test_checkpoint_loading import custom_load_checkpoint, map_model_name_to_checkpoint_name

Despite its name it holds no tests: those are in `tests/test_checkpoint_loading.py`.
"""

from checkpoint_loading import (  # noqa: F401
    OTHER_HEAD_OR_LENGTH,
    CheckpointLoadError,
    LoadReport,
    custom_load_checkpoint,
    map_checkpoint_name_to_model_name,
    map_model_name_to_checkpoint_name,
    resolve_prefix,
    variables_by_checkpoint_name,
)
