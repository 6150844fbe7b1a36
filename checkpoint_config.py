"""The gin configuration that came with a checkpoint, read as data.

Gin files can import modules and call functions: whoever writes one runs code on the machine that
parses it. A checkpoint is often somebody else's. Of its `config.gin` only literals are taken:

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
    "DropoutSettings.action_embedding": "0.0",
    "DropoutSettings.spatial": "0.0",
    "DropoutSettings.token_learner": "0.0",
    "DropoutSettings.top": "0.0",
    "DropoutSettings.transformer_embedding": "0.0",
    "FilmEfficientNet.lean_training": None,
    "RT1ImageTokenizer.use_token_learner": "True",
    "TokenLearner.hidden_size": "64",
    "TransformerNetwork.action_order": "None",
    "target_distribution.truncation_bins": None,
}
# No model comes near; a number beyond would fill the memory before its weights are compared.
_LARGEST = {"FilmEfficientNet.width": 4, "FilmEfficientNet.depth": 4, "Transformer.num_layers": 200}
_LARGEST_OTHER = 8192
# Lengths of axes of the weights.
_LENGTHS = (
    *("RT1ActionTokenizer.vocab_size", "TokenLearner.num_tokens", "Transformer.feed_forward_size"),
    *("Transformer.key_dim", "Transformer.num_heads", "TransformerNetwork.token_embedding_size"),
)
# gin reads strings that follow each other again with each one more.
_MAX_CHARACTERS, _MAX_QUOTES, _MAX_VALUES = 200_000, 2000, 20_000
_UNREADABLE = (ValueError, TypeError, SyntaxError, tokenize.TokenError, RecursionError)


class _Macro(str):
    """The name of a macro in the place of its value."""


class _LiteralsOnly(config_parser.ParserDelegate):
    def configurable_reference(self, scoped_configurable_name: str, evaluate: bool) -> None:
        raise ValueError(f"got the reference @{scoped_configurable_name}")

    def macro(self, macro_name: str) -> _Macro:
        return _Macro(macro_name)


def literals(text: str) -> dict[str, object]:
    """{'Transformer.num_layers': 4} of a configuration; raises for anything but literals."""
    quotes = text.count("'") + text.count('"')
    if len(text) > _MAX_CHARACTERS or quotes > _MAX_QUOTES:
        limits = f"{_MAX_CHARACTERS:,} characters and {_MAX_QUOTES} quotation marks"
        raise ValueError(f"at most {limits}, got {len(text):,} and {quotes}")
    found: dict[str, object] = {}
    macros: dict[str, object] = {}
    for one in config_parser.ConfigParser(text, _LiteralsOnly()):
        if isinstance(one, config_parser.IncludeStatement):
            raise ValueError(f"got the include {one.filename!r}")
        if isinstance(one, config_parser.ImportStatement) and one.module not in _KNOWN_IMPORTS:
            raise ValueError(f"got {one.format()!r}")
        if isinstance(one, config_parser.BindingStatement):
            scope = f"{one.scope}/" if one.scope else ""
            name = f"{scope}{one.selector}.{one.arg_name}" if one.arg_name else one.selector
            (found if one.arg_name else macros)[name] = one.value
    left = iter(range(_MAX_VALUES))
    return {name: _resolved(value, macros, left) for name, value in found.items()}


def _resolved(value: object, macros: dict[str, object], left: Iterator[int]) -> object:
    """A value with literals in the place of macros; one that names itself is a RecursionError.
    `left` ends when there are too many: a few macros of macros make billions."""
    if next(left, None) is None:
        raise ValueError(f"at most {_MAX_VALUES:,} values, got more")
    if isinstance(value, _Macro):
        if value not in macros:
            raise ValueError(f"got the unknown macro %{value}")
        return _resolved(macros[value], macros, left)
    if isinstance(value, dict):
        pairs = value.items()
        return {_resolved(k, macros, left): _resolved(v, macros, left) for k, v in pairs}
    if isinstance(value, (list, tuple)):
        return type(value)(_resolved(part, macros, left) for part in value)
    return value


def apply(text: str, name: object, trusted: bool, lengths: Collection[int]) -> None:
    """Puts a configuration into force in the place of what gin holds, but for the file that a
    network would start from: weights follow from a checkpoint.

    `trusted` lets gin run what the file `name` says; else only literals are taken, which have to
    agree with the `lengths` of all axes of the weights. Raises ValueError; gin then holds nothing.
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
            limit = _LARGEST.get(parameter, _LARGEST_OTHER)
            for wrong, expected in (
                (parameter in _RETIRED, f"the value {_RETIRED.get(parameter)}"),
                (owner not in MODEL, f"settings of {', '.join(MODEL)}"),
                (isinstance(value, (int, float)) and not abs(value) <= limit, f"at most {limit}"),
                (parameter in _LENGTHS and value not in lengths, "the length of some axis"),
            ):
                if wrong:
                    raise ValueError(f"{expected}, got {parameter} = {value!r:.80}")
            gin.bind_parameter(parameter, value)
        gin.bind_parameter("EfficientNetEncoder.imagenet_weights_file", None)
    except (*_UNREADABLE, OSError, ImportError) as error:
        gin.clear_config()
        what = "what gin can read" if trusted else "literals for the settings of a model"
        way_out = "" if trusted else ". If you trust its origin, --trust_config lets gin run it"
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"{name}: expected {what}: {reason}{way_out}.") from error
