"""Says after a run how far the goldens are from their bounds (in one process, without -n)."""

from __future__ import annotations

import pytest

from tests.golden import parity


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line, where goldens were compared."""
    if parity.shares_of_bounds:
        terminalreporter.write_line(parity.worst_share())
