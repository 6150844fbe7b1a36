"""The whole document and its text, of a model that is k / 100 off (see `agents`), and baselines."""

import dataclasses
import json
import types

import numpy as np
import pytest

from evaluation import calibration_fit, report, study, uncertainty
from evaluation.samples import ONE_PASS, Samples, collect
from food_data import npz_dataset
from tests import uncertainty_stubs
from tests.evaluation import agents

TRAIN = agents.samples([0, 0], foods=["banana", "rice"])
TRAIN.dataset.actions[:] = [[0.3, 0.5, 0.5, 0.5], [0.5, 0.5, 0.7, 0.5]]


def run(samples, **settings):
    return study.run(samples, agents.OffsetAgent(), ONE_PASS, **settings)


def test_the_model_beside_another_and_four_baselines():
    samples = dataclasses.replace(agents.samples([0, 2, 4, 6], per_picture=2), train=TRAIN)
    document = run(samples, other=("last", agents.OffsetAgent(extra=1), ONE_PASS))
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
    column = document["comparison"]["columns"]["centroid_mae"]
    assert list(column.values()) == pytest.approx([-0.005] * 3 + [4], abs=1e-6)
    assert "minus last, on the same samples" in report.text(document)
    assert means["model"] == pytest.approx(0.03, abs=1e-6)
    assert 0.0 <= means["model, instruction swapped"] <= 0.06
    assert means["mean of the training labels"] == pytest.approx(0, abs=1e-6)
    assert means["mean of action and food"] == pytest.approx(0.1, abs=1e-6)
    assert document["uncertainty"] == [] and document["calibration"] is None
    assert "hit_rate" not in document["errors"]["model"]
    names = {kind: list(rows) for kind, rows in document["groups"].items()}
    assert names == {"action": ["skewering"], "food": ["banana"], "source": ["day_0", "day_1"]}
    found = document["groups"]["source"]["day_1"]
    assert (found["n"], found["centroid_mae"]["mean"]) == (2, pytest.approx(0.025, abs=1e-6))


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
    source = agents.tokens()
    samples = agents.samples(places, per_picture=2, foods=["banana", "rice"] * 40)
    fitting, testing = samples.part(slice(40)), samples.part(slice(40, 80))
    estimate, settings = collect(source, fitting), {"weights_sha256": "w", "coverage": 0.8}
    fitted = calibration_fit.fit(fitting, estimate, source, **settings)
    dropout = uncertainty.Source(source.agent, "mc_dropout", "head", 16)
    settings = {"sources": [source, dropout], "calibrated": fitted, "num_examples": 2}
    settings["instructions"] = {("skewering", "kiwi"): np.eye(512)[30]}
    document = run(testing, **settings)
    assert json.dumps(report.plain(document), allow_nan=False)
    return types.SimpleNamespace(document=document, places=places[40:])


def test_what_the_calibration_is_worth(everything):
    document = everything.document
    labels = [row["label"] for row in document["uncertainty"]]
    assert labels == ["token_distribution", "token_distribution, calibrated", "mc_dropout head 16"]
    plain, calibrated, dropout = document["uncertainty"]
    assert plain["auroc"] == calibrated["auroc"] == 1
    assert plain["coverage_90"] == 1 > calibrated["coverage_90"] > 0.7
    # Sixteen samples are at k to 16 k: 8.5 k off are 1.84 of their deviations, but for k = 0.
    assert dropout["coverage_90"] == pytest.approx(1 / 20)
    found = document["calibration"]
    assert (found["fitted_on"]["picture_ids"], found["fitted_on"]["num_pictures"]) == (None, 20)
    disc, asked = found["intervals"]["disc_coverage"], found["intervals"]["asked_share"]
    assert (disc["n"], disc["mean"]) == (40, pytest.approx(0.8, abs=0.2))
    # The ranking is perfect, so those above the threshold are the worst.
    assert 0 < asked["mean"] < 0.5
    wrong = [found["intervals"][f"wrong_of_{which}"]["mean"] for which in ("answered", "all")]
    assert wrong[0] < wrong[1]
    # Kiwi is on no plate, and doubted more than all that is.
    assert document["absent_food"] == {"n": 40, "auroc": 1, "asked_share": 1}
    text = report.text(document)
    assert "regions promise 80%" in text and "absent food  40  1.0000" in text


