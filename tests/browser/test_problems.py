"""What the page says when something is wrong, and how it goes on."""

from __future__ import annotations

import pytest

from tests.serving_stubs import running

pytestmark = pytest.mark.slow
KEY = "s3cret-key-of-the-lab"


def problem(page):
    page.locator("#error").wait_for(state="visible")
    return " ".join(page.locator("#error").inner_text().split())


def ask(page):
    page.get_by_role("button", name="Predict").click()


def test_no_model_is_said_before_anybody_asks(open_page, choose):
    with running(model=None) as url:
        page = open_page(url)
        page.get_by_text("No model is loaded: nothing can be predicted yet").wait_for()
        choose(page)
        assert page.get_by_role("button", name="Predict").is_disabled()


def test_a_file_that_is_no_picture_and_a_picture_that_is_refused(open_page, choose, photo):
    with running(max_pixels=1000) as url:
        page = open_page(url)
        file = {"name": "a.png", "mimeType": "image/png", "buffer": b"no picture"}
        page.locator("#file-input").set_input_files(file)
        assert "This browser cannot show the file (image/png)" in problem(page)
        file = {"name": "a.txt", "mimeType": "text/plain", "buffer": b"text"}
        page.locator("#file-input").set_input_files(file)
        page.get_by_text("Expected a picture, got something else").wait_for()
        assert page.get_by_role("button", name="Predict").is_disabled()
        choose(page)
        ask(page)
        page.get_by_text("The photo is too large").wait_for()
        assert "640" in problem(page) and "Request " in problem(page)
        # Another photo clears the message.
        choose(page, photo.make(20, 20, (5, 5), (15, 15)))
        page.get_by_text("20 × 20 pixels").wait_for()
        assert page.locator("#error").is_hidden()


def test_the_network_is_down_and_comes_back(page, choose, arrow):
    choose(page)
    page.route("**/predict", lambda route: route.abort())
    ask(page)
    assert problem(page).startswith("No answer from the server The server cannot be reached.")
    page.unroute("**/predict")
    ask(page)
    assert len(arrow(page)) == 4 and page.locator("#error").is_hidden()


def test_a_key_is_asked_for_used_and_kept_for_the_session_only(open_page, choose, arrow):
    with running(api_keys={"robot": KEY}) as url:
        page = open_page(url)
        page.get_by_text("An API key is needed").wait_for()
        assert page.locator("#api-key").evaluate("field => field === document.activeElement")
        page.keyboard.type("wrong")
        page.keyboard.press("Enter")
        page.locator("#food option").first.wait_for(state="detached")
        page.locator("#api-key").fill(KEY)
        page.locator("#api-key").press("Enter")
        page.get_by_text("Model stub-1").wait_for()
        choose(page)
        ask(page)
        assert len(arrow(page)) == 4
        assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
        page.reload()
        page.get_by_text("Model stub-1").wait_for()
        other = page.context.new_page()  # Another tab has a session of its own.
        other.goto(url)
        other.get_by_text("An API key is needed").wait_for()


def test_a_server_without_samples_still_gives_the_arrow(open_page, choose, arrow):
    with running(batch=False) as url:
        page = open_page(url)
        choose(page)
        ask(page)
        assert len(arrow(page)) == 4
        page.get_by_text("This server has no batch prediction").wait_for()
        assert page.locator("#error").is_hidden()
