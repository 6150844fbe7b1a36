import numpy as np
import pytest

from food_data import dataset_check, npz_dataset, splits, stored_images


def noise(number):
    return np.random.default_rng(0).integers(0, 256, (number, 236, 236, 3), np.uint8)


@pytest.fixture
def dataset(make_dataset):
    """Six sound samples."""
    actions = np.tile(np.float32([0.2, 0.4, 0.6, 0.4]), (6, 1))
    embeddings = np.eye(512, dtype=np.float32)[[3] * 6]
    return make_dataset(6, images=noise(6), actions=actions, embeddings=embeddings)


@pytest.fixture
def split():
    return splits.Split(np.arange(4), np.arange(4, 6))


@pytest.fixture
def check(dataset, split, tmp_path):
    """Checks a file with some arrays changed (None: left out)."""

    def call(save=np.savez, with_split=True, **changes):
        arrays = {name: a for name, a in vars(dataset).items() if a is not None}
        arrays = {name: a for name, a in {**arrays, **changes}.items() if a is not None}
        save(tmp_path / "a.npz", **arrays)
        splits.write_split(tmp_path / "split.npz", split)
        return dataset_check.check_file(
            tmp_path / "a.npz", tmp_path / "split.npz" if with_split else None
        )

    return call


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_sound_file_has_no_errors(check, save):
    report = check(save)
    assert report.errors == report.warnings == ()
    assert "0 errors, 0 warnings" in report.text
    assert "skewering  banana        6         6      4    2" in report.text


def test_a_data_set_in_memory_is_checked_alike(check, dataset, split):
    from_file = check().text.replace("format_version  int64    []", "")
    in_memory = dataset_check.check_dataset(dataset, split)
    tables = in_memory.text.split("\n\n")
    assert all(table in from_file for table in tables[1:])
    assert in_memory.errors == ()


def test_everything_that_is_wrong_is_said_at_once(check, dataset):
    images = noise(6).astype(np.float32) / 255
    images[1, 5] = np.nan
    actions = dataset.actions.copy()
    actions[2] = 118
    embeddings = dataset.embeddings * 2
    report = check(images=images, actions=actions, embeddings=embeddings, resize="squash")
    assert len(report.errors) == 4
    for part in ("images: ", "actions: ", "embeddings: ", "resize: "):
        assert any(error.startswith(part) for error in report.errors)


def test_a_picture_on_both_sides_is_found_by_its_pixels_and_its_source(check, dataset):
    images, sources = dataset.images.copy(), dataset.sources.copy()
    images[5] = images[0]
    sources[4] = sources[1]
    report = check(images=images, sources=sources)
    assert len(report.errors) == 2
    assert "1 sample (5) of the validation side have the pixels" in report.errors[0]
    assert "1 sample (4) of the validation side have the source" in report.errors[1]
    assert check(images=images, sources=sources, with_split=False).errors == ()


def test_a_split_of_another_data_set_is_an_error(check, tmp_path, dataset):
    report = check(
        **{name: getattr(dataset, name)[:5] for name in npz_dataset.ARRAYS},
        sources=None,
        action_names=None,
        food_types=None,
    )
    assert "is the split of a data set of 6 samples; this one has 5" in report.errors[0]


def test_a_file_that_is_no_npz(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"text")
    report = dataset_check.check_file(tmp_path / "a.npz")
    assert "a.npz is not a readable .npz file" in report.errors[0]
    with pytest.raises(FileNotFoundError, match="No data set"):
        dataset_check.check_file(tmp_path / "absent.npz")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damaged_pixels_are_noticed(check, tmp_path, save):
    check(save)
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[400_000] ^= 1
    (tmp_path / "a.npz").write_bytes(data)
    report = dataset_check.check_file(tmp_path / "a.npz")
    assert any("is not a readable .npz file" in error for error in report.errors)


def test_without_names_and_split(check):
    report = check(sources=None, action_names=None, food_types=None, with_split=False)
    assert report.errors == report.warnings == ()


def test_pixels_need_not_be_looked_at(make_dataset):
    dataset = make_dataset(3)
    assert "one colour" in dataset_check.check_dataset(dataset).text
    assert "one colour" not in dataset_check.check_dataset(dataset, pixels=False).text


def test_a_bad_float_in_the_middle_of_a_mapped_file_is_found(make_dataset):
    floats = np.full((3, 236, 236, 3), 0.5, np.float32)
    floats[1, 0, 0, 0] = 7
    dataset = make_dataset(3, images=stored_images.FloatImages(floats, "a.npz"))
    (error,) = dataset_check.check_dataset(dataset).errors
    assert (
        "images: expected floats in 0..1; 1 sample (1) are not, the first has 0.5 to 7.0" in error
    )
