"""Deadlines, full queues and seeds, without HTTP."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from serving import errors, model_manager, prediction_service, request_schemas
from serving.server_metrics import ServerMetrics
from serving.settings import ServerSettings
from tests import serving_stubs

PICTURE = serving_stubs.file_bytes(serving_stubs.marker_picture(200, 100, (50, 50), (150, 50)))
INSTRUCTION = request_schemas.Instruction("skewering", "strawberry", None)
REQUEST = request_schemas.PredictRequest(PICTURE, INSTRUCTION, None)


def batch(**changes):
    fields = {
        "images": (PICTURE,),
        "several": False,
        "instruction": INSTRUCTION,
        "resize": None,
        "batch_size": 5,
        "enable_dropout": True,
        "dropout_scope": "head",
        "seed": 1,
    }
    return request_schemas.BatchRequest(**{**fields, **changes})


@pytest.fixture
def make_service(tmp_path):
    store = serving_stubs.embedding_store_of(tmp_path)
    services = []

    def make(model=None, **settings):
        predictor = serving_stubs.predictor_of(model or serving_stubs.MarkerModel(), store)
        manager = model_manager.ModelManager(predictor, None, None)
        services.append(
            prediction_service.PredictionService(
                manager, ServerSettings(**settings), ServerMetrics()
            )
        )
        return services[-1], predictor

    yield make
    for service in services:
        service.queue.close()


def test_the_same_seed_gives_the_same_samples(make_service):
    service, predictor = make_service()
    first, again, other = (
        service.sample(predictor, batch(), seed)[0].coordinates for seed in (1, 1, 2)
    )
    assert first.shape == (5, 4)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_samples_of_a_picture_do_not_depend_on_its_neighbours(make_service):
    service, predictor = make_service()
    other = serving_stubs.file_bytes(serving_stubs.marker_picture(90, 90, (20, 20), (70, 60)))
    alone = service.sample(predictor, batch(), 1)[0].coordinates
    beside = service.sample(predictor, batch(images=(other, PICTURE)), 1)
    np.testing.assert_array_equal(beside[1].coordinates, alone)
    assert beside[0].view.placement.width == 90


def test_without_dropout_all_samples_are_the_one_answer(make_service):
    service, predictor = make_service()
    one = service.predict(predictor, REQUEST).coordinates
    many = service.sample(predictor, batch(enable_dropout=False), 1)[0].coordinates
    np.testing.assert_array_equal(many, np.repeat(one, 5, axis=0))


def test_answers_come_back_in_the_picture(make_service):
    service, predictor = make_service()
    answers = service.predict(predictor, REQUEST)
    normalised, pixels = answers.in_picture()[0]
    assert (pixels.start_x, pixels.start_y) == pytest.approx((50, 50), abs=0.5)
    assert (normalised.end_x, normalised.end_y) == pytest.approx((0.75, 0.5), abs=0.01)


@pytest.mark.parametrize(
    ("image", "settings", "status", "message"),
    [
        (PICTURE, {"max_pixels": 100}, 413, "at most 100 pixels, got 200 x 100"),
        (b"hello", {}, 422, "Expected a picture in one of"),
        (PICTURE[:-30], {}, 422, "cannot be decoded"),
    ],
)
def test_pictures_that_cannot_be_read(make_service, image, settings, status, message):
    service, predictor = make_service(**settings)
    with pytest.raises(errors.RequestError, match=message) as caught:
        service.predict(predictor, request_schemas.PredictRequest(image, INSTRUCTION, None))
    assert caught.value.status == status


def test_a_slow_model_is_504_and_a_full_queue_503(make_service):
    inside, go_on = threading.Event(), threading.Event()

    class SlowModel(serving_stubs.MarkerModel):
        def forward(self, *arguments, **options):
            inside.set()
            assert go_on.wait(30)
            return super().forward(*arguments, **options)

    service, predictor = make_service(SlowModel(), max_waiting=1, deadline_s=0.1)
    with pytest.raises(errors.RequestError, match="No answer within 0.1 s") as late:
        service.predict(predictor, REQUEST)
    assert late.value.status == 504
    assert inside.wait(30)
    waiting = threading.Thread(
        target=service.queue.predict,
        args=(predictor.model, np.zeros((236, 236, 3), np.uint8), np.zeros(512, np.float32), 30),
    )
    waiting.start()
    while len(service.queue) == 0:
        pass
    with pytest.raises(errors.RequestError, match="busy") as full:
        service.predict(predictor, REQUEST)
    assert (full.value.status, full.value.retry_after_s) == (503, 1)
    go_on.set()
    waiting.join(30)


def test_no_model_is_503():
    manager = model_manager.ModelManager(None, None, None)
    service = prediction_service.PredictionService(manager, ServerSettings(), ServerMetrics())
    with pytest.raises(errors.RequestError, match="--checkpoint_dir") as caught:
        service.require_predictor()
    assert caught.value.status == 503
    service.queue.close()


def test_fresh_seeds_are_in_range_and_differ():
    seeds = {prediction_service.fresh_seed() for _ in range(100)}
    assert len(seeds) > 95 and all(0 <= seed < 2**31 for seed in seeds)
