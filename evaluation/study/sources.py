"""Sources of uncertainty by name, as the command line gives them.

| text                | source                                                     |
|---------------------|------------------------------------------------------------|
| token_distribution  | `uncertainty_sources.TokenDistribution`                    |
| mc_dropout:head:16  | `McDropout`, the scope (head, full) and how many samples   |
| ensemble:DIR,DIR    | `Ensemble` of checkpoint directories                       |
| flipped_views       | `FlippedViews`                                             |
| default             | the one that calibrated the checkpoint, if any; else the   |
|                     | token distribution of a cross_entropy model; else          |
|                     | mc_dropout:head:16                                         |
"""

from __future__ import annotations

import difflib
import typing
from collections.abc import Sequence

from evaluation import uncertainty_calibration, uncertainty_sources

if typing.TYPE_CHECKING:
    import agent_wrapper

FORMS = {
    "token_distribution": "token_distribution",
    "mc_dropout": "mc_dropout:SCOPE:SAMPLES, such as mc_dropout:head:16",
    "ensemble": "ensemble:DIR,DIR",
    "flipped_views": "flipped_views",
    "default": "default",
}


def parse(
    text: str,
    agent: agent_wrapper.Agent,
    fitted_on: uncertainty_calibration.FittedOn | None = None,
) -> uncertainty_sources.Source:
    """The source that a text names, see the module.

    Args:
        text: such as 'mc_dropout:head:16'.
        agent: the model, or an engine of it.
        fitted_on: what calibrated the model; None: nothing.

    Returns:
        The source; an ensemble loads its checkpoints.

    Raises:
        ValueError: if there is no such source, its settings are none, or the model lacks what it
            needs; names the nearest one.
    """
    name, _, settings = text.partition(":")
    if name not in FORMS:
        near = difflib.get_close_matches(name, FORMS, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"--uncertainty: expected one of {'; '.join(FORMS.values())}; got {text!r}.{hint}"
        )
    if name == "default" and not settings:
        return parse(default_text(agent, fitted_on), agent)
    if name == "mc_dropout":
        return uncertainty_sources.McDropout(agent, *_dropout_settings(text, settings))
    if name == "ensemble":
        directories = [one for one in settings.split(",") if one]
        if len(directories) < 2:
            raise ValueError(f"--uncertainty: expected ensemble:DIR,DIR, got {text!r}.")
        return uncertainty_sources.Ensemble.load(directories)
    if settings:
        raise ValueError(f"--uncertainty: expected {name!r} without settings, got {text!r}.")
    if name == "flipped_views":
        return uncertainty_sources.FlippedViews(agent)
    if not agent.has_distributions:
        raise ValueError(
            "--uncertainty token_distribution: expected a model with loss_type 'cross_entropy', "
            "got one that regresses coordinates and has no token distributions. Use "
            "mc_dropout:head:16 or an ensemble."
        )
    return uncertainty_sources.TokenDistribution(agent)


def default_text(
    agent: agent_wrapper.Agent, fitted_on: uncertainty_calibration.FittedOn | None = None
) -> str:
    """What 'default' stands for.

    Raises:
        ValueError: if an ensemble calibrated the model: its members are not known.
    """
    if fitted_on is None:
        return "token_distribution" if agent.has_distributions else "mc_dropout:head:16"
    if fitted_on.source == "mc_dropout":
        return f"mc_dropout:{fitted_on.scope}:{fitted_on.num_samples}"
    if fitted_on.source == "ensemble":
        raise ValueError(
            f"The checkpoint's calibration is of an ensemble of {fitted_on.num_samples}, whose "
            "members it does not name. Give them: --uncertainty ensemble:DIR,DIR."
        )
    return fitted_on.source


def choose(
    texts: Sequence[str],
    agent: agent_wrapper.Agent,
    fitted_on: uncertainty_calibration.FittedOn | None,
    *,
    needed: bool = False,
) -> list[uncertainty_sources.Source]:
    """The sources asked for, and the one that the calibration is of.

    Args:
        texts: see the module.
        agent: the model.
        fitted_on: what calibrated the model; None: nothing.
        needed: whether there has to be one; then it is the default.

    Returns:
        The sources; one that is only there for the calibration comes first.

    Raises:
        ValueError: as `parse`.
    """
    sources = [parse(text, agent, fitted_on) for text in texts]
    if fitted_on is not None:
        if not any(is_of(source, fitted_on) for source in sources):
            sources.insert(0, parse("default", agent, fitted_on))
    elif needed and not sources:
        sources.append(parse("default", agent))
    return sources


def scope_and_passes(source: uncertainty_sources.Source) -> tuple[str | None, int]:
    """What `uncertainty_calibration.FittedOn` says of a source: its scope, passes for an answer."""
    if source.name == "flipped_views":
        return None, 4
    settings = source.settings
    return settings.get("scope"), settings.get("num_samples", settings.get("num_members", 1))


def is_of(source: uncertainty_sources.Source, fitted_on: uncertainty_calibration.FittedOn) -> bool:
    """Whether a calibration was fitted to this source, as it is set."""
    fitted = (fitted_on.source, fitted_on.scope, fitted_on.num_samples)
    return fitted == (source.name, *scope_and_passes(source))


def label(source: uncertainty_sources.Source) -> str:
    """A short name for tables: 'mc_dropout head 16', 'ensemble 3'."""
    scope, passes = scope_and_passes(source)
    shown = [] if source.name in ("token_distribution", "flipped_views") else [str(passes)]
    return " ".join([source.name, *([scope] if scope else []), *shown])


def _dropout_settings(text: str, settings: str) -> tuple[str, int]:
    scope, _, number = settings.partition(":")
    if scope not in ("head", "full") or not number.isdecimal() or int(number) < 2:
        raise ValueError(
            f"--uncertainty: expected {FORMS['mc_dropout']}, the scope head or full and at least 2 "
            f"samples; got {text!r}."
        )
    return scope, int(number)
