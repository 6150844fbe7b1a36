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
from serving import app, command_line, front, predictor
from serving.schemas import RequestError
from tests import openapi_schema, serving_stubs, uncertainty_stubs

ROOT = pathlib.Path(__file__).parents[2]
LIMIT_S = 30
PICTURE = serving_stubs.file_bytes(serving_stubs.marker_picture(200, 100, (50, 30), (150, 80)))
BODY = {
    "image": base64.b64encode(PICTURE).decode(),
    "action": "skewering",
    "food_type": "strawberry",
}
KEY = "0123456789abcdef0123"
# Bytes that are hardly HTTP. The server answers something or nothing, and lives on.
RAW = (
    b"GET /health HTTP/9.9\r\nHost: x\r\n\r\n",
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nA" + b"a" * 300_000 + b": 1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: 1\r\n" * 5000 + b"\r\n",
    b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00",
)
# Odd headers and paths, with the status that they may have.
ODD = {
    "key of another encoding": ("/health", {"X-API-Key": b"\xe9" * 20}, 200),
    "host without an address": ("/load_model", {"Host": "[::1"}, 403),
    "host with a space": ("/health", {"Host": "a b"}, 200),
    "ranges": ("/static/page.js", {"Range": "bytes=0-0,1-1"}, 416),
    "request id that is a path": ("/health", {"X-Request-ID": "../../x"}, 200),
    "long request id": ("/health", {"X-Request-ID": "x" * 65}, 200),
    "percent": ("/%ff%fe", {}, 404),
    "zero byte": ("/static/page.css%00.png", {}, 404),
    "long path": ("/" + "a" * 4000, {}, 404),
    "query": ("/health?a[]=%s&" + "b=1&" * 500, {}, 200),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return serving_stubs.embedding_store_of(tmp_path_factory.mktemp("embeddings"))


@pytest.fixture
def serve(store):
    """A context: the address of a server around a stub of a model."""

    @contextlib.contextmanager
    def start(model=None, load=None, calibration=None, **options):
        stub = model or serving_stubs.MarkerModel()
        predictor = serving_stubs.predictor_of(stub, store, calibration=calibration)
        made = app.create_app(predictor, front.ServerSettings(**options), load)
        with serving_stubs.serve(made) as url:
            yield url

    return start


def post(url, route="/predict", body=BODY, **options):
    return requests.post(f"{url}{route}", json=body, timeout=LIMIT_S, **options)


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
    body = {**BODY, "batch_size": 4}
    ask = lambda **more: post(stub_server_url, "/predict_batch", {**body, **more}).json()  # noqa: E731
    one, again, other = ask(seed=1), ask(seed=1), ask(seed=2)
    assert one["predictions"] == again["predictions"] != other["predictions"]
    fresh = ask()
    assert ask(seed=fresh["seed"])["predictions"] == fresh["predictions"]
    images = [BODY["image"], BODY["image"]]
    several = {name: value for name, value in body.items() if name != "image"}
    beside = post(stub_server_url, "/predict_batch", {**several, "images": images, "seed": 1})
    assert [r["predictions"] for r in beside.json()["results"]] == [one["predictions"]] * 2


def test_a_full_line_is_503_and_a_long_wait_504_and_both_end(serve):
    model = HeldModel()
    with (
        serve(model, max_waiting=1, deadline_s=1.0) as url,
        concurrent.futures.ThreadPoolExecutor(3) as pool,
    ):
        running = pool.submit(post, url)
        assert model.asked.acquire(timeout=LIMIT_S)
        waiting = pool.submit(post, url)
        give_up = time.monotonic() + LIMIT_S
        while "rt1_queue_length 1.0" not in requests.get(f"{url}/metrics", timeout=LIMIT_S).text:
            assert time.monotonic() < give_up
        refused = post(url)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        late = waiting.result(LIMIT_S)
        assert (late.status_code, running.result(LIMIT_S).status_code) == (504, 504)
        assert "No answer within 1 s" in late.json()["error"]
        model.go_on.set()
        assert post(url).status_code == 200
        text = requests.get(f"{url}/metrics", timeout=LIMIT_S).text
        assert "rt1_queue_length 0.0" in text
        assert 'rt1_stage_seconds_count{stage="total"} 1.0' in text, "late answers are none"


def test_as_many_run_side_by_side_as_the_engine_takes(serve):
    class Both(serving_stubs.MarkerModel):
        num_workers, both = 2, threading.Barrier(2, timeout=LIMIT_S)

        def forward(self, *arguments, **options):
            self.both.wait()
            return super().forward(*arguments, **options)

    with serve(Both()) as url, concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(post, [url] * 2))
    assert [answer.status_code for answer in answers] == [200, 200]


