"""The verdict about an answer, by hand and over HTTP."""

from __future__ import annotations

import base64
import dataclasses

import numpy as np
import pytest

import checkpoint_directory
from evaluation import uncertainty
from food_data import framing, image_placement
from serving import app, engines, predictor
from tests import serving_stubs
from tests.uncertainty_stubs import RegressionModel, TokenModel, calibration

SQUARE = framing.View(*image_placement.place(np.zeros((236, 236, 3), np.uint8), "stretch"))
PICTURE = serving_stubs.marker_picture(200, 100, (50, 50), (150, 50))


@pytest.mark.parametrize("model", [TokenModel(), RegressionModel()])
def test_samples_are_drawn_as_they_were_calibrated(model):
    judge = predictor.UncertaintyJudge(calibration("mc_dropout", "midpoint_spread", "full"), model)
    images, embedding = SQUARE.square[np.newaxis], np.zeros(512, np.float32)
    samples = model.forward(images, embedding[None], dropout="full", num_samples=4, seed=0)
    midpoints = (samples[:, 0, :2] + samples[:, 0, 2:]) / 2
    expected = np.sqrt(midpoints.astype(float).var(axis=0).sum())
    verdicts = [judge.judge(model, SQUARE, SQUARE.placement, embedding)[0] for _ in range(2)]
    assert verdicts[0].doubt == pytest.approx(expected, rel=1e-6)
    assert verdicts[0] == verdicts[1]


def test_lengths_in_a_picture_that_is_not_square():
    """200 x 100 pixels in a letterbox: 0.1 of the square are 20 pixels, a tenth of the width."""
    judge = predictor.UncertaintyJudge(calibration(), TokenModel())
    given = np.array([[0.25, 0.5, 0.75, 0.5]]), np.full((1, 4), 0.01)
    width = {"credible_width": np.array([0.1])}
    found = judge.calibration.apply(uncertainty.Estimate(*given, width))
    _, placement = image_placement.place(PICTURE, "letterbox")
    fields = judge.fields(found, placement)
    names = ("center_x", "center_y", "radius_x", "radius_y")
    assert fields["region_pixels"] == pytest.approx(dict(zip(names, (100, 50, 20, 20))))
    assert fields["region"] == pytest.approx(dict(zip(names, (0.5, 0.5, 0.1, 0.2))))
    assert fields["std"] == pytest.approx([0.02, 0.04, 0.02, 0.04])
    assert fields["box_low"] == pytest.approx([0.2, 0.4, 0.7, 0.4])
    assert fields["box_high"] == pytest.approx([0.3, 0.6, 0.8, 0.6])
    assert (fields["threshold"], fields["expected_error_rate"]) == (0.1, 0.01)


def test_asks_above_the_threshold_and_about_what_it_was_not_trained_on():
    """The doubt is 99 % of `width` equally likely tokens of 256: 0.0967 for 25, 0.1005 for 26."""
    body = {"action": "skewering", "food_type": "strawberry"}
    body["image"] = base64.b64encode(serving_stubs.file_bytes(PICTURE)).decode()

    def ask(route="/predict", width=25, threshold=0.1, known=None, **more):
        model, known = TokenModel(width), known or calibration(threshold=threshold)
        made = serving_stubs.predictor_of(model, serving_stubs.store(), calibration=known, **more)
        made.warm_up()
        model.asked.clear()
        content = app.create_app(made).test_client().post(route, json=body).json
        assert content["uncertainty"]["score"] == pytest.approx(0.99 * width / 256)
        assert content["uncertainty"]["region_pixels"]["center_x"] == pytest.approx(100, abs=1)
        assert route != "/predict" or model.asked == [{}], "the pass that answers"
        return content["ask_human"]

    for route in ("/predict", "/predict_batch"):
        assert (ask(route), ask(route, 26), ask(route, 26, None)) == (False, True, False)
    assert ask(trained_pairs={("skewering", "strawberry")}) is False
    assert ask(trained_pairs={("scooping", "rice")}) is True
    known = calibration()
    known = dataclasses.replace(known, asking=dataclasses.replace(known.asking, meets_floor=False))
    assert ask(known=known) is True
    assert ask(known=known, act_below_floor=True) is False


def test_a_calibration_that_is_damaged_or_of_another_model_is_an_error(tmp_path, monkeypatch):
    metadata = {"format_version": 1, "resize": "letterbox", "checkpoint": "first"}
    uncertainty.write_calibration(tmp_path, calibration())
    right = (tmp_path / uncertainty.FILE_NAME).read_text()

    def load(text, digest="ef" * 32):
        given = tmp_path, metadata, "", serving_stubs.store(), text, digest
        contents = checkpoint_directory.Contents(*given)
        loaded = checkpoint_directory.LoadedCheckpoint(None, contents)
        monkeypatch.setattr(checkpoint_directory, "read_contents", lambda directory: contents)
        monkeypatch.setattr(checkpoint_directory, "load", lambda *_: loaded)
        monkeypatch.setattr(engines, "create", lambda *_: TokenModel())
        return predictor.Predictor.from_checkpoint(tmp_path).judge

    assert load(None) is None
    assert dataclasses.asdict(load(right).calibration) == dataclasses.asdict(calibration())
    with pytest.raises(ValueError, match="the checkpoint has changed since"):
        load(right, "other")
    with pytest.raises(ValueError, match=r"uncertainty\.json"):
        load("{")
    with pytest.raises(ValueError, match="got 'ensemble'"):
        predictor.UncertaintyJudge(calibration("ensemble"), TokenModel())
    with pytest.raises(ValueError, match="got one that regresses coordinates"):
        predictor.UncertaintyJudge(calibration(), RegressionModel())
