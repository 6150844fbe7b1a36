"""One version of the model with everything that it needs to answer about pictures of any size.

Nothing in it changes after `warm_up`, so that threads share it without a lock, and a new version is
made beside it instead of in it.
"""

from __future__ import annotations

import os
import pathlib
import time

import numpy as np
from absl import logging

import policy_specs
from evaluation import calibration as uncertainty_calibration
from food_data import framing, image_placement
from serving import errors, instructions, request_schemas, uncertainty
from serving.engines.engine import Engine


class Predictor:
    """Model, instructions and the way in which training fitted pictures into the square.

    Attributes:
        model: the network.
        instructions: that it was trained on.
        version: names the checkpoint in answers.
        engine: names what runs the network.
        framing: how it looks at photos unless a request says otherwise.
        judge: says of answers whether to act on them; None without a calibration.
        num_workers: calls of the model that may run at a time.
    """

    def __init__(
        self,
        model: Engine,
        known_instructions: instructions.Instructions,
        placement_mode: str | None,
        version: str,
        calibration: uncertainty_calibration.UncertaintyCalibration | None = None,
        framed: framing.Framing | None = None,
    ) -> None:
        """Args:
        model: the network.
        known_instructions: what it can be asked.
        placement_mode: of `image_placement.MODES`; None if the data set did not say.
        version: names the checkpoint.
        calibration: the `uncertainty.json` beside the checkpoint; None if there is none.
        framed: how it looks at photos; None: once.
        """
        self.model = model
        self.framing = framed or framing.Framing()
        # One object, so that requests which vote share a batch in the queue.
        self._voted = framing.Voted(model)
        self.instructions = known_instructions
        self.version = version
        self.engine = getattr(model, "name", type(model).__name__)
        self.num_workers = getattr(model, "num_workers", 1)
        self.judge = (
            None if calibration is None else uncertainty.UncertaintyJudge(calibration, model)
        )
        self._placement_mode = placement_mode

    @classmethod
    def from_checkpoint(
        cls,
        directory: str | os.PathLike[str],
        engine: str = "auto",
        config_file: str | os.PathLike[str] | None = None,
        loss_type: str | None = None,
        passes: str | None = None,
    ) -> Predictor:
        """Loads a checkpoint directory; whatever is wrong with it is raised by the loader.

        Args:
            directory: that train.py wrote.
            engine: 'auto' for the fastest that is installed, or its name.
            config_file: gin file in the place of the directory's; None for that one.
            loss_type: in the place of the one in the configuration; None for that one.
            passes: of `framing.PASSES`, in the place of the checkpoint's own; None for those.
        """
        # Imported here because they build networks, which a predictor of another model never needs.
        import checkpoint_directory
        from serving.engines import choose

        calibration = uncertainty_calibration.read(directory)
        if calibration is not None:
            calibration.check_weights(checkpoint_directory.weights_digest(directory))
        loaded = checkpoint_directory.load(directory, config_file, loss_type)
        return cls(
            choose.create_engine(loaded, directory, engine),
            instructions.Instructions(
                loaded.embeddings, instructions.encoder_of(loaded.embeddings)
            ),
            loaded.metadata["resize"],
            f"{pathlib.Path(directory).resolve().name}/{loaded.version}",
            calibration,
            checkpoint_directory.framing_of(loaded.metadata).instead(passes),
        )

    def model_for(self, framed: framing.Framing) -> Engine | framing.Voted:
        """What answers in each pass: the model, or the vote over its turns and flips."""
        return self._voted if framed.votes else self.model

    def warm_up(self) -> None:
        """Traces and runs all that a request may need, so that the first one does not wait."""
        started = time.perf_counter()
        example = policy_specs.example_observation(batch_size=1)
        image = example[policy_specs.IMAGE_KEY].numpy()
        embedding = example[policy_specs.EMBEDDING_KEY].numpy()
        self.model.forward(image, embedding)
        # Memory pools and kernels are made for a shape when it is first seen.
        num_samples = request_schemas.DEFAULT_BATCH_SIZE
        for scope in request_schemas.DROPOUT_SCOPES:
            self.model.forward(image, embedding, dropout=scope, num_samples=num_samples, seed=0)
        self.model.forward(image, embedding)
        if self.judge is not None:
            _, placement = image_placement.place(image[0], "stretch")
            view = framing.View(image[0], placement)
            self.judge.judge(self.model, view, placement, embedding[0])
        logging.info("Warmed up in %.1f s", time.perf_counter() - started)

    def place(
        self, image: bytes, resize: str | None, max_pixels: int
    ) -> tuple[np.ndarray, framing.View]:
        """Decodes a picture's file and fits it into the model's square.

        Args:
            image: a file in one of `image_placement.FORMATS`, any size.
            resize: of `image_placement.MODES`; None: as training had it.
            max_pixels: of the picture.

        Returns:
            The picture, uint8 [H, W, 3], and what the first pass sees of it.

        Raises:
            TooManyPixelsError: if there are more than `max_pixels`.
            ImageDecodeError: if the bytes are no picture.
            RequestError: 422 if neither the request nor training says how to fit it.
        """
        mode = resize or self._placement_mode
        if mode is None:
            raise errors.RequestError(
                422,
                f"'resize' is needed: expected one of {', '.join(image_placement.MODES)}, got "
                f"none, and the data set of {self.version} does not say which it had.",
            )
        photo = image_placement.decode_image(image, max_pixels)
        return photo, framing.View(*image_placement.place(photo, mode))
