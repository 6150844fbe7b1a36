"""What `python api_client.py` does: ask about one picture, print the answer, draw it.

Exit code 0: answered; 1: not, with the reason on stderr; 2: wrong flags.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from typing import Any

import api_client


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The flags; ends the program with code 2 if they do not fit together."""
    parser = argparse.ArgumentParser(
        prog="api_client.py", description="Asks a server for the motion in a photo."
    )
    add = parser.add_argument
    add("--api_url", default="http://127.0.0.1:8080", help="(%(default)s)")
    add("--api_key", help=f"better in the environment, as {api_client.API_KEY_VARIABLE}")
    add("--image", required=True, help="file of a picture")
    add("--action", help="such as skewering")
    add("--food_type", help="such as strawberry")
    add("--text", help="the instruction in words, instead of the two, or to be echoed")
    add("--resize", choices=("stretch", "letterbox", "crop"), help="unless given: as in training")
    passes = ("one", "fast", "accurate")
    add("--passes", choices=passes, help="looks at the photo; unless given: as the checkpoint says")
    add(
        "--accurate",
        dest="passes",
        action="store_const",
        const="accurate",
        help="--passes accurate",
    )
    add("--num_samples", type=int, help="draws that many samples with dropout, 1 to 64")
    add("--seed", type=int, help="of the samples")
    add("--dropout_scope", choices=("head", "full"), help="where the samples have dropout")
    add("--save_picture", help="file for the picture with the motion drawn on it")
    flags = parser.parse_args(arguments)
    if (flags.action is None) != (flags.food_type is None) or not (flags.action or flags.text):
        parser.error("expected --action and --food_type, or --text, or all three")
    if flags.num_samples is None and (flags.seed is not None or flags.dropout_scope):
        parser.error("--seed and --dropout_scope are for samples: give --num_samples too")
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; see the module."""
    flags = parse_arguments(arguments)
    try:
        image = api_client.picture_bytes(flags.image)
        with api_client.FoodAcquisitionClient(flags.api_url, api_key=flags.api_key) as client:
            printed, prediction = _ask(client, image, flags)
        print(json.dumps(printed, indent=2))  # noqa: T201
        if flags.save_picture:
            # Imported here because asking works without Pillow.
            from serving import drawing

            drawing.save_with_motion(image, prediction.pixels, flags.save_picture, prediction.crop)
            print(f"drawn: {flags.save_picture}", file=sys.stderr)  # noqa: T201
    except (api_client.ApiError, OSError, ImportError, ValueError) as error:
        print(f"api_client: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _ask(
    client: api_client.FoodAcquisitionClient, image: bytes, flags: argparse.Namespace
) -> tuple[dict[str, Any], api_client.Prediction]:
    """What is printed, and the motion that is drawn."""
    instruction = (flags.action, flags.food_type, flags.text)
    if flags.num_samples is None:
        prediction = client.predict(image, *instruction, resize=flags.resize, passes=flags.passes)
        printed = dataclasses.asdict(dataclasses.replace(prediction, content={}))
        del printed["content"]
        return printed, prediction
    batch = client.predict_batch(
        image,
        *instruction,
        batch_size=flags.num_samples,
        seed=flags.seed,
        dropout_scope=flags.dropout_scope,
        resize=flags.resize,
        passes=flags.passes,
    )
    return dict(batch.mean_prediction.content), batch.mean_prediction
