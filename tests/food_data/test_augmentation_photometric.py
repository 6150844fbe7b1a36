from __future__ import annotations

import math

import numpy as np
import pytest

from food_data import augmentation_photometric as photometric

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (9, 9, 3), np.uint8).astype(np.float32)
LUMA = np.float32([0.299, 0.587, 0.114])
UNCHANGED = (1.0, 1.0, 1.0, 0.0)


def change(picture, brightness=1.0, contrast=1.0, saturation=1.0, degrees=0.0, mean=(100,) * 3):
    row = np.float32([[brightness, contrast, saturation, degrees]])
    matrix = photometric.colour_matrices(row)[0]
    picture = np.asarray(picture, np.float32)
    return photometric.change_colours(picture, matrix, np.float32(mean)).numpy()


def sharpen(picture, amount, sigma_px, max_sigma_px=1.0):
    kernel = photometric.gaussians(np.float32([sigma_px]), max_sigma_px)[0]
    return photometric.change_sharpness(picture, np.float32(amount), kernel).numpy()


def test_mean_colour():
    image = np.zeros((2, 2, 3), np.uint8)
    image[0, 0] = (255, 4, 0)
    image[1, 1] = (255, 8, 1)
    assert photometric.mean_colour(image).numpy().tolist() == [127.5, 3.0, 0.25]


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({}, (180, 180, 180)),
        ({"brightness": 0.5}, (90, 90, 90)),
        ({"contrast": 0.5}, (140, 140, 140)),
        ({"brightness": 1.2, "contrast": 0.5}, (168, 168, 168)),
        ({"saturation": 0.3}, (180, 180, 180)),
        ({"degrees": 77}, (180, 180, 180)),
    ],
)
def test_grey(changes, expected):
    np.testing.assert_allclose(change([[[180] * 3]], **changes)[0, 0], expected, atol=1e-3)


def test_contrast_is_about_the_mean_grey_of_a_coloured_picture():
    """0.299 * 200 + 0.587 * 100 + 0.114 * 50 = 124.2; a quarter of the way to it is left."""
    changed = change([[[200, 100, 50]]], contrast=0.25, mean=(200, 100, 50))
    expected = 124.2 + 0.25 * (np.array([200, 100, 50]) - 124.2)
    np.testing.assert_allclose(changed[0, 0], expected, atol=1e-3)


def test_no_saturation_is_grey_and_double_goes_twice_as_far_from_it():
    luma = PICTURE @ LUMA
    np.testing.assert_allclose(
        change(PICTURE, saturation=0.0), np.repeat(luma[..., None], 3, -1), atol=2e-3
    )
    np.testing.assert_allclose(
        change(PICTURE, saturation=2.0), 2 * PICTURE - luma[..., None], atol=2e-3
    )


