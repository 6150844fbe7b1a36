"""Which samples of a data set an evaluation asks, and what is known beside them.

Example: six samples of three pictures, the split validates samples 4 and 5, both of "plate_2.jpg".
`select` gives the indices 4 and 5 and, for baselines, the labels of samples 0 to 3.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib

import numpy as np

from evaluation import calibration_split, sample_errors, uncertainty_calibration
from food_data import npz_dataset, splits

SPLITS = ("train", "val", "all")


@dataclasses.dataclass(frozen=True)
class TrainLabels:
    """What baselines may know.

    Attributes:
        labels: float32 [M, 4].
        actions: str [M]; None: not known.
        foods: str [M]; None: not known.
    """

    labels: np.ndarray
    actions: np.ndarray | None
    foods: np.ndarray | None

    @classmethod
    def of(cls, dataset: npz_dataset.FoodDataset, train_idx: np.ndarray) -> TrainLabels:
        """Of samples int [M] of a data set."""
        names = (dataset.action_names, dataset.food_types)
        labels = np.asarray(dataset.actions)[train_idx]
        return cls(labels, *(None if name is None else name[train_idx] for name in names))


@dataclasses.dataclass(frozen=True)
class Samples:
    """Samples that are asked.

    Attributes:
        dataset: N samples.
        indices: which of them are asked, int [n].
        train: labels that baselines may know; None: nobody knows which trained.
    """

    dataset: npz_dataset.FoodDataset
    indices: np.ndarray
    train: TrainLabels | None = None

    def __len__(self) -> int:
        """n."""
        return len(self.indices)

    @property
    def labels(self) -> np.ndarray:
        """float32 [n, 4]."""
        return np.asarray(self.dataset.actions)[self.indices]

    @functools.cached_property
    def picture_ids(self) -> np.ndarray:
        """str [n], hashes of the pixels; reads every picture once."""
        return calibration_split.picture_ids(self.dataset.images, self.indices)

    @property
    def pictures(self) -> np.ndarray:
        """str [n], equal for samples of one picture: `sources`, or else `picture_ids`."""
        if self.dataset.sources is None:
            return self.picture_ids
        return self.dataset.sources[self.indices]

    @property
    def sample_ids(self) -> np.ndarray:
        """str [n], of `calibration_split.sample_ids`."""
        embeddings = np.asarray(self.dataset.embeddings[self.indices])
        return calibration_split.sample_ids(self.picture_ids, embeddings, self.labels)

    @functools.cached_property
    def elongated(self) -> np.ndarray | None:
        """bool [n], whether the food has a direction by its mask; None without masks."""
        if self.dataset.masks is None:
            return None
        ratios = sample_errors.elongations(self.dataset.masks, self.indices)
        return ratios >= sample_errors.ELONGATED_RATIO

    def names(self, name: str) -> np.ndarray | None:
        """str [n] of the data set's array `name`, such as 'food_types'; None if it has none."""
        values = getattr(self.dataset, name)
        return None if values is None else values[self.indices]

    def part(self, rows: np.ndarray) -> Samples:
        """Those of the samples: numbers int [m] in 0..n-1, or bool [n]."""
        return dataclasses.replace(self, indices=self.indices[rows])


def select(
    dataset: npz_dataset.FoodDataset, which: str, split_file: pathlib.Path | None
) -> Samples:
    """The samples of one side of a split.

    Args:
        dataset: N samples.
        which: of `SPLITS`.
        split_file: None only for 'all'.

    Returns:
        At least one sample; for 'all' without a split file, without training samples.

    Raises:
        FileNotFoundError: if there is no split file.
        ValueError: if the split has no such samples.
    """
    if which == "all" and split_file is None:
        return Samples(dataset, np.arange(len(dataset)))
    if split_file is None:
        raise ValueError(f"split {which!r}: expected a split file, got none. Give one, or 'all'.")
    split = splits.read_split(split_file, len(dataset))
    wanted = {"train": split.train_idx, "val": split.val_idx, "all": np.arange(len(dataset))}
    if not len(wanted[which]):
        raise ValueError(f"{split_file}: expected at least one {which} sample, got none.")
    return Samples(dataset, wanted[which], TrainLabels.of(dataset, split.train_idx))


def training_labels(dataset_file: pathlib.Path) -> TrainLabels:
    """Of the training samples of a data set with its split file beside it; all of it without one.

    Raises:
        FileNotFoundError, ValueError: if they are absent or not what they should be.
    """
    dataset = npz_dataset.read_npz(dataset_file)
    path = splits.split_path(dataset_file)
    if not path.is_file():
        return TrainLabels.of(dataset, np.arange(len(dataset)))
    return TrainLabels.of(dataset, splits.read_split(path, len(dataset)).train_idx)


def without_calibrating(
    samples: Samples, calibration: uncertainty_calibration.UncertaintyCalibration
) -> tuple[Samples, int]:
    """Leaves out the pictures that calibrated, with all their samples.

    A picture of which one sample calibrated (cropped about another food, so with other pixels) is
    known by its source.

    Args:
        samples: n of them.
        calibration: of the checkpoint that is asked.

    Returns:
        The others, and how many samples were left out.

    Raises:
        ValueError: if nothing is left.
    """
    seen = np.isin(samples.picture_ids, calibration.fitted_on.picture_ids)
    seen = np.isin(samples.pictures, samples.pictures[seen]) | seen
    if seen.all():
        raise ValueError(
            f"Expected samples that did not calibrate, got {len(samples)} that did. Test on other "
            "plates, or calibrate with a smaller --fraction."
        )
    return samples.part(~seen), int(seen.sum())
