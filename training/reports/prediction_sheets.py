"""A sheet of predictions against ground truth for each epoch, and which of them are kept.

The same samples in each epoch, so that one sees them change, and a last row of this epoch's worst.
"""

from __future__ import annotations

import os
import pathlib
import re

import numpy as np

from food_data import atomic_files, npz_dataset
from training.reports import pictures, validation_report

_COLUMNS = 6
_SAME_SAMPLES = 18
_LATEST = "predictions_latest.png"


class PredictionSheets:
    """Draws sheets of one run's validation samples and writes them into its folder."""

    def __init__(
        self,
        checkpoint_dir: str | os.PathLike[str],
        dataset: npz_dataset.FoodDataset,
        report: validation_report.ValidationReport,
        keep_sheets: int,
    ):
        """Makes the folder `predictions`; what it holds stays.

        Args:
            checkpoint_dir: of the run.
            dataset: all samples.
            report: knows the validation samples.
            keep_sheets: so many of the latest epochs, and the best one; at least 1.

        Raises:
            ValueError: for keep_sheets below 1.
        """
        if keep_sheets < 1:
            raise ValueError(f"keep_sheets: expected at least 1, got {keep_sheets}.")
        self._latest = pathlib.Path(checkpoint_dir, _LATEST)
        self._folder = pathlib.Path(checkpoint_dir, "predictions")
        self._folder.mkdir(exist_ok=True)
        self._dataset, self._report, self._keep = dataset, report, keep_sheets
        number = min(_SAME_SAMPLES, len(report.indices))
        self._same = np.linspace(0, len(report.indices) - 1, number).round().astype(int)

    def draw(self, epoch: int, predictions: np.ndarray, centroid_errors: np.ndarray) -> np.ndarray:
        """One sheet.

        Args:
            epoch: for its headline.
            predictions: [n_val, 4].
            centroid_errors: [n_val], chooses the worst.

        Returns:
            uint8 [H, W, 3].
        """
        worst = np.argsort(-centroid_errors, kind="stable")[:_COLUMNS]
        sections = [
            pictures.grid(self._tiles(chosen, predictions, centroid_errors), _COLUMNS)
            for chosen in (self._same, worst)
        ]
        white, error = (255, 255, 255), float(np.mean(centroid_errors))
        legend = [
            (f"epoch {epoch}, centroid MAE {error:.4f};", white),
            ("labelled", pictures.LABELLED),
            ("predicted", pictures.PREDICTED),
            ("(number: centroid MAE; last row: the worst)", white),
        ]
        return pictures.headline(np.vstack(sections), legend)

    def write(self, epoch: int, sheet: np.ndarray, best_epoch: int) -> None:
        """Writes an epoch's sheet, also as the latest, and removes what need not be kept.

        Args:
            epoch: of the sheet.
            sheet: uint8 [H, W, 3].
            best_epoch: its sheet stays.
        """
        data = pictures.png(sheet)
        for path in (self._folder / f"epoch_{epoch:03d}.png", self._latest):
            with atomic_files.replace_file(path) as file:
                file.write(data)
        for path in self._folder.glob("epoch_*.png"):
            match = re.fullmatch(r"epoch_(\d+)\.png", path.name)
            if match and not self._is_kept(int(match.group(1)), epoch, best_epoch):
                path.unlink()

    def _is_kept(self, epoch: int, latest: int, best: int) -> bool:
        # Those after the latest are of a run that was interrupted and has gone on from before them.
        return epoch == best or latest - self._keep < epoch <= latest

    def _tiles(
        self, chosen: np.ndarray, predictions: np.ndarray, centroid_errors: np.ndarray
    ) -> list[np.ndarray]:
        """Tiles of the chosen validation samples, and black ones to the end of the last row."""
        names = [
            n for n in map(self._report.names, ("action_names", "food_types")) if n is not None
        ]
        # One read for all, because images may be on disk.
        images = self._dataset.images[self._report.indices[chosen]]
        tiles = []
        for i, image in zip(chosen, images):
            motions = [
                (self._report.labels[i], pictures.LABELLED),
                (predictions[i], pictures.PREDICTED),
            ]
            text = " ".join([*(str(name[i]) for name in names), f"{centroid_errors[i]:.3f}"])
            tiles.append(pictures.sample_tile(image, motions, text))
        return tiles + [np.zeros_like(tiles[0])] * (-len(tiles) % _COLUMNS)
