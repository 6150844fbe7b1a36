"""The whole document and its text, of a model that is k / 100 off (see `agents`), and shifts."""

import dataclasses
import json
import types

import numpy as np
import pytest

from evaluation import calibration_fit, report, study, uncertainty
from evaluation.samples import Samples, calibration_split
from food_data import npz_dataset
from tests import uncertainty_stubs
from tests.evaluation import agents

TRAIN = agents.samples([0, 0], foods=["banana", "rice"])
TRAIN.dataset.actions[:] = [[0.3, 0.5, 0.5, 0.5], [0.5, 0.5, 0.7, 0.5]]


def samples_of(places, **more):
    return Samples(agents.dataset(places, **more), np.arange(len(places)), TRAIN)


def test_the_model_beside_another_and_four_baselines():
    other = "last", agents.OffsetAgent(extra=1), None
    samples = samples_of([0, 2, 4, 6], per_picture=2)
    document = study.run(samples, agents.OffsetAgent(), other=other)
    means = {kind: row["centroid_error"]["mean"] for kind, row in document["errors"].items()}
    assert list(means) == [
        "model",
        "model, instruction swapped",
        "mean of the training labels",
        "mean of action and food",
        "centre of the picture",
        "colour",
        "compared: last",
    ]
    column = document["comparison"]["columns"]["centroid_error"]
    assert column["mean"] == pytest.approx(-0.01, abs=1e-6)
    assert (column["low"], column["high"]) == pytest.approx((-0.01, -0.01), abs=1e-6)
    assert "minus last, on the same samples:" in report.text(document)
    assert means["model"] == pytest.approx(0.03, abs=1e-6)
    assert 0.0 <= means["model, instruction swapped"] <= 0.06
    assert means["mean of the training labels"] == pytest.approx(0, abs=1e-6)
    assert means["mean of action and food"] == pytest.approx(0.1, abs=1e-6)
    # Pictures: 0.01 and 0.05; drawn again: 0.01, 0.03 or 0.05.
    interval = document["errors"]["model"]["centroid_error"]
    assert (interval["low"], interval["high"]) == pytest.approx((0.01, 0.05), abs=1e-6)
    assert interval["n"] == 4
    assert document["uncertainty"] == document["curves"] == document["shifts"] == []
    assert document["calibration"] is None
    assert "hit_rate" not in document["metrics"]
    groups = document["groups"]
    names = {kind: list(rows) for kind, rows in groups.items()}
    assert names == {"action": ["skewering"], "food": ["banana"], "source": ["day_0", "day_1"]}
    assert groups["source"]["day_1"]["centroid_error"]["mean"] == pytest.approx(0.05, abs=1e-6)


def test_hits_and_angles_of_long_food():
    masks = np.zeros((3, 236, 236), bool)
    masks[0, 110:126, 80:160] = masks[1, 100:140, 100:140] = True
    samples = agents.samples([0, 1, 2], masks=npz_dataset.pack_masks(masks))
    answers = np.array([[0.1, 0.2, 0.3, 0.4], [0.45, 0.5, 0.55, 0.6], [0, 0, 1, 1.0]])
    found = study.columns_of(answers, samples)
    assert found["hit_rate"][:2].tolist() == [0, 1]
    assert np.isnan(found["elongated_angle_mae_mod180_deg"]).tolist() == [False, True, True]


@pytest.fixture(scope="module")
def everything():
    """The document, and what it was made of."""
    places = np.tile(np.random.default_rng(0).permutation(20), 4)
    agent = agents.OffsetAgent()
    source = uncertainty.TokenDistribution(agent)
    samples = samples_of(places, per_picture=2, foods=["banana", "rice"] * 40)
    fitting, testing = calibration_split(samples, 0.5, 0)
    estimate = uncertainty.collect(source, samples)
    fitted = calibration_fit.fit(
        samples.part(fitting), estimate.part(fitting), source, weights_sha256="w", coverage=0.8
    )

    def run(seed=0):
        return study.run(
            samples.part(testing),
            agent,
            sources=[uncertainty.McDropout(agent, "head", 2), source],
            calibrated=fitted,
            shifts=True,
            num_examples=2,
            seed=seed,
        )

    return types.SimpleNamespace(run=run, document=run(), places=places[testing])


