import numpy as np
import pytest

from food_data import check_report, held_array, pixel_checks


@pytest.fixture
def findings():
    return check_report.Findings()


def scan(images, findings, monkeypatch):
    monkeypatch.setattr(pixel_checks, "_CHUNK_IMAGES", 2)
    return pixel_checks.scan_images(held_array.HeldArray("images", images), findings)


@pytest.fixture
def images():
    """Five small pictures; 1 and 4 are equal, 2 is of one colour."""
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), np.uint8)
    images[4], images[2] = images[1], 9
    return images


def test_equal_pictures_have_equal_hashes(images, findings, monkeypatch):
    hashes = scan(images, findings, monkeypatch)
    assert hashes[1] == hashes[4]
    assert len(set(hashes.tolist())) == 4
    assert not findings.errors
    assert findings.warnings == ["images: 1 sample (2) show nothing but one colour."]
    assert findings.tables[0][1] == [(int(images.min()), int(images.max()), 4)]


def test_floats_have_the_hashes_of_the_uint8_that_they_become(images, findings, monkeypatch):
    floats = images.astype(np.float32) / 255
    expected = scan(images, findings, monkeypatch)
    np.testing.assert_array_equal(scan(floats, findings, monkeypatch), expected)


@pytest.mark.parametrize("value", [np.nan, -0.5, 200])
def test_floats_out_of_range(images, findings, monkeypatch, value):
    floats = images.astype(np.float32) / 255
    floats[3, 0, 0, 0] = value
    scan(floats, findings, monkeypatch)
    assert "expected floats in 0..1; 1 sample (3) are not" in findings.errors[0]


def test_duplicates(findings):
    pictures = np.array([b"a", b"a", b"a", b"b", b"a"])
    instructions = np.array([0, 0, 0, 0, 1])
    actions = np.array([[0.1] * 4, [0.1] * 4, [0.2] * 4, [0.1] * 4, [0.3] * 4])
    sources = np.array(["x", "x", "y", "z", "x"])
    pixel_checks.check_duplicates(pictures, instructions, actions, sources, findings)
    assert findings.warnings == [
        "sources: 1 sample (2) show the same pixels as samples of another source; a split may part "
        "them.",
        "1 sample (1) repeat an earlier sample.",
        "1 sample (2) have the picture and the instruction of an earlier sample, and another "
        "action.",
    ]


def test_several_foods_on_a_plate_are_no_duplicates(findings):
    pictures, sources = np.array([b"a", b"a"]), np.array(["x", "x"])
    pixel_checks.check_duplicates(pictures, np.array([0, 1]), np.zeros((2, 4)), sources, findings)
    pixel_checks.check_duplicates(pictures, None, None, None, findings)
    assert not findings.warnings


def test_progress_sees_the_chunks(images, findings, monkeypatch):
    monkeypatch.setattr(pixel_checks, "_CHUNK_IMAGES", 2)
    sizes = []

    def progress(chunks):
        for chunk in chunks:
            sizes.append(len(chunk))
            yield chunk

    pixel_checks.scan_images(held_array.HeldArray("images", images), findings, progress)
    assert sizes == [2, 2, 1]
