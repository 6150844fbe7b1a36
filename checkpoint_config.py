"""The gin configuration that came with a checkpoint, read as data.

Gin files can import modules, include other files and call functions, so whoever writes one runs
code on the machine that parses it. A checkpoint is often somebody else's. Of its `config.gin` only
literals for the settings of a model are taken:

    Transformer.num_layers = 4            taken
    width = 48                            a macro that is a literal, taken
    Transformer.key_dim = %width          taken: 48
    Augmentation.noise = 0.02             of training, skipped
    import os                             refused
    include "/etc/other.gin"              refused
    Transformer.num_layers = @f()         refused

`--trust_config` gives the file to gin as it is.
"""

from __future__ import annotations

import keras2  # noqa: F401

import re
import tokenize
from collections.abc import Collection, Iterator

import gin
from gin import config_parser

# What a checkpoint may set: the configurables of the model.
MODEL = (
    *("Agent", "DropoutSettings", "EfficientNetEncoder", "FilmEfficientNet", "RT1ActionTokenizer"),
    *("TokenLearner", "Transformer", "TransformerNetwork", "observation_spec"),
    "target_distribution",
)
# What a run's configuration may bind beside them, and a model does not need.
TRAINING = (
    *("Augmentation", "Framing", "RunReporter", "create_optimizer", "gradient_accumulation"),
    *("progress", "run_seed"),
)
# Written by earlier versions; they only register names of `TRAINING`, so nothing is imported.
_KNOWN_IMPORTS = ("food_data.augmentation", "food_data.framing", "food_data.pipeline")
# Of earlier versions, and the one value that is still what the network does; None if none matters.
_RETIRED = {
    "DropoutSettings.at_inference": "False",
    "FilmEfficientNet.lean_training": None,
    "RT1ImageTokenizer.use_token_learner": "True",
    "TransformerNetwork.action_order": "None",
    "target_distribution.truncation_bins": None,
}
# No model comes near; a number beyond would fill the memory before its weights are compared.
_LARGEST = {"FilmEfficientNet.width": 4, "FilmEfficientNet.depth": 4, "Transformer.num_layers": 200}
_LARGEST_OTHER = 8192
# Lengths of axes of the weights.
_LENGTHS = (
    *("RT1ActionTokenizer.vocab_size", "TokenLearner.hidden_size", "TokenLearner.num_tokens"),
    *("Transformer.feed_forward_size", "Transformer.key_dim", "Transformer.num_heads"),
    "TransformerNetwork.token_embedding_size",
)
# gin reads strings that follow each other again with each one more.
_MAX_CHARACTERS, _MAX_QUOTES, _MAX_VALUES = 200_000, 2000, 20_000


class ConfigError(ValueError):
    """A configuration is not what a checkpoint may bring along, or gin cannot read it."""


class _Macro(str):
    """The name of a macro in the place of its value."""


class _LiteralsOnly(config_parser.ParserDelegate):
    def configurable_reference(self, scoped_configurable_name: str, evaluate: bool) -> None:
        raise ConfigError(f"a literal, got the reference @{scoped_configurable_name}")

    def macro(self, macro_name: str) -> _Macro:
        return _Macro(macro_name)


