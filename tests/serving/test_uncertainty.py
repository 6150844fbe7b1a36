"""The verdict about an answer, by hand and over HTTP."""

from __future__ import annotations

import base64
import dataclasses
import functools

import numpy as np
import pytest
import requests

from evaluation import calibration as uncertainty_calibration
from evaluation import uncertainty as uncertainty_estimate
from food_data import framing, image_placement
from serving import app, uncertainty
from tests import serving_stubs
from tests.uncertainty_stubs import RegressionModel, TokenModel, calibration

SQUARE = framing.View(*image_placement.place(np.zeros((236, 236, 3), np.uint8), "stretch"))
PICTURE = serving_stubs.marker_picture(200, 100, (50, 50), (150, 50))


@pytest.mark.parametrize(("width", "asks"), [(25, False), (26, True)])
def test_asks_above_the_threshold(width, asks):
    """99 % of `width` equally likely tokens of 256: 0.0967 and 0.1005."""
    model = TokenModel(width)
    judge = uncertainty.UncertaintyJudge(calibration(), model)
    verdict, _ = judge.judge(model, SQUARE, SQUARE.placement, np.zeros(512, np.float32))
    assert verdict.doubt == pytest.approx(0.99 * width / 256)
    assert verdict.ask_human is asks
    assert model.asked == [{}]


@pytest.mark.parametrize("model", [TokenModel(), RegressionModel()])
def test_samples_are_drawn_as_they_were_calibrated(model):
    judge = uncertainty.UncertaintyJudge(
        calibration("mc_dropout", "midpoint_spread", "full"), model
    )
    images, embedding = SQUARE.square[np.newaxis], np.zeros(512, np.float32)
    samples = model.forward(images, embedding[None], dropout="full", num_samples=4, seed=0)
    midpoints = (samples[:, 0, :2] + samples[:, 0, 2:]) / 2
    expected = np.sqrt(midpoints.astype(float).var(axis=0).sum())
    verdicts = [judge.judge(model, SQUARE, SQUARE.placement, embedding)[0] for _ in range(2)]
    assert verdicts[0].doubt == pytest.approx(expected, rel=1e-6)
    assert verdicts[0] == verdicts[1]


def test_lengths_in_a_picture_that_is_not_square():
    """200 x 100 pixels in a letterbox: 0.1 of the square are 20 pixels, a tenth of the width."""
    model = TokenModel()
    judge = uncertainty.UncertaintyJudge(calibration(), model)
    found = judge.calibration.apply(
        uncertainty_estimate.Estimate(
            np.array([[0.25, 0.5, 0.75, 0.5]]),
            np.full((1, 4), 0.01),
            {"credible_width": np.array([0.1])},
        )
    )
    _, placement = image_placement.place(PICTURE, "letterbox")
    fields = judge.fields(found, placement)
    assert fields["region_pixels"] == pytest.approx(
        {"center_x": 100, "center_y": 50, "radius_x": 20, "radius_y": 20}
    )
    assert fields["region"] == pytest.approx(
        {"center_x": 0.5, "center_y": 0.5, "radius_x": 0.1, "radius_y": 0.2}
    )
    assert fields["std"] == pytest.approx([0.02, 0.04, 0.02, 0.04])
    assert fields["box_low"] == pytest.approx([0.2, 0.4, 0.7, 0.4])
    assert fields["box_high"] == pytest.approx([0.3, 0.6, 0.8, 0.6])
    assert (fields["threshold"], fields["expected_error_rate"]) == (0.1, 0.01)


def test_what_a_server_cannot_judge():
    with pytest.raises(uncertainty.UncertaintyError, match="got 'ensemble', which a server does"):
        uncertainty.UncertaintyJudge(calibration("ensemble"), TokenModel())
    with pytest.raises(uncertainty.UncertaintyError, match="got one that regresses coordinates"):
        uncertainty.UncertaintyJudge(calibration(), RegressionModel())


