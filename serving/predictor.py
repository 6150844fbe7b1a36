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
from evaluation import uncertainty_calibration
from food_data import image_placement
from serving import errors, instructions, request_schemas, uncertainty
from serving.engines.engine import Engine


class Predictor:
    """Model, instructions and the way in which training fitted pictures into the square.

    Attributes:
        model: the network.
        instructions: that it was trained on.
        version: names the checkpoint in answers.
        engine: names what runs the network.
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
    ) -> None:
        """Args:
        model: the network.
        known_instructions: what it can be asked.
        placement_mode: of `image_placement.MODES`; None if the data set did not say.
        version: names the checkpoint.
        calibration: the `uncertainty.json` beside the checkpoint; None if there is none.
        """
        self.model = model
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
    ) -> Predictor:
        """Loads a checkpoint directory; whatever is wrong with it is raised by the loader.

        Args:
            directory: that train.py wrote.
            engine: 'auto' for the fastest that is installed, or its name.
            config_file: gin file in the place of the directory's; None for that one.
            loss_type: in the place of the one in the configuration; None for that one.
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
        )

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
            self.judge.judge(self.model, image[0], embedding[0])
        logging.info("Warmed up in %.1f s", time.perf_counter() - started)

    def place(
        self, image: bytes, resize: str | None, max_pixels: int
    ) -> tuple[np.ndarray, image_placement.Placement]:
        """Decodes a picture's file and fits it into the model's square.

        Args:
            image: a file in one of `image_placement.FORMATS`, any size.
            resize: of `image_placement.MODES`; None: as training had it.
            max_pixels: of the picture.

        Returns:
            uint8 [236, 236, 3], and where the picture lies in it.

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
        return image_placement.place(image_placement.decode_image(image, max_pixels), mode)
