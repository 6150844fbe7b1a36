"""Without a mouse, and on a screen of 360 pixels; light and dark."""

from __future__ import annotations

import pytest

from tests.browser import photos

pytestmark = pytest.mark.slow
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def test_enter_predicts_as_soon_as_there_is_a_photo(page, choose, arrow):
    page.get_by_text("Model stub-1").wait_for()
    choose(page)
    page.get_by_text("640 × 480 pixels").wait_for()
    page.keyboard.press("Enter")
    assert arrow(page) == pytest.approx([*photos.START, *photos.END], abs=2)


def test_arrow_keys_move_the_chosen_end(page, predict, arrow):
    predict(page)
    before = arrow(page)
    # A step is 0.5% of 480 pixels.
    for key, right, down in (
        ("ArrowRight", 2.4, 0),
        ("ArrowLeft", -2.4, 0),
        ("ArrowUp", 0, -2.4),
        ("ArrowDown", 0, 2.4),
        ("Shift+ArrowRight", 24, 0),
        ("Alt+ArrowDown", 0, 1),
    ):
        page.locator("#handle-end").focus()
        page.keyboard.press(key)
        moved = [before[0], before[1], before[2] + right, before[3] + down]
        assert arrow(page) == pytest.approx(moved), key
        page.get_by_role("button", name="Undo").click()


def test_tab_reaches_midpoint_start_and_end_and_names_them(page, predict):
    predict(page)
    page.locator("#handle-middle").focus()
    names = []
    for _ in range(3):
        names.append(page.evaluate("document.activeElement.getAttribute('aria-label')"))
        page.keyboard.press("Tab")
    assert [name.split(":")[0] for name in names] == [
        "Midpoint of the motion",
        "Start of the motion",
        "End of the motion",
    ]
    assert "x 160, y 240" in names[1]


def test_the_focus_stays_on_an_end_that_moves_and_enter_asks_again(page, predict, arrow):
    predict(page)
    before = arrow(page)
    page.locator("#handle-start").focus()
    for _ in range(3):
        page.keyboard.press("Shift+ArrowDown")
    assert arrow(page)[1] == pytest.approx(before[1] + 72)
    assert page.evaluate("document.activeElement.id") == "handle-start"
    with page.expect_response("**/predict_batch"):
        page.keyboard.press("Enter")
    assert arrow(page) == before


def test_a_phone_shows_everything_without_scrolling_sideways(open_page, server_url, predict):
    page = open_page(server_url, **PHONE)
    predict(page)
    page.locator("#correction").wait_for(state="visible")
    for summary in page.locator("summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for control in page.locator("button:visible, select:visible, #overlay .reach").all():
        box = control.bounding_box()
        assert min(box["width"], box["height"]) >= 27.9, control
    # After a prediction the photo is in sight.
    with page.expect_response("**/predict_batch"):
        page.get_by_role("button", name="Predict").click()
    assert page.locator("#stage").bounding_box()["y"] >= -1


def test_a_finger_drags_the_end(open_page, server_url, predict, arrow):
    page = open_page(server_url, **PHONE)
    predict(page)
    before = arrow(page)
    page.locator("#stage").scroll_into_view_if_needed()
    box = page.locator("#handle-end .reach").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    session = page.context.new_cdp_session(page)
    for kind, points in (
        ("touchStart", [{"x": x, "y": y}]),
        ("touchMove", [{"x": x - 20, "y": y + 30}]),
        ("touchMove", [{"x": x - 40, "y": y + 60}]),
        ("touchEnd", []),
    ):
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    scale = photos.WIDTH / page.locator("#photo").bounding_box()["width"]
    moved = [*before[:2], before[2] - 40 * scale, before[3] + 60 * scale]
    assert arrow(page) == pytest.approx(moved, abs=3)
