"""Runs a public client of RT-1, as it is, on an exported policy: eight steps of one episode.

    python3.11 -m venv clients
    clients/bin/pip install tensorflow-cpu==2.15.1 tensorflow-hub==0.15.0 'pillow<11' matplotlib \\
        tensorflow-probability==0.23.0 'protobuf<4.24' 'gdown<5' 'importlib-resources<7' wheel \\
        'setuptools<66' cloudpickle gin-config transforms3d pygame==2.1.3 typing-extensions==4.5.0
    clients/bin/pip install --no-build-isolation gym==0.23.0
    clients/bin/pip install --no-deps tf-agents==0.19.0 robo-transformers==0.1.13
    RT1_CLIENTS_PYTHON=clients/bin/python SIMPLER_RT1_MODEL=rt1_model.py python -m pytest \\
        -m long -k public_client tests/test_export_policy.py

`rt1_model.py` is simpler_env/policies/rt1/rt1_model.py of github.com/simpler-env/SimplerEnv. The
sentence encoder that both get from a hub is replaced, in the hub's cache, by a small one.
"""

import hashlib
import importlib.util
import os
import pathlib
import sys

import numpy as np

TEXT = "pick up the block"
HUB = "https://tfhub.dev/google/"
ENCODERS = ("universal-sentence-encoder/4", "universal-sentence-encoder-large/5")


def images():
    """uint8 [8, 256, 320, 3], the same for the client and for our own policy."""
    return np.random.default_rng(5).integers(0, 256, (8, 256, 320, 3), np.uint8)


def fill_cache(folder):
    import tensorflow as tf

    class Encoder(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def __call__(self, texts):
            seed = tf.strings.to_hash_bucket_fast(texts[0], 1000)
            row = tf.random.stateless_normal((512,), tf.stack([seed, 0]))
            return tf.math.l2_normalize(row)[tf.newaxis]

    for name in ENCODERS:
        digest = hashlib.sha1((HUB + name).encode()).hexdigest()
        tf.saved_model.save(Encoder(), str(folder / digest))
    os.environ["TFHUB_CACHE_DIR"] = str(folder)


def robo_transformers(folder):
    """Embedding of the instruction and the actions, each [8, d]."""
    from absl import flags
    from robo_transformers.rt1 import rt1_inference as client

    flags.FLAGS(["client"])
    policy = client.load_rt1(checkpoint_path=folder)
    state, actions = None, []
    for step, image in enumerate(images()):
        action, state, _ = client.inference(TEXT, image, step, 0.0, policy, policy_state=state)
        actions.append({key: np.asarray(value)[0] for key, value in action.items()})
    return client.embed_text(TEXT).numpy()[0], actions


def simpler(folder):
    """The same of SimplerEnv."""
    spec = importlib.util.spec_from_file_location("rt1_model", os.environ["SIMPLER_RT1_MODEL"])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    client = module.RT1Inference(saved_model_path=folder)
    client.reset(TEXT)
    actions = [client.step(image, TEXT)[0] for image in images()]
    return np.asarray(client.task_description_embedding), actions


if __name__ == "__main__":
    name, exported, output = sys.argv[1:]
    fill_cache(pathlib.Path(output).parent / "hub")
    embedding, answers = globals()[name](exported)
    stacked = {key: np.stack([answer[key] for answer in answers]) for key in answers[0]}
    np.savez(output, embedding=embedding, **stacked)
