"""Which source is the default, and what only that one is asked."""

import numpy as np

from evaluation import answers, uncertainty_sources
from evaluation.study import fit as study_fit
from evaluation.study import parts as study_parts
from evaluation.study import throughput as study_throughput
from tests.evaluation.study import fixtures as study_fixtures

AGENT = study_fixtures.OffsetAgent()
PLACES = np.random.default_rng(0).permutation(20)


def _parts(**settings):
    samples = study_fixtures.samples(PLACES)
    question, meter = study_parts.Question(samples, **settings), study_throughput.Meter()

    def collect(source):
        return study_parts.collect(source, question, meter)

    plain = collect(answers.PlainAnswers(AGENT)).answers
    return study_parts.uncertainty_parts(question, AGENT, plain, collect, meter)


def test_without_sources_only_examples_are_left():
    parts = _parts(num_examples=2)
    assert parts["uncertainty"] == parts["curves"] == parts["shifts"] == []
    assert len(parts["examples"]["worst"]) == 2
    assert parts["examples"]["most_uncertain"] == []


def _defaults(parts):
    return [row["label"] for row in parts["uncertainty"] if row["is_default"]]


def test_the_calibrated_source_is_the_default_wherever_it_stands():
    sources = [
        uncertainty_sources.McDropout(AGENT, "head", 2),
        uncertainty_sources.TokenDistribution(AGENT),
    ]
    assert _defaults(_parts(sources=sources)) == ["mc_dropout head 2"]
    fitted, _ = study_fit.fit_and_test(
        sources[1], study_fixtures.samples(PLACES), fraction=1, weights_sha256="w"
    )
    parts = _parts(sources=sources, calibration=fitted, shift_samples=2, coverage_splits=1)
    assert _defaults(parts) == ["token_distribution"]
    assert parts["calibration"]["fitted_on"]["source"] == "token_distribution"
    # Blank pictures leave this agent as sure as it was; the threshold asks about some.
    assert all(row["asked_share"] is not None for row in parts["shifts"])
    assert parts["coverage_splits"]["num_splits"] == 1


def test_instructions_can_be_lent():
    samples = study_fixtures.samples([0, 10])
    question = study_parts.Question(samples, batch_size=1)
    found = study_parts.collect(
        answers.PlainAnswers(AGENT), question, study_throughput.Meter(), np.array([1, 0])
    )
    np.testing.assert_allclose(found.answers[:, 0], [0.5, 0.4], atol=1e-6)
