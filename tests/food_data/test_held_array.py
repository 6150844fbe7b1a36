import numpy as np

from food_data import held_array, stored_images


def test_pieces_and_whole():
    array = held_array.HeldArray("actions", np.arange(10).reshape(5, 2))
    assert (array.name, array.shape, array.dtype) == ("actions", (5, 2), np.int64)
    assert [chunk.tolist() for chunk in array.chunks(3)] == [
        [[0, 1], [2, 3], [4, 5]],
        [[6, 7], [8, 9]],
    ]
    assert array.load().tolist() == np.arange(10).reshape(5, 2).tolist()


def test_images_that_are_no_array():
    floats = stored_images.FloatImages(np.full((3, 2, 2, 3), 0.2), "a.npz")
    array = held_array.HeldArray("images", floats)
    assert (array.shape, array.dtype) == ((3, 2, 2, 3), np.uint8)
    (chunk,) = array.chunks(8)
    assert (chunk == 51).all()
    assert isinstance(array.load(), np.ndarray)