def test_examples_are_the_worst_and_those_least_sure_of(everything):
    examples = everything.document["examples"]
    distances = [[one["centroid_distance"] for one in found] for found in examples.values()]
    assert distances[0] == distances[1]
    worst = examples["worst"][0]
    place = round(100 * worst["centroid_distance"])
    assert place == max(everything.places)
    assert worst["uncertainty"] == pytest.approx(0.99 * (place + 1) / 101)
    np.testing.assert_allclose(worst["predicted"], agents.LABEL + place * agents.ERROR, atol=1e-6)
    assert worst["asked"] is True
    assert worst["radius"] > 0
    bare = agents.samples([0, 1], sources=None, food_types=None, action_names=None)
    (one,) = run(bare, sources=[agents.tokens()], num_examples=1)["examples"]["worst"]
    assert (one["sample"], one["picture"], one["asked"], one["radius"]) == (1, "", None, None)


def figures(offsets, scores, adaptive=False):
    sizes = {"disc": 0.035, "disc_adaptive": 1.0, "box": 0.015, "box_adaptive": 1.0}
    known = uncertainty_stubs.calibration(score="width", threshold=0.25, adaptive=adaptive, **sizes)
    samples = agents.samples([0] * len(offsets))
    answers = agents.LABEL + np.array(offsets)[:, None] * [1, 0, 1, 0]
    scores = {"width": np.array(scores)}
    estimate = uncertainty.Estimate(answers, np.full(answers.shape, 0.01), scores)
    found = report.plain(calibration_fit.figures(known, estimate, samples))["intervals"]
    return {name: one["mean"] for name, one in found.items()}


def test_coverage_and_asking_by_hand():
    """Offsets 0.01 .. 0.1; the last one alone is above the threshold."""
    expected = {
        "disc_coverage": 0.75,
        "box_coverage": 0.25,
        "radius": 0.035,
        "asked_share": 0.25,
        "error_of_all": 0.04,
        "error_of_answered": 0.02,
        "wrong_of_all": 0.25,
        "wrong_of_answered": 0,
    }
    found = figures([0.01, 0.02, 0.03, 0.1], [0.1, 0.1, 0.25, 0.3])
    assert found == pytest.approx(expected, abs=1e-6)
    # Radius 1 * (u + 0.01): 0.02 and 0.31 about errors of 0.03.
    assert figures([0.03, 0.03], [0.01, 0.3], adaptive=True)["disc_coverage"] == 0.5
    found = figures([0.01, 0.02], [0.9, 0.9])  # Nothing is answered.
    assert (found["asked_share"], found["error_of_answered"]) == (1, None)


def test_one_batch_of_pictures_is_held_at_a_time():
    asked = []

    class Pictures:
        dtype, shape = np.dtype(np.uint8), (6, 236, 236, 3)

        def __getitem__(self, rows):
            asked.append(np.size(rows))
            return np.zeros((*np.shape(rows), 236, 236, 3), np.uint8)

        def __array__(self, *_):
            raise AssertionError("all pictures at once")

    data = dataclasses.replace(agents.dataset(range(6)), images=Pictures())
    run(Samples(data, np.arange(6)), sources=[agents.tokens()], batch_size=2, num_examples=1)
    assert max(asked) == 2


