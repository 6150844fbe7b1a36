"""Settings files and tables of sweeps."""

from __future__ import annotations

import json

import pytest

from slurm_scripts import sweep

TEXT = """# three runs
create_optimizer.learning_rate = 1e-3
create_optimizer.learning_rate = 1e-2; Transformer.num_layers = 4

Transformer.num_layers = 0
"""


@pytest.fixture
def settings_file(tmp_path):
    path = tmp_path / "my sweep.txt"
    path.write_text(TEXT)
    return path


def test_a_line_is_a_setting(settings_file):
    assert sweep.read_settings(settings_file) == [
        ["create_optimizer.learning_rate = 1e-3"],
        ["create_optimizer.learning_rate = 1e-2", "Transformer.num_layers = 4"],
        ["Transformer.num_layers = 0"],
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# nothing\n\n", "expected a line for each run, got none"),
        ("a.b = 1\nfast\n", r"line 2: expected gin bindings such as .* got 'fast'"),
        ("= 3\n", "line 1: expected gin bindings"),
    ],
)
def test_what_is_no_setting(tmp_path, text, message):
    path = tmp_path / "sweep.txt"
    path.write_text(text)
    with pytest.raises(sweep.SettingsError, match=message):
        sweep.read_settings(path)


def _finish(folder, code, value=None, epoch=3):
    if value is not None:
        found = {"selection_metric": "centroid_mae", "metrics": {"centroid_mae": value}}
        (folder / "metadata.json").write_text(json.dumps({**found, "epoch": epoch}))
    return sweep.end(folder.parent, int(folder.name[-3:]), code)


def test_table_has_the_best_first_and_what_failed_last(settings_file, tmp_path):
    runs = [sweep.begin(settings_file, tmp_path / "a sweep", index) for index in (0, 1)]
    assert runs[1] == tmp_path / "a sweep" / "setting_001"
    _finish(runs[0], 0, 0.25)
    text = _finish(runs[1], 0, 0.125)
    assert text.splitlines() == [
        "| setting | state | best epoch | centroid_mae | bindings |",
        "|---|---|---|---|---|",
        "| 1 | done | 3 | 0.1250 | create_optimizer.learning_rate = 1e-2; "
        "Transformer.num_layers = 4 |",
        "| 0 | done | 3 | 0.2500 | create_optimizer.learning_rate = 1e-3 |",
        "| 2 | not begun |  |  | Transformer.num_layers = 0 |",
    ]
    assert (tmp_path / "a sweep" / "table.md").read_text() == text
    failing = sweep.begin(settings_file, tmp_path / "a sweep", 2)
    assert "| 2 | running, or killed |  |  |" in sweep.table(tmp_path / "a sweep")
    assert _finish(failing, 1).endswith(
        "| 2 | failed, exit code 1 |  |  | Transformer.num_layers = 0 |\n"
    )


def test_a_run_that_is_queued_again_is_not_done(settings_file, tmp_path):
    run = sweep.begin(settings_file, tmp_path / "s", 0)
    assert "| 0 | to be continued | 3 | 0.5000 |" in _finish(run, 75, 0.5)
    sweep.begin(settings_file, tmp_path / "s", 0)
    assert "| 0 | running, or killed |" in sweep.table(tmp_path / "s")


def test_a_folder_keeps_its_settings(settings_file, tmp_path):
    sweep.begin(settings_file, tmp_path / "s", 0)
    settings_file.write_text("a.b = 1\n")
    with pytest.raises(sweep.SettingsError, match="holds a sweep of other settings"):
        sweep.begin(settings_file, tmp_path / "s", 0)


def test_there_is_no_such_setting(settings_file, tmp_path):
    with pytest.raises(sweep.SettingsError, match="expected a setting 0 to 2, got 3"):
        sweep.begin(settings_file, tmp_path / "s", 3)


def test_command_line(settings_file, tmp_path, capsys):
    assert sweep.main(["count", str(settings_file)]) == 0
    assert sweep.main(["bindings", str(settings_file), "1"]) == 0
    assert capsys.readouterr().out == (
        "3\ncreate_optimizer.learning_rate = 1e-2\nTransformer.num_layers = 4\n"
    )
    assert sweep.main(["table", str(tmp_path / "none")]) == 64
    assert "none" in capsys.readouterr().err
