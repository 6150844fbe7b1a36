"""The model in this process says what its server says."""

from __future__ import annotations

import concurrent.futures
import json
import threading

import numpy as np
import pytest

import api_client
from folder_inference import answerers, local_model, outcomes, questions, sample_records
from serving import app
from tests import serving_stubs, uncertainty_stubs
from tests.folder_inference import tfrecord_folder

PICTURE = serving_stubs.marker_picture(200, 100, (50, 30), (150, 80))
QUESTION = questions.Question("a.png", "Skewer", "strawberries")
TEXT_ALONE = questions.Question("a.png", None, None)
OF_THE_EXCHANGE = ("timing_ms", "request_id")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return serving_stubs.embedding_store_of(tmp_path_factory.mktemp("embeddings"))


@pytest.fixture(scope="module")
def predictor(store):
    return serving_stubs.predictor_of(serving_stubs.MarkerModel(), store)


@pytest.fixture(scope="module")
def local(predictor):
    return local_model.LocalModel(predictor)


@pytest.fixture(scope="module")
def server(predictor):
    with serving_stubs.serve(app.create_app(predictor)) as url:
        answerer = answerers.ServerAnswerer(api_client.FoodAcquisitionClient(url, retries=0))
        yield answerer
        answerer.close()


def test_its_verdict_is_that_of_its_server(store):
    """The stub's doubt is 0.101."""
    for threshold, asks in ((0.05, True), (0.2, False)):
        known = uncertainty_stubs.calibration(threshold=threshold)
        calibrated = serving_stubs.predictor_of(
            uncertainty_stubs.TokenModel(), store, calibration=known
        )
        here = local_model.LocalModel(calibrated)
        picture = serving_stubs.file_bytes(PICTURE)
        settings = questions.Settings(num_samples=3, seed=5)
        with serving_stubs.serve(app.create_app(calibrated)) as url:
            client = api_client.FoodAcquisitionClient(url, retries=0)
            there = answerers.ServerAnswerer(client)
            answers = [one.ask(picture, QUESTION, settings) for one in (here, there)]
            there.close()
        assert answers[0]["ask_human"] is answers[1]["ask_human"] is asks
        assert answers[0]["uncertainty"] == answers[1]["uncertainty"] is not None
        alone = here.ask(picture, QUESTION, questions.Settings(num_samples=0))
        assert "ask_human" not in alone


def test_it_is_asked_like_a_server(local, server):
    assert local.model_version() == server.model_version() == "stub-1"
    assert local.combinations() == server.combinations()


@pytest.mark.parametrize(
    "settings",
    [
        questions.Settings(num_samples=0),
        questions.Settings(num_samples=0, resize="crop", text="eat it"),
        questions.Settings(num_samples=3, seed=5),
        questions.Settings(num_samples=64, seed=0, dropout_scope="full", resize="stretch"),
        questions.Settings(num_samples=0, passes="accurate"),
        questions.Settings(num_samples=3, seed=5, passes="fast"),
    ],
    ids=["one", "crop and text", "head", "full", "accurate", "fast"],
)
def test_answers_are_those_of_its_server_to_the_bit(settings, local, server):
    content = serving_stubs.file_bytes(PICTURE)
    here = local.ask(content, QUESTION, settings)
    there = server.ask(content, QUESTION, settings)
    assert sorted(here["timing_ms"]) == sorted(there["timing_ms"])
    assert here["timing_ms"]["total"] >= here["timing_ms"]["decode"] > 0
    for name in OF_THE_EXCHANGE:
        del here[name], there[name]
    assert json.loads(json.dumps(here)) == there


