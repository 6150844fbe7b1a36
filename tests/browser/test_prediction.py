"""A photo goes in; what is drawn is what the server's JSON says."""

from __future__ import annotations

import numpy as np
import pytest

from tests import serving_stubs
from tests.browser import photos

pytestmark = pytest.mark.slow


def motion_of(fields):
    return [fields[name] for name in ("start_x", "start_y", "end_x", "end_y")]


def centre(page, selector):
    box = page.locator(selector).bounding_box()
    return np.array([box["x"] + box["width"] / 2, box["y"] + box["height"] / 2])


def test_arrow_and_samples_lie_where_the_json_says(page, predict, arrow):
    answer, batch = predict(page)
    pixels = answer["prediction_pixels"]
    assert arrow(page) == motion_of(pixels)
    assert arrow(page) == pytest.approx([*photos.START, *photos.END], abs=2)
    photo = page.locator("#photo").bounding_box()
    for part, name in (("start", "start"), ("middle", "skewer"), ("end", "end")):
        expected = [
            photo["x"] + pixels[f"{name}_x"] * photo["width"] / photos.WIDTH,
            photo["y"] + pixels[f"{name}_y"] * photo["height"] / photos.HEIGHT,
        ]
        assert centre(page, f"#handle-{part} .reach") == pytest.approx(expected, abs=1)
    samples = np.array(batch["predictions_pixels"]).reshape(16, 2, 2).mean(axis=1)
    drawn = page.locator(".sample").evaluate_all(
        "dots => dots.map(dot => [Number(dot.getAttribute('cx')), Number(dot.getAttribute('cy'))])"
    )
    np.testing.assert_allclose(drawn, samples, atol=1e-9)
    ellipse = page.locator("#ellipse")
    middle = [float(ellipse.get_attribute(name)) for name in ("cx", "cy")]
    np.testing.assert_allclose(middle, samples.mean(axis=0), atol=1e-9)


def test_numbers_verdict_and_latency_are_stated(page, predict):
    answer, _ = predict(page)
    rows = page.locator("#numbers tr").all_inner_texts()
    names = [row.split()[0] for row in rows]
    assert names == ["start", "midpoint", "end", "direction"]
    assert "0.250, 0.500" in rows[0]
    # The angle seen, which is that of the pixels.
    assert f"{answer['prediction_pixels']['direction_degrees']:.1f}°" in rows[3]
    assert page.locator("#result-title").inner_text() == "Skewering green bean"
    share = float(page.locator("#ellipse").get_attribute("rx")) / photos.HEIGHT
    agree = "The samples agree" if share <= 0.03 else "The samples differ: look before moving"
    assert page.locator("#verdict").inner_text() == agree
    assert f"within {100 * share:.1f}% of" in page.locator("#verdict-text").inner_text()
    assert "midpoints of 16 samples" in page.locator("#verdict-text").inner_text()
    assert "ms from click to arrow" in page.locator("#latency-text").inner_text()
    parts = page.locator("#latency-parts li").all_inner_texts()
    assert [part.rsplit(maxsplit=2)[0] for part in parts] == [
        "reading the photo",
        "waiting",
        "model",
    ]
    assert answer["request_id"] in page.locator("#json").text_content()


def test_only_pairs_that_exist_can_be_chosen(page):
    foods = page.locator("#food option")
    foods.first.wait_for(state="attached")
    assert page.locator("#action-choices").all_inner_texts() == ["scooping\nskewering\ntwirling"]
    # Most foods can be skewered, so that is what is chosen first.
    assert page.get_by_role("radio", name="skewering").is_checked()
    assert foods.all_inner_texts() == ["green bean", "strawberry"]
    page.get_by_text("twirling", exact=True).click()
    assert foods.all_inner_texts() == ["spaghetti"]


