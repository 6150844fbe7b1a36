import io

import numpy as np
import pytest

from food_data import embedding_vectors


def unit(dtype=np.float32):
    vector = np.zeros(512, dtype)
    vector[3] = 1
    return vector


def npy(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def test_round_trip_through_bytes():
    vector = np.random.default_rng(0).normal(size=512)
    vector = (vector / np.linalg.norm(vector)).astype(np.float32)
    read = embedding_vectors.read(embedding_vectors.to_bytes(vector), "a.npy")
    np.testing.assert_array_equal(read, vector)


@pytest.mark.parametrize(
    "vector, message",
    [
        (unit(np.float64), r"expected float32 \(512,\), got float64 \(512,\)"),
        (unit()[:511], r"got float32 \(511,\)"),
        (unit()[np.newaxis], r"got float32 \(1, 512\)"),
        (unit() * 1.002, "expected a unit vector .*got 1.00"),
        (unit() * 0, "got 0.0"),
        (unit() * np.nan, "got nan"),
        (np.where(unit() > 0, np.float32(np.inf), 0).astype(np.float32), "got inf"),
    ],
)
def test_what_is_no_embedding_is_refused_by_name(vector, message):
    with pytest.raises(ValueError, match=f"a.npy: .*{message}"):
        embedding_vectors.check(vector, "a.npy")


def test_norms_close_to_one_are_taken():
    """The vectors of labs have norms within 1e-6 of 1; the tolerance is 1e-3."""
    embedding_vectors.check(unit() * np.float32(1.0009), "a.npy")
    embedding_vectors.check(unit() * np.float32(0.9991), "a.npy")


@pytest.mark.parametrize(
    "data",
    [b"", b"not numpy", npy(unit())[:100], npy(np.array([{}], object), allow_pickle=True)],
    ids=["empty", "text", "truncated", "pickle"],
)
def test_unreadable_bytes_name_the_file(data):
    with pytest.raises(ValueError, match=r"dir/a.npy is not a readable .npy file"):
        embedding_vectors.read(data, "dir/a.npy")
