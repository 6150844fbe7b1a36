"""The report of an evaluation: one page for people, JSON and CSV for programs."""

from __future__ import annotations

from evaluation.report.writer import write

__all__ = ["write"]