def test_the_options_are_sent_and_a_seed_repeats_the_cloud(page, predict):
    page.get_by_text("Options").click()
    page.get_by_label("Samples").select_option("8")
    page.get_by_label("Dropout in").select_option("full")
    page.get_by_label("Seed").fill("7")
    page.get_by_label("Make it square by").select_option("stretch")
    _, first = predict(page)
    _, second = predict(page)
    assert first["predictions"] == second["predictions"]
    stated = ("batch_size", "dropout_scope", "seed", "resize", "enable_dropout")
    assert [first[name] for name in stated] == [8, "full", 7, "stretch", True]
    assert page.locator(".sample").count() == 8


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_a_photo_is_dropped_or_pasted(page, predict, event):
    content = list(photos.photo(200, 300, (50, 50), (150, 250)))
    page.evaluate(
        """([event, content]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(content)], "a.png", {type: "image/png"}));
            const options = {bubbles: true, cancelable: true};
            document.body.dispatchEvent(event === "drop"
                ? new DragEvent("drop", {...options, dataTransfer: data})
                : new ClipboardEvent("paste", {...options, clipboardData: data}));
        }""",
        [event, content],
    )
    page.get_by_text("200 × 300 pixels").wait_for()
    assert page.locator("#photo").is_visible()
    page.get_by_role("button", name="Predict").click()
    page.locator("#arrow").wait_for(state="attached")
    assert page.locator("#overlay").get_attribute("viewBox") == "0 0 200 300"


def test_the_camera_takes_a_photo(page):
    page.get_by_role("button", name="Camera").click()
    page.get_by_role("button", name="Take the picture").click()
    page.locator("#photo").wait_for(state="visible")
    assert "pixels" in page.locator("#photo-facts").inner_text()
    assert page.locator("#camera").is_hidden()
    with page.expect_response("**/predict") as response:
        page.get_by_role("button", name="Predict").click()
    assert response.value.status == 200


def test_a_format_that_the_server_does_not_read_is_turned_into_one(page, choose):
    choose(page, photos.photo(file_format="GIF"), "a.gif", "image/gif")
    with page.expect_response("**/predict") as response:
        page.get_by_role("button", name="Predict").click()
    assert response.value.status == 200
    pixels = response.value.json()["prediction_pixels"]
    assert motion_of(pixels) == pytest.approx([*photos.START, *photos.END], abs=3)


def test_a_photo_taken_upright_is_asked_about_upright(page, predict, arrow):
    """EXIF orientation 6: the file's pixels lie on their side, browser and server turn them."""
    upright = serving_stubs.marker_picture(300, 400, (60, 80), (240, 320))
    exif = serving_stubs.Image.Exif()
    exif[274] = 6
    lying = np.ascontiguousarray(np.rot90(upright))
    answer, _ = predict(page, serving_stubs.file_bytes(lying, "PNG", exif=exif))
    assert (answer["image_width"], answer["image_height"]) == (300, 400)
    assert "300 × 400" in page.locator("#photo-facts").inner_text()
    assert arrow(page) == pytest.approx([60, 80, 240, 320], abs=2)


def test_another_photo_clears_the_answer(page, predict, choose):
    predict(page)
    choose(page, photos.photo(100, 100, (20, 20), (80, 80)))
    page.get_by_text("100 × 100 pixels").wait_for()
    assert page.locator("#arrow").count() == 0
    assert page.locator(".sample").count() == 0
    assert page.locator("#result").is_hidden()


def test_a_closer_look_is_framed(page, predict):
    """The midpoint is (210, 240), and 0.35 of 640 pixels are 224."""
    photo = photos.photo(start=(160, 240), end=(260, 240))
    predict(page, photo)
    assert page.locator("#crop").count() == 0
    page.get_by_text("Options").click()
    page.get_by_label("Look").select_option("fast")
    answer, _ = predict(page, photo)
    assert answer["passes"] == "fast"
    drawn = [float(page.locator("#crop").get_attribute(name)) for name in ("x", "y")]
    assert drawn == pytest.approx([answer["crop"][0] * 640, answer["crop"][1] * 480])
    assert drawn == pytest.approx([98, 128], abs=2)
    assert float(page.locator("#crop").get_attribute("width")) == pytest.approx(224)
    assert page.get_by_text("what the model looked at last").is_visible()
