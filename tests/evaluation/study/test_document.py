"""The whole document, of a model that is k / 100 off."""

import json
import types

import numpy as np
import pytest

from evaluation import uncertainty_sources
from evaluation.study import document as study_document
from evaluation.study import fit as study_fit
from evaluation.study import parts as study_parts
from evaluation.study import samples as study_samples
from evaluation.study import text as study_text
from tests.evaluation.study import fixtures as study_fixtures

TRAIN = study_samples.TrainLabels(
    np.array([[0.3, 0.5, 0.5, 0.5], [0.5, 0.5, 0.7, 0.5]], np.float32),
    np.array(["skewering", "skewering"]),
    np.array(["banana", "rice"]),
)


def _samples(places, **more):
    data = study_fixtures.dataset(places, **more)
    return study_samples.Samples(data, np.arange(len(places)), TRAIN)


def _run(samples, agent=None, other=None, **settings):
    agent = agent or study_fixtures.OffsetAgent()
    return study_document.run(study_parts.Question(samples, **settings), agent, other)


def test_the_model_beside_itself_and_four_baselines():
    document = _run(_samples([0, 2, 4, 6], per_picture=2))
    assert list(document["errors"]) == [
        "model",
        "model, instruction swapped",
        "mean of the training labels",
        "mean of action and food",
        "centre of the picture",
        "colour",
    ]
    means = {kind: row["centroid_error"]["mean"] for kind, row in document["errors"].items()}
    assert means["model"] == pytest.approx(0.03, abs=1e-6)
    # Within a picture the mean of the two is drawn.
    assert 0.0 <= means["model, instruction swapped"] <= 0.06
    assert means["mean of the training labels"] == pytest.approx(0, abs=1e-6)
    assert means["mean of action and food"] == pytest.approx(0.1, abs=1e-6)
    assert means["centre of the picture"] == pytest.approx(0, abs=1e-6)
    # Pictures: 0.01 and 0.05; drawn again: 0.01, 0.03 or 0.05.
    interval = document["errors"]["model"]["centroid_error"]
    assert (interval["low"], interval["high"]) == pytest.approx((0.01, 0.05), abs=1e-6)
    assert document["uncertainty"] == document["curves"] == document["shifts"] == []
    assert document["calibration"] is document["comparison"] is None
    # 4 and 4 answers; the first batch is asked twice.
    assert document["throughput"]["num_images"] == 8


def test_the_other_checkpoint_is_0_01_worse():
    other = study_fixtures.OffsetAgent(extra=1)
    document = _run(_samples([0, 2, 4]), other=("last", other, None))
    column = document["comparison"]["columns"]["centroid_error"]
    assert column["difference"] == pytest.approx(-0.01, abs=1e-6)
    assert column["p_value"] == 0.25
    assert document["comparison"]["other"] == "last"
    assert document["errors"]["compared: last"]["centroid_error"]["mean"] == pytest.approx(0.03)


def _everything(seed=0):
    places = np.tile(np.random.default_rng(0).permutation(20), 4)
    agent = study_fixtures.OffsetAgent()
    source = uncertainty_sources.TokenDistribution(agent)
    samples = _samples(places, per_picture=2, foods=["banana", "rice"] * 40)
    pictures = np.arange(80) // 2 < 20
    fitted, _ = study_fit.fit_and_test(
        source, samples.part(pictures), fraction=1, weights_sha256="w"
    )
    sources = [uncertainty_sources.McDropout(agent, "head", 2), source]
    settings = {"coverage_splits": 2, "shift_samples": 3, "num_examples": 2, "seed": seed}
    rest = samples.part(~pictures)
    return _run(rest, agent, sources=sources, calibration=fitted, **settings), samples, fitted


def test_everything_at_once_and_as_json():
    document, *_ = _everything()
    assert document["calibration"]["disc_coverage"]["n"] == 40
    default = [row for row in document["uncertainty"] if row["is_default"]]
    assert [row["label"] for row in default] == ["token_distribution"]
    assert [curve["label"] for curve in document["curves"]] == [
        "mc_dropout head 2",
        "token_distribution",
    ]
    assert document["coverage_splits"]["num_splits"] == 2
    assert {row["name"] for row in document["shifts"]} >= {"ordinary", "blank"}
    assert document["examples"]["worst"][0]["asked"] in (True, False)
    text = json.dumps(study_document.json_ready(document), allow_nan=False)
    assert "image" not in json.loads(text)["examples"]["best"][0]
    assert "token_distribution *" in study_text.text(document)


def test_the_same_seed_gives_the_same_table():
    def steady(document):
        for row in document["uncertainty"]:
            row["ms_per_image"] = row["relative_cost"] = None
        return {**study_document.json_ready(document), "throughput": None}

    first, again, other = (steady(_everything(seed)[0]) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_pictures_that_calibrated_are_refused():
    _, samples, fitted = _everything()
    agent = study_fixtures.OffsetAgent()
    with pytest.raises(ValueError, match="fitted to some of these pictures.*--without_calibration"):
        _run(samples, agent, calibration=fitted)
    assert agent.num_pictures == 0


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

    data = study_fixtures.dataset([0, 1, 2, 3, 4, 5])
    names = {name: getattr(data, name) for name in ("actions", "embeddings", "sources")}
    names |= {"action_names": data.action_names, "food_types": data.food_types, "masks": None}
    fake = types.SimpleNamespace(images=Pictures(), **names)
    samples = study_samples.Samples(fake, np.arange(6))
    source = uncertainty_sources.TokenDistribution(study_fixtures.OffsetAgent())
    _run(samples, sources=[source], batch_size=2, num_examples=1)
    assert max(asked) == 2
