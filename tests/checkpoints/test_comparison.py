"""Every entry lands in the right list, and only what is allowed passes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints import comparison, errors, load_report, tensor_file
from tests import checkpoint_files as files

NET = files.NETWORK


def _info(name: str, *shape: int, dtype: str = "float32") -> tensor_file.TensorInfo:
    return tensor_file.TensorInfo(name, shape, dtype)


@pytest.fixture
def file(tmp_path) -> tensor_file.TensorFile:
    values = {
        files.key("a"): np.zeros((2, 3), np.float32),
        files.key("b"): np.zeros((4,), np.float32),
        files.key("c"): np.zeros((4,), np.float64),
        files.key("extra"): np.zeros((1,), np.float32),
        "agent/_actor_optimizer/_variables/1/.ATTRIBUTES/VARIABLE_VALUE": np.zeros(2, np.float32),
        "global_step/.ATTRIBUTES/VARIABLE_VALUE": np.int64(3),
        "save_counter/.ATTRIBUTES/VARIABLE_VALUE": np.int64(1),
        f"{NET}/a/.ATTRIBUTES/OBJECT_CONFIG_JSON": np.array("{}"),
    }
    return tensor_file.TensorFile(files.write_values(tmp_path / "ckpt", values))


def _model(*infos: tensor_file.TensorInfo) -> dict:
    return {info.name: info for info in infos}


MODEL = _model(
    _info(f"{NET}/a", 2, 3), _info(f"{NET}/b", 5), _info(f"{NET}/c", 4), _info(f"{NET}/d")
)


def _names(items) -> list[str]:
    return [item.name.rsplit("/", 1)[-1] for item in items]


def test_weights_alone(file):
    report = comparison.compare(MODEL, file)
    assert _names(report.loaded) == ["a"]
    assert _names(report.missing) == ["d"]
    assert _names(report.mismatched) == ["b", "c"]  # another shape, another dtype
    assert _names(report.unexpected) == ["extra"]
    assert _names(report.ignored) == ["OBJECT_CONFIG_JSON", "1", "global_step", "save_counter"]


def test_training_state_counts_when_it_is_restored(file):
    model = {**MODEL, **_model(_info("global_step", dtype="int64"))}
    report = comparison.compare(model, file, restore_optimizer=True)
    assert _names(report.loaded) == ["a", "global_step"]
    assert _names(report.unexpected) == ["extra", "1"]
    assert _names(report.ignored) == ["OBJECT_CONFIG_JSON", "save_counter"]


def test_refused_until_everything_is_allowed(file):
    report = comparison.compare(MODEL, file)
    patterns = {"missing": ["*/d"], "unexpected": ["*/extra"], "mismatch": ["*/b", "*/c"]}
    comparison.check(report, comparison.Allowed(**patterns))
    for kind in patterns:
        fewer = {**patterns, kind: patterns[kind][1:]}
        with pytest.raises(errors.CheckpointMismatchError, match=rf"allow_{kind}=\['\*/") as caught:
            comparison.check(report, comparison.Allowed(**fewer))
        assert caught.value.report is report


def test_message_says_how_many_fit_and_that_nothing_changed(file):
    with pytest.raises(errors.CheckpointMismatchError) as caught:
        comparison.check(comparison.compare(MODEL, file), comparison.Allowed())
    first, *_, last = str(caught.value).splitlines()
    assert "1 missing, 1 unexpected, 2 mismatched (1 of 4 variables fit)" in first
    assert last == "  The model keeps its old weights."


def test_no_overlap_names_the_prefixes(file):
    model = _model(_info(f"{NET}/_transformer/bias", 2))
    with pytest.raises(errors.NoOverlapError, match=r"got .*agent/_actor_network \(5\)") as caught:
        comparison.check(comparison.compare(model, file), comparison.Allowed(missing=["*"]))
    assert isinstance(caught.value, errors.CheckpointMismatchError)


def test_an_equal_step_counter_alone_is_no_overlap(file):
    model = _model(_info(f"{NET}/x"), _info("global_step", dtype="int64"))
    with pytest.raises(errors.NoOverlapError):
        comparison.check(comparison.compare(model, file, True), comparison.Allowed(["*"], ["*"]))


@pytest.mark.parametrize("kind", ["missing", "unexpected", "mismatch"])
def test_a_string_is_no_list_of_patterns(kind):
    with pytest.raises(TypeError, match=rf"allow_{kind}: expected a list .*give \('\*/bias',\)"):
        comparison.Allowed(**{kind: "*/bias"})


NAMES = st.sets(st.sampled_from([f"{NET}/{letter}" for letter in "abcdefgh"]))


@given(in_model=NAMES, in_file=NAMES, different=NAMES)
def test_every_name_is_in_exactly_one_list(in_model, in_file, different):
    class File:
        prefix = "ckpt"
        tensors = {name: _info(name, 1 + (name in different)) for name in in_file}

        def is_variable(self, name: str) -> bool:
            return True

    report = comparison.compare({name: _info(name, 1) for name in in_model}, File())
    lists = (report.loaded, report.missing, report.unexpected, report.mismatched, report.ignored)
    names = [item.name for items in lists for item in items]
    assert sorted(names) == sorted(in_model | in_file)
    assert {info.name for info in report.left_at_init} == in_model - in_file | (
        in_model & in_file & different
    )
    assert isinstance(str(report), str)
    assert isinstance(report, load_report.LoadReport)
