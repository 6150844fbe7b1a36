"""A model whose errors and doubts are known, and plates to ask it about.

All food lies on the line from 0.4 to 0.6 at half the height. The instruction of a sample is a
one-hot embedding; if the one is in place k, the agent answers k / 100 too far to the right, with
the start k / 100 too low and the end as much too high, and gives k + 1 tokens of 101 the same
probability. So the midpoint of sample k is k / 100 off, and its credible width is 0.99 (k + 1) /
101: a perfect ranking.
"""

from __future__ import annotations

import os

import numpy as np

from evaluation import calibration_fit, report, study, uncertainty
from evaluation.samples import ONE_PASS, Samples, collect
from food_data import npz_dataset
from tests import uncertainty_stubs

LABEL = np.array([0.4, 0.5, 0.6, 0.5], np.float32)
ERROR = np.array([0.01, 0.01, 0.01, -0.01])


class OffsetAgent:
    """See the module. Sample s of dropout lies k s / 100 further to the right."""

    action_coding = "endpoints"

    def __init__(self, extra=0, has_distributions=True):
        self._extra, self.has_distributions, self.asked = extra, has_distributions, []

    def forward(self, images, embeddings, dropout="off", num_samples=None, seed=None):
        self.asked.append((np.argmax(embeddings, axis=1).tolist(), dropout, num_samples, seed))
        places = np.argmax(embeddings, axis=1)[:, None] + self._extra
        answers = (LABEL + places * ERROR).astype(np.float32)
        if num_samples is None:
            return answers
        further = np.arange(num_samples)[:, None, None] * places * ERROR
        return (answers + further).astype(np.float32)

    def forward_with_distributions(self, images, embeddings):
        places = np.argmax(embeddings, axis=1)[:, None, None]
        likely = (np.arange(101) <= places) / (places + 1)
        return self.forward(images, embeddings), np.repeat(likely, 4, axis=1)


def dataset(places, per_picture=1, foods=None, **arrays):
    """A sample for each place k; so many of them share a picture."""
    number = len(places)
    pictures = np.arange(number) // per_picture
    images = np.zeros((number, *npz_dataset.IMAGE_SHAPE), np.uint8)
    images[:, 0, 0, 0] = pictures
    named = {
        "action_names": np.full(number, "skewering"),
        "food_types": np.array(["banana"] * number if foods is None else foods),
        "sources": np.array([f"day_{one % 2}/{one}.jpg" for one in pictures]),
    }
    actions, embeddings = np.tile(LABEL, (number, 1)), np.eye(512, dtype=np.float32)[places]
    return npz_dataset.FoodDataset(images, actions, embeddings, **{**named, **arrays})


def samples(places, per_picture=1, **more):
    """All of them are asked."""
    return Samples(dataset(places, per_picture, **more), np.arange(len(places)))


def tokens(agent=None):
    return uncertainty.Source(agent or OffsetAgent(), "token_distribution")


HOSTILE = '<script>alert("x")</script>'


def hostile_document():
    """All parts of an evaluation, whose names want to be markup."""
    masks = np.zeros((12, 236, 236), bool)
    masks[:, 100:136, 60:200] = True
    asked = samples(range(12), 3, foods=[HOSTILE, "=1", "grape"] * 4, masks=np.packbits(masks, -1))
    source, other = tokens(), (HOSTILE, OffsetAgent(9), ONE_PASS)
    settings = {"sources": [source], "other": other, "num_examples": 2}
    document = study.run(asked, source.agent, ONE_PASS, **settings)
    figures = calibration_fit.figures(
        uncertainty_stubs.calibration(source=HOSTILE), collect(source, asked), asked
    )
    document["calibration"] = report.plain(figures)
    document["absent_food"] = {"n": 12, "auroc": 0.5}
    document["examples"]["worst"][0] |= {"asked": True, "radius": 0.08}
    return {
        "title": f"Evaluation of plates {HOSTILE}",
        "created": "2026-11-23T00:50:00Z",
        "settings": {"dataset_file": HOSTILE, "compare": None},
        "versions": {"numpy": "1.26.4"},
        "data": {"name": os.fsdecode(b"p\xff.npz"), "num_samples": 12, "num_pictures": 4},
        "checkpoint": {"name": "plates"},
        **document,
    }
