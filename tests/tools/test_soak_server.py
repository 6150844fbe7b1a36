"""The soak of the server, for some seconds; by hand it takes half an hour."""

from __future__ import annotations

import argparse
import pathlib
import shutil

import pytest

from tools import soak_server


def test_growth_compares_the_end_with_the_time_after_a_sixth():
    tally = soak_server.Tally()
    values = [50, 100, 102, 98, *[100] * 6, 109, 110, 111]
    tally.memory_mb = [(minute, value) for minute, value in enumerate(values)]
    assert soak_server.memory_growth(tally) == pytest.approx((100, 110, 0.1))


def test_the_damaged_copy_is_damaged_and_the_others_are_not(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "best-1.data-00000-of-00001").write_bytes(bytes(100))
    (source / "metadata.json").write_text("{}")
    (tmp_path / "root").mkdir()
    assert soak_server.prepare([source, source], tmp_path / "root") == ["model_0", "model_1"]
    sizes = {
        path.parent.name: path.stat().st_size for path in (tmp_path / "root").glob("*/*.data-*")
    }
    assert sizes == {"model_0": 100, "model_1": 100, "broken": 50}


@pytest.mark.slow
@pytest.mark.long
def test_answers_stay_right_while_models_are_exchanged(small_checkpoint_dir, tmp_path):
    # The pretrained model is another network with other embeddings, so a mixed answer would show.
    other = tmp_path / "other"
    shutil.copytree(soak_server.ROOT / "pretrained" / "small", other)
    tally = soak_server.soak(
        argparse.Namespace(
            checkpoints=[pathlib.Path(small_checkpoint_dir), other],
            minutes=0.2,
            clients=2,
            load_every_s=1.0,
            server_arguments=["--engine", "tensorflow"],
        )
    )
    assert tally.wrong == []
    assert tally.answers > 20 and tally.loads >= 1
    assert tally.memory_mb