@pytest.mark.parametrize(
    ("content", "question", "settings"),
    [
        (b"no picture", QUESTION, questions.Settings()),
        (serving_stubs.file_bytes(PICTURE), TEXT_ALONE, questions.Settings(text="eat")),
        (
            serving_stubs.file_bytes(PICTURE),
            questions.Question("a.png", "skewering", "stone"),
            questions.Settings(num_samples=0),
        ),
        (
            serving_stubs.file_bytes(PICTURE),
            questions.Question("a.png", "", "grape"),
            questions.Settings(),
        ),
    ],
    ids=["no picture", "no encoder", "unknown food", "no action"],
)
def test_refusals_are_those_of_its_server(content, question, settings, local, server):
    failures = []
    for answerer in (local, server):
        with pytest.raises(api_client.ApiError) as refused:
            answerer.ask(content, question, settings)
        failures.append(refused.value)
    assert [(one.status, one.message) for one in failures[:1]] == [
        (one.status, one.message) for one in failures[1:]
    ]
    assert outcomes.Failure.of(failures[0]).kind == outcomes.REFUSED


def test_too_many_pixels_are_refused(local, monkeypatch):
    monkeypatch.setattr(local_model, "_MAX_PIXELS", 200 * 100 - 1)
    with pytest.raises(api_client.ApiError, match="413: Expected a picture of at most 19999"):
        local.ask(serving_stubs.file_bytes(PICTURE), QUESTION, questions.Settings())


def test_an_answer_that_is_not_finite_may_be_asked_again(store):
    stub = serving_stubs.ConstantModel((0.1, np.nan, 0.2, 0.3))
    local = local_model.LocalModel(serving_stubs.predictor_of(stub, store))
    with pytest.raises(api_client.ApiError, match="500: Expected four finite") as failed:
        local.ask(serving_stubs.file_bytes(PICTURE), QUESTION, questions.Settings(num_samples=0))
    assert outcomes.Failure.of(failed.value).kind == outcomes.UNANSWERED


@pytest.mark.parametrize("num_samples", [0, 3])
def test_a_sample_is_answered_as_its_picture_is(num_samples, local, server):
    """But for the instruction, of which the marker model takes no notice."""
    settings = questions.Settings(num_samples=num_samples, seed=1, resize="stretch")
    image = tfrecord_folder.square(2)
    sample = sample_records.Sample(2, "p.jpg", image, np.zeros(512, np.float32), None)
    here = local.ask(sample, QUESTION, settings)
    there = server.ask(serving_stubs.file_bytes(image), QUESTION, settings)
    assert (here.pop("sample"), here.pop("source")) == (2, "p.jpg")
    for name in (*OF_THE_EXCHANGE, "action", "food_type"):
        del here[name], there[name]
    assert json.loads(json.dumps(here)) == there


def test_a_sample_is_asked_by_its_own_embedding(store):
    class Echo(serving_stubs.ConstantModel):
        def forward(self, image, embedding, **options):
            return embedding[:, :4]

    local = local_model.LocalModel(serving_stubs.predictor_of(Echo(None), store))
    embedding = np.zeros(512, np.float32)
    embedding[:4] = 0.25, 0.5, 0.75, 1.0
    sample = sample_records.Sample(0, None, np.zeros((236, 236, 3), np.uint8), embedding, None)
    answer = local.ask(sample, TEXT_ALONE, questions.Settings(num_samples=0))
    motion = [answer["prediction"][name] for name in ("start_x", "start_y", "end_x", "end_y")]
    assert motion == [0.25, 0.5, 0.75, 1.0]
    assert (answer["action"], answer["food_type"]) == (None, None)


def test_no_more_calls_at_a_time_than_the_engine_has_use_for(store):
    running, most, lock, go = 0, 0, threading.Lock(), threading.Event()

    class Counting(serving_stubs.MarkerModel):
        num_workers = 2

        def forward(self, *arguments, **options):
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            go.wait(0.05)
            with lock:
                running -= 1
            return super().forward(*arguments, **options)

    local = local_model.LocalModel(serving_stubs.predictor_of(Counting(), store))
    content = serving_stubs.file_bytes(PICTURE)
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        settings = questions.Settings(num_samples=0)
        list(pool.map(lambda _: local.ask(content, QUESTION, settings), range(6)))
    assert most == 2


def test_without_a_seed_samples_are_fresh_and_name_theirs(local):
    content = serving_stubs.file_bytes(PICTURE)
    first, second = (local.ask(content, QUESTION, questions.Settings()) for _ in range(2))
    assert first["seed"] != second["seed"]
    assert first["predictions"] != second["predictions"]
