"""A real server around the marker model, and the page in headless Chromium.

The tests are skipped where Playwright or Chromium is not installed: `pip install playwright`, and
Debian's package `chromium` or another browser named by CHROMIUM in the environment.
"""

from __future__ import annotations

import os
import shutil
import types

import pytest

from tests import serving_stubs

# The marker model reads the right answer from two squares, in pixels of the photo.
WIDTH, HEIGHT = 640, 480
START, END = (160, 240), (400, 120)
FLAGS = (
    # Chromium's sandbox does not work for root, as continuous integration runs.
    *("--no-sandbox", "--disable-dev-shm-usage"),
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
)


def make_photo(width=WIDTH, height=HEIGHT, start=START, end=END) -> bytes:
    """A file; the motion goes from `start` to `end`, in pixels."""
    return serving_stubs.file_bytes(serving_stubs.marker_picture(width, height, start, end))


@pytest.fixture(scope="session")
def photo():
    """The photo's size and right answer, and the function that makes it, or another."""
    return types.SimpleNamespace(width=WIDTH, height=HEIGHT, motion=[*START, *END], make=make_photo)


@pytest.fixture(scope="session")
def chromium():
    """The browser; one for all tests of a process."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    names = (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, (shutil.which(name) for name in names if name)), None)
    if path is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def record_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("records")


@pytest.fixture(scope="session")
def server_url(record_dir):
    """A server with a model, a recorder and no keys."""
    with serving_stubs.running(record_dir=record_dir) as url:
        yield url


@pytest.fixture
def open_page(chromium):
    """Opens the page of a server; the test fails if a script failed or another host was asked."""
    contexts, faults = [], []

    def said(message):
        # What breaks the policy says so on the console; refused requests do too, and are tested.
        if message.type == "error" and "Failed to load resource" not in message.text:
            faults.append(message.text)

    def call(url, **options):
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: faults.append(f"script: {error}"))
        page.on("console", said)
        own = (url + "/", "blob:" + url + "/")
        page.on("request", lambda one: one.url.startswith(own) or faults.append(one.url))
        page.goto(url)
        return page

    yield call
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def page(open_page, server_url):
    return open_page(server_url)


@pytest.fixture
def choose():
    """Gives the page a photo, and waits until it is shown."""

    def call(page, content=None, name="plate.png", mime_type="image/png"):
        file = {"name": name, "mimeType": mime_type, "buffer": content or make_photo()}
        page.locator("#file-input").set_input_files(file)
        page.locator("#photo").wait_for(state="visible")

    return call


@pytest.fixture
def predict(choose):
    """Asks about a photo; gives the JSON answers of /predict and /predict_batch."""

    def call(page, content=None):
        choose(page, content)
        with (
            page.expect_response("**/predict") as first,
            page.expect_response("**/predict_batch") as second,
        ):
            page.get_by_role("button", name="Predict").click()
        page.locator("#ellipse").wait_for(state="attached")
        return first.value.json(), second.value.json()

    return call


@pytest.fixture
def arrow():
    """Start and end of the arrow that is drawn, in pixels of the photo."""

    def call(page):
        line, head = page.locator("#arrow"), page.locator("#arrow-head")
        head.wait_for(state="attached")
        tip = head.get_attribute("points").split(" ")[0].split(",")
        return [float(line.get_attribute("x1")), float(line.get_attribute("y1")), *map(float, tip)]

    return call
