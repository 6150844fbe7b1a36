"""A photo goes in; what is drawn is what the server's JSON says."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests import serving_stubs, uncertainty_stubs
from tests.serving_stubs import running

pytestmark = pytest.mark.slow


def numbers(locator, *names):
    return [float(locator.get_attribute(name)) for name in names]


def test_what_is_drawn_and_stated_is_what_the_json_says(page, predict, arrow, photo):
    answer, batch = predict(page)
    pixels = answer["prediction_pixels"]
    motion = [pixels[name] for name in ("start_x", "start_y", "end_x", "end_y")]
    assert arrow(page) == motion == pytest.approx(photo.motion, abs=2)
    samples = np.array(batch["predictions_pixels"]).reshape(16, 2, 2).mean(axis=1)
    drawn = [numbers(dot, "cx", "cy") for dot in page.locator(".sample").all()]
    np.testing.assert_allclose(drawn, samples, atol=1e-9)
    ellipse = page.locator("#ellipse")
    np.testing.assert_allclose(numbers(ellipse, "cx", "cy"), samples.mean(axis=0), atol=1e-9)

    rows = page.locator("#numbers tr").all_inner_texts()
    assert [row.split()[0] for row in rows] == ["start", "midpoint", "end", "direction"]
    # The angle seen, which is that of the pixels.
    assert "0.250, 0.500" in rows[0] and f"{pixels['direction_degrees']:.1f}°" in rows[3]
    assert page.locator("#result-title").inner_text() == "Skewering green bean"
    share = numbers(ellipse, "rx")[0] / photo.height
    agree = "The samples agree" if share <= 0.03 else "The samples differ: look before moving"
    assert page.locator("#verdict").inner_text() == agree
    assert f"within {100 * share:.1f}% of" in page.locator("#verdict-text").inner_text()
    assert answer["request_id"] in page.locator("#json").text_content()


@pytest.mark.parametrize("threshold", [0.05, 0.2, None], ids=["asks", "acts", "never asks"])
def test_a_calibrated_servers_verdict_and_region(threshold, open_page, choose):
    """The stub's doubt is 0.99 * 26 / 256 = 0.101."""
    known = uncertainty_stubs.calibration(threshold=threshold)
    with running(uncertainty_stubs.TokenModel(), calibration=known) as url:
        page = open_page(url)
        page.get_by_text("Options").click()
        page.get_by_label("Samples").select_option("none")
        choose(page)
        with page.expect_response("**/predict_batch") as response:
            page.get_by_role("button", name="Predict").click()
        page.locator("#region").wait_for(state="attached")
    asks = threshold == 0.05
    said = "The server says: " + ("ask a person" if asks else "go ahead")
    assert page.locator("#verdict").inner_text() == said
    text = page.locator("#verdict-text").inner_text()
    limit = "it never asks" if threshold is None else f"it asks above {threshold:.3f}"
    assert f"Its doubt is 0.101; {limit}." in text
    assert "1% were off by more than 5% of the picture" in text
    region = response.value.json()["uncertainty"]["region_pixels"]
    names = ("center_x", "center_y", "radius_x", "radius_y")
    drawn = numbers(page.locator("#region"), "cx", "cy", "rx", "ry")
    assert drawn == [region[name] for name in names]


def test_only_pairs_that_exist_can_be_chosen(page):
    foods = page.locator("#food option")
    foods.first.wait_for(state="attached")
    assert page.locator("#action-choices").all_inner_texts() == ["scooping\nskewering\ntwirling"]
    # Most foods can be skewered, so that is what is chosen first.
    assert page.get_by_role("radio", name="skewering").is_checked()
    assert foods.all_inner_texts() == ["green bean", "strawberry"]
    page.get_by_text("twirling", exact=True).click()
    assert foods.all_inner_texts() == ["spaghetti"]


