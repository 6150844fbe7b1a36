"""RT-1 for vla-eval (allenai/vla-evaluation-harness), whose simulators ask this server.

    pip install vla-eval==0.8.0
    python vla_eval_server.py --args.checkpoint_path rt1main/ckpt-424760 \\
        --args.config_file configs/rt1main.gin --args.encoder_dir use_large_5 --port 8000
    vla-eval run --server-url ws://127.0.0.1:8000 --config simpler.yaml

What SimplerEnv's own client of RT-1 does for the Google robot is done here: pictures are resized
with padding, gripper commands below 0.01 are 0, and another instruction begins a new rolling
window, as an episode does. An instruction's vector comes with the observation, or from the encoder;
without one it is refused.
"""

from __future__ import annotations

import keras2  # noqa: F401

from typing import Any

import numpy as np
import tensorflow as tf
from vla_eval import specs
from vla_eval.model_servers import base, predict, serve

import policy_specs
import rt1_policy
from food_data import text_encoders


class RT1ModelServer(predict.PredictModelServer):
    """RT-1 with a rolling window for each session."""

    def __init__(
        self,
        checkpoint_path: str,
        config_file: str | None = None,
        encoder_dir: str | None = None,
    ) -> None:
        """Loads a checkpoint of RT-1, or the folder of a SavedModel, whose gin file, unless given,
        is the config.gin beside it, and Universal Sentence Encoder large v5 as a SavedModel, and
        warms up. Raises OSError, ValueError."""
        super().__init__()
        self._vectors, self._windows = {}, {}
        self._encoder = text_encoders.SavedModelEncoder(encoder_dir) if encoder_dir else None
        self._policy = rt1_policy.RT1Policy.load(checkpoint_path, config_file)
        self._policy.warm_up()

    def get_action_spec(self) -> dict[str, specs.DimSpec]:
        parts = {"position": specs.POSITION_DELTA, "rotation": specs.ROTATION_AA}
        return parts | {"gripper": specs.GRIPPER_01}

    def get_observation_spec(self) -> dict[str, specs.DimSpec]:
        return {"primary": specs.IMAGE_RGB, "language": specs.LANGUAGE}

    def get_observation_params(self) -> dict[str, Any]:
        return {"gripper_mode": "sticky"}  # It makes RT-1's command of an opening in 0..1 again.

    async def on_episode_start(self, config: dict[str, Any], ctx: base.SessionContext) -> None:
        self._windows.pop(ctx.session_id, None)

    async def on_episode_end(self, result: dict[str, Any], ctx: base.SessionContext) -> None:
        self._windows.pop(ctx.session_id, None)

    def predict(self, obs: dict[str, Any], ctx: base.SessionContext) -> dict[str, Any]:
        """`actions` float32 [7]: world vector, rotation (axis times angle), opening of the gripper
        in 0..1; beside them all parts as RT-1 gives them. Raises ValueError."""
        text, images = obs.get("task_description"), obs.get("images") or {}
        image = next(iter(images.values())) if len(images) == 1 else images.get("primary")
        if getattr(image, "dtype", None) != np.uint8 or image.shape[2:] != (3,):
            raise ValueError(f"images: expected 'primary' uint8 [H, W, 3], got {sorted(images)}.")
        image = tf.image.resize_with_pad(image, *self._policy.image_shape[:2])
        embedding = obs.get(policy_specs.EMBEDDING_KEY, self._vectors.get(text))
        if embedding is None:
            if self._encoder is None or not text:
                expected = f"a text and --args.encoder_dir, or {policy_specs.EMBEDDING_KEY}"
                raise ValueError(f"task_description: expected {expected}; got {text!r}.")
            embedding = self._vectors[text] = self._encoder.vector(text)
        before, state = self._windows.get(ctx.session_id, (text, None))
        if state is None or before != text:
            state = self._policy.initial_state()
        image = tf.cast(image, tf.uint8).numpy()
        action, state = self._policy.step(image, np.asarray(embedding, np.float32), state)
        self._windows[ctx.session_id] = (text, state)
        gripper = action["gripper_closedness_action"]
        gripper = np.where(np.abs(gripper) < 1e-2, np.float32(0), gripper)
        parts = [action["world_vector"], action["rotation_delta"], (1 - gripper) / 2]
        return {"actions": np.concatenate(parts), **action}


if __name__ == "__main__":
    serve.run_server(RT1ModelServer)
