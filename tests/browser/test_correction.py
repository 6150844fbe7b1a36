"""A person moves the arrow by mouse, keys or finger; what is saved on disk is what was drawn."""

from __future__ import annotations

import pytest

from food_data import recordings

pytestmark = pytest.mark.slow
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def drag(page, part, right, down):
    """Drags a handle by pixels of the screen; gives pixels of the photo in one of the screen."""
    box = page.locator(f"#handle-{part} .mark-{part}, #handle-{part} .reach").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right / 2, y + down / 2)
    page.mouse.move(x + right, y + down)
    page.mouse.up()
    return 640 / page.locator("#photo").bounding_box()["width"]


def test_dragging_the_end_corrects_and_is_saved_at_the_second_try(
    page, predict, arrow, record_dir, photo
):
    answer, _ = predict(page)
    before = arrow(page)
    scale = drag(page, "end", 50, 70)
    after = arrow(page)
    moved = [before[0], before[1], before[2] + 50 * scale, before[3] + 70 * scale]
    assert after == pytest.approx(moved, abs=1.5)
    assert float(page.locator("#ghost").get_attribute("x2")) == before[2]
    page.get_by_label("Your name").fill("ada")
    page.route("**/corrections", lambda route: route.abort())
    page.get_by_role("button", name="Save the correction").click()
    page.get_by_text("Not saved: The server cannot be reached.").wait_for()
    page.unroute("**/corrections")
    page.get_by_role("button", name="Save the correction").click()
    page.get_by_text("Saved. It can be trained on now.").wait_for()
    found = recordings.read_recordings(record_dir)  # One server records for all tests.
    (one,) = [each for each in found if each.request_id == answer["request_id"]]
    assert one.correction["corrected_by"] == "ada" and one.image.read_bytes() == photo.make()
    size = [photo.width, photo.height] * 2
    assert one.motion() == pytest.approx([a / b for a, b in zip(after, size)], abs=1e-9)


def test_without_a_mouse(page, choose, arrow, photo):
    """Enter predicts, Tab reaches the ends and names them, arrow keys move the chosen one."""
    page.get_by_text("Model stub-1").wait_for()
    choose(page)
    page.get_by_text("640 × 480 pixels").wait_for()
    page.keyboard.press("Enter")
    before = arrow(page)
    assert before == pytest.approx(photo.motion, abs=2)
    page.locator("#ellipse").wait_for(state="attached")
    page.locator("#handle-middle").focus()
    for name in ("Midpoint of the motion", "Start of the motion: x 160, y 240", "End of"):
        said = page.evaluate("document.activeElement.getAttribute('aria-label')")
        assert said.startswith(name)
        page.keyboard.press("Tab")
    # A step is 0.5% of 480 pixels.
    steps = {"ArrowLeft": (-2.4, 0), "Shift+ArrowDown": (0, 24), "Alt+ArrowDown": (0, 1)}
    for key, (right, down) in steps.items():
        page.locator("#handle-end").focus()
        page.keyboard.press(key)
        moved = [before[0], before[1], before[2] + right, before[3] + down]
        assert arrow(page) == pytest.approx(moved), key
        page.get_by_role("button", name="Undo").click()
    page.locator("#handle-start").focus()
    page.keyboard.press("Shift+ArrowDown")
    assert arrow(page)[1] == pytest.approx(before[1] + 24)
    with page.expect_response("**/predict_batch"):
        page.keyboard.press("Enter")
    assert arrow(page) == before


def test_on_a_phone(open_page, server_url, predict, arrow, photo):
    """Everything is shown without scrolling sideways, and a finger drags the end."""
    page = open_page(server_url, **PHONE)
    predict(page)
    before = arrow(page)
    page.locator("#stage").scroll_into_view_if_needed()
    box = page.locator("#handle-end .reach").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    session = page.context.new_cdp_session(page)
    for kind, moved in (
        ("touchStart", 0),
        ("touchMove", 20),
        ("touchMove", 40),
        ("touchEnd", None),
    ):
        points = [] if moved is None else [{"x": x - moved, "y": y + 1.5 * moved}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    scale = photo.width / page.locator("#photo").bounding_box()["width"]
    moved = [*before[:2], before[2] - 40 * scale, before[3] + 60 * scale]
    assert arrow(page) == pytest.approx(moved, abs=3)
    page.locator("#correction").wait_for(state="visible")
    for summary in page.locator("summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