def literals(text: str) -> dict[str, object]:
    """{'Transformer.num_layers': 4} of a configuration; ConfigError for anything but literals."""
    quotes = text.count("'") + text.count('"')
    if len(text) > _MAX_CHARACTERS or quotes > _MAX_QUOTES:
        limits = f"{_MAX_CHARACTERS:,} characters and {_MAX_QUOTES} quotation marks"
        raise ConfigError(f"at most {limits}, got {len(text):,} and {quotes}")
    found: dict[str, object] = {}
    macros: dict[str, object] = {}
    try:
        for one in config_parser.ConfigParser(text, _LiteralsOnly()):
            if isinstance(one, config_parser.ImportStatement):
                if one.module not in _KNOWN_IMPORTS:
                    raise ConfigError(f"no import, got {one.format()!r}")
            elif isinstance(one, config_parser.IncludeStatement):
                raise ConfigError(f"no include, got {one.filename!r}")
            elif isinstance(one, config_parser.BindingStatement):
                if one.arg_name:
                    scope = f"{one.scope}/" if one.scope else ""
                    found[f"{scope}{one.selector}.{one.arg_name}"] = one.value
                else:
                    macros[one.selector] = one.value
        left = iter(range(_MAX_VALUES))
        return {name: _resolved(value, macros, left) for name, value in found.items()}
    except RecursionError as error:
        raise ConfigError("fewer levels of nesting, and no macro that names itself") from error
    except (SyntaxError, ValueError, TypeError, tokenize.TokenError) as error:
        reason = str(error).strip().splitlines()[0]
        what = "" if isinstance(error, ConfigError) else "literals, got what is none: "
        raise ConfigError(what + reason) from error


def _resolved(value: object, macros: dict[str, object], left: Iterator[int]) -> object:
    """A value with literals in the place of macros; one that names itself is a RecursionError.
    `left` ends when there are too many: a few macros of macros make billions."""
    if next(left, None) is None:
        raise ConfigError(f"at most {_MAX_VALUES:,} values, got more")
    if isinstance(value, _Macro):
        if value not in macros:
            raise ConfigError(f"a macro of this file, got %{value}")
        return _resolved(macros[value], macros, left)
    if isinstance(value, dict):
        pairs = value.items()
        return {_resolved(k, macros, left): _resolved(v, macros, left) for k, v in pairs}
    if isinstance(value, (list, tuple)):
        return type(value)(_resolved(part, macros, left) for part in value)
    return value


def apply(text: str, name: object, trusted: bool, lengths: Collection[int]) -> None:
    """Puts a configuration into force in the place of what gin holds.

    Weights follow from a checkpoint, so the file that a network would start from is not read.

    Args:
        text: of the file.
        name: of the file, for errors.
        trusted: whether gin may run what the file says; else only literals are taken.
        lengths: of all axes of the weights, which literals have to agree with.

    Raises:
        ConfigError: says what was expected; gin then holds nothing.
    """
    import agent_wrapper  # noqa: F401  Registers what may be bound.

    gin.clear_config()
    try:
        if trusted:
            for parameter, value in _RETIRED.items():
                line = rf"^{re.escape(parameter)} = {value or '.*'}$"
                text = re.sub(line, "", text, flags=re.MULTILINE)
            gin.parse_config(text, skip_unknown=TRAINING)
        for parameter, value in ({} if trusted else literals(text)).items():
            owner = parameter.partition(".")[0]
            if owner in TRAINING or _RETIRED.get(parameter, "") in (None, str(value)):
                continue
            if parameter in _RETIRED:
                raise ConfigError(f"{parameter} = {_RETIRED[parameter]}, got {value!r}")
            if owner not in MODEL:
                raise ConfigError(f"settings of {', '.join(MODEL)}; got {parameter}")
            limit = _LARGEST.get(parameter, _LARGEST_OTHER)
            if isinstance(value, (int, float)) and not abs(value) <= limit:
                raise ConfigError(f"{parameter} of at most {limit}, got {value}")
            if parameter in _LENGTHS and value not in lengths:
                raise ConfigError(f"{parameter} that some axis of the weights has, got {value!r}")
            gin.bind_parameter(parameter, value)
        gin.bind_parameter("EfficientNetEncoder.imagenet_weights_file", None)
    except (ValueError, SyntaxError, OSError, ImportError) as error:
        gin.clear_config()
        what = "a configuration that gin can read; " if trusted else ""
        way_out = "" if trusted else ". If you trust its origin, --trust_config lets gin run it"
        raise ConfigError(f"{name}: expected {what}{error}{way_out}.") from error
