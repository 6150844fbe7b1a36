"""The page at /docs: everything in it, nothing that loads or runs."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import re

import pytest

from serving import openapi_document, settings
from serving.openapi import docs_page

RULES = ["/health", "/predict", "/predict_batch", "/static/<name>", "/openapi.json", "/docs"]
VOID = {"meta", "link"}


def document(**options):
    return openapi_document.build(settings.ServerSettings(**options), RULES)


class Reader(html.parser.HTMLParser):
    """Collects tags and text, and checks that what is opened is closed."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.texts, self._open = [], [], [], []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def page():
    return Reader(docs_page.render(document()))


def test_all_routes_and_objects_are_there(page):
    content = document()
    ids = {value for name, value in page.attributes if name == "id"}
    operations = {
        operation["operationId"]
        for methods in content["paths"].values()
        for operation in methods.values()
    }
    assert ids == operations | set(content["components"]["schemas"])
    text = " ".join(page.texts)
    for phrase in ("/predict_batch", "422", "PredictBatchAnswer", "multipart/form-data", "429"):
        assert phrase in text


def test_limits_of_a_field_are_said(page):
    text = "".join(page.texts)
    assert "Samples of each picture. (at least 1; at most 64; unless given 16)" in text
    assert 'one of "stretch", "letterbox", "crop", null' in text


def test_pictures_are_shortened(page):
    from serving.openapi import examples

    assert f"{examples.PICTURE[:60]}..." in "".join(page.texts)
    assert max(len(word) for text in page.texts for word in text.split()) < 100


def test_nothing_is_loaded_and_nothing_runs(page):
    assert not {"script", "img", "iframe", "object", "form"} & set(page.tags)
    names = {name for name, _ in page.attributes}
    assert not {name for name in names if name.startswith("on")} | names & {"src", "style"}
    links = {value for name, value in page.attributes if name == "href"}
    ids = {f"#{value}" for name, value in page.attributes if name == "id"}
    assert links - ids == {"/openapi.json", "/", "data:,"}
    assert {"#PredictRequest", "#PredictForm", "#CorrectionRequest"} & links == {
        "#PredictRequest",
        "#PredictForm",
    }


def test_policy_allows_the_one_style():
    (style,) = re.findall("<style>(.*?)</style>", docs_page.render(document()), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in docs_page.CONTENT_SECURITY_POLICY
    assert "script-src" not in docs_page.CONTENT_SECURITY_POLICY
    assert docs_page.CONTENT_SECURITY_POLICY.startswith("default-src 'none'; ")


def test_text_of_the_document_is_no_html():
    content = document()
    content["info"]["title"] = "<script>alert(1)</script>"
    content["paths"]["/predict"]["post"]["summary"] = '"><img src=x onerror=alert(1)>'
    page = Reader(docs_page.render(content))
    assert "script" not in page.tags and "img" not in page.tags
    assert "<script>alert(1)</script>" in "".join(page.texts)


def test_words_in_backticks_are_code():
    text = docs_page.render(document())
    assert "<code>green beans</code>" in text
    assert "`" not in re.sub("<style>.*?</style>|<pre>.*?</pre>", "", text, flags=re.DOTALL)


def test_locks_are_shown_where_a_key_is_needed():
    assert "\N{LOCK}" not in "".join(Reader(docs_page.render(document())).texts)
    locked = Reader(docs_page.render(document(api_keys={"robot": "3x7QmZ-robot-key"})))
    assert "".join(locked.texts).count("\N{LOCK}") == 2  # /predict and /predict_batch
