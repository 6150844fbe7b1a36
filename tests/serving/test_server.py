"""The server over HTTP: what `test_frozen_answers.py`, one request at a time, does not show."""

from __future__ import annotations

import base64
import concurrent.futures
import contextlib
import json
import pathlib
import re
import socket
import threading
import time

import numpy as np
import pytest
import requests

from food_data import recordings
from serving import app, command_line, front, schemas
from serving.schemas import RequestError
from tests import serving_stubs, uncertainty_stubs
from tests.serving_stubs import running

ROOT = pathlib.Path(__file__).parents[2]
LIMIT_S = 30
PICTURE = serving_stubs.file_bytes(serving_stubs.marker_picture(200, 100, (50, 30), (150, 80)))
BODY = {"image": base64.b64encode(PICTURE).decode()}
BODY |= {"action": "skewering", "food_type": "strawberry"}
KEY = "0123456789abcdef0123"
# Bytes that are hardly HTTP, and odd paths and headers with the status that they may have.
RAW = (
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nA" + b"a" * 300_000 + b": 1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00",
)
ODD = (
    ("/health", {"X-API-Key": b"\xe9" * 20}, 200),
    ("/load_model", {"Host": "[::1"}, 403),
    ("/health", {"X-Request-ID": "../../x"}, 200),
    ("/%ff%fe", {}, 404),
    ("/health?a[]=%s&" + "b=1&" * 500, {}, 200),
)


def post(url, route="/predict", body=BODY, **options):
    return requests.post(f"{url}{route}", json=body, timeout=LIMIT_S, **options)


def get(url, **options):
    return requests.get(url, timeout=LIMIT_S, **options)


class HeldModel(serving_stubs.MarkerModel):
    """Answers once it is let go; says when it is asked."""

    def __init__(self):
        self.asked, self.go_on = threading.Semaphore(0), threading.Event()

    def forward(self, *arguments, **options):
        self.asked.release()
        assert self.go_on.wait(LIMIT_S)
        return super().forward(*arguments, **options)


def test_answers_of_many_clients_are_those_of_one(stub_server_url):
    def ask(x):
        picture = serving_stubs.marker_picture(240, 240, (x, 60), (240 - x, 180))
        image = base64.b64encode(serving_stubs.file_bytes(picture)).decode()
        route = ("/predict", "/predict_batch")[x % 2]
        content = post(stub_server_url, route, {**BODY, "image": image, "seed": x}).json()
        return content[("prediction", "mean_prediction")[x % 2]]

    columns = range(20, 220, 9)
    one_by_one = [ask(x) for x in columns]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert list(pool.map(ask, columns)) == one_by_one
    found = [answer["start_x"] for answer in one_by_one]
    assert found == pytest.approx([x / 240 for x in columns], abs=0.02)


def test_samples_follow_the_seed_and_not_the_pictures_beside(stub_server_url):
    def ask(**more):
        body = {**BODY, "batch_size": 4, **more}
        return post(stub_server_url, "/predict_batch", body).json()

    fresh, other = ask(), ask()
    again = ask(seed=fresh["seed"])["predictions"]
    assert again == fresh["predictions"] != other["predictions"]
    beside = ask(seed=fresh["seed"], image=None, images=[BODY["image"]] * 2)["results"]
    assert [one["predictions"] for one in beside] == [again] * 2


def test_a_full_line_is_503_and_a_long_wait_504_and_both_end():
    model = HeldModel()
    with (
        running(model, max_waiting=1, deadline_s=1.0) as url,
        concurrent.futures.ThreadPoolExecutor(3) as pool,
    ):
        first = pool.submit(post, url)
        assert model.asked.acquire(timeout=LIMIT_S)
        waiting = pool.submit(post, url)
        while "rt1_queue_length 1.0" not in get(f"{url}/metrics").text:
            time.sleep(0.01)
        refused = post(url)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        late = waiting.result(LIMIT_S)
        assert (late.status_code, first.result(LIMIT_S).status_code) == (504, 504)
        assert "No answer within 1 s" in late.json()["error"]
        model.go_on.set()
        assert post(url).status_code == 200
        text = get(f"{url}/metrics").text
        assert "rt1_queue_length 0.0" in text
        assert 'rt1_stage_seconds_count{stage="total"} 1.0' in text, "late answers are none"


