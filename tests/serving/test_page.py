"""The page's files over HTTP; what they do in a browser is tested in tests/browser."""

from __future__ import annotations

import re

import flask
import pytest
import requests

from serving import errors, page, security_headers, settings
from tests import serving_stubs

HTML = (page.STATIC_DIR / "index.html").read_text(encoding="utf-8")
FILES = sorted(path.name for path in page.STATIC_DIR.iterdir())
SCRIPTS = {
    path.name: path.read_text(encoding="utf-8") for path in sorted(page.STATIC_DIR.glob("*.js"))
}


@pytest.fixture(scope="module")
def url():
    app = flask.Flask("page", static_folder=None)
    errors.install(app)
    security_headers.install(app, settings.ServerSettings())
    page.install(app)
    with serving_stubs.serve(app) as address:
        yield address


def get(url, **options):
    return requests.get(url, timeout=30, **options)


def test_the_root_is_the_page(url):
    answer = get(f"{url}/")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.text == HTML


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("page.css", "text/css; charset=utf-8"),
        ("page.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ],
)
def test_files_have_their_type(url, name, content_type):
    answer = get(f"{url}/static/{name}")
    assert answer.headers["Content-Type"] == content_type
    assert answer.content == (page.STATIC_DIR / name).read_bytes()


def test_a_browser_asks_again_and_is_told_that_nothing_changed(url):
    first = get(f"{url}/static/page.js")
    assert first.headers["Cache-Control"] == "no-cache"
    second = get(f"{url}/static/page.js", headers={"If-None-Match": first.headers["ETag"]})
    assert (second.status_code, second.content) == (304, b"")
    changed = get(f"{url}/static/page.js", headers={"If-None-Match": '"0123"'})
    assert changed.status_code == 200


@pytest.mark.parametrize(
    "name", ["absent.js", "..%2Fsettings.py", "..%2f..%2fREADME.md", ".hidden", "%00", "page.JS"]
)
def test_nothing_else_can_be_had(url, name):
    answer = get(f"{url}/static/{name}")
    assert answer.status_code == 404
    assert answer.json().keys() == {"error", "request_id"}


def test_every_file_of_the_folder_is_served(url):
    assert FILES == [name for name in FILES if get(f"{url}/static/{name}").status_code == 200]


def test_the_policy_allows_nothing_inline_and_the_page_has_nothing_inline(url):
    policy = get(f"{url}/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=", HTML)


def test_everything_comes_from_this_server():
    names = re.findall(r'(?:src|href)="([^"]+)"', HTML)
    assert {name.removeprefix("static/") for name in names if name != "docs"} <= set(FILES)
    imports = [name for text in SCRIPTS.values() for name in re.findall(r'from "([^"]+)"', text)]
    assert {name.removeprefix("./") for name in imports} <= set(FILES)
    for text in (*SCRIPTS.values(), (page.STATIC_DIR / "page.css").read_text(encoding="utf-8")):
        foreign = re.findall(r"https?://(?!www\.w3\.org/)\S+|url\(", text)
        assert foreign == []


def test_every_script_is_used():
    imported = {"page.js"}
    imported |= {name for text in SCRIPTS.values() for name in re.findall(r'from "\./(\S+)"', text)}
    assert imported == set(SCRIPTS)


def test_scripts_ask_only_for_elements_that_the_page_has():
    ids = re.findall(r'\sid="([^"]+)"', HTML)
    assert len(ids) == len(set(ids))
    wanted = {name for text in SCRIPTS.values() for name in re.findall(r'find\("([^"]+)"\)', text)}
    assert len(wanted) > 20
    assert wanted <= set(ids)


def test_every_control_has_a_name_for_screen_readers():
    labelled = set(re.findall(r'<label for="([^"]+)"', HTML))
    controls = re.findall(r"<(?:input|select)\b[^>]*>", HTML)
    assert len(controls) > 6
    for control in controls:
        name = re.search(r'\sid="([^"]+)"', control).group(1)
        assert name in labelled or "aria-label=" in control, control


def test_only_the_session_remembers_anything():
    for text in SCRIPTS.values():
        assert "localStorage" not in text
        assert "cookie" not in text
        assert "innerHTML" not in text
