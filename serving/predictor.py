"""A checkpoint that answers about pictures: from a picture's file to the fields of an answer.

A server and `policy.CheckpointPolicy` run the same `Predictor.answer`. Existing clients read the
direction of the normalised coordinates: a motion from 0.25, 0.5 to 0.75, 1.0 in a picture of 200 x
100 pixels has 45 degrees in `prediction`, and the angle seen, 26.57, in `prediction_pixels`.
"""

from __future__ import annotations

import contextlib
import math
import os
import pathlib
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from absl import logging

import policy_specs
from evaluation import uncertainty
from food_data import framing, image_placement, vocabulary
from serving import schemas
from serving.schemas import RequestError

# How alike free text and an instruction must be: the cosine of their embeddings. Of 20 paraphrases
# such as "get a spoonful of oatmeal" 18 lie at 0.60 and above; of 21 foreign commands such as "open
# the window" the highest, "scoop up the sand", lies at 0.51.
MIN_LIKENESS = 0.55


class Predictor:
    """One version of the model; nothing in it changes after `warm_up`, so threads share it."""

    def __init__(
        self,
        model: Any,
        embeddings: vocabulary.EmbeddingStore,
        placement_mode: str | None,
        version: str,
        calibration: uncertainty.UncertaintyCalibration | None = None,
        framed: framing.Framing | None = None,
        encoder: Any = None,
        trained_pairs: Collection[tuple[str, str]] | None = None,
        act_below_floor: bool = False,
    ) -> None:
        """`model` is an `engines.engine.Engine`; what is None is not known of the checkpoint."""
        self.model, self.version = model, version
        self.engine = getattr(model, "name", type(model).__name__)
        self.num_workers = getattr(model, "num_workers", 1)
        self.framing = framed or framing.Framing()
        self.judge = calibration and UncertaintyJudge(calibration, model, act_below_floor)
        self.trained_pairs = trained_pairs
        self._embeddings, self._encoder = embeddings, encoder
        self._placement_mode = placement_mode

    @classmethod
    def from_checkpoint(
        cls,
        directory: str | os.PathLike[str],
        config_file: str | os.PathLike[str] | None = None,
        loss_type: str | None = None,
        *,
        engine: str = "auto",
        passes: str | None = None,
        trust_config: bool = False,
        act_below_floor: bool = False,
    ) -> Predictor:
        """Loads a directory that train.py wrote, as the server's flags of these names say; whatever
        is wrong with it is raised by the loader."""
        # Imported here because they build networks, which a stub of a model does without.
        import checkpoint_directory
        from serving import engines

        contents = checkpoint_directory.read_contents(directory)
        calibration = uncertainty.calibration_of(contents)
        loaded = checkpoint_directory.load(contents, config_file, loss_type, trust_config)
        name, pairs = contents.metadata["checkpoint"], contents.metadata.get("trained_pairs")
        text = "TensorFlow traces %s: seconds, at full size a minute, and again for its ONNX export"
        logging.info(text, name)
        return cls(
            engines.create(loaded.agent, engine),
            contents.embeddings,
            contents.metadata["resize"],
            f"{pathlib.Path(contents.directory).resolve().name}/{name}",
            calibration,
            checkpoint_directory.framing_of(contents.metadata).instead(passes),
            _encoder_of(contents.embeddings),
            None if pairs is None else frozenset((action, food) for action, food in pairs),
            act_below_floor,
        )

    def combinations(self) -> list[tuple[str, str]]:
        """Every (action, food) that can be asked about, sorted."""
        return sorted(self._embeddings.combinations())

    def warm_up(self) -> None:
        """Traces and runs all that a request may need, so that the first one does not wait."""
        started = time.perf_counter()
        side = policy_specs.IMAGE_SIZE
        image = np.zeros((1, side, side, 3), np.uint8)
        embedding = np.zeros((1, policy_specs.EMBEDDING_SIZE), np.float32)
        self.model.forward(image, embedding)
        for scope in schemas.DROPOUT_SCOPES:
            self.model.forward(image, embedding, dropout=scope, num_samples=16, seed=0)
        if self._encoder is not None:  # Its first text takes seconds.
            self._encoder.encode("skewer a strawberry")
        if self.judge is not None:
            view = framing.View(*image_placement.place(image[0], "stretch"))
            self.judge.judge(self.model, view, view.placement, embedding[0])
        logging.info("Warmed up in %.1f s", time.perf_counter() - started)

    def answer(
        self,
        image: bytes,
        request: Mapping[str, Any],
        *,
        sampled: bool,
        max_pixels: int,
        budget: Callable[[int], contextlib.AbstractContextManager] = contextlib.nullcontext,
    ) -> dict[str, Any]:
        """All that happens between a picture's file and its answer. `request` is what
        `schemas.PredictRequest` loads; if samples are drawn, as /predict_batch does,
        `PredictBatchRequest` with its defaults. `budget` takes a picture's pixels for as long as
        they are decoded. Raises RequestError 413 or 422 for what cannot be answered,
        FloatingPointError if the network's answer is not finite."""
        understood, vector = self._instruction(request)
        started = time.perf_counter()
        photo, first = self._place(image, request["resize"], max_pixels, budget)
        decoded = time.perf_counter()
        framed = self.framing.instead(request["passes"])
        model = framed.model(self.model)
        (view,) = framing.look(model.forward, [photo], [first], vector[np.newaxis], framed)
        verdict = row = None
        # A calibration of answers that were found in another way says nothing about these.
        if self.judge is not None and self.judge.calibration.fitted_on.passes == framed.passes:
            verdict, row = self.judge.judge(model, view, first.placement, vector)
        inputs = view.square[np.newaxis], vector[np.newaxis]
        if not sampled:
            row = model.forward(*inputs)[0] if row is None else row
            normalised, pixels = _in_picture(row, view.placement)
            found = {"prediction": motion(normalised), "prediction_pixels": motion(pixels)}
        else:
            found = _samples(model, inputs, request, view.placement)
        asks = verdict and verdict.ask_human
        if understood["trained"] is False or (self.judge is not None and self.judge.asks_always):
            asks = True
        model_ms = 1000 * (time.perf_counter() - decoded)
        return {
            **found,
            "ask_human": asks,
            "uncertainty": verdict and self.judge.fields(verdict, first.placement),
            "image_width": view.placement.width,
            "image_height": view.placement.height,
            "resize": view.placement.mode,
            "passes": framed.passes,
            "crop": list(view.crop),
            **understood,
            **{f"input_{name}": request[name] for name in ("action", "food_type", "text")},
            "timing_ms": {"decode": 1000 * (decoded - started), "queue": 0.0, "model": model_ms},
        }

    def _instruction(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
        """What was understood, as an answer says it, and its embedding. Raises RequestError 422."""
        pair, likeness = (request["action"], request["food_type"]), None
        if pair[0] is None:
            pair, likeness = self._nearest(request["text"])
        try:
            pair = self._embeddings.resolve(*pair)
        except vocabulary.UnknownInstructionError as error:
            text, (start, _, known) = str(error), str(error).partition("Known: ")
            if known.count(",") >= 5:
                text = f"{start}GET /available_combinations lists the known ones."
            raise RequestError(422, text) from error
        trained = None if self.trained_pairs is None else pair in self.trained_pairs
        names = "action", "food_type", "likeness", "trained"
        return dict(zip(names, (*pair, likeness, trained))), self._embeddings.lookup(*pair)

    def _nearest(self, text: str) -> tuple[tuple[str, str], float]:
        """The known instruction that free text means, and how alike the two are."""
        if self._encoder is None:
            reason = "'text' alone needs the sentence encoder that made the embeddings of this "
            reason += "model, which this server does not have. Send 'action' and 'food_type' too; "
            raise RequestError(422, f"{reason}GET /available_combinations lists them.")
        try:
            vector = self._encoder.encode(text)
        except ValueError as error:
            raise RequestError(422, f"'text' cannot be encoded: {error}") from error
        pairs = self.combinations()
        cosines = np.stack([self._embeddings.lookup(*pair) for pair in pairs]) @ vector
        best = np.argsort(-cosines)[:3]
        if cosines[best[0]] < MIN_LIKENESS:
            near = ", ".join(f"{' '.join(pairs[i])} ({cosines[i]:.2f})" for i in best)
            reason = "'text': expected an instruction for food that is alike one of this model's "
            reason += f"by {MIN_LIKENESS} or more, got one of {cosines[best[0]]:.2f}. The nearest "
            reason += f"are: {near}. Say it in other words, or send 'action' and 'food_type'."
            raise RequestError(422, reason)
        return pairs[best[0]], round(float(cosines[best[0]]), 3)

    def _place(
        self, image: bytes, resize: str | None, max_pixels: int, budget: Callable
    ) -> tuple[np.ndarray, framing.View]:
        """The picture as `image_placement.decode_photo` gives it, and what the first pass sees."""
        mode = resize or self._placement_mode
        if mode is None:
            text = f"'resize' is needed: expected one of {', '.join(image_placement.MODES)}, got"
            text += f" none, and the data set of {self.version} does not say which it had."
            raise RequestError(422, text)
        try:
            (width, height), _ = image_placement.read_header(image)
            with budget(width * height):
                photo, size = image_placement.decode_photo(image, max_pixels)
                return photo, framing.View(*image_placement.place(photo, mode, size=size))
        except image_placement.TooManyPixelsError as error:
            raise RequestError(413, str(error)) from error
        except image_placement.ImageDecodeError as error:
            raise RequestError(422, str(error)) from error


class UncertaintyJudge:
    """A calibration, and how its uncertainty is computed."""

    def __init__(
        self,
        calibration: uncertainty.UncertaintyCalibration,
        model: Any,
        act_below_floor: bool = False,
    ) -> None:
        # Raises ValueError if its source is none that a server computes, or not this model's.
        uncertainty.parse("default", model, calibration.fitted_on)
        self.calibration = calibration
        self.asks_always = not (act_below_floor or calibration.asking.meets_floor)
        if self.asks_always:
            logging.warning(
                "The calibration misses its floor: the human is asked about every answer, unless "
                "--act_below_floor is given"
            )

    def judge(
        self, model: Any, view: framing.View, first: image_placement.Placement, vector: np.ndarray
    ) -> tuple[uncertainty.CalibratedAnswer, np.ndarray | None]:
        """Asks the model as the calibration was fitted; also its answer, if without dropout."""
        fitted = self.calibration.fitted_on
        # Always the same seed: the same picture always gets the same verdict.
        source = uncertainty.parse("default", model, fitted)
        estimate = source(view.square[np.newaxis], vector[np.newaxis], 0)
        moved = estimate.moved(*framing.relative([view.placement], [first]))
        answer = estimate.answers[0] if fitted.source == "token_distribution" else None
        return self.calibration.apply(moved), answer

    def fields(
        self, found: uncertainty.CalibratedAnswer, placement: image_placement.Placement
    ) -> dict[str, Any]:
        """The entry 'uncertainty' of an answer; lengths in 0..1 of the picture, and pixels."""
        asking, fitted = self.calibration.asking, self.calibration.fitted_on
        size = np.array([placement.width, placement.height], np.float64)

        def pixels(values: Any) -> np.ndarray:
            return placement.to_picture(np.reshape(values, (-1, 2)))

        zero = pixels(np.zeros(2))  # Lengths have none of the border.
        ellipse = np.concatenate([pixels(found.centre), pixels([found.radius] * 2) - zero])
        box = [np.clip(pixels(end) / size, 0, 1) for end in (found.box_low, found.box_high)]
        names = ("center_x", "center_y", "radius_x", "radius_y")
        return {
            "source": fitted.source,
            # Asking is judged by one minus the chance to be right, where that is known.
            "score_name": "doubt" if self.calibration.confidence is not None else fitted.score,
            "score": found.doubt,
            **{name: getattr(asking, name) for name in ("threshold", "error_limit", "angle_limit")},
            "expected_error_rate": asking.expected_error_rate,
            "expected_query_rate": asking.expected_query_rate,
            **{name: getattr(found, name) for name in ("chance", "two_places", "coverage")},
            "half_angle_degrees": found.half_angle,
            "std": ((pixels(found.std) - zero) / size).ravel().tolist(),
            "region": dict(zip(names, (ellipse / size).ravel().tolist())),
            "region_pixels": dict(zip(names, ellipse.ravel().tolist())),
            **{name: end.ravel().tolist() for name, end in zip(("box_low", "box_high"), box)},
        }


def _samples(
    model: Any,
    inputs: tuple[np.ndarray, np.ndarray],
    request: Mapping[str, Any],
    placement: image_placement.Placement,
) -> dict[str, Any]:
    count, scope = request["batch_size"], request["dropout_scope"]
    if request["enable_dropout"]:
        sampling = {"dropout": scope, "num_samples": count, "seed": request["seed"]}
        rows = model.forward(*inputs, **sampling)[:, 0]
    else:
        rows = np.repeat(model.forward(*inputs), count, axis=0)
    normalised, pixels = zip(*(_in_picture(row, placement) for row in rows))
    found = statistics(np.array(normalised))
    return {
        "batch_size": count,
        "enable_dropout": request["enable_dropout"],
        "dropout_scope": scope,
        "seed": request["seed"] if request["enable_dropout"] else None,
        "predictions": normalised,
        "predictions_pixels": pixels,
        "statistics": found,
        "mean_prediction": motion(found["mean"]),
        "mean_prediction_pixels": motion(np.mean(pixels, axis=0).tolist()),
    }


def motion(coordinates: list[float]) -> dict[str, float]:
    """x1, y1, x2, y2 as an answer states them; the skewer point is the middle of the motion."""
    x1, y1, x2, y2 = coordinates
    return {
        **dict(zip(("start_x", "start_y", "end_x", "end_y"), coordinates)),
        "skewer_x": (x1 + x2) / 2,
        "skewer_y": (y1 + y2) / 2,
        "direction_degrees": math.degrees(math.atan2(y2 - y1, x2 - x1)),
    }


def statistics(samples: np.ndarray) -> dict[str, Any]:
    """Mean and spread of samples [S, 4], divided by S: of [0.2, 0.4, 0.6, 0.4] and [0.4, 0.4, 0.8,
    0.4] the variances are 0.02 of all, 0.01 of midpoints, 0 of extents, 0.011 of L2 norms."""
    start, end = samples[:, :2], samples[:, 2:]
    return {
        "mean": samples.mean(axis=0).tolist(),
        "std": samples.std(axis=0).tolist(),
        "total_variance": float(samples.var(axis=0).sum()),
        "centroid_variance": float(((start + end) / 2).var(axis=0).sum()),
        "size_variance": float((end - start).var(axis=0).sum()),
        "distance_variance": float(np.linalg.norm(samples, axis=1).var()),
        "num_samples": len(samples),
    }


def _in_picture(
    coordinates: np.ndarray, placement: image_placement.Placement
) -> tuple[list[float], list[float]]:
    """The model's answer [4] in 0..1 of the picture and in its pixels. Points that a letterbox's
    black border would put outside the picture move to its nearest edge."""
    if not np.all(np.isfinite(coordinates)):
        text = f"Expected four finite coordinates of the model, got {coordinates}."
        raise FloatingPointError(text)
    size = np.array([placement.width, placement.height], np.float64)
    pixels = np.clip(placement.to_picture(np.reshape(coordinates, (2, 2))), 0.0, size)
    return (pixels / size).ravel().tolist(), pixels.ravel().tolist()


def _encoder_of(store: vocabulary.EmbeddingStore) -> Any:
    """The installed encoder, if it is the one that made the embeddings of the store: the vectors
    of another one mean nothing to the model."""
    from food_data import text_encoders  # Here, because it needs TensorFlow.

    made_by = store.manifest["encoder"], store.manifest["encoder_version"]
    try:
        encoder = text_encoders.PackageEncoder()
        if made_by == (encoder.name, encoder.version):
            return encoder
        reason = f"made by {made_by}, installed is {encoder.name} {encoder.version}"
    except ModuleNotFoundError as error:
        reason = error
    logging.info("Instructions in free text will be refused: %s", reason)
    return None