def test_the_calibrated_source_is_the_default_wherever_it_stands(everything):
    document = everything.document
    (default,) = [row for row in document["uncertainty"] if row["is_default"]]
    assert (default["label"], default["score"]) == ("token_distribution", "credible_width")
    calibrated = document["uncertainty"][-1]
    assert calibrated["label"] == "token_distribution, calibrated"
    assert calibrated["figures"]["auroc"] == default["figures"]["auroc"] == 1
    assert calibrated["figures"]["mean_std"] != default["figures"]["mean_std"]
    labels = [curve["label"] for curve in document["curves"]]
    assert labels == ["mc_dropout head 2", "token_distribution"]
    curve = document["curves"][1]
    assert (curve["coverage"][0], len(curve["coverage"]), len(curve["expected"])) == (1, 40, 99)
    np.testing.assert_allclose(curve["error"], curve["oracle"], atol=1e-6)
    found = document["calibration"]
    assert found["fitted_on"]["source"] == "token_distribution"
    assert (found["fitted_on"]["picture_ids"], found["fitted_on"]["num_pictures"]) == (None, 20)
    assert found["disc_coverage"]["n"] == 40
    assert abs(found["disc_coverage"]["mean"] - 0.8) < 0.2
    # The ranking is perfect, so those above the threshold are the worst.
    assert 0 < found["asked_share"] < 0.5
    assert found["gain"] > found["asked_share"]
    assert {row["name"] for row in document["shifts"]} >= {"ordinary", "noise"}
    assert all(row["asked_share"] is not None for row in document["shifts"])
    lines = report.text(document).splitlines()
    assert any(line.startswith("token_distribution *") for line in lines)
    assert "  discs that promise 80% hold " in "\n".join(lines)
    assert [line for line in lines if line.startswith("noise")][0].split()[1] == "40"


def test_examples_are_the_best_the_worst_and_those_least_sure_of(everything):
    examples = everything.document["examples"]
    distances = {k: [one["centroid_distance"] for one in v] for k, v in examples.items()}
    assert distances["best"] == sorted(distances["best"])
    assert distances["worst"] == distances["most_uncertain"]
    worst = examples["worst"][0]
    place = round(100 * worst["centroid_distance"])
    assert place == max(everything.places)
    assert worst["image"].shape == (236, 236, 3)
    assert worst["uncertainty"] == pytest.approx(0.99 * (place + 1) / 101)
    np.testing.assert_allclose(worst["predicted"], agents.LABEL + place * agents.ERROR, atol=1e-6)
    np.testing.assert_allclose(worst["labelled"], agents.LABEL)
    assert worst["asked"] is True
    assert worst["radius"] > 0
    bare = agents.samples([0, 1], sources=None, food_types=None, action_names=None)
    examples = study.run(bare, agents.OffsetAgent(), num_examples=1)["examples"]
    assert examples["most_uncertain"] == []
    one = examples["best"][0]
    assert (one["picture"], one["food"], one["uncertainty"]) == ("sample 0", "", None)


def test_the_same_seed_gives_the_same_document_and_json_holds_it(everything):
    first, again, other = map(
        report.json_text, (everything.document, everything.run(), everything.run(seed=1))
    )
    assert json.loads(first)["errors"] and first == again != other


SIZES = {"disc": 0.035, "disc_adaptive": 1.0, "box": 0.015, "box_adaptive": 1.0}


def figures(offsets, scores, adaptive=False):
    known = uncertainty_stubs.calibration(score="width", threshold=0.25, adaptive=adaptive, **SIZES)
    samples = agents.samples([0] * len(offsets))
    answers = agents.LABEL + np.array(offsets)[:, None] * [1, 0, 1, 0]
    std = np.full(answers.shape, 0.01)
    estimate = uncertainty.Estimate(answers, std, {"width": np.array(scores)})
    return report.plain(calibration_fit.figures(known, estimate, samples))


