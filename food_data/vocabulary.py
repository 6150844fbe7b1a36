"""The names of actions and foods, and how the ways people write them become one name.

A name is snake_case ("cherry_tomato"). What is written is first normalised, then looked up among
the names and variants of `vocabulary.json`, as it stands or without a plural "s" or "es": "Green
beans" is "green_bean". Foods and actions that a user adds are in the manifest of an embeddings
directory (`embedding_store.EmbeddingStore`), which extends this vocabulary by them.
"""

import dataclasses
import difflib
import json
import pathlib
import re
from collections.abc import Iterable, Mapping

# The one place that says how an action and a food become the text that is embedded.
INSTRUCTION_TEMPLATE = "{action} {food}"
NAME_PATTERN = re.compile(r"[a-z]+(_[a-z0-9]+)*")


class UnknownNameError(LookupError):
    """An action or a food that the vocabulary does not have; the message lists near names."""


def normalise(text: str) -> str:
    """Lower case, words joined by one underscore: " Green-beans" -> "green_beans"."""
    return "_".join(re.findall(r"[^\W_]+", text.lower()))


def instruction_text(action: str, food: str) -> str:
    """The text that is embedded: ("skewering", "cherry_tomato") -> "skewering cherry tomato"."""
    return INSTRUCTION_TEMPLATE.format(action=action.replace("_", " "), food=food.replace("_", " "))


def singulars(word: str) -> tuple[str, str, str]:
    """What a normalised word may be the plural of, itself first."""
    return word, word.removesuffix("s"), word.removesuffix("es")


def near_names(text: str, names: Iterable[str]) -> str:
    """Ends an error message: the names closest to `text`, then all of them."""
    names = sorted(names)
    close = difflib.get_close_matches(normalise(text), names, n=3, cutoff=0.6)
    hint = f"Did you mean {' or '.join(map(repr, close))}? " if close else ""
    return f"{hint}Known: {', '.join(names) or 'none'}."


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """Names and their variants, all normalised. `BASE` is the shipped one."""

    actions: Mapping[str, tuple[str, ...]]  # name -> its variants
    foods: Mapping[str, tuple[str, ...]]

    def canonical_action(self, text: str) -> str:
        """The action that `text` names. Raises UnknownNameError, listing near names."""
        return _canonical(text, self.actions, "action")

    def canonical_food(self, text: str) -> str:
        """The food that `text` names. Raises UnknownNameError, listing near names."""
        return _canonical(text, self.foods, "food")

    def split_instruction(self, text: str) -> tuple[str, str]:
        """Splits "scoop_cherry_tomtato" into ("scooping", "cherry_tomtato"): the longest action or
        variant that it begins with, and the rest, which is only normalised."""
        text, known = normalise(text), _variants(self.actions)
        matches = [word for word in known if text.startswith(word + "_")]
        if not matches:
            actions = ", ".join(sorted(known))
            raise UnknownNameError(f"Expected an action ({actions}) and a food, got {text!r}.")
        action = max(matches, key=len)
        return known[action], text[len(action) + 1 :]

    def extended(
        self, actions: Mapping[str, Iterable[str]], foods: Mapping[str, Iterable[str]]
    ) -> "Vocabulary":
        """A vocabulary that also has these names and variants (normalised here)."""
        both = []
        for base, extra in ((self.actions, actions), (self.foods, foods)):
            merged = dict(base)
            for name, variants in extra.items():
                merged[name] = (*merged.get(name, ()), *map(normalise, variants))
            both.append({name: tuple(dict.fromkeys(words)) for name, words in merged.items()})
        return Vocabulary(*both)


def _variants(names: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Every variant, and every name itself, with its name."""
    variants = {variant: name for name, all_of in names.items() for variant in all_of}
    return variants | {name: name for name in names}


def _canonical(text: str, names: Mapping[str, tuple[str, ...]], kind: str) -> str:
    known = _variants(names)
    found = [known[word] for word in singulars(normalise(text)) if word in known]
    if not found:
        raise UnknownNameError(f"Unknown {kind} {text!r}. {near_names(text, names)}")
    return found[0]


BASE = Vocabulary({}, {}).extended(
    **json.loads(pathlib.Path(__file__).with_name("vocabulary.json").read_text(encoding="utf-8"))
)
ACTIONS, FOODS = tuple(BASE.actions), tuple(BASE.foods)
canonical_action, canonical_food = BASE.canonical_action, BASE.canonical_food