def test_pictures_are_decoded_side_by_side_within_the_budget():
    budget = app.PixelBudget(100, limit_s=0.2)
    with budget.take(60), budget.take(40):
        with pytest.raises(RequestError, match="large pictures") as refused, budget.take(1):
            pass
        assert refused.value.status == 503
    with budget.take(1000):  # More than there is waits for all of it.
        pass


def test_requests_end_with_the_version_with_which_they_began(serve, store, tmp_path):
    (tmp_path / "next").mkdir()
    model = HeldModel()

    def load(directory):
        constant = serving_stubs.ConstantModel([0.1, 0.1, 0.2, 0.2])
        return serving_stubs.predictor_of(constant, store, version=directory.name)

    with (
        serve(model, load, checkpoint_root=tmp_path, load_without_key=True) as url,
        concurrent.futures.ThreadPoolExecutor(1) as pool,
    ):
        old = pool.submit(post, url)
        assert model.asked.acquire(timeout=LIMIT_S)
        loaded = post(url, "/load_model", {"checkpoint_path": "next"}).json()
        assert (loaded["model_version"], loaded["previous_version"]) == ("next", "stub-1")
        model.go_on.set()
        content = old.result(LIMIT_S).json()
        assert content["model_version"] == "stub-1"
        assert content["prediction"]["start_x"] == pytest.approx(0.25, abs=0.01)
        assert post(url).json()["model_version"] == "next"
        assert 'version="next"' in requests.get(f"{url}/metrics", timeout=LIMIT_S).text


def test_only_one_checkpoint_is_loaded_at_a_time(serve, tmp_path):
    (tmp_path / "next").mkdir()
    inside, go_on = threading.Event(), threading.Event()

    def load(directory):
        inside.set()
        assert go_on.wait(LIMIT_S)
        raise OSError(f"{directory}/weights: cannot be read")

    body = {"checkpoint_path": "next"}
    with (
        serve(load=load, checkpoint_root=tmp_path, load_without_key=True) as url,
        concurrent.futures.ThreadPoolExecutor(1) as pool,
    ):
        first = pool.submit(post, url, "/load_model", body)
        assert inside.wait(LIMIT_S)
        second = post(url, "/load_model", body)
        assert (second.status_code, second.headers["Retry-After"]) == (409, "10")
        go_on.set()
        failed = first.result(LIMIT_S)
        assert failed.status_code == 422 and str(tmp_path) not in failed.text
        assert post(url).json()["model_version"] == "stub-1"


def test_a_fault_shows_nothing_and_is_logged_with_its_id(serve, caplog):
    model = serving_stubs.ConstantModel([0.5, float("nan"), 0.5, 0.5])
    with serve(model) as url:
        answer = post(url)
    assert answer.status_code == 500
    assert "nan" not in answer.text and "Traceback" not in answer.text and ".py" not in answer.text
    assert answer.json()["request_id"] in caplog.text and "FloatingPointError" in caplog.text


def test_the_log_has_one_line_of_json_for_each_request_and_no_secrets(serve, caplog):
    caplog.set_level("INFO", logger="absl")
    with serve(api_keys={"robot": KEY}) as url:
        post(url, headers={"X-API-Key": KEY, "X-Request-ID": "mine"})
        post(f"{url}/predikt?key={KEY}", "", headers={"X-API-Key": "wrong"})
        post(f"{url}/{KEY}", "", headers={"X-API-Key": KEY, "X-Request-ID": KEY})
    lines = [json.loads(one.message) for one in caplog.records if one.message.startswith("{")]
    fields = ("request_id", "client", "method", "path", "status", "action", "model_version")
    assert [lines[0][name] for name in fields] == [
        *("mine", "robot", "POST", "/predict", 200, "skewering", "stub-1")
    ]
    assert (lines[1]["client"], lines[1]["path"], lines[1]["status"]) == (
        *("127.0.0.1", "/predikt", 401),
    )
    assert lines[0]["bytes_in"] > 500 and lines[0]["bytes_out"] > 500 and lines[0]["ms"] > 0
    assert KEY not in caplog.text and BODY["image"][:40] not in caplog.text


def test_metrics_count_by_route_and_never_by_what_strangers_send(serve):
    with serve() as url:
        post(url)
        for path in ("a", "b"):
            requests.request("BREW", f"{url}/{path}", timeout=LIMIT_S)
        text = requests.get(f"{url}/metrics", timeout=LIMIT_S).text
    assert 'rt1_requests_total{method="POST",route="/predict",status="200"} 1.0' in text
    assert 'rt1_requests_total{method="unknown",route="unknown",status="404"} 2.0' in text
    assert 'rt1_errors_total{route="unknown",status="404"} 2.0' in text
    for stage in ("decode", "queue", "model", "total"):
        assert f'rt1_stage_seconds_count{{stage="{stage}"}} 1.0' in text