def test_coverage_asking_and_gain_by_hand():
    """Offsets 0.01 .. 0.1; the last one alone is above the threshold."""
    found = figures([0.01, 0.02, 0.03, 0.1], [0.1, 0.1, 0.25, 0.3])
    expected = {
        "asked_share": 0.25,
        "error_of_all": 0.04,
        "error_of_answered": 0.02,
        "gain": 0.5,
        "wrong_of_all": 0.25,
        "wrong_of_answered": 0,
        "median_radius": 0.035,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert (found["disc_coverage"]["mean"], found["box_coverage"]["mean"]) == (0.75, 0.25)
    assert (found["target"], found["chance"]) == ("query_rate 0.2", None)
    # Radius 1 * (u + 0.01): 0.02 and 0.31 about errors of 0.03.
    assert figures([0.03, 0.03], [0.01, 0.3], adaptive=True)["disc_coverage"]["mean"] == 0.5
    found = figures([0.01, 0.02], [0.9, 0.9])  # Nothing is answered.
    assert (found["asked_share"], found["error_of_answered"], found["gain"]) == (1, None, None)


def changed(name, images, seed=0):
    return study.SHIFTS[name](images, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("gamma_two", (0, 128, 255), (0, 64, 255)),
        ("hue_120", (200, 0, 0), (0, 200, 0)),
    ],
)
def test_shifted_colours(name, before, after):
    images = [np.full((1, 32, 32, 3), colour, np.uint8) for colour in (before, after)]
    np.testing.assert_array_equal(changed(name, images[0]), images[1])


def test_rows_of_a_model_that_doubts_bright_pictures(monkeypatch):
    samples = agents.samples([0] * 6, foods=["rice", "grape"] * 3)

    def doubt(chosen, embeddings=None, change=None):
        images = chosen.dataset.images[chosen.indices]
        if change is not None:
            images = change(images, np.random.default_rng(0))
        return images.reshape(len(images), -1).mean(axis=1) / 255

    ordinary = np.full(6, 1e-5)
    known = {("skewering", food): np.zeros(512) for food in ("rice", "grape", "carrot")}
    rows = study.shift_rows(doubt, samples, ordinary, known, threshold=0.4)
    found = {row["name"]: row for row in rows}
    assert list(found) == ["ordinary", *study.SHIFTS, "wrong food"]
    assert (found["ordinary"]["auroc"], found["ordinary"]["asked_share"]) == (None, 0)
    assert found["noise"]["auroc"] == found["noise"]["asked_share"] == 1
    assert found["noise"]["mean_uncertainty"] == pytest.approx(0.5, abs=0.01)
    assert found["wrong food"]["asked_share"] == 0
    monkeypatch.setattr(study, "_SHIFT_SAMPLES", 2)
    rows = study.shift_rows(doubt, samples, ordinary, {})
    assert {row["n"] for row in rows[1:]} == {2}
    assert {row["asked_share"] for row in rows} == {None}


def test_one_batch_of_pictures_is_held_at_a_time():
    """Pictures that refuse to be read whole."""
    asked = []

    class Pictures:
        dtype, shape = np.dtype(np.uint8), (6, 236, 236, 3)

        def __len__(self):
            return 6

        def __getitem__(self, rows):
            asked.append(np.size(rows))
            return np.zeros((*np.shape(rows), 236, 236, 3), np.uint8)

        def __array__(self, *_):
            raise AssertionError("all pictures at once")

    data = agents.dataset([0, 1, 2, 3, 4, 5])
    names = {field.name: getattr(data, field.name) for field in dataclasses.fields(data)}
    data = types.SimpleNamespace(**{**names, "images": Pictures()})
    samples, source = Samples(data, np.arange(6)), agents.OffsetAgent()
    sources = [uncertainty.TokenDistribution(source)]
    study.run(samples, source, sources=sources, batch_size=2, num_examples=1)
    assert max(asked) == 2
