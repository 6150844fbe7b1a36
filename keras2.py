"""Chooses Keras 2 for TensorFlow, and a quiet start; whatever uses TensorFlow imports it first.

TensorFlow 2.16 and later take Keras 3 as `tf.keras`, whose layers name and save their variables in
another way than RT-1's checkpoints. `tf-keras` is Keras 2; TensorFlow takes it if a variable is set
before TensorFlow is imported. So this is the first import of every program, of every package that
uses TensorFlow (in its `__init__.py`), and of every other module that imports TensorFlow.

What TensorFlow, TF-Agents and its gym write to stderr at every start, and nobody here can act on,
is left out line by line; warnings and errors still appear.
"""

import contextlib
import logging
import os
import sys
import warnings

from absl import logging as absl_logging

_SWITCH = "TF_USE_LEGACY_KERAS"
if "tensorflow" in sys.modules and os.environ.get(_SWITCH) not in ("1", "true", "True"):
    raise ImportError(f"TensorFlow has chosen Keras 3. Import keras2 first, or set {_SWITCH}=1.")
os.environ[_SWITCH] = "1"
# 1 leaves out notes, such as those about the processor and oneDNN; 0 shows them.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")


def _is_told(record: logging.LogRecord) -> bool:
    """Not what TensorFlow's own code notes, such as how long writing a checkpoint took."""
    inside = os.path.join("tensorflow", "python", "")
    return record.levelno > logging.INFO or inside not in record.pathname


for _logger in (absl_logging.get_absl_logger(), logging.getLogger("tensorflow")):
    _logger.addFilter(_is_told)
# Python's, when it compiles `x is ()` in TF-Agents at the first start.
_IN_TF_AGENTS = r"(.*[/\\])?tf_agents\b"
warnings.filterwarnings("ignore", '"is( not)?" with ', SyntaxWarning, module=_IN_TF_AGENTS)
# Gym's, when it is imported: that it is no longer maintained.
with contextlib.suppress(ImportError):
    from gym_notices import notices

    notices.notices.clear()
