"""TransformerNetwork: images and an instruction to action tokens or coordinates (arXiv 2212.06817).

Example, the food model: one image (T = 1) becomes 8 image tokens, followed by 4 action positions.
The logits of action token k are read one position before it, at 7, 8, 9 and 10: four rows of 256.
With `cross_entropy` their argmax is the token (or their mean the coordinate, see `answer`); with
`l1` or `smooth_l1` one Dense(1), shared by the four, turns each row into a coordinate.

The embedded action tokens are zero in RT-1 (it multiplies them by zero), so nothing depends on them
and one pass gives the tokens that the original gets in a loop, one pass each.
"""

from __future__ import annotations

import keras2  # noqa: F401

from collections.abc import Mapping

import gin
import tensorflow as tf
from tf_agents.networks import network
from tf_agents.specs import tensor_spec

import dropout_settings
import losses
import policy_specs
import transformer
from film_efficientnet import film_efficientnet_encoder
from tokenizers import action_tokenizer, image_tokenizer

Observation = Mapping[str, tf.Tensor]
State = dict[str, tf.Tensor]


@gin.configurable(denylist=["input_tensor_spec", "output_tensor_spec", "dropout"])
class TransformerNetwork(network.Network):
    """The one network of training and serving.

    Call arguments (TF-Agents' contract for actor networks):
        inputs: {'image': uint8 0..255 or float 0..1 [B, H, W, 3],
            'natural_language_embedding': float32 [B, D_context]}, one step of a policy.
        step_type: ignored; TF-Agents resets the state at the first step of an episode.
        network_state: see `policy_step`; zeros unless given.

    Returns:
        (action, new state): for each key of the action spec [B, d], not clipped to the spec.

    What learns or is random begins with `outputs`.
    """

    def __init__(
        self,
        input_tensor_spec: Mapping[str, tf.TypeSpec],
        output_tensor_spec: Mapping[str, tensor_spec.BoundedTensorSpec],
        dropout: dropout_settings.DropoutSettings,
        loss_type: str = "smooth_l1",
        time_sequence_length: int = 1,
        token_embedding_size: int = 512,
        pad_and_crop: bool = False,
        answer: str = "mode",
    ):
        """Builds the network with random weights; specs are of one step.

        Args:
            loss_type: 'cross_entropy' for the vocabulary head, 'l1' or 'smooth_l1' for the
                regression head.
            time_sequence_length: T, steps the transformer looks at; 6 in RT-1, 1 for food.
            token_embedding_size: D of the image tokens.
            pad_and_crop: shift images at random in training, as RT-1 does.
            answer: with cross_entropy, 'mode', the likeliest token, as in RT-1; or 'mean' of the
                distribution: where start and end are likely in two ways each, the modes of four
                coordinates need not belong together, and their midpoint may lie off the food.
        """
        is_regressed = all(one.dtype == tf.float32 for one in output_tensor_spec.values())
        # Execution parameters name positions in the picture, which pad_and_crop would shift alone.
        has_positions = policy_specs.ACTION_KEY in output_tensor_spec
        for name, value, allowed in (
            ("loss_type", loss_type, list(losses.METRIC) if is_regressed else ["cross_entropy"]),
            ("answer", answer, ["mode", "mean"]),
            ("pad_and_crop", pad_and_crop, [False] if has_positions else [False, True]),
        ):
            if value not in allowed:
                raise ValueError(
                    f"TransformerNetwork: expected {name} in {allowed} for the actions "
                    f"{list(output_tensor_spec)}, got {value!r}."
                )
        actions = action_tokenizer.RT1ActionTokenizer(output_tensor_spec)
        context_size = input_tensor_spec[policy_specs.EMBEDDING_KEY].shape[-1]
        images = image_tokenizer.RT1ImageTokenizer(dropout, token_embedding_size, context_size)
        steps, num_images, num_actions = time_sequence_length, images.num_tokens, actions.num_tokens
        layout = (steps, num_images, num_actions)
        state_spec = {
            name: tf.TensorSpec(shape, dtype, name)
            for name, shape, dtype in (
                ("context_image_tokens", (steps, num_images, token_embedding_size), tf.float32),
                ("action_tokens", (steps, num_actions), tf.int32),
                ("seq_idx", (1,), tf.int32),
            )
        }
        super().__init__(input_tensor_spec, state_spec, name="transformer_network")
        self.loss_type, self._answer, self._pad_and_crop = loss_type, answer, pad_and_crop
        self.time_sequence_length = time_sequence_length
        self.action_tokenizer = actions
        self._attention_mask = transformer.attention_mask(*layout)
        # The transformer predicts the next token: logits are read one position earlier.
        self._logit_positions = transformer.action_positions(*layout).ravel() - 1
        self._image_tokenizer = images
        self._transformer = transformer.Transformer(
            len(self._attention_mask), token_embedding_size, actions.vocab_size, dropout
        )
        if loss_type == "cross_entropy":
            # RT-1's checkpoints hold it, unused: it multiplies the embedded action tokens by zero.
            self._action_token_emb = tf.keras.layers.Dense(token_embedding_size)
            self._action_token_emb.build((None, actions.vocab_size))
        else:
            self._regression_output = tf.keras.layers.Dense(1)
            self._regression_output.build((None, None, actions.vocab_size))
        self.built = True

    def create_variables(self, input_tensor_spec: object = None, **kwargs: object) -> None:
        """Nothing is left to create: the constructor did (TF-Agents calls this)."""

    def parts(self) -> dict[str, tf.keras.layers.Layer]:
        """The parts that can be frozen, by the names of train.py's flags."""
        return {
            "efficientnet": self._image_tokenizer._tokenizer,
            "tokenlearner": self._image_tokenizer._token_learner,
            "transformer": self._transformer,
        }

    @property
    def used_trainable_variables(self) -> list[tf.Variable]:
        """The variables that get a gradient: not RT-1's embedding of action tokens, never used."""
        if self.loss_type != "cross_entropy":
            return self.trainable_variables
        unused = {variable.ref() for variable in self._action_token_emb.weights}
        return [v for v in self.trainable_variables if v.ref() not in unused]

    def image_features(
        self, observation: Observation, training: bool = False, seed: tf.Tensor | None = None
    ) -> tf.Tensor:
        """The part before TokenLearner, computed once when only the head is sampled: float
        [B * T, h * w, D].

        Args:
            observation: images [B, T, H, W, 3] and embeddings [B, T, D_context]; or, under
                `policy_specs.FEATURES_KEY`, features of an earlier call [B, T, h * w, D], which
                are returned.
            training: BatchNorm's mode.
            seed: int32 [2], None for nothing random.
        """
        if policy_specs.FEATURES_KEY in observation:
            features = observation[policy_specs.FEATURES_KEY]
            return tf.reshape(features, (-1, *features.shape[2:]))
        images = observation[policy_specs.IMAGE_KEY]
        images = tf.reshape(images, (-1, *images.shape[2:]))
        context = observation[policy_specs.EMBEDDING_KEY]
        context = tf.reshape(context, (-1, context.shape[-1]))
        is_shifted = training and self._pad_and_crop
        crop_seed = dropout_settings.split_seed(seed, 1) if is_shifted else None
        images = film_efficientnet_encoder.preprocess(images, crop_seed)
        seed = dropout_settings.split_seed(seed, 0)
        features = self._image_tokenizer.features(images, context, training, seed)
        return tf.cast(features, tf.float32)

    def head(self, features: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """TokenLearner, transformer and output head: features [B * T, h * w, D] to logits
        [B, T, num_action_tokens, vocab_size] or coordinates [B, T, num_action_tokens]; `seed` is
        int32 [2], None for no dropout."""
        tokens = self._image_tokenizer.tokens(features)
        outer = (-1, self.time_sequence_length)
        return self._head_from_tokens(tf.reshape(tokens, (*outer, *tokens.shape[1:])), seed)

    def _head_from_tokens(self, tokens: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
        """[B, T, N, D] to what `head` returns."""
        num_action_tokens = self.action_tokenizer.num_tokens
        action_tokens = tf.repeat(tf.zeros_like(tokens[:, :, :1]), num_action_tokens, axis=2)
        sequence = tf.concat([tokens, action_tokens], axis=2)
        sequence = tf.reshape(sequence, (-1, len(self._attention_mask), tokens.shape[-1]))
        logits = self._transformer(
            sequence,
            self._attention_mask,
            dropout_seed=dropout_settings.split_seed(seed, 1),
            output_positions=self._logit_positions,
        )
        outer = (-1, self.time_sequence_length, num_action_tokens)
        if self.loss_type == "cross_entropy":
            outputs = tf.reshape(logits, (*outer, logits.shape[-1]))
        else:
            outputs = tf.reshape(self._regression_output(logits), outer)
        return tf.cast(outputs, tf.float32)

    def outputs(
        self, observation: Observation, training: bool = False, seed: tf.Tensor | None = None
    ) -> tf.Tensor:
        """What the loss is computed on, as `head` returns it; the arguments are those of
        `image_features`."""
        features = self.image_features(observation, training, dropout_settings.split_seed(seed, 0))
        return self.head(features, dropout_settings.split_seed(seed, 1))

    def actions(self, outputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Logits [..., num_action_tokens, vocab_size] or coordinates [..., num_action_tokens] to
        actions, not clipped: for each key of the action spec [..., d]."""
        if self.loss_type != "cross_entropy":
            return self.action_tokenizer.split(outputs)
        if self._answer == "mean":
            return self.action_tokenizer.expected_action(outputs)
        return self.action_tokenizer.detokenize(tf.argmax(outputs, -1, output_type=tf.int32))

    def call(
        self,
        inputs: Observation,
        step_type: tf.Tensor | None = None,
        network_state: State | tuple[()] = (),
    ) -> tuple[dict[str, tf.Tensor], State]:
        batch_size = tf.shape(inputs[policy_specs.IMAGE_KEY])[0]
        state = network_state or self.get_initial_state(batch_size)
        outputs, state = self.policy_step(inputs, state)
        return self.actions(outputs), state

    def policy_step(self, observation: Observation, state: State) -> tuple[tf.Tensor, State]:
        """One step of an episode: the outputs [B, ...] of the current step, for `actions`, and the
        state after it. `observation` is as `image_features` takes it, without the time axis.

        The state is RT-1's, a rolling window of the last T steps, here of B episodes that may stand
        at different steps; zeros before the first:

            context_image_tokens  float32 [B, T, N, D]  filled from the left, rolled once full
            action_tokens         int32   [B, T, A]     what was answered; RT-1 does not roll it
            seq_idx               int32   [B, 1]        steps seen, at most T

        Example with T = 3: steps 1, 2, 3 write to rows 0, 1, 2; step 4 rolls the rows up by one and
        writes row 2.
        """
        observation = {key: value[:, tf.newaxis] for key, value in observation.items()}
        image_tokens = self._image_tokenizer.tokens(self.image_features(observation))
        num_steps, seen = self.time_sequence_length, state["seq_idx"]
        window, answers = state["context_image_tokens"], state["action_tokens"]
        is_full = (seen == num_steps)[:, :, tf.newaxis, tf.newaxis]
        window = tf.where(is_full, tf.roll(window, -1, axis=1), window)
        row = tf.minimum(seen[:, 0], num_steps - 1)
        place = tf.stack([tf.range(tf.shape(row)[0]), row], axis=1)
        window = tf.tensor_scatter_nd_update(window, place, image_tokens)
        outputs = tf.gather_nd(self._head_from_tokens(window, None), place)
        if self.loss_type == "cross_entropy":
            answered = tf.argmax(outputs, -1, output_type=tf.int32)
            answers = tf.tensor_scatter_nd_update(answers, place, answered)
        seen = tf.minimum(seen + 1, num_steps)
        state = {"context_image_tokens": window, "action_tokens": answers, "seq_idx": seen}
        return outputs, state
