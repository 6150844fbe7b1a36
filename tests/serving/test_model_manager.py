"""Which directories may be loaded, what takes over, and what happens if it cannot."""

from __future__ import annotations

import threading

import pytest

from serving import errors, model_manager
from serving.predictor import Predictor


class FakePredictor(Predictor):
    def __init__(self, version, warm_up=lambda: None):
        self.version = version
        self.warm_up = warm_up


@pytest.fixture
def root(tmp_path):
    for name in ("monday", "lab/tuesday"):
        (tmp_path / "root" / name).mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    return tmp_path / "root"


def manager_of(root, load=lambda directory: FakePredictor(directory.name), current=None):
    return model_manager.ModelManager(current, root, load)


def test_the_new_version_takes_over_after_its_warm_up(root):
    seen = []
    old = FakePredictor("old")

    def load(directory):
        return FakePredictor(directory.name, lambda: seen.append(manager.current.version))

    manager = manager_of(root, load, old)
    new, previous = manager.switch_to("monday")
    assert (new.version, previous.version, manager.current) == ("monday", "old", new)
    assert seen == ["old"], "the old version still answered while the new one warmed up"
    assert manager.switch_to("lab/tuesday")[0].version == "tuesday"


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("../secret", 403),
        ("..", 403),
        (".", 403),
        ("/etc", 403),
        ("monday/../../secret", 403),
        ("absent", 404),
        ("a" * 5000, 404),
        ("monday\0", 404),
    ],
)
def test_names_outside_and_absent_ones_are_refused(root, name, status):
    manager = manager_of(root, load=lambda directory: pytest.fail("nothing may be loaded"))
    with pytest.raises(errors.RequestError) as caught:
        manager.switch_to(name)
    assert caught.value.status == status
    assert str(root) not in caught.value.message


def test_a_link_out_of_the_root_is_refused(root):
    (root / "link").symlink_to(root.parent / "secret")
    with pytest.raises(errors.RequestError, match="inside --checkpoint_root"):
        manager_of(root).switch_to("link")


def test_without_a_root_nothing_can_be_loaded():
    with pytest.raises(errors.RequestError, match="without --checkpoint_root") as caught:
        manager_of(None).switch_to("monday")
    assert caught.value.status == 403


@pytest.mark.parametrize("error", [ValueError, FileNotFoundError])
@pytest.mark.parametrize("where", ["load", "warm_up"])
def test_a_failed_load_leaves_the_old_version_and_says_why_without_paths(root, error, where):
    def fail():
        raise error(f"{root}/monday/weights: half a file")

    def load(directory):
        return fail() if where == "load" else FakePredictor("new", fail)

    old = FakePredictor("old")
    manager = manager_of(root, load, old)
    with pytest.raises(errors.RequestError, match="half a file") as caught:
        manager.switch_to("monday")
    assert caught.value.status == 422
    assert str(root) not in caught.value.message
    assert manager.current is old
    with pytest.raises(errors.RequestError, match="half a file"):
        manager.switch_to("monday")


def test_one_load_at_a_time(root):
    inside, go_on = threading.Event(), threading.Event()

    def load(directory):
        inside.set()
        assert go_on.wait(30)
        return FakePredictor(directory.name)

    manager = manager_of(root, load)
    thread = threading.Thread(target=manager.switch_to, args=("monday",))
    thread.start()
    assert inside.wait(30)
    with pytest.raises(errors.RequestError, match="being loaded") as caught:
        manager.switch_to("lab/tuesday")
    assert (caught.value.status, caught.value.retry_after_s) == (409, 10)
    go_on.set()
    thread.join(30)
    assert manager.current.version == "monday"
