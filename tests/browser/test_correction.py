"""A person moves the arrow, and what is saved on disk is what was drawn."""

from __future__ import annotations

import pytest

from food_data import recordings
from tests.browser import photos

pytestmark = pytest.mark.slow


def drag(page, part, right, down):
    """Drags a handle by pixels of the screen; gives pixels of the photo in one of the screen."""
    box = page.locator(f"#handle-{part} .mark-{part}, #handle-{part} .reach").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right / 2, y + down / 2)
    page.mouse.move(x + right, y + down)
    page.mouse.up()
    return photos.WIDTH / page.locator("#photo").bounding_box()["width"]


def corrected(record_dir, answer):
    """The recording of an answer; one server records for all tests."""
    found = recordings.read_recordings(record_dir)
    (one,) = [each for each in found if each.request_id == answer["request_id"]]
    return one


def save(page):
    page.get_by_role("button", name="Save the correction").click()
    page.get_by_text("Saved. It can be trained on now.").wait_for()


def test_dragging_the_end_corrects_and_saves(page, predict, arrow, record_dir):
    answer, _ = predict(page)
    before = arrow(page)
    scale = drag(page, "end", 50, 70)
    after = arrow(page)
    moved = [before[0], before[1], before[2] + 50 * scale, before[3] + 70 * scale]
    assert after == pytest.approx(moved, abs=1.5)
    assert float(page.locator("#ghost").get_attribute("x2")) == before[2]
    page.get_by_label("Your name").fill("ada")
    save(page)
    one = corrected(record_dir, answer)
    assert one.correction["corrected_by"] == "ada"
    size = [photos.WIDTH, photos.HEIGHT] * 2
    assert one.motion() == pytest.approx([a / b for a, b in zip(after, size)], abs=1e-9)
    assert one.image.read_bytes() == photos.photo()


def test_the_midpoint_takes_the_whole_arrow_along_and_not_out_of_the_photo(page, predict, arrow):
    predict(page)
    before = arrow(page)
    drag(page, "middle", 3000, 0)
    x1, y1, x2, y2 = arrow(page)
    assert x2 == pytest.approx(photos.WIDTH)
    assert (x2 - x1, y2 - y1) == pytest.approx((before[2] - before[0], before[3] - before[1]))


def test_without_a_recorder_the_button_says_why_it_is_off(open_page, serve, predict):
    with serve() as url:
        page = open_page(url)
        predict(page)
        drag(page, "end", 40, 40)
        assert page.get_by_role("button", name="Save the correction").is_disabled()
        assert "Start it with --record_dir" in page.locator("#save-note").inner_text()


def test_a_correction_that_fails_can_be_tried_again(page, predict):
    predict(page)
    drag(page, "end", 40, 40)
    page.route("**/corrections", lambda route: route.abort())
    page.get_by_role("button", name="Save the correction").click()
    page.get_by_text("Not saved: The server cannot be reached.").wait_for()
    page.unroute("**/corrections")
    save(page)
