"""What is asked about each picture."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from food_data import annotations

Key = tuple[str, "str | None", "str | None"]
_SEEDS = 2**31


@dataclasses.dataclass(frozen=True)
class Settings:
    """What all questions of a run have in common.

    Attributes:
        action, food_type: asked about every picture; None if labels say what is asked.
        text: the instruction in words, or None.
        num_samples: drawn with dropout; 0 asks for the one answer without it.
        seed: of the samples, or None for the server's choice.
        dropout_scope: "head" or "full".
        resize: "stretch", "letterbox", "crop", or None for what the model was trained with.
        passes: "one", "fast", "accurate", or None for what the checkpoint says.
    """

    action: str | None = None
    food_type: str | None = None
    text: str | None = None
    num_samples: int = 16
    seed: int | None = None
    dropout_scope: str = "head"
    resize: str | None = None
    passes: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Question:
    """A picture, relative to the folder with "/" between the parts, and the instruction."""

    image: str
    action: str | None
    food_type: str | None

    @property
    def key(self) -> Key:
        """Tells the questions of a run apart."""
        return self.image, self.action, self.food_type

    def seed(self, run_seed: int | None) -> int | None:
        """The seed of its samples: another one for each question, whatever the order."""
        if run_seed is None:
            return None
        return (run_seed + zlib.crc32("\n".join(map(str, self.key)).encode("utf-8"))) % _SEEDS


def make_questions(
    pictures: Sequence[str],
    settings: Settings,
    labels: Mapping[str, Sequence[annotations.LabelledObject]],
) -> list[Question]:
    """One question for each picture; or, if labels say what, for each action and food of them.

    Args:
        pictures: as `picture_files` lists them.
        settings: with a food or a text, every picture gets the same question.
        labels: picture -> objects with canonical actions and foods. Without food and text in the
            settings, three bananas to skewer are one question, and a picture without labels none.

    Returns:
        In the order of the pictures, then by action and food.
    """
    if settings.food_type or settings.text:
        return [Question(name, settings.action, settings.food_type) for name in pictures]
    questions = []
    for name in pictures:
        pairs = sorted({(one.action or "", one.label) for one in labels.get(name, ())})
        questions += [Question(name, action, food) for action, food in pairs]
    return questions