def test_the_options_are_sent_and_a_closer_look_is_framed(page, predict, photo):
    """The midpoint is (210, 240), and 0.35 of 640 pixels are 224."""
    content = photo.make(start=(160, 240), end=(260, 240))
    predict(page, content)
    assert page.locator("#crop").count() == 0
    page.get_by_text("Options").click()
    page.get_by_label("Samples").select_option("8")
    page.get_by_label("Dropout in").select_option("full")
    page.get_by_label("Seed").fill("7")
    page.get_by_label("Look").select_option("fast")
    answer, first = predict(page, content)
    _, second = predict(page, content)
    assert first["predictions"] == second["predictions"]
    stated = ("batch_size", "dropout_scope", "seed", "passes", "enable_dropout")
    assert [first[name] for name in stated] == [8, "full", 7, "fast", True]
    assert page.locator(".sample").count() == 8
    drawn = numbers(page.locator("#crop"), "x", "y", "width")
    assert drawn == pytest.approx([answer["crop"][0] * 640, answer["crop"][1] * 480, 224])
    assert drawn == pytest.approx([98, 128, 224], abs=2)
    page.get_by_label("Make it square by").select_option("stretch")
    assert predict(page, content)[0]["resize"] == "stretch"


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_a_photo_is_dropped_or_pasted_and_clears_the_answer_before(page, predict, event, photo):
    predict(page)
    content = list(photo.make(200, 300, (50, 50), (150, 250)))
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
    assert page.locator("#arrow, .sample").count() == 0 and page.locator("#result").is_hidden()
    page.get_by_role("button", name="Predict").click()
    page.locator("#arrow").wait_for(state="attached")
    assert page.locator("#overlay").get_attribute("viewBox") == "0 0 200 300"


def test_the_camera_takes_a_photo(page):
    page.get_by_role("button", name="Camera").click()
    page.get_by_role("button", name="Take the picture").click()
    page.locator("#photo").wait_for(state="visible")
    assert page.locator("#camera").is_hidden()
    with page.expect_response("**/predict") as response:
        page.get_by_role("button", name="Predict").click()
    assert response.value.status == 200


def test_a_photo_taken_upright_is_asked_about_upright(page, predict, arrow):
    """EXIF orientation 6: the file's pixels lie on their side, browser and server turn them."""
    upright = serving_stubs.marker_picture(300, 400, (60, 80), (240, 320))
    exif = Image.Exif()
    exif[274] = 6
    lying = np.ascontiguousarray(np.rot90(upright))
    answer, _ = predict(page, serving_stubs.file_bytes(lying, "PNG", exif=exif))
    assert (answer["image_width"], answer["image_height"]) == (300, 400)
    assert "300 × 400" in page.locator("#photo-facts").inner_text()
    assert arrow(page) == pytest.approx([60, 80, 240, 320], abs=2)


def test_ellipse_and_verdict_by_hand(page):
    def call(script, function, given):
        return page.evaluate(
            """async ([script, name, given]) =>
                (await import(`./static/${script}.js`))[name](given)""",
            [script, function, given],
        )

    # Variance 4/3 both ways: a circle around (1, 1). On the diagonal: variance 1 both ways and
    # covariance 1, so 2 and 0.
    for points, expected in (
        (((0, 0), (2, 0), (0, 2), (2, 2)), [1, 1, (5.991 * 4 / 3) ** 0.5]),
        (((-1, -1), (0, 0), (1, 1)), [0, 0, (5.991 * 2) ** 0.5, 0, 45]),
        ([(3, 4)] * 5, [3, 4, 0, 0]),
    ):
        found = call("geometry", "ellipse95", [{"x": x, "y": y} for x, y in points])
        values = [found[name] for name in ("x", "y", "rx", "ry", "angle")]
        assert values[: len(expected)] == pytest.approx(expected)
    for radius, level in ((30, "good"), (30.1, "fair"), (80, "fair"), (80.1, "poor")):
        around = {"x": 0, "y": 0, "rx": radius, "ry": 0, "angle": 0}
        given = {"ellipse": around, "size": {"width": 2000, "height": 1000}}
        found = call("verdict", "verdict", {**given, "samples": 16, "directionSpread": 15.0})
        assert found["level"] == level
        assert f"within {radius / 10:.1f}% of the photo's shorter side" in found["text"]
