"""Going on with a run as if it had never stopped."""

from __future__ import annotations

import gin
import pytest

from tools import kill_and_resume
from training import resume, training_state

CONFIG = "# a comment\nA.x = 1\nB.names = \\\n    ['a',\n     'b']\nC.y = %s\n"


@pytest.fixture
def run(tmp_path):
    """A directory with two states and the files that they name."""
    best = training_state.Best(0.1, 1, "best_checkpoint-4", {})
    states = {
        "last_checkpoint-4": training_state.TrainingState(epoch=1),
        "last_checkpoint-8": training_state.TrainingState(epoch=2, best=best),
    }
    training_state.StateFile("last_checkpoint-8", {"seed": 3}, states).write(tmp_path)
    for name in (*states, "best_checkpoint-4"):
        (tmp_path / f"{name}.index").write_text("")
    return tmp_path


def test_a_directory_means_its_newest(run):
    point = resume.find(run)
    assert point.prefix == run / "last_checkpoint-8"
    assert (point.state.epoch, point.settings) == (2, {"seed": 3})


def test_an_earlier_one_by_its_prefix(run):
    assert resume.find(run / "last_checkpoint-4").state.epoch == 1


def test_the_best_one_is_no_state(run):
    expected = "expected one of last_checkpoint-4, last_checkpoint-8 .*got best_checkpoint-4"
    with pytest.raises(training_state.ResumeError, match=expected):
        resume.find(run / "best_checkpoint-4")


def test_a_best_checkpoint_that_is_gone(run):
    (run / "best_checkpoint-4.index").unlink()
    with pytest.raises(training_state.ResumeError, match="best_checkpoint-4.* it is gone"):
        resume.find(run)


def test_what_holds_a_run(run, tmp_path_factory):
    assert resume.holds_run(run)
    assert not resume.holds_run(tmp_path_factory.mktemp("empty"))
    assert not resume.holds_run(run / "absent")


def test_bindings_of_gins_own_printing():
    assert resume._bindings(CONFIG % 0.5) == {"A.x": "1", "B.names": "['a', 'b']", "C.y": "0.5"}


def test_another_configuration_is_refused(tmp_path, monkeypatch):
    (tmp_path / "config.gin").write_text(CONFIG % 0.5)
    monkeypatch.setattr(gin, "operative_config_str", lambda: CONFIG % 0.5 + "D.new = 1\n")
    resume._check_config(tmp_path / "config.gin")
    monkeypatch.setattr(gin, "operative_config_str", lambda: CONFIG % 0.25)
    with pytest.raises(training_state.ResumeError, match=r"C\.y: was '0\.5', now '0\.25'"):
        resume._check_config(tmp_path / "config.gin")


@pytest.mark.slow
@pytest.mark.long
def test_a_run_killed_twice_ends_bit_equal(tmp_path, capsys):
    """Whole processes and SIGKILL; `--kills 10` was run by hand. Without traces, which cost more
    than the steps."""
    assert kill_and_resume.kill_and_resume(tmp_path, 2, 2, seed=0, eager=True)
    assert "logs equal: True" in capsys.readouterr().out
