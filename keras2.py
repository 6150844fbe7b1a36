"""Chooses Keras 2 for TensorFlow, and a quiet start; whatever uses TensorFlow imports it first.

TensorFlow 2.16 and later take Keras 3 as `tf.keras`, whose layers name and save their variables in
another way than RT-1's checkpoints. `tf-keras` is Keras 2, and TensorFlow takes it if this variable
is set before `tf.keras` is first used.

At every start TensorFlow, TF-Agents and gym, which TF-Agents imports, write some lines to stderr
that nobody here can act on. Those are left out one by one; warnings and errors still appear.
"""

import contextlib
import os
import sys
import warnings

os.environ["TF_USE_LEGACY_KERAS"] = "1"
if "keras" in sys.modules:
    raise ImportError(
        "keras2: expected to be imported before TensorFlow's Keras, but Keras "
        f"{sys.modules['keras'].__version__} is loaded already. Import keras2 first, or set "
        "TF_USE_LEGACY_KERAS=1 in the environment."
    )

# 1 leaves out notes, such as those about the processor and oneDNN; 0 shows them.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
# Python says it when it compiles TF-Agents, which writes `x is ()`: at the first start.
warnings.filterwarnings(
    "ignore", '"is( not)?" with ', SyntaxWarning, module=r"(.*[/\\])?tf_agents\b"
)
# What gym prints when it is imported: that it is no longer maintained.
with contextlib.suppress(ImportError):
    from gym_notices import notices

    notices.notices.clear()
