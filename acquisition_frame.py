"""From pixels to a frame in space: where the motion starts and ends in the camera's coordinates.

A depth image that is aligned to the photo and the camera turn the answer of /predict in pixels
into metres: x to the right, y down, z away from the camera, origin in the camera. Example:
fx = fy = 600, cx = 320, cy = 240; the answer [380, 240, 440, 240] on food that is 0.4 m away starts
at (0.04, 0, 0.4), ends at (0.08, 0, 0.4) and has roll 0.

    camera = Camera((614.6, 614.7, 312.1, 223.7))
    frame = acquisition_frame([273.0, 185.0, 337.1, 192.8], depth_m, camera)
    frame.start_m, frame.end_m, frame.roll_deg

Depth has holes, and at the food's edge it jumps to the plate. So a line is laid through the depth
along the motion by the median of slopes (Theil and Sen), which a quarter of wrong values does not
move. This file works alone, on a robot too; it needs NumPy, and for a lens with distortion OpenCV.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

# Along the motion; its outer tenths lie on the food's edge.
_SHARES = np.linspace(0.1, 0.9, 41)
_MIN_KNOWN_SHARE = 0.5
_RIGHT_SHARE = 0.7  # of the known places have to lie on the line
_WINDOW_PX = 2  # to each side


class DepthError(ValueError):
    """The depth does not say where the motion is. `reason`: 'outside' of the picture, 'holes' in
    the depth, out of the camera's 'range', or an 'edge' where the depth does not lie on a line."""

    def __init__(self, reason: str, expected: object, got: object) -> None:
        super().__init__(f"{reason}: expected {expected}, got {got}.")
        self.reason = reason


@dataclasses.dataclass(frozen=True)
class Camera:
    """A pinhole camera with OpenCV's distortion."""

    intrinsics: tuple[float, float, float, float]  # fx, fy, cx, cy in pixels of the photo
    distortion: Sequence[float] = ()  # k1, k2, p1, p2[, k3[, ...]], as ROS' `plumb_bob` has them
    min_m: float = 0.1  # depth that the camera can measure
    max_m: float = 2.0
    max_residual_m: float = 0.01  # so near to a line lie most depths of one piece of food

    def __post_init__(self) -> None:
        if not (np.isfinite(self.intrinsics).all() and min(self.intrinsics[:2]) > 0):
            raise ValueError(f"Camera: expected fx, fy > 0, cx, cy; got {self.intrinsics}.")

    def rays(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels [N, 2] to the directions in which they look, float64 [N, 3] with z = 1."""
        fx, fy, cx, cy = self.intrinsics
        plane = (np.asarray(pixels, np.float64).reshape(-1, 2) - (cx, cy)) / (fx, fy)
        if np.any(self.distortion):
            import cv2

            distortion = np.asarray(self.distortion, np.float64)
            plane = cv2.undistortPoints(plane[:, np.newaxis], np.eye(3), distortion)[:, 0]
        return np.concatenate([plane, np.ones((len(plane), 1))], axis=1)


@dataclasses.dataclass(frozen=True)
class Frame:
    """A motion in the camera's coordinates."""

    start_m: np.ndarray  # float64 [3], x, y, z
    end_m: np.ndarray
    roll_deg: float  # of the utensil about the camera's axis, from +x towards +y, in (-180, 180]


def acquisition_frame(pixels: Sequence[float], depth_m: np.ndarray, camera: Camera) -> Frame:
    """The motion of an answer, x1, y1, x2, y2 in pixels of the photo, in space. `depth_m` is float
    [H, W] in metres, of the photo's size and aligned to it; 0 and NaN where it is not known. Raises
    DepthError, and ValueError for other shapes."""
    ends, depth = np.reshape(pixels, (2, 2)).astype(np.float64), np.asarray(depth_m, np.float64)
    size = np.array([depth.shape[1], depth.shape[0]])
    if not ((ends >= 0) & (ends <= size)).all():  # NaN fails it, too.
        raise DepthError("outside", f"a motion inside of {size} pixels", ends.tolist())
    places = ends[0] + _SHARES[:, np.newaxis] * (ends[1] - ends[0])
    places = np.minimum(places.astype(int), size - 1)
    found = np.array([_depth_at(depth, *place) for place in places])
    known = np.isfinite(found)
    if known.mean() < _MIN_KNOWN_SHARE:
        expected = f"depth at half of {len(known)} places along the motion (look from elsewhere)"
        raise DepthError("holes", expected, known.sum())
    shares, found = _SHARES[known], found[known]
    middle = np.median(found)
    if not camera.min_m <= middle <= camera.max_m:
        raise DepthError("range", f"{camera.min_m} to {camera.max_m} m", f"{middle:.3f} m")
    first, second = np.triu_indices(len(shares), 1)
    slope = np.median((found[second] - found[first]) / (shares[second] - shares[first]))
    offset = middle - slope * np.median(shares)
    residual = np.quantile(np.abs(found - offset - slope * shares), _RIGHT_SHARE)
    if residual > camera.max_residual_m:
        expected = f"one piece of food, depth within {camera.max_residual_m} m of a line"
        raise DepthError("edge", expected, f"{residual:.3f} m")
    start, end = camera.rays(ends) * (offset + slope * np.array([0.0, 1.0]))[:, np.newaxis]
    roll = float(np.degrees(np.arctan2(*(end - start)[1::-1])))
    return Frame(start, end, roll)


def _depth_at(depth: np.ndarray, column: int, row: int) -> float:
    """The median of what is known around a pixel; NaN if that is less than half."""
    left, top = max(column - _WINDOW_PX, 0), max(row - _WINDOW_PX, 0)
    around = depth[top : row + _WINDOW_PX + 1, left : column + _WINDOW_PX + 1]
    known = around[np.isfinite(around) & (around > 0)]
    return np.median(known) if 2 * known.size >= around.size else np.nan
