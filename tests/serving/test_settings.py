"""Defaults are the careful ones."""

from __future__ import annotations

import dataclasses

import pytest

from serving import settings


def test_nothing_is_open_or_kept_unless_asked_for():
    defaults = settings.ServerSettings()
    assert defaults.checkpoint_root is None and defaults.record_dir is None
    assert defaults.cors_origins == () and dict(defaults.api_keys) == {}


def test_settings_do_not_change_while_a_server_runs():
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.ServerSettings().max_waiting = 3
