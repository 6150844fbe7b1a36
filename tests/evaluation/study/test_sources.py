"""Names of sources, good ones and others."""

import types

import pytest

from evaluation import uncertainty_sources
from evaluation.study import sources as study_sources
from tests.evaluation.study import fixtures as study_fixtures

AGENT = study_fixtures.OffsetAgent()
REGRESSION = study_fixtures.OffsetAgent(has_distributions=False)


def fitted_on(source, scope=None, num_samples=1):
    return types.SimpleNamespace(source=source, scope=scope, num_samples=num_samples)


@pytest.mark.parametrize(
    ("text", "label", "scope_and_passes"),
    [
        ("token_distribution", "token_distribution", (None, 1)),
        ("mc_dropout:full:8", "mc_dropout full 8", ("full", 8)),
        ("flipped_views", "flipped_views", (None, 4)),
    ],
)
def test_sources_by_name(text, label, scope_and_passes):
    source = study_sources.parse(text, AGENT)
    assert study_sources.label(source) == label
    assert study_sources.scope_and_passes(source) == scope_and_passes
    assert study_sources.is_of(source, fitted_on(source.name, *scope_and_passes))
    assert not study_sources.is_of(source, fitted_on("ensemble", None, 1))


def test_an_ensemble_of_directories(monkeypatch):
    made = uncertainty_sources.Ensemble([AGENT, AGENT, AGENT])
    loaded = []
    monkeypatch.setattr(
        uncertainty_sources.Ensemble, "load", lambda paths: loaded.append(paths) or made
    )
    source = study_sources.parse("ensemble:runs/a,runs/b,runs/c", AGENT)
    assert loaded == [["runs/a", "runs/b", "runs/c"]]
    assert study_sources.label(source) == "ensemble 3"


def test_what_default_stands_for():
    assert study_sources.default_text(AGENT) == "token_distribution"
    assert study_sources.default_text(REGRESSION) == "mc_dropout:head:16"
    fitted = fitted_on("mc_dropout", "full", 8)
    assert study_sources.default_text(AGENT, fitted) == "mc_dropout:full:8"
    assert study_sources.parse("default", AGENT, fitted).settings["num_samples"] == 8
    with pytest.raises(ValueError, match="an ensemble of 3, whose members it does not name"):
        study_sources.default_text(AGENT, fitted_on("ensemble", None, 3))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("token_distributions", "got 'token_distributions'. Did you mean 'token_distribution'"),
        ("bayes", "got 'bayes'"),
        ("mc_dropout", "mc_dropout:SCOPE:SAMPLES"),
        ("mc_dropout:neck:16", "the scope head or full"),
        ("mc_dropout:head:1", "at least 2 samples"),
        ("ensemble:runs/a", "expected ensemble:DIR,DIR"),
        ("flipped_views:4", "without settings"),
    ],
)
def test_bad_names(text, message):
    with pytest.raises(ValueError, match=message):
        study_sources.parse(text, AGENT)


def test_a_regression_model_has_no_token_distribution():
    with pytest.raises(ValueError, match="expected a model with loss_type 'cross_entropy'"):
        study_sources.parse("token_distribution", REGRESSION)


def test_the_calibrated_source_is_always_there_and_the_default_where_needed():
    def labels(*arguments, **more):
        return [*map(study_sources.label, study_sources.choose(*arguments, **more))]

    fitted = fitted_on("token_distribution")
    assert labels([], AGENT, None) == []
    assert labels([], AGENT, None, needed=True) == ["token_distribution"]
    both = ["token_distribution", "mc_dropout head 4"]
    assert labels(["mc_dropout:head:4"], AGENT, fitted) == both
    assert labels(["mc_dropout:head:4", "default"], AGENT, fitted) == both[::-1]
