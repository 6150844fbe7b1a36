"""Chooses Keras 2 for TensorFlow; every program and every module at the bottom imports it first.

TensorFlow 2.16 and later take Keras 3 as `tf.keras`, whose layers name and save their variables in
another way than RT-1's checkpoints. `tf-keras` is Keras 2, and TensorFlow takes it if this variable
is set before `tf.keras` is first used.
"""

import os
import sys

os.environ["TF_USE_LEGACY_KERAS"] = "1"
# TensorFlow's notes about CPU features and oneDNN at every start; its errors still appear.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if "keras" in sys.modules:
    raise ImportError(
        "keras2: expected to be imported before TensorFlow's Keras, but Keras "
        f"{sys.modules['keras'].__version__} is loaded already. Import keras2 first, or set "
        "TF_USE_LEGACY_KERAS=1 in the environment."
    )