def test_who_is_refused_comes_back_about_as_often_as_others_are_answered(monkeypatch):
    """40 clients of a model that answers 4 times a second: all but 4 wait, 9 s each."""
    now_s = 100.0
    monkeypatch.setattr(app.time, "monotonic", lambda: now_s)
    line = app.Line(1)
    back_s, told = [now_s] * 40, []
    for tick in range(4 * 120):
        now_s = 100.25 + tick / 4
        if len(line):
            line.leave()
            back_s.append(now_s)
        for due_s in [each for each in back_s if each <= now_s]:
            back_s.remove(due_s)
            try:
                line.enter()
            except RequestError as error:
                told.append(error.retry_after_s)
                back_s.append(now_s + error.retry_after_s)
    assert told[0] == 1
    assert 6 <= np.mean(told[len(told) // 2 :]) <= 14


def test_as_many_run_side_by_side_as_the_engine_takes():
    class Both(serving_stubs.MarkerModel):
        num_workers, both = 2, threading.Barrier(2, timeout=LIMIT_S)

        def forward(self, *arguments, **options):
            self.both.wait()
            return super().forward(*arguments, **options)

    with running(Both()) as url, concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert [answer.status_code for answer in pool.map(post, [url] * 2)] == [200, 200]


def test_pictures_are_decoded_side_by_side_within_the_budget():
    budget = app.PixelBudget(100, limit_s=0.2)
    refused = pytest.raises(RequestError, match="large pictures")
    with budget.take(60), budget.take(40), refused, budget.take(1):
        pass
    with budget.take(1000):  # More than there is waits for all of it.
        pass


def test_requests_end_with_the_version_with_which_they_began_and_one_is_loaded_at_a_time(tmp_path):
    model, inside, go_on = HeldModel(), threading.Event(), threading.Event()

    def load(directory):
        if directory.name == "broken":
            inside.set()
            assert go_on.wait(LIMIT_S)
            raise OSError(f"{directory}/weights: cannot be read")
        constant = serving_stubs.ConstantModel([0.1, 0.1, 0.2, 0.2])
        return serving_stubs.predictor_of(constant, serving_stubs.store(), version=directory.name)

    for name in ("next", "broken"):
        (tmp_path / name).mkdir()
    with (
        running(model, load, checkpoint_root=tmp_path, load_without_key=True) as url,
        concurrent.futures.ThreadPoolExecutor(2) as pool,
    ):
        old = pool.submit(post, url)
        assert model.asked.acquire(timeout=LIMIT_S)
        loaded = post(url, "/load_model", {"checkpoint_path": "next"}).json()
        assert (loaded["model_version"], loaded["previous_version"]) == ("next", "stub-1")
        model.go_on.set()
        content = old.result(LIMIT_S).json()
        assert content["model_version"] == "stub-1"
        assert content["prediction"]["start_x"] == pytest.approx(0.25, abs=0.01)
        broken = pool.submit(post, url, "/load_model", {"checkpoint_path": "broken"})
        assert inside.wait(LIMIT_S)
        second = post(url, "/load_model", {"checkpoint_path": "next"})
        assert (second.status_code, second.headers["Retry-After"]) == (409, "10")
        go_on.set()
        failed = broken.result(LIMIT_S)
        assert failed.status_code == 422 and str(tmp_path) not in failed.text
        assert post(url).json()["model_version"] == "next"
        assert 'version="next"' in get(f"{url}/metrics").text


def test_log_and_metrics_tell_each_request_and_no_secret_nor_what_strangers_send(caplog):
    caplog.set_level("INFO", logger="absl")
    headers = {"X-API-Key": KEY}
    with running(serving_stubs.ConstantModel([0.5, float("nan"), 0.5, 0.5])) as url:
        failed = post(url).json()["request_id"]
    assert failed in caplog.text and "FloatingPointError" in caplog.text
    caplog.clear()
    with running(api_keys={"robot": KEY}) as url:
        post(url, headers={**headers, "X-Request-ID": "mine"})
        post(f"{url}/predikt?key={KEY}", "", headers={"X-API-Key": "wrong"})
        post(f"{url}/{KEY}", "", headers={**headers, "X-Request-ID": KEY})
        for path in ("a", "b"):
            requests.request("BREW", f"{url}/{path}", headers=headers, timeout=LIMIT_S)
        text = get(f"{url}/metrics", headers=headers).text
    lines = [json.loads(one.message) for one in caplog.records if one.message.startswith("{")]
    fields = ("request_id", "client", "method", "path", "status", "action", "model_version")
    expected = ["mine", "robot", "POST", "/predict", 200, "skewering", "stub-1"]
    assert [lines[0][name] for name in fields] == expected
    assert [lines[1][name] for name in fields[1:5]] == ["127.0.0.1", "POST", "/predikt", 401]
    assert KEY not in caplog.text + text and BODY["image"][:40] not in caplog.text
    assert 'rt1_requests_total{method="POST",route="/predict",status="200"} 1.0' in text
    assert 'rt1_requests_total{method="unknown",route="unknown",status="404"} 2.0' in text
    assert 'rt1_errors_total{route="unknown",status="401"} 1.0' in text
    assert 'rt1_stage_seconds_count{stage="decode"} 1.0' in text


def test_several_pictures_of_one_request_are_recorded_like_one(tmp_path):
    with running(record_dir=tmp_path) as url:
        images = {**BODY, "images": [BODY["image"]] * 2, "image": None, "batch_size": 2}
        results = post(url, "/predict_batch", images).json()["results"]
        motion = {"start_x": 0.1, "start_y": 0.2, "end_x": 0.3, "end_y": 0.4}
        body = {"request_id": results[1]["request_id"], **motion}
        assert post(url, "/corrections", body).status_code == 200
    found = recordings.read_recordings(tmp_path)
    assert {one.request_id for one in found} == {one["request_id"] for one in results}
    assert sorted(one.correction is not None for one in found) == [False, True]
    assert all(one.image.read_bytes() == PICTURE for one in found)


def test_who_counts_as_one_client():
    """Wrong keys count for their address, right ones for their name, IPv6 by its network."""
    made = serving_stubs.application(api_keys={"robot": KEY}, requests_per_minute=2)
    client = made.test_client()

    def ask(address, key="wrong"):
        options = {"headers": {"X-API-Key": key}, "environ_overrides": {"REMOTE_ADDR": address}}
        return client.get("/x", **options).status_code

    assert [ask("10.0.0.1", f"{n}") for n in range(3)] == [401, 401, 429]
    assert ask("10.0.0.1", KEY) == 404, "another client than the address"
    addresses = ("2001:db8::1", "2001:db8::2:3", "2001:db8::4", "2001:db8:0:1::1")
    assert [ask(address) for address in addresses] == [401, 401, 429, 401]


def test_answers_fit_the_document_and_docs_show_it():
    options = {"calibration": uncertainty_stubs.calibration(), "api_keys": {"robot": KEY}}
    headers = {"X-API-Key": KEY}
    with running(uncertainty_stubs.TokenModel(), **options) as url:
        document, page = get(f"{url}/openapi.json").json(), get(f"{url}/docs")
        images = {**BODY, "images": [BODY["image"]] * 2, "image": None}
        for schema, answer in (
            (schemas.Health, get(f"{url}/health")),
            (schemas.Ready, get(f"{url}/ready")),
            (schemas.Combinations, get(f"{url}/available_combinations", headers=headers)),
            (schemas.PredictAnswer, post(url, headers=headers)),
            (schemas.PredictBatchAnswer, post(url, "/predict_batch", headers=headers)),
            (schemas.PredictImagesAnswer, post(url, "/predict_batch", images, headers=headers)),
            (schemas.Error, post(url, body={})),
        ):
            assert schema().validate(answer.json()) == {}
    content = document["paths"]["/predict"]["post"]["requestBody"]["content"]
    assert "multipart/form-data" in content
    sizes = document["components"]["schemas"]["PredictBatchRequest"]["properties"]["batch_size"]
    assert (sizes["minimum"], sizes["maximum"], sizes["nullable"]) == (1, 64, True)
    assert page.headers["Content-Type"].startswith("text/html") and "script" not in page.text
    shown = re.findall(r"<code>(/\w*)</code>", page.text)
    assert set(shown) == set(document["paths"]) and len(shown) == 8


def test_odd_requests_and_bytes_that_are_hardly_http(stub_server_url):
    for path, headers, status in ODD:
        method = "POST" if path == "/load_model" else "GET"
        url = stub_server_url + path
        answer = requests.request(method, url, headers=headers, timeout=LIMIT_S)
        assert answer.status_code in (status, 400) and "Traceback" not in answer.text, path
    host, port = stub_server_url.removeprefix("http://").split(":")
    for data in RAW:
        with contextlib.suppress(ConnectionError), socket.create_connection((host, int(port))) as s:
            s.settimeout(0.5)
            s.sendall(data)
            with contextlib.suppress(TimeoutError):
                assert b" 500 " not in s.recv(1000).split(b"\r\n")[0]
    assert post(stub_server_url).status_code == 200


def test_the_end_answers_what_was_accepted_also_without_a_thread_and_refuses_the_rest(monkeypatch):
    """Answers wait until they are let go, and are larger than a socket takes at once."""
    monkeypatch.setattr(front, "_FREE_THREADS", 2)
    inside, go_on = threading.Semaphore(0), threading.Event()

    def answer(number):
        inside.release()
        assert go_on.wait(LIMIT_S)
        return number * 300_000

    made, port = app.create_app(None), serving_stubs.free_port()
    made.add_url_rule("/held/<number>", view_func=answer)
    server, url = front.Server(made, "127.0.0.1", port), f"http://127.0.0.1:{port}"
    with concurrent.futures.ThreadPoolExecutor(7) as pool:
        with server, requests.Session() as idle:
            assert idle.get(f"{url}/health", timeout=LIMIT_S).ok  # A connection that stays open.
            answers = {n: pool.submit(get, f"{url}/held/{n}") for n in range(1, 7)}
            for _ in range(2):
                assert inside.acquire(timeout=LIMIT_S)
            time.sleep(0.5)  # The others have been sent by now.
            half = socket.create_connection(("127.0.0.1", port))
            half.sendall(b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Le")
            threading.Timer(1.5, go_on.set).start()
            late = pool.submit(lambda: time.sleep(0.5) or get(f"{url}/held/8"))
            ended = time.monotonic()
        assert server.unfinished == 0 and go_on.is_set(), "it has waited"
        assert time.monotonic() - ended < 8, "half a header is not waited for"
        half.close()
        for number, one in answers.items():
            assert one.result(LIMIT_S).text == str(number) * 300_000
        assert isinstance(late.exception(LIMIT_S), requests.ConnectionError)


def test_keys_come_from_a_file_and_the_environment(tmp_path, caplog):
    path = tmp_path / "keys"
    path.write_text("# clients\n\nrobot:abc\n page:de:f \n")
    path.chmod(0o640)
    found = command_line.read_keys(path, "lab:xyz, ,other:123")
    assert found == {"robot": "abc", "page": "de:f", "lab": "xyz", "other": "123"}
    assert "chmod 600" in caplog.text
    for text in ("robot", "robot:", ":key", "a b:key", "robot:s e", "r:1\nr:2", "r:1\ns:1"):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"keys, line \d: expected") as error:
            command_line.read_keys(path)
        assert "s e" not in str(error.value)


def test_an_origin_is_scheme_and_host():
    for origin in ("lab.example", "https://lab.example/", "https://*.example"):
        with pytest.raises(ValueError, match="expected scheme, host and port"):
            app.create_app(None, front.ServerSettings(cors_origins=(origin,)))