def test_several_pictures_of_one_request_are_recorded_like_one(serve, tmp_path):
    with serve(record_dir=tmp_path) as url:
        images = {**BODY, "images": [BODY["image"]] * 2, "image": None, "batch_size": 2}
        results = post(url, "/predict_batch", images).json()["results"]
        motion = {"start_x": 0.1, "start_y": 0.2, "end_x": 0.3, "end_y": 0.4}
        body = {"request_id": results[1]["request_id"], **motion}
        assert post(url, "/corrections", body).status_code == 200
    found = recordings.read_recordings(tmp_path)
    assert {one.request_id for one in found} == {one["request_id"] for one in results}
    assert sorted(one.correction is not None for one in found) == [False, True]
    assert all(one.image.read_bytes() == PICTURE for one in found)


def test_wrong_keys_are_counted_wherever_they_knock(serve):
    with serve(api_keys={"robot": KEY}, requests_per_minute=2) as url:
        statuses = [
            requests.get(f"{url}/x", headers={"X-API-Key": f"{n}"}, timeout=LIMIT_S).status_code
            for n in range(4)
        ]
        assert statuses == [401, 401, 429, 429]
        robot = requests.get(f"{url}/x", headers={"X-API-Key": KEY}, timeout=LIMIT_S)
        assert robot.status_code == 404, "another client than the address"


def test_addresses_of_one_ipv6_network_are_one_client(store):
    stub = serving_stubs.predictor_of(serving_stubs.MarkerModel(), store)
    client = app.create_app(stub, front.ServerSettings(requests_per_minute=1)).test_client()
    statuses = [
        client.get("/docs", environ_overrides={"REMOTE_ADDR": address}).status_code
        for address in ("2001:db8::1", "2001:db8::2:3", "2001:db8:0:1::1")
    ]
    assert statuses == [200, 429, 200]


def test_answers_fit_the_document_and_every_refusal_of_it_is_known(serve):
    calibration = uncertainty_stubs.calibration()
    with serve(uncertainty_stubs.TokenModel(), calibration=calibration) as url:
        document = requests.get(f"{url}/openapi.json", timeout=LIMIT_S).json()
        images = {**BODY, "images": [BODY["image"]] * 2, "image": None}
        asked = {
            "Health": requests.get(f"{url}/health", timeout=LIMIT_S),
            "Ready": requests.get(f"{url}/ready", timeout=LIMIT_S),
            "Combinations": requests.get(f"{url}/available_combinations", timeout=LIMIT_S),
            "PredictAnswer": post(url),
            "PredictBatchAnswer": post(url, "/predict_batch"),
            "Error": post(url, body={}),
        }
        several = post(url, "/predict_batch", images).json()
        example = document["paths"]["/predict"]["post"]["requestBody"]["content"]
        assert post(url, body=example["application/json"]["example"]).status_code == 200
    assert len(several["results"]) == 2
    for name, answer in asked.items():
        schema = {"$ref": f"#/components/schemas/{name}"}
        assert openapi_schema.problems(answer.json(), schema, document) == [], name
    paths = document["paths"]
    assert set(paths) == {
        *("/health", "/ready", "/available_combinations", "/predict", "/predict_batch"),
        *("/load_model", "/corrections", "/metrics"),
    }
    refusals = {"400", "401", "403", "413", "415", "422", "429", "503", "504"}
    assert refusals <= paths["/predict"]["post"]["responses"].keys()
    assert "multipart/form-data" in example
    limits = document["components"]["schemas"]["PredictBatchRequest"]["properties"]["batch_size"]
    assert (limits["minimum"], limits["maximum"], limits["nullable"]) == (1, 64, True)


def test_docs_show_every_route_and_say_which_want_a_key(serve):
    with serve(api_keys={"robot": KEY}) as url:
        page = requests.get(f"{url}/docs", timeout=LIMIT_S)
        document = requests.get(f"{url}/openapi.json", timeout=LIMIT_S).json()
    assert page.headers["Content-Type"].startswith("text/html")
    for path in document["paths"]:
        assert f"<code>{path}</code>" in page.text
    locked = re.findall(r"<code>(/\w*)</code> &#128274;", page.text)
    assert "/predict" in locked and "/health" not in locked
    assert "script" not in page.text
    assert document["security"] and document["paths"]["/health"]["get"]["security"] == []


def test_the_page_is_asked_for_again_only_if_it_changed(stub_server_url):
    first = requests.get(stub_server_url, timeout=LIMIT_S)
    assert "<title>" in first.text and first.headers["Cache-Control"] == "no-cache"
    tag = {"If-None-Match": first.headers["ETag"]}
    assert requests.get(stub_server_url, headers=tag, timeout=LIMIT_S).status_code == 304