@pytest.mark.parametrize("dropout", [True, False])
def test_over_http(tmp_path, dropout):
    store = serving_stubs.embedding_store_of(tmp_path)
    body = {
        "image": base64.b64encode(serving_stubs.file_bytes(PICTURE)).decode(),
        "action": "skewering",
        "food_type": "strawberry",
        "enable_dropout": dropout,
    }

    def answer(known):
        predictor = serving_stubs.predictor_of(TokenModel(), store)
        if known is not None:
            predictor.judge = uncertainty.UncertaintyJudge(known, predictor.model)
        predictor.warm_up()
        with serving_stubs.serve(app.create_app(predictor)) as url:
            return requests.post(f"{url}/predict_batch", json=body, timeout=30).json()

    for threshold, asks in ((0.1, True), (0.2, False), (None, False)):
        content = answer(calibration(threshold=threshold))
        assert content["ask_human"] is asks
        assert content["uncertainty"]["threshold"] == threshold
        assert content["uncertainty"]["region_pixels"]["center_x"] == pytest.approx(100, abs=1)
    content = answer(None)
    assert content["ask_human"] is None and content["uncertainty"] is None


def test_predict_says_it_too_in_the_pass_that_answers(tmp_path):
    model, body = TokenModel(), {"action": "skewering", "food_type": "strawberry"}
    body["image"] = base64.b64encode(serving_stubs.file_bytes(PICTURE)).decode()
    store = serving_stubs.embedding_store_of(tmp_path)
    known = calibration(threshold=None)

    def ask(**more):
        made = serving_stubs.predictor_of(model, store, calibration=known, **more)
        return app.create_app(made).test_client().post("/predict", json=body).json

    content = ask()
    assert content["ask_human"] is False and content["trained"] is None
    assert content["prediction_pixels"]["skewer_x"] == pytest.approx(100, abs=1)
    assert model.asked == [{}], "one pass"
    assert ask(trained_pairs={("skewering", "strawberry")})["ask_human"] is False
    other = ask(trained_pairs={("scooping", "rice")})
    assert (other["ask_human"], other["trained"]) == (True, False)
    below = dataclasses.replace(known.asking, meets_floor=False)
    known = dataclasses.replace(known, asking=below)
    assert ask()["ask_human"] is True
    assert ask(act_below_floor=True)["ask_human"] is False


def test_a_directory_with_a_calibration(tmp_path, monkeypatch):
    """`from_checkpoint` reads the file; one that is damaged is an error, not no file."""
    import checkpoint_directory
    from serving import engines, predictor

    (tmp_path / "store").mkdir()

    store = serving_stubs.embedding_store_of(tmp_path / "store")
    metadata = {"format_version": 1, "resize": "letterbox", "checkpoint": "first"}

    def contents(directory, digest="ef" * 32):
        path = tmp_path / "uncertainty.json"
        text = path.read_text() if path.is_file() else None
        return checkpoint_directory.Contents(tmp_path, metadata, "", store, text, digest)

    def load(contents, *arguments):
        return checkpoint_directory.LoadedCheckpoint(None, contents)

    monkeypatch.setattr(checkpoint_directory, "read_contents", contents)
    monkeypatch.setattr(checkpoint_directory, "load", load)
    monkeypatch.setattr(engines, "create", lambda *arguments: TokenModel())
    assert predictor.Predictor.from_checkpoint(tmp_path).judge is None
    uncertainty_calibration.write(tmp_path, calibration())
    judge = predictor.Predictor.from_checkpoint(tmp_path).judge
    assert dataclasses.asdict(judge.calibration) == dataclasses.asdict(calibration())
    of_others = functools.partial(contents, digest="other")
    monkeypatch.setattr(checkpoint_directory, "read_contents", of_others)
    with pytest.raises(ValueError, match="the checkpoint beside it has changed since"):
        predictor.Predictor.from_checkpoint(tmp_path)
    (tmp_path / "uncertainty.json").write_text("{")
    with pytest.raises(ValueError, match=r"uncertainty\.json"):
        predictor.Predictor.from_checkpoint(tmp_path)
