import argparse

import pytest

from food_data import npz_dataset
from food_data.commands import output, synthetic


@pytest.fixture
def run(tmp_path):
    """Runs the command; gives the data set."""

    def call(*words):
        parser = argparse.ArgumentParser()
        (command,) = synthetic.add_parser(parser.add_subparsers())
        output.add_flags(command)
        file = tmp_path / "plates.npz"
        words = ["synthetic", "--num_plates", "6", "--workers", "1", *words]
        arguments = parser.parse_args([*words, "--output_file", str(file), "--overwrite"])
        assert output.run(arguments, arguments.build) == 0
        return npz_dataset.read_npz(file)

    return call


def test_the_flags_decide(run):
    several = run("--seed", "1")
    assert max(several.sources.tolist().count(source) for source in several.sources) > 1
    assert len(run("--seed", "1", "--samples_per_plate", "1")) == 6
    assert run("--seed", "2").sources[0] != several.sources[0]


def test_one_food_on_a_plate_and_its_mask(run):
    dataset = run("--max_foods", "1")
    assert len(dataset) == 6
    assert dataset.masks.any(axis=(1, 2)).all()