@pytest.mark.parametrize("name", ODD)
def test_odd_headers_and_paths(name, stub_server_url):
    path, headers, status = ODD[name]
    method = "POST" if path == "/load_model" else "GET"
    answer = requests.request(method, stub_server_url + path, headers=headers, timeout=LIMIT_S)
    assert answer.status_code in (status, 400)
    assert "Traceback" not in answer.text


def test_bytes_that_are_hardly_http(stub_server_url):
    host, port = stub_server_url.removeprefix("http://").split(":")
    for data in RAW:
        with contextlib.suppress(ConnectionError), socket.create_connection((host, int(port))) as s:
            s.settimeout(0.5)
            s.sendall(data)
            with contextlib.suppress(TimeoutError):
                assert b" 500 " not in s.recv(1000).split(b"\r\n")[0]
    assert post(stub_server_url).status_code == 200


class Held:
    """A server whose answers wait until they are let go; larger than a socket takes at once."""

    def __init__(self):
        self.inside, self.go_on = threading.Semaphore(0), threading.Event()
        held = app.create_app(None)
        held.add_url_rule("/held/<number>", view_func=self.answer)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/held"
        self.server = front.Server(held, "127.0.0.1", self.port)

    def answer(self, number):
        self.inside.release()
        assert self.go_on.wait(LIMIT_S)
        return number * 300_000

    def ask(self, number):
        return requests.get(f"{self.url}/{number}", timeout=LIMIT_S).text


def test_the_end_answers_what_was_accepted_also_without_a_thread_and_refuses_the_rest(monkeypatch):
    monkeypatch.setattr(front, "_FREE_THREADS", 2)
    held = Held()
    with concurrent.futures.ThreadPoolExecutor(7) as pool:
        with held.server, requests.Session() as idle:
            held.go_on.set()
            assert idle.get(f"{held.url}/7", timeout=LIMIT_S).ok  # A connection that stays open.
            assert held.inside.acquire(timeout=LIMIT_S)
            held.go_on.clear()
            answers = {n: pool.submit(held.ask, n) for n in range(1, 7)}
            for _ in range(2):
                assert held.inside.acquire(timeout=LIMIT_S)
            time.sleep(0.5)  # The others have been sent by now.
            half = socket.create_connection(("127.0.0.1", held.port))
            half.sendall(b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Le")
            ending = threading.Timer(1.5, held.go_on.set)
            ending.start()
            late = pool.submit(lambda: time.sleep(0.5) or held.ask(8))
            ended = time.monotonic()
        assert held.server.unfinished == 0 and held.go_on.is_set(), "it has waited"
        assert time.monotonic() - ended < 8, "half a header is not waited for"
        half.close()
        for number, answer in answers.items():
            assert answer.result(LIMIT_S) == str(number) * 300_000
        assert isinstance(late.exception(LIMIT_S), requests.ConnectionError)


def test_the_end_gives_up_and_counts_what_takes_too_long(monkeypatch):
    monkeypatch.setattr(front, "DRAIN_S", 0.4)
    held = Held()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with held.server:
            pool.submit(held.ask, 1)
            assert held.inside.acquire(timeout=LIMIT_S)
        assert held.server.unfinished == 1
        held.go_on.set()


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


@pytest.mark.parametrize("origin", ["lab.example", "https://lab.example/", "https://*.example"])
def test_an_origin_is_scheme_and_host(origin):
    with pytest.raises(ValueError, match="expected scheme, host and port"):
        app.create_app(None, front.ServerSettings(cors_origins=(origin,)))


def test_statistics_by_hand():
    samples = np.array([[0.2, 0.4, 0.6, 0.4], [0.4, 0.4, 0.8, 0.4]])
    norms = np.sqrt([0.2**2 + 0.4**2 + 0.6**2 + 0.4**2, 0.4**2 + 0.4**2 + 0.8**2 + 0.4**2])
    assert predictor.statistics(samples) == {
        "mean": pytest.approx([0.3, 0.4, 0.7, 0.4]),
        "std": pytest.approx([0.1, 0.0, 0.1, 0.0]),
        "total_variance": pytest.approx(0.02),
        "centroid_variance": pytest.approx(0.01),
        "size_variance": pytest.approx(0.0),
        "distance_variance": pytest.approx(((norms[1] - norms[0]) / 2) ** 2),
        "num_samples": 2,
    }
    motion = predictor.motion([50, 50, 150, 100])
    assert (motion["skewer_x"], motion["skewer_y"]) == (100, 75)
    assert motion["direction_degrees"] == pytest.approx(26.565, abs=1e-3)


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