def test_hue_turns_colours_and_keeps_luma():
    to_yiq = np.array([LUMA, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
    before = PICTURE @ to_yiq.T
    after = change(PICTURE, degrees=30) @ to_yiq.T
    np.testing.assert_allclose(after[..., 0], before[..., 0], atol=2e-3)
    turned = (before[..., 1] + 1j * before[..., 2]) * np.exp(1j * math.pi / 6)
    np.testing.assert_allclose(after[..., 1] + 1j * after[..., 2], turned, atol=2e-3)


def test_no_change_is_exact_after_rounding():
    image = PICTURE.astype(np.uint8)
    np.testing.assert_array_equal(photometric.to_uint8(change(PICTURE)), image)
    np.testing.assert_array_equal(photometric.to_uint8(sharpen(PICTURE, 0.0, 1.0)), image)
    np.testing.assert_array_equal(photometric.to_uint8(sharpen(PICTURE, -1.0, 0.0)), image)


def test_gaussians():
    kernels = photometric.gaussians(np.float32([0.0, 1.0]), 1.0).numpy()
    assert kernels.shape == (2, 7)
    np.testing.assert_array_equal(kernels[0], [0, 0, 0, 1, 0, 0, 0])
    assert kernels[1].sum() == pytest.approx(1.0)
    assert kernels[1, 4] / kernels[1, 3] == pytest.approx(math.exp(-0.5))
    assert kernels[1, 6] / kernels[1, 3] == pytest.approx(math.exp(-4.5))
    assert photometric.gaussians(np.float32([0.1]), 3.0).shape == (1, 17)


def test_blur_spreads_a_dot_into_the_kernel():
    dot = np.zeros((9, 9, 3), np.float32)
    dot[3, 5] = (100, 200, 50)
    kernel = photometric.gaussians(np.float32([0.8]), 1.0)[0].numpy()
    expected = np.zeros((9, 9))
    rows, columns = slice(0, 7), slice(2, 9)
    expected[rows, columns] = np.outer(kernel, kernel)
    blurred = sharpen(dot, -1.0, 0.8)
    np.testing.assert_allclose(blurred, expected[..., None] * dot[3, 5], atol=1e-4)


def test_blur_repeats_the_edges():
    """A picture of equal rows stays one; equal columns at the left edge stay as they are."""
    rows = np.broadcast_to(PICTURE[:1], PICTURE.shape)
    blurred = sharpen(rows, -1.0, 1.0)
    np.testing.assert_allclose(blurred, np.broadcast_to(blurred[:1], blurred.shape), atol=1e-3)
    step = np.zeros((9, 9, 3), np.float32)
    step[:, 6:] = 90
    np.testing.assert_allclose(sharpen(step, -1.0, 1.0)[:, :3], 0, atol=1e-4)
    np.testing.assert_allclose(sharpen(step.swapaxes(0, 1), -1.0, 1.0)[:3], 0, atol=1e-4)


def test_sharpening_adds_what_blurring_takes_away():
    blurred = sharpen(PICTURE, -1.0, 1.0)
    np.testing.assert_allclose(
        sharpen(PICTURE, 0.5, 1.0), PICTURE + 0.5 * (PICTURE - blurred), atol=1e-3
    )


def noise(key: int, side: int = 64, std: float = 5.0) -> np.ndarray:
    zeros = np.zeros((side, side, 3), np.float32)
    return photometric.add_noise(zeros, np.float32(std), np.int32(key)).numpy()


def test_noise_is_the_sum_of_the_bytes_of_the_documented_hash():
    """Against the same hash on Python's integers."""
    key, expected = -7, []
    for counter in range(12):
        bits = (counter * 0x9E3779B9 + key) % 2**32
        bits = (bits ^ bits >> 16) * 0x85EBCA6B % 2**32
        bits = (bits ^ bits >> 13) * 0xC2B2AE35 % 2**32
        bits ^= bits >> 16
        expected.append((sum(bits.to_bytes(4, "little")) - 510) * (147.8 / 147.8))
    np.testing.assert_allclose(noise(key, 2, 147.8).ravel(), expected, rtol=1e-5)


def test_noise_has_its_size_and_no_structure():
    values = noise(3)
    assert abs(values.mean()) < 0.15  # 3 standard errors
    assert values.std() == pytest.approx(5.0, rel=0.02)
    assert np.abs(values).max() <= 5 * 510 / 147.8 + 1e-3
    flat = (values / values.std()).ravel()
    for lag in (1, 2, 3, 64 * 3):
        assert abs(np.mean(flat[lag:] * flat[:-lag])) < 0.03
    other = noise(4) / 5.0
    assert abs(np.mean(flat * other.ravel())) < 0.03


def test_noise_depends_on_the_key_only():
    np.testing.assert_array_equal(noise(3), noise(3))
    assert (noise(3) != noise(4)).mean() > 0.9


def test_hole():
    picture = np.zeros((10, 10, 3), np.float32)
    colour = np.float32([9, 8, 7])
    cut = photometric.cut_out(picture, np.float32([0.3, 0.6, 0.4]), colour).numpy()
    expected = np.zeros((10, 10), bool)
    expected[4:8, 1:5] = True
    np.testing.assert_array_equal(cut[expected], np.broadcast_to(colour, (16, 3)))
    assert not cut[~expected].any()
    none = photometric.cut_out(picture, np.float32([0.3, 0.6, 0.0]), colour)
    np.testing.assert_array_equal(none, picture)


def test_to_uint8_rounds_and_clips():
    values = np.float32([-3.0, -0.4, 0.4, 0.6, 99.49, 254.6, 255.4, 900.0])
    expected = [0, 0, 0, 1, 99, 255, 255, 255]
    assert photometric.to_uint8(values).numpy().tolist() == expected