def test_means_and_their_fall_backs():
    def named(actions, foods):
        arrays = {"action_names": np.array(actions.split()), "food_types": np.array(foods.split())}
        return agents.samples([0] * len(arrays["action_names"]), **arrays)

    train = named("skewering skewering skewering scooping", "banana banana grape rice")
    train.dataset.actions[:] = np.array([[0.0], [0.4], [1], [0]])
    actions = "skewering skewering scooping scooping twirling"
    samples = dataclasses.replace(named(actions, "banana kiwi rice banana spaghetti"), train=train)
    found = study.baseline_answers(samples)
    # Of the pair; of all skewering; of the pair; the action counts; of everything.
    expected = [0.2, 1.4 / 3, 0, 0, 0.35]
    np.testing.assert_allclose(found["mean of action and food"][:, 0], expected, atol=1e-7)
    np.testing.assert_allclose(found["mean of the training labels"], 0.35, atol=1e-7)
    np.testing.assert_allclose(found["colour"], found["centre of the picture"])  # black
    unnamed = agents.samples([0, 1], food_types=None)
    known = dataclasses.replace(unnamed, train=unnamed)
    for one, names in ((unnamed, []), (known, ["mean of the training labels"])):
        assert list(study.baseline_answers(one)) == [*names, "centre of the picture", "colour"]


RED, GREEN, WHITE = (200, 20, 20), (20, 160, 20), (250, 250, 250)


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        # White is no colour.
        ([(20, 200, 20, 90, WHITE), (100, 120, 130, 190, RED)], [130, 110, 190, 110]),
        # The larger one wins, unless it touches the edge.
        ([(100, 140, 40, 120, RED), (100, 120, 150, 170, GREEN)], [40, 120, 120, 120]),
        ([(180, 236, 0, 236, RED), (100, 120, 150, 200, GREEN)], [150, 110, 200, 110]),
        ([(0, 40, 0, 100, RED), (196, 236, 0, 30, RED)], [0, 20, 100, 20]),  # All touch it.
        ([(0, 236, 0, 236, RED)], study.CENTRE * 236),  # of one colour
    ],
)
def test_the_most_colourful_region(boxes, expected):
    """Boxes (top, bottom, left, right, colour) on grey."""
    image = np.full((236, 236, 3), 128, np.uint8)
    for top, bottom, left, right, colour in boxes:
        image[top:bottom, left:right] = colour
    np.testing.assert_allclose(study.colour_answer(image), np.array(expected) / 236, atol=0.02)


def test_instructions_are_swapped_only_within_a_picture_and_as_chance_has_it():
    samples = agents.samples(np.arange(300) % 3, per_picture=3)
    samples = samples.part(np.random.default_rng(0).permutation(300))
    swapped = study.swapped_instructions(samples, seed=1)
    np.testing.assert_array_equal(samples.dataset.sources[swapped], samples.pictures)
    assert 0.25 < np.mean(swapped == samples.indices) < 0.42  # 1/3: standard deviation 0.027
    assert not np.array_equal(swapped, study.swapped_instructions(samples, seed=2))


def test_absent_foods_are_not_in_the_picture():
    """Sample 1 is not asked about, but its rice is on plate a all the same."""
    foods = ["grape", "rice", "rice", "chicken"]
    data = agents.dataset([0] * 4, foods=foods, sources=np.array(["a", "a", "b", "c"]))
    known = {("skewering", food): np.full(512, i) for i, food in enumerate(foods)}
    known["scooping", "oatmeal"] = np.full(512, 9)
    samples = Samples(data, np.array([0, 2, 3]))
    drawn = [study.absent_foods(samples, known, seed) for seed in range(40)]
    assert {tuple(rows) for rows, _ in drawn} == {(0, 1, 2)}
    lent = np.stack([embeddings[:, 0] for _, embeddings in drawn])
    # Rice is known by its second sample.
    assert [set(column) for column in lent.T] == [{3}, {0, 3}, {0, 2}]
    rows, _ = study.absent_foods(samples, {pair: known[pair] for pair in [*known][:2]}, 0)
    assert rows.tolist() == [1, 2]  # All that is known is on plate a.
    with pytest.raises(ValueError, match="expected a data set that names pictures and foods"):
        study.absent_foods(agents.samples([0], food_types=None), known, 0)
