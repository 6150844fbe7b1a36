"""The samples of one side of a split, in the TFRecords that `build_dataset.py to_tfrecord` wrote.

Sample 17 of "val" is called "val/00000017": its number is that in the data set which was converted,
whichever shard it was dealt to. A task of a job array reads its own samples only.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

import policy_specs
from folder_inference import pictures, questions, sample_records
from food_data import annotations, tfrecord_index


class TfrecordSamples:
    """Samples by name; several threads may read. See `pictures.Pictures`.

    Attributes:
        fingerprint: of the data set that was converted.
        split: "train" or "val".
        names: of all samples, in the order of their numbers.
    """

    def __init__(self, directory: pathlib.Path, split: str) -> None:
        """Args:
            directory: of the TFRecords.
            split: "train" or "val".

        Raises:
            FileNotFoundError, ValueError: if the folder is not complete, or has no such samples.
        """
        index = tfrecord_index.read_index(directory)
        labels = tfrecord_index.read_labels(directory, split)
        numbers = labels["samples"]
        places = [
            (directory / shard.file, offset)
            for shard in index.shards(split)
            for offset in sample_records.record_offsets(directory / shard.file, shard.num_samples)
        ]
        if not places or len(places) != len(numbers):
            raise ValueError(
                f"{directory}: expected records and labels of the same samples of {split}, at "
                f"least one, got {len(places)} and {len(numbers)}. Convert it again."
            )
        self.fingerprint = index.fingerprint
        self.split = split
        self._has_masks = index.has_masks
        self._labels = labels
        self._places = places
        # Name -> where its sample is in labels and places, which follow the shards.
        self._rows = {f"{split}/{numbers[i]:08d}": int(i) for i in np.argsort(numbers)}
        self.names = list(self._rows)

    def question(self, name: str) -> questions.Question:
        """What the sample is about; its embedding is what says so to the model."""
        row = self._rows[name]
        names = [self._labels.get(array) for array in ("action_names", "food_types")]
        action, food = (None if array is None else str(array[row]) for array in names)
        return questions.Question(name, action, food)

    def labelled(self, name: str) -> list[annotations.LabelledObject]:
        """The sample's motion, in pixels of its square, and its mask."""
        asked = self.question(name)
        motion = np.reshape(self._labels["actions"][self._rows[name]], (2, 2))
        axis = motion.astype(np.float64) * policy_specs.IMAGE_SIZE
        shape = _SampleShape(self, name) if self._has_masks else None
        return [annotations.LabelledObject(asked.food_type, axis, asked.action, shape)]

    def load(self, name: str) -> tuple[sample_records.Sample, dict[str, Any]]:
        """The sample. Raises UnreadableError if its record is damaged."""
        if name not in self._rows:
            raise pictures.UnreadableError(
                f"There is no sample {name} among those of {self.split}."
            )
        file, offset = self._places[self._rows[name]]
        sample = sample_records.read_sample(file, offset)
        number = int(self._labels["samples"][self._rows[name]])
        if sample.number != number:
            raise pictures.UnreadableError(
                f"{file.name}: expected sample {number} at byte {offset}, got {sample.number}. "
                f"{tfrecord_index.LABELS_FILE} is of another data set; convert it again."
            )
        return sample, {}

    def is_same(self, name: str, state: Mapping[str, Any]) -> bool:
        """Yes: the fingerprint, which is among the run's settings, stands for all samples."""
        return name in self._rows

    def decode(self, name: str) -> Image.Image:
        """The sample's picture. Raises UnreadableError."""
        return Image.fromarray(self.load(name)[0].image)


@dataclasses.dataclass(frozen=True)
class _SampleShape:
    """A sample's mask, read when it is asked for: one is 56 kB, and there may be a million."""

    samples: TfrecordSamples
    name: str

    def __call__(self, width: int, height: int) -> np.ndarray | None:
        """bool [236, 236], or None if nobody said where the food is."""
        return self.samples.load(self.name)[0].mask
