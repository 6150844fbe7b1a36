"""The card of a checkpoint says what its files say, and what nobody measured is unknown."""

from __future__ import annotations

import json
import pathlib
import shutil

import model_card

LITE = pathlib.Path(__file__).parents[1] / "pretrained" / "lite"


def test_a_card_holds_the_figures_of_its_files(tmp_path, capsys):
    for name in ("metadata.json", "uncertainty.json"):
        shutil.copy(LITE / name, tmp_path / name)
    data = {"name": "plates.npz", "num_samples": 40, "num_pictures": 12}
    errors = {"model": {"hit_rate": {"mean": 0.9744, "low": 0.968, "high": 0.98}}}
    measured = {"data": data, "errors": errors}
    (tmp_path / "test.json").write_text(json.dumps(measured))
    flags = ["--checkpoint_dir", str(tmp_path), "--license", "apache-2.0"]
    assert model_card.main([*flags, "--evaluations", str(tmp_path / "test.json")]) == 0
    card = (tmp_path / model_card.CARD_FILE).read_text("utf-8")
    front, text = card.removeprefix("---\n").split("\n---\n", 1)
    assert "license: apache-2.0" in front.splitlines()
    for expected in (
        "12397 train, 1270 validate",
        "| plates.npz, 40 samples of 12 pictures | model | 97.4 [96.8, 98.0] % | unknown |",
        "Calibrated on 1037 samples of 300 pictures",
        "twirling: fettucine, spaghetti",
    ):
        assert expected in text

    assert model_card.main(flags) == 0
    assert "Nobody has evaluated it" in (tmp_path / model_card.CARD_FILE).read_text("utf-8")
    (tmp_path / "test.json").write_text("{}")
    assert model_card.main([*flags, "--evaluations", str(tmp_path / "test.json")]) == 1
    assert "'data'" in capsys.readouterr().err
