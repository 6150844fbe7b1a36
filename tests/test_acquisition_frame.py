"""From pixels to space: by hand, with a lens, with bad depth, and on a robot's own depth images."""

from __future__ import annotations

import pathlib

import cv2
import numpy as np
import pytest

import acquisition_frame

PHOTOS = pathlib.Path(__file__).parents[1] / "examples" / "photos"
CAMERA = acquisition_frame.Camera((600.0, 600.0, 320.0, 240.0))
# Of the robot's camera, from the messages that came with the photographs.
ROBOT = acquisition_frame.Camera((614.593, 614.691, 312.136, 223.708))
PLANE = np.full((480, 640), 0.4)


def test_a_frame_by_hand():
    frame = acquisition_frame.acquisition_frame([380, 240, 440, 240], PLANE, CAMERA)
    points = [frame.start_m, frame.end_m]
    np.testing.assert_allclose(points, [[0.04, 0, 0.4], [0.08, 0, 0.4]], atol=1e-9)
    assert frame.roll_deg == 0
    down = acquisition_frame.acquisition_frame([320, 180, 320, 300], PLANE, CAMERA)
    assert down.roll_deg == pytest.approx(90)
    away = PLANE + 1e-4 * (np.arange(640) - 320)  # To the right, by 0.1 mm each pixel.
    tilted = acquisition_frame.acquisition_frame([260, 240, 380, 240], away, CAMERA)
    assert tilted.end_m[2] - tilted.start_m[2] == pytest.approx(120e-4, abs=2e-4)


def test_distortion_is_taken_out():
    distortion = (0.1, -0.05, 0.001, -0.002, 0.01)
    points = np.array([[0.05, -0.03, 0.4], [0.09, 0.02, 0.4]])
    matrix = np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]])
    pixels, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), matrix, np.array(distortion))
    camera = acquisition_frame.Camera(CAMERA.intrinsics, distortion)
    frame = acquisition_frame.acquisition_frame(pixels.ravel(), PLANE, camera)
    np.testing.assert_allclose([frame.start_m, frame.end_m], points, atol=2e-5)


def test_holes_and_the_plate_at_the_edge_move_nothing():
    depth = PLANE.copy()
    depth[:, 300:306], depth[:, 350:354] = 0, np.nan  # Holes across the motion.
    depth[:, 360:] = 0.43  # Behind the food's end, a fifth of the places that are looked at.
    frame = acquisition_frame.acquisition_frame([270, 240, 390, 240], depth, CAMERA)
    np.testing.assert_allclose([frame.start_m[2], frame.end_m[2]], 0.4, atol=1e-6)


@pytest.mark.parametrize(
    ("reason", "pixels", "depth"),
    [
        ("outside", [600, 240, 700, 240], PLANE),
        ("outside", [float("nan"), 240, 300, 240], PLANE),
        ("holes", [270, 240, 390, 240], np.where(np.arange(640) < 340, 0, PLANE)),
        ("range", [270, 240, 390, 240], PLANE * 10),
        ("edge", [270, 240, 390, 240], PLANE + 0.1 * (np.arange(640) // 20 % 2)),
    ],
)
def test_what_depth_does_not_say_is_refused_by_name(reason, pixels, depth):
    with pytest.raises(acquisition_frame.DepthError) as caught:
        acquisition_frame.acquisition_frame(pixels, depth, CAMERA)
    assert caught.value.reason == reason


def long_axis(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The middle line along the longest side of the smallest rectangle around points [N, 2]."""
    box = cv2.boxPoints(cv2.minAreaRect(points.astype(np.float32)))
    sides = np.linalg.norm(np.roll(box, -1, axis=0) - box, axis=1)
    first = int(sides[1] > sides[0])
    return (box[first] + box[first - 1]) / 2, (box[first + 1] + box[(first + 2) % 4]) / 2


@pytest.mark.parametrize("plate", ["above_plate_1", "above_plate_2"])
def test_carrots_lie_where_their_points_in_space_do(plate):
    depth = cv2.imread(str(PHOTOS / "depth_mm" / f"{plate}.png"), cv2.IMREAD_UNCHANGED) / 1000.0
    mask = cv2.imread(str(PHOTOS / "masks" / f"{plate}_carrot.png"), cv2.IMREAD_GRAYSCALE) > 127
    rows, columns = np.nonzero(mask & (depth > 0))
    pixels = np.stack([columns, rows], axis=1) + 0.5
    frame = acquisition_frame.acquisition_frame(np.ravel(long_axis(pixels)), depth, ROBOT)

    points = ROBOT.rays(pixels) * depth[rows, columns][:, np.newaxis]
    points = points[np.abs(points[:, 2] - np.median(points[:, 2])) < 0.02]
    centroid = [*points[:, :2].mean(axis=0), np.median(points[:, 2])]
    assert np.linalg.norm((frame.start_m + frame.end_m) / 2 - centroid) <= 0.003
    start, end = long_axis(1000 * points[:, :2])
    angle = np.degrees(np.arctan2(*(end - start)[::-1]))
    assert abs((frame.roll_deg - angle + 90) % 180 - 90) <= 2
