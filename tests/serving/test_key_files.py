"""Keys from a file and from the environment, and the comparison that tells nothing."""

from __future__ import annotations

import hmac

import pytest

from serving import key_files

ROBOT, PAGE = "3x7QmZ-robot-key-0123", "Zk1v:with:colons-456"


def write(folder, text, mode=0o600):
    path = folder / "keys"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_nothing_given_is_no_key():
    assert key_files.load_keys(None, {}) == {}
    assert key_files.load_keys(None, {"API_KEYS": " , "}) == {}


def test_file_and_environment_are_taken_together(tmp_path, caplog):
    path = write(tmp_path, f"# of the lab\n\n robot : {ROBOT} \n")
    keys = key_files.load_keys(path, {"API_KEYS": f"page:{PAGE},", "OTHER": "x:y"})
    assert keys == {"robot": ROBOT, "page": PAGE}
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("robot", "line 1: expected name:key"),
        ("robot:", "line 1: expected name:key"),
        (f":{ROBOT}", "line 1: expected name:key"),
        (f"a robot:{ROBOT}", "line 1: expected name:key"),
        (f"{'r' * 65}:{ROBOT}", "line 1: expected name:key"),
        ("robot:two words", "line 1: expected name:key"),
        ("robot:schlüssel-12345678", "line 1: expected name:key"),
        (f"robot:{ROBOT}\nrobot:{PAGE}", "line 2: .*'robot' with a name or a key"),
        (f"robot:{ROBOT}\npage:{ROBOT}", "line 2: .*'page' with a name or a key"),
    ],
)
def test_bad_entry_is_named_by_its_line_and_never_shown(text, message, tmp_path):
    with pytest.raises(ValueError, match=message) as caught:
        key_files.load_keys(write(tmp_path, text), {})
    for secret in (ROBOT, PAGE, "words", "schl"):
        assert secret not in str(caught.value)


def test_bad_entry_of_the_environment_is_named_by_its_place():
    with pytest.raises(ValueError, match="API_KEYS, entry 2"):
        key_files.load_keys(None, {"API_KEYS": f"robot:{ROBOT},page"})


def test_missing_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        key_files.load_keys(tmp_path / "none", {})


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, True), (0o604, True)])
def test_file_that_others_may_read_is_a_warning(mode, warned, tmp_path, caplog):
    path = write(tmp_path, f"robot:{ROBOT}", mode)
    assert key_files.load_keys(path, {}) == {"robot": ROBOT}
    assert (f"chmod 600 {path}" in caplog.text) is warned


def test_short_key_is_a_warning_that_does_not_show_it(caplog):
    assert key_files.load_keys(None, {"API_KEYS": "robot:a1b2c3"}) == {"robot": "a1b2c3"}
    assert "robot has 6 characters" in caplog.text
    assert "a1b2c3" not in caplog.text


def test_key_ring_knows_names():
    ring = key_files.KeyRing({"robot": ROBOT, "page": PAGE})
    assert (ring.name_of(ROBOT), ring.name_of(PAGE)) == ("robot", "page")
    wrong = ("", ROBOT[:-1], ROBOT + "x", ROBOT.upper(), "ü", "\udc80")
    assert [ring.name_of(key) for key in wrong] == [None] * 6
    assert (len(ring), len(key_files.KeyRing({}))) == (2, 0)
    assert key_files.KeyRing({}).name_of("") is None


@pytest.mark.parametrize("key", [ROBOT, PAGE, "wrong", ""])
def test_every_key_is_compared_in_constant_time(key, monkeypatch):
    """The first match must not end the search, nor may lengths differ: both can be timed."""
    compared = []

    def compare(one, other):
        compared.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr(key_files.hmac, "compare_digest", compare)
    ring = key_files.KeyRing({"robot": ROBOT, "page": PAGE, "third": "another-key-of-the-lab"})
    ring.name_of(key)
    assert compared == [(32, 32)] * 3
    assert hmac is key_files.hmac
